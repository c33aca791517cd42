/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --trace: which kinds are on and where the lines go. Off costs one predictable test. */
#pragma once
#include "base/base.h"

#include <stdio.h>

enum trace_kind {
    TRACE_INSN = BIT(0),
    TRACE_EXCEPTION = BIT(1),
    TRACE_IO = BIT(2),
    TRACE_MMIO = BIT(3),
    TRACE_IRQ = BIT(4),
    TRACE_MSR = BIT(5),
    TRACE_XLAT = BIT(6),
};

struct trace {
    u32 kinds;
    FILE *to; /* stderr or the file of --trace-file; not owned */
};

static inline bool trace_on(const struct trace *t, enum trace_kind kind)
{
    return unlikely(t->kinds & kind);
}

/* One line; whole lines are atomic between threads. */
void trace_line(const struct trace *t, const char *fmt, ...) printf_like(2, 3);
/* 0 for an unknown name. */
u32 trace_kind_by_name(const char *name);
