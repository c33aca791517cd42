/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest whose exceptions are delivered, and what its handler finds on the stack. */
#pragma once
#include "guest.h"

#define INT32  (AR_P | SYS_INT_GATE32)
#define TRAP32 (AR_P | SYS_TRAP_GATE32)
#define INT16  (AR_P | SYS_INT_GATE16)

/* Throws it as an instruction would, and delivers it. */
static inline bool fault(struct vcpu *c, enum vector vec, u32 error)
{
    c->excp = (struct excp){.vector = (u8)vec, .has_error = true, .error = error};
    return cpu_deliver(c);
}

static inline u32 top(struct guest *g, unsigned n)
{
    return (u32)get(g, g->c->gpr[RSP] + 4 * n, 4);
}

static inline u64 top64(struct guest *g, unsigned n)
{
    return get(g, g->c->gpr[RSP] + 8 * n, 8);
}
