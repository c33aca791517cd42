/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as code, in every mode: a head (struct head) chooses mode, control registers, general
 * registers and stack, the rest is the code. It runs by single steps with the CPU's state checked
 * after each, faults being delivered or stepped over; or, with a limit on its time, as the engine
 * runs; or both ways, which must come to the same. Set INSN_TRACE to see the instructions.
 */
#include "cpu/excp.h"
#include "cpu/interp/interp.h"
#include "insn_check.h"
#include "insn_head.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MAX_STEPS 200

static struct guest guest;

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

/* True if it came to an end. */
static bool run_steps(struct vcpu *c, const struct head *h)
{
    const unsigned ns = h->how & H_RUN ? 0 : 1000;

    for (unsigned n = 0; n < MAX_STEPS; n++) {
        bool go = step(c, h);
        check(c);
        if (!go || !between(c, h, n))
            return true;
        check(c);
        clock_advance(c->vm->clock, ns);
    }
    return false;
}

static void on_time_up(int sig)
{
    vcpu_request(guest.c, REQ_EXIT);
}

static bool run_engine(struct vcpu *c)
{
    const struct itimerval limit = {.it_value.tv_usec = 2000}, off = {.it_value.tv_usec = 0};
    enum vcpu_exit exit;

    setitimer(ITIMER_PROF, &limit, NULL);
    exit = engine_interp.run(c);
    setitimer(ITIMER_PROF, &off, NULL);
    check(c);
    return exit != VCPU_KICK;
}

/* What two runs of an input must agree on. */
struct end {
    struct kept kept;
    struct fpu fpu;
    u64 rip, cr2, dr6, dr7;
    u8 activity, nmi_blocked;
    u8 ram[8][PAGE_SIZE];
};

static void take_end(const struct guest *g, struct end *e)
{
    static const u32 pages[ARRAY_SIZE(e->ram)] = {AT_CODE,
                                                  AT_CODE0,
                                                  AT_DATA,
                                                  AT_STACK3 - PAGE_SIZE,
                                                  AT_STACK0 - PAGE_SIZE,
                                                  AT_ODD + 0x8000,
                                                  AT_DATA16,
                                                  AT_STACK_TSS - PAGE_SIZE};
    const struct vcpu *c = g->c;

    memset(e, 0, sizeof(*e));
    e->kept = keep(c);
    e->fpu = c->fpu;
    e->rip = c->rip;
    e->cr2 = c->cr2;
    e->dr6 = c->dr6;
    e->dr7 = c->dr7;
    e->activity = c->activity;
    e->nmi_blocked = c->nmi_blocked;
    for (unsigned n = 0; n < ARRAY_SIZE(pages); n++)
        memcpy(e->ram[n], g->vm.mem->ram + pages[n], PAGE_SIZE);
}

static void compare(const struct end *steps, const struct end *engine)
{
    BUG_ON(steps->activity != engine->activity);
    BUG_ON(steps->rip != engine->rip);
    BUG_ON(memcmp(steps->kept.gpr, engine->kept.gpr, sizeof(steps->kept.gpr)) != 0);
    BUG_ON(steps->kept.eflags != engine->kept.eflags);
    BUG_ON(memcmp(&steps->kept, &engine->kept, sizeof(steps->kept)) != 0);
    BUG_ON(memcmp(&steps->fpu, &engine->fpu, sizeof(steps->fpu)) != 0);
    BUG_ON(memcmp(steps->ram, engine->ram, sizeof(steps->ram)) != 0);
    BUG_ON(memcmp(steps, engine, sizeof(*steps)) != 0);
}

static void run_both_ways(struct guest *g, const struct head *h, const u8 *code, size_t size)
{
    static struct end steps, engine;

    if (!run_steps(g->c, h))
        return;
    take_end(g, &steps);
    setup(g, h, code, size);
    if (!run_engine(g->c))
        return;
    take_end(g, &engine);
    compare(&steps, &engine);
}

static void once(struct guest *g)
{
    struct sigaction sa = {.sa_handler = on_time_up, .sa_flags = SA_RESTART};

    if (g->c)
        return;
    guest_build(g);
    sigaction(SIGPROF, &sa, NULL);
    if (getenv("INSN_TRACE"))
        g->vm.trace = (struct trace){.kinds = TRACE_INSN | TRACE_EXCEPTION, .to = stderr};
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct head h;
    struct vcpu *c;

    if (size <= sizeof(h) || size > sizeof(h) + MAX_CODE)
        return 0;
    memcpy(&h, data, sizeof(h));
    once(&guest);
    c = guest.c;
    setup(&guest, &h, data + sizeof(h), size - sizeof(h));
    check(c);
    if ((h.how & H_RUN) && (h.how & H_DELIVER))
        run_both_ways(&guest, &h, data + sizeof(h), size - sizeof(h));
    else if (h.how & H_RUN)
        run_engine(c);
    else
        run_steps(c, &h);
    check_tlb(c);
    return 0;
}
