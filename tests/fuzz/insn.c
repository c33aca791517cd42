/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as code, in every mode: a head (struct head) chooses mode, control registers, general
 * registers and stack, the rest is the code. It runs by single steps with the CPU's state checked
 * after each, faults being delivered or stepped over; or, with a limit on its time, as the engine
 * runs; or both ways, which must come to the same. Set INSN_TRACE to see the instructions.
 */
#include "insn_end.h"
#include "insn_step.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MAX_STEPS 200

static struct guest guest;

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
    guest_build(g, &engine_interp);
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
