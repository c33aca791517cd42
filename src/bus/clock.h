/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's virtual time, in nanoseconds since power-on, and the timers that fire from it.
 * Everything that tells a guest the time derives from here. A stopped clock fires nothing.
 *
 * clock_now, timer_set and timer_cancel may be called by any thread. Callbacks run in the thread
 * that calls clock_run (the main loop, holding the machine's lock), one at a time; a callback
 * may set its own timer again. timer_cancel called under the machine's lock guarantees that the
 * callback is not running and will not run.
 */
#pragma once
#include "base/base.h"

#include <pthread.h>

struct timer {
    void (*fn)(void *opaque);
    void *opaque;
    u64 deadline;       /* ns; clock->lock */
    unsigned heap_slot; /* 1-based place in the clock's heap, 0 when not set; clock->lock */
};

struct clock;

/* A clock that follows the host's CLOCK_MONOTONIC, created stopped at 0; -ENOMEM. */
must_check int clock_new(struct clock **out);
/* A clock that moves only by clock_advance, for tests; created running. */
must_check int clock_new_manual(struct clock **out);
void clock_free(struct clock *clk);

void clock_start(struct clock *clk);
void clock_stop(struct clock *clk);

u64 clock_now(struct clock *clk);
/* Wall-clock time of the host in ns since 1970, for the RTC and paravirtual clocks. */
u64 clock_wall(struct clock *clk);

/* Called when a deadline appears that is earlier than clock_run has said, so that the loop can
   sleep less. Any thread. A guest that moves its timer away and back, as one that idles does, wakes
   nobody. */
void clock_on_earlier(struct clock *clk, void (*fn)(void *opaque), void *opaque);

/* Runs what is due; returns ns until the next deadline, UINT64_MAX for none. */
u64 clock_run(struct clock *clk);
/* Manual clocks: moves time forward, firing each timer at its own deadline on the way. */
void clock_advance(struct clock *clk, u64 ns);

void timer_init(struct timer *t, void (*fn)(void *opaque), void *opaque);
/* Arms for the absolute virtual time `deadline`; a deadline in the past fires at once. */
void timer_set(struct clock *clk, struct timer *t, u64 deadline);
void timer_cancel(struct clock *clk, struct timer *t);
bool timer_pending(struct clock *clk, const struct timer *t);

/* ticks = ns * hz / 1e9 without overflow, and back (rounded up). */
static inline u64 ns_to_ticks(u64 ns, u64 hz)
{
    return (u64)((unsigned __int128)ns * hz / NSEC_PER_SEC);
}

static inline u64 ticks_to_ns(u64 ticks, u64 hz)
{
    return (u64)(((unsigned __int128)ticks * NSEC_PER_SEC + hz - 1) / hz);
}
