/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUs that wait for time to pass by reading a timer; see nap.c. A CPU's own thread. */
#pragma once
#include "base/base.h"

struct vcpu;

/* Of a vcpu, all in ns of the virtual clock. */
struct nap {
    u64 since;       /* the first of the reads that follow each other closely … */
    u64 last;        /* … and the last; 0 if something else has come between */
    u64 allowed_end; /* until then the host is taken to be busy */
    u64 woke;        /* the end of the last nap */
};

/* Before an access to a port. */
void nap_before_in(struct vcpu *c, u16 port);
void nap_before_out(struct vcpu *c, u16 port);
