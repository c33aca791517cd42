/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A trial run of instructions whose writes to memory are taken back: what cpu/access.c must know of
   it. Own thread. */
#pragma once
#include "base/base.h"

#include <setjmp.h>

#define TRIAL_WRITES 512u

struct trial_write {
    u8 *host;
    u64 old, new;
    u8 size;
};

struct trial {
    jmp_buf give_up; /* the code touches a device or writes to code: it cannot run twice */
    unsigned n;
    struct trial_write write[TRIAL_WRITES];
};

/* Before `size` (up to 16) bytes at host are written. */
void trial_note(struct trial *t, u8 *host, unsigned size);
_Noreturn void trial_give_up(struct trial *t);
