/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's timer (SDM 3A 10.5.4, APM 2 16.4.1): one-shot, periodic and TSC-deadline mode,
 * on a bus clock of 1 GHz, so that a tick is a virtual nanosecond times the divisor.
 *
 * Counts are not kept but derived from the time at which they reach zero. Each access first
 * catches up with what happened since, so a late main loop shows only as a late interrupt. A mode
 * change between one-shot and periodic lets the count run on; to or from TSC-deadline stops it.
 *
 * Lock: lapic.t.lock. The callback runs in the main loop's thread, everything else in the CPU's.
 */
#include "dev/lapic_priv.h"

/* A period below this is delivered at this rate: nobody could serve more, and the main loop must
   get on. */
#define MIN_PERIOD_NS 10000u

static u32 timer_lvt(const struct lapic *l)
{
    return lapic_ld(&l->lvt[LVT_TIMER]);
}

static u32 timer_mode(const struct lapic *l)
{
    return timer_lvt(l) & LVT_TIMER_MODE;
}

static u64 divisor(const struct lapic *l)
{
    unsigned code = (l->t.divide & 3) | (l->t.divide >> 1 & 4);

    return code == 7 ? 1 : 2u << code;
}

static void host_arm(struct lapic *l)
{
    struct lapic_timer *t = &l->t;
    u64 at = t->zero_at;

    if (timer_mode(l) == TIMER_PERIODIC)
        at = max_u64(at, t->quiet_until);
    if (at == UINT64_MAX || (timer_lvt(l) & LVT_MASKED))
        timer_cancel(l->clk, &t->timer);
    else
        timer_set(l->clk, &t->timer, at);
}

/* Does what was due by `now`; true if that asks for an interrupt. */
static bool catch_up(struct lapic *l, u64 now)
{
    struct lapic_timer *t = &l->t;

    if (now < t->zero_at)
        return false;
    if (timer_mode(l) == TIMER_PERIODIC) {
        u64 period = t->initial * divisor(l);
        t->zero_at += ((now - t->zero_at) / period + 1) * period;
        t->quiet_until = period < MIN_PERIOD_NS ? now + MIN_PERIOD_NS : 0;
    } else {
        t->zero_at = UINT64_MAX;
        t->tsc_deadline = 0;
    }
    host_arm(l);
    return !(timer_lvt(l) & LVT_MASKED);
}

static bool enter(struct lapic *l, u64 *now)
{
    pthread_mutex_lock(&l->t.lock);
    *now = clock_now(l->clk);
    return catch_up(l, *now);
}

static void leave(struct lapic *l, bool fire)
{
    pthread_mutex_unlock(&l->t.lock);
    if (fire)
        lapic_local(l, LVT_TIMER);
}

static void expired(void *opaque)
{
    struct lapic *l = opaque;
    u64 now;
    bool fire = enter(l, &now);

    if (!fire)
        host_arm(l); /* the CPU changed or noticed it meanwhile */
    leave(l, fire);
}

void lapic_timer_init(struct lapic *l)
{
    pthread_mutex_init(&l->t.lock, NULL);
    timer_init(&l->t.timer, expired, l);
}

void lapic_timer_dispose(struct lapic *l)
{
    timer_cancel(l->clk, &l->t.timer);
    pthread_mutex_destroy(&l->t.lock);
}

static void stop(struct lapic *l)
{
    l->t.initial = 0;
    l->t.zero_at = UINT64_MAX;
    l->t.quiet_until = 0;
    l->t.tsc_deadline = 0;
}

void lapic_timer_reset(struct lapic *l)
{
    pthread_mutex_lock(&l->t.lock);
    stop(l);
    l->t.divide = 0;
    lapic_st(&l->lvt[LVT_TIMER], LVT_MASKED);
    host_arm(l);
    pthread_mutex_unlock(&l->t.lock);
}

/* 0 when stopped, else initial … 1: a reload happens the moment the count gets to zero. */
static u32 current_count(const struct lapic *l, u64 now)
{
    u64 div = divisor(l);

    if (l->t.zero_at == UINT64_MAX || timer_mode(l) == TIMER_DEADLINE)
        return 0;
    return (u32)((l->t.zero_at - now + div - 1) / div);
}

u32 lapic_timer_read(struct lapic *l, enum lapic_reg reg)
{
    u64 now;
    bool fire = enter(l, &now);
    u32 val = reg == R_INITIAL   ? l->t.initial
              : reg == R_CURRENT ? current_count(l, now)
                                 : l->t.divide;

    leave(l, fire);
    return val;
}

static void set_initial(struct lapic *l, u64 now, u32 val)
{
    u32 mode = timer_mode(l);

    if (mode != TIMER_ONESHOT && mode != TIMER_PERIODIC)
        return;
    l->t.initial = val;
    l->t.zero_at = val ? now + val * divisor(l) : UINT64_MAX;
    l->t.quiet_until = 0;
}

/* The count stays, its speed changes. */
static void set_divide(struct lapic *l, u64 now, u32 val)
{
    u32 count = current_count(l, now);

    l->t.divide = val;
    if (count)
        l->t.zero_at = now + count * divisor(l);
}

void lapic_timer_write(struct lapic *l, enum lapic_reg reg, u32 val)
{
    u64 now;
    bool fire = enter(l, &now);

    if (reg == R_INITIAL)
        set_initial(l, now, val);
    else
        set_divide(l, now, val);
    host_arm(l);
    leave(l, fire);
}

void lapic_timer_set_lvt(struct lapic *l, u32 val)
{
    u64 now;
    bool fire = enter(l, &now);
    u32 from = timer_mode(l), to = val & LVT_TIMER_MODE;

    if (fire) /* due before this write: to the vector of then */
        lapic_local(l, LVT_TIMER);
    if (from != to && (from | to) & ~TIMER_PERIODIC)
        stop(l);
    lapic_st(&l->lvt[LVT_TIMER], val);
    host_arm(l);
    leave(l, false);
}

u64 lapic_tsc_deadline(struct lapic *l)
{
    u64 now, val;
    bool fire = enter(l, &now);

    val = l->t.tsc_deadline;
    leave(l, fire);
    return val;
}

void lapic_set_tsc_deadline(struct lapic *l, u64 deadline, s64 tsc_offset)
{
    u64 now, tsc;
    bool fire = enter(l, &now);

    if (timer_mode(l) != TIMER_DEADLINE) {
        leave(l, fire);
        return;
    }
    tsc = now + (u64)tsc_offset;
    l->t.tsc_deadline = deadline;
    l->t.zero_at = UINT64_MAX;
    if (deadline > tsc && deadline - tsc < UINT64_MAX - now)
        l->t.zero_at = now + (deadline - tsc);
    else if (deadline && deadline <= tsc)
        l->t.zero_at = now;
    host_arm(l);
    leave(l, catch_up(l, now) || fire);
}

/* A count that runs has a start to go back to. */
bool lapic_timer_loaded(struct lapic *l)
{
    bool counts = timer_mode(l) == TIMER_ONESHOT || timer_mode(l) == TIMER_PERIODIC;

    if (counts && l->t.zero_at != UINT64_MAX && !l->t.initial)
        return false;
    pthread_mutex_lock(&l->t.lock);
    host_arm(l);
    pthread_mutex_unlock(&l->t.lock);
    return true;
}
