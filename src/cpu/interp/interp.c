/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reference engine: runs decoded blocks, one function per instruction. Between blocks, and
 * after any instruction that sets vcpu.leave, it looks at requests, interrupts and debug state.
 * Whatever needs a look at every instruction (TF, shadows, execution breakpoints, RF, tracing)
 * goes through `step`.
 */
#include "cpu/interp/interp.h"
#include "cpu/access.h"
#include "cpu/engine.h"
#include "cpu/exclusive.h"
#include "cpu/excp.h"
#include "cpu/far.h"
#include "cpu/interp/blocks.h"
#include "cpu/interp/ops.h"
#include "cpu/interp/trace_insn.h"
#include "cpu/smm.h"
#include "cpu/system.h"
#include "dev/i8259.h"
#include "dev/lapic.h"

#include <errno.h>

int interp_attach(struct vcpu *c, struct err *err)
{
    return blocks_new(&c->blocks, err);
}

void interp_detach(struct vcpu *c)
{
    blocks_free(c->blocks);
    c->blocks = NULL;
}

static void sipi(struct vcpu *c)
{
    u8 vector = atomic_load(&c->sipi_vector);

    c->seg[SEG_CS].sel = (u16)(vector << 8);
    c->seg[SEG_CS].base = (u64)vector << 12;
    c->rip = c->ip = 0;
    c->activity = ACTIVITY_RUN;
    vcpu_update_mode(c);
}

#define NMI_BITS ((u32)(REQ_NMI | REQ_NMI_LATCHED))

/* Of the requests, those that stay until they are delivered. An INIT waits for the end of system
   management mode, and with it a SIPI. */
static u32 lasting(const struct vcpu *c, u32 req)
{
    u32 stay = NMI_BITS | REQ_SMI;

    if (c->smm && (req & REQ_INIT))
        stay |= REQ_INIT | REQ_SIPI;
    return req & stay;
}

/* Housekeeping that other threads asked for. */
static void serve_requests(struct vcpu *c, u32 req)
{
    if (req & REQ_EXCLUSIVE)
        vcpu_guest_pause(c);
    if (req & REQ_TLB_FLUSH)
        tlb_flush_all(c);
    if (req & REQ_CODE)
        tlb_forget_code_writes(c);
    if (req & REQ_INIT) {
        vcpu_reset(c, true);
        lapic_reset(c->lapic, true);
    }
    if ((req & REQ_SIPI) && c->activity == ACTIVITY_WAIT_SIPI)
        sipi(c);
}

static bool deliver(struct vcpu *c, u8 vector)
{
    c->activity = ACTIVITY_RUN;
    c->ip = c->rip;
    return cpu_deliver_event(c, vector, INT_EXTERNAL);
}

static int interrupt_vector(struct vcpu *c)
{
    int vector = lapic_pending(c->lapic);

    if (vector >= 0) {
        lapic_accept(c->lapic, (u8)vector);
    } else if (lapic_extint_pending(c->lapic) && c->vm->pic) {
        pthread_mutex_lock(&c->vm->lock);
        vector = i8259_ack(c->vm->pic);
        pthread_mutex_unlock(&c->vm->lock);
    }
    return vector;
}

/* Of the two that a CPU keeps, the latched one goes first; both bits stand alone, so that an NMI
   sent meanwhile is not lost. While NMIs are blocked only one waits for the IRET. */
static bool nmi_take(struct vcpu *c)
{
    u32 req = atomic_load(&c->req) & NMI_BITS;

    if (c->nmi_blocked) {
        if (req == NMI_BITS)
            atomic_fetch_and(&c->req, ~(u32)REQ_NMI_LATCHED);
        return false;
    }
    if (req)
        atomic_fetch_and(&c->req, ~(u32)(req & REQ_NMI_LATCHED ? REQ_NMI_LATCHED : REQ_NMI));
    return req != 0;
}

/* One that comes in system management mode waits for RSM. */
static bool smi_take(struct vcpu *c)
{
    if (!(atomic_load_explicit(&c->req, memory_order_relaxed) & REQ_SMI) || c->smm || c->shadow ||
        (c->activity != ACTIVITY_RUN && c->activity != ACTIVITY_HLT))
        return false;
    atomic_fetch_and(&c->req, ~(u32)REQ_SMI);
    return true;
}

/* Takes what may be taken between instructions, in the order of SDM 3A table 6-2. False: triple
   fault. */
static bool take_events(struct vcpu *c)
{
    if (smi_take(c)) {
        smm_enter(c);
        return true;
    }
    if (c->pending_db && !(c->shadow & SHADOW_MOV_SS)) {
        c->ip = c->rip;
        if (!cpu_deliver_event(c, VEC_DB, INT_TRAP))
            return false;
    }
    c->look = true;
    if (c->activity == ACTIVITY_WAIT_SIPI || c->shadow)
        return true;
    if (nmi_take(c))
        return deliver(c, VEC_NMI);
    if (c->eflags & EFLAGS_IF) {
        int vector = interrupt_vector(c);
        if (vector >= 0)
            return deliver(c, (u8)vector);
        c->look = false;
    } else {
        c->look = vcpu_interrupt_pending(c);
    }
    return true;
}

static bool needs_step(const struct vcpu *c)
{
    return c->shadow || (c->eflags & (EFLAGS_TF | EFLAGS_RF)) || dr_exec_armed(c) ||
           trace_on(&c->vm->trace, TRACE_INSN);
}

