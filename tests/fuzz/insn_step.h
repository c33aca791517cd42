/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single steps, and what comes between them. */
#pragma once
#include "cpu/excp.h"
#include "cpu/interp/interp.h"
#include "insn_check.h"
#include "insn_head.h"

/* The engine's housekeeping between instructions, as far as single steps need it. False: shutdown.
 */
static bool between(struct vcpu *c, const struct head *h, unsigned step)
{
    u32 req = atomic_exchange(&c->req, REQ_INTR); /* the request makes REP instructions short */
    int vector;

    if (req & REQ_TLB_FLUSH)
        tlb_flush_all(c);
    if (req & REQ_INIT) {
        vcpu_reset(c, true);
        lapic_reset(c->lapic, true);
    }
    if (c->activity == ACTIVITY_WAIT_SIPI)
        return false;
    if (c->pending_db && !(c->shadow & SHADOW_MOV_SS)) {
        c->ip = c->rip;
        if (!cpu_deliver_event(c, VEC_DB, INT_TRAP))
            return false;
    }
    if (c->shadow)
        return true;
    c->ip = c->rip;
    if ((req & REQ_NMI) && !c->nmi_blocked)
        return cpu_deliver_event(c, VEC_NMI, INT_EXTERNAL);
    vector = c->eflags & EFLAGS_IF ? lapic_pending(c->lapic) : -1;
    if (vector >= 0) {
        lapic_accept(c->lapic, (u8)vector);
        return cpu_deliver_event(c, (u8)vector, INT_EXTERNAL);
    }
    if ((h->how & (H_EVENTS | H_RUN)) == H_EVENTS && step % 16 == 15)
        return cpu_deliver_event(c, h->event, INT_EXTERNAL);
    return c->activity == ACTIVITY_RUN ||
           ((h->how & (H_EVENTS | H_RUN)) == H_EVENTS && c->activity == ACTIVITY_HLT);
}

static bool step(struct vcpu *c, const struct head *h)
{
    const struct kept was = keep(c);

    if (c->activity != ACTIVITY_RUN)
        return true;
    if (interp_step(c))
        return true;
    check_kept(c, &was);
    c->shadow = 0;
    c->pending_db = 0;
    if (h->how & H_DELIVER)
        return cpu_deliver(c);
    c->rip = c->ip + 1;
    if (c->mode != MODE_64)
        c->rip = (u32)c->rip;
    c->eflags &= ~(u32)EFLAGS_RF;
    return c->mode != MODE_64 || is_canonical(c, c->rip);
}