/* The last byte of what is executed must be within CS' limit. */
static bool within_cs(const struct vcpu *c, unsigned bytes)
{
    return c->mode == MODE_64 || c->rip + bytes - 1 <= c->seg[SEG_CS].limit;
}

static void run_insn(struct vcpu *c, const struct insn *i)
{
    c->ip = c->rip;
    c->rip += i->len;
    i->fn(c, i);
    if (c->mode == MODE_32)
        c->rip = (u32)c->rip;
    c->insns++;
}

/* Instructions after which a TF found at their start makes no trap: interrupts clear it, SYSCALL
   and SYSRET see to it themselves, RSM brings another one. */
static bool no_single_step(const struct insn *i)
{
    return i->fn == op_int || i->fn == op_int3 || i->fn == op_into || i->fn == op_int1 ||
           i->fn == op_syscall || i->fn == op_sysret || i->fn == op_rsm;
}

/* Intel holds instruction breakpoints off after MOV SS and POP SS, AMD does not. */
static bool breakpoints_held(const struct vcpu *c)
{
    return (c->shadow & SHADOW_MOV_SS) && !vcpu_is_amd(c);
}

/* One instruction, with everything that can happen around one. */
static void step(struct vcpu *c)
{
    bool tf = c->eflags & EFLAGS_TF;
    const struct block *b;
    const struct insn *i;

    c->ip = c->rip;
    if (dr_exec_armed(c) && !(c->eflags & EFLAGS_RF) && !breakpoints_held(c)) {
        u64 hits =
            dr_match_exec(c, c->mode == MODE_64 ? c->rip : (u32)(c->seg[SEG_CS].base + c->rip));
        if (hits)
            cpu_raise_db(c, hits);
    }
    b = blocks_at(c->blocks, c);
    i = &b->insn[0];
    if (!within_cs(c, i->len))
        cpu_raise_gp0(c);
    if (trace_on(&c->vm->trace, TRACE_INSN))
        trace_insn(c, b);
    c->eflags &= ~(u32)EFLAGS_RF;
    c->shadow = 0;
    run_insn(c, i);
    if (tf && !no_single_step(i) && !(c->shadow & SHADOW_MOV_SS))
        c->pending_db |= DR6_BS;
}

bool interp_step(struct vcpu *c)
{
    jmp_buf unwind, *outer = c->unwind;
    bool ok;

    vcpu_guest_enter(c);
    c->unwind = &unwind;
    ok = setjmp(unwind) == 0;
    if (ok)
        step(c);
    c->unwind = outer;
    vcpu_guest_leave(c);
    return ok;
}

void interp_blocks(struct vcpu *c)
{
    struct blocks *blocks = c->blocks;

    c->leave = false;
    do {
        const struct block *b;
        const struct insn *i, *end;

        c->ip = c->rip; /* where a fetch fault returns to */
        b = blocks_at(blocks, c);
        i = b->insn;
        end = i + b->n;

        if (unlikely(!within_cs(c, b->bytes))) {
            step(c);
            return;
        }
        do {
            c->ip = c->rip;
            c->rip += i->len;
            i->fn(c, i);
            i++;
        } while (i != end && likely(!c->leave));
        c->insns += (u64)(i - b->insn);
        if (c->mode == MODE_32)
            c->rip = (u32)c->rip;
    } while (likely(!c->leave && !atomic_load_explicit(&c->req, memory_order_relaxed)));
}

bool interp_resume(struct vcpu *c)
{
    if (c->activity != ACTIVITY_RUN || c->pending_db || (c->shadow & SHADOW_MOV_SS) ||
        atomic_load_explicit(&c->req, memory_order_relaxed))
        return false;
    if (c->look) {
        c->look = vcpu_interrupt_pending(c);
        if (c->look && (c->eflags & EFLAGS_IF))
            return false;
    }
    c->shadow = 0;
    c->leave = needs_step(c);
    return !c->leave;
}

static enum vcpu_exit run(struct vcpu *c, void (*code)(struct vcpu *c))
{
    for (;;) {
        u32 req = atomic_load(&c->req);
        if (req) {
            req &= ~lasting(c, req);
            atomic_fetch_and(&c->req, ~req);
            serve_requests(c, req);
            if (req & REQ_EXIT)
                return VCPU_KICK;
        }
        if (!take_events(c) || c->activity == ACTIVITY_SHUTDOWN)
            return VCPU_SHUTDOWN;
        if (c->activity != ACTIVITY_RUN)
            return VCPU_HALT;
        if (needs_step(c))
            step(c);
        else
            code(c);
    }
}

enum vcpu_exit interp_loop(struct vcpu *c, void (*code)(struct vcpu *c))
{
    jmp_buf unwind;
    enum vcpu_exit exit;

    vcpu_guest_enter(c);
    c->unwind = &unwind;
    if (setjmp(unwind)) { /* every exception of the guest comes back here */
        c->shadow = 0;
        c->pending_db = 0;
        exit = cpu_deliver(c) ? run(c, code) : VCPU_SHUTDOWN;
    } else {
        exit = run(c, code);
    }
    c->unwind = NULL;
    vcpu_guest_leave(c);
    return exit;
}

static enum vcpu_exit interp_run(struct vcpu *c)
{
    return interp_loop(c, interp_blocks);
}

const struct engine_ops engine_interp = {
    .name = "interp",
    .vcpu_attach = interp_attach,
    .vcpu_detach = interp_detach,
    .run = interp_run,
};
