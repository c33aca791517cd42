/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/clock.h"
#include "../test.h"

#include <stdatomic.h>
#include <unistd.h>

#define TIMERS 200

struct log {
    struct clock *clk;
    struct timer t[TIMERS];
    u64 fired_at[TIMERS * 2];
    unsigned which[TIMERS * 2];
    unsigned n;
};

struct slot {
    struct log *log;
    unsigned n;
};

static void on_fire(void *opaque)
{
    struct slot *s = opaque;
    struct log *log = s->log;

    if (log->n < ARRAY_SIZE(log->fired_at)) {
        log->fired_at[log->n] = clock_now(log->clk);
        log->which[log->n++] = s->n;
    }
}

static u64 next_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct clock *manual(void)
{
    struct clock *clk = NULL;

    if (clock_new_manual(&clk))
        abort();
    return clk;
}

static void a_manual_clock_moves_when_told(void)
{
    struct clock *clk = manual();

    CHECK_EQ(clock_now(clk), 0);
    clock_advance(clk, 5);
    clock_advance(clk, 0);
    clock_advance(clk, 1000000000);
    CHECK_EQ(clock_now(clk), 1000000005);
    CHECK_EQ(clock_wall(clk), clock_now(clk));
    CHECK_EQ(clock_run(clk), UINT64_MAX);
    clock_free(clk);
}

/* Against a plain list: set, moved, cancelled in any order, they fire in order and on time. */
static void the_heap_keeps_the_order(void)
{
    static struct log log;
    static struct slot slot[TIMERS];
    u64 deadline[TIMERS], last = 0, rnd = 12345;
    unsigned set = 0;

    memset(&log, 0, sizeof(log));
    log.clk = manual();
    for (unsigned n = 0; n < TIMERS; n++) {
        slot[n] = (struct slot){&log, n};
        timer_init(&log.t[n], on_fire, &slot[n]);
        deadline[n] = 0;
    }
    for (unsigned round = 0; round < 5000; round++) {
        unsigned n = (unsigned)(next_random(&rnd) % TIMERS);
        if (next_random(&rnd) % 4 == 0) {
            timer_cancel(log.clk, &log.t[n]);
            deadline[n] = 0;
        } else {
            deadline[n] = 1 + next_random(&rnd) % 1000;
            timer_set(log.clk, &log.t[n], deadline[n]);
        }
        CHECK(timer_pending(log.clk, &log.t[n]) == (deadline[n] != 0));
    }
    for (unsigned n = 0; n < TIMERS; n++)
        set += deadline[n] != 0;
    clock_advance(log.clk, 2000);
    CHECK_EQ(log.n, set);
    for (unsigned n = 0; n < log.n; n++) {
        CHECK_EQ(log.fired_at[n], deadline[log.which[n]]);
        CHECK(log.fired_at[n] >= last);
        last = log.fired_at[n];
        CHECK(!timer_pending(log.clk, &log.t[log.which[n]]));
    }
    clock_free(log.clk);
}

struct periodic {
    struct clock *clk;
    struct timer t;
    unsigned fired;
};

static void on_period(void *opaque)
{
    struct periodic *p = opaque;

    CHECK_EQ(clock_now(p->clk), (p->fired + 1) * 10);
    p->fired++;
    timer_set(p->clk, &p->t, clock_now(p->clk) + 10);
}

static void a_callback_may_set_its_timer_again(void)
{
    struct periodic p = {.clk = manual()};

    timer_init(&p.t, on_period, &p);
    timer_set(p.clk, &p.t, 10);
    clock_advance(p.clk, 99);
    CHECK_EQ(p.fired, 9);
    clock_advance(p.clk, 1);
    CHECK_EQ(p.fired, 10);
    timer_cancel(p.clk, &p.t);
    clock_advance(p.clk, 100);
    CHECK_EQ(p.fired, 10);
    clock_free(p.clk);
}

static void the_past_is_due_at_once(void)
{
    static struct log log;
    struct slot slot = {&log, 0};

    memset(&log, 0, sizeof(log));
    log.clk = manual();
    clock_advance(log.clk, 1000);
    timer_init(&log.t[0], on_fire, &slot);
    timer_set(log.clk, &log.t[0], 10);
    CHECK_EQ(clock_run(log.clk), UINT64_MAX);
    CHECK_EQ(log.n, 1);
    CHECK_EQ(log.fired_at[0], 1000);
    timer_set(log.clk, &log.t[0], 1010);
    CHECK_EQ(clock_run(log.clk), 10);
    timer_set(log.clk, &log.t[0], UINT64_MAX);
    clock_advance(log.clk, 1ull << 62);
    CHECK_EQ(log.n, 1);
    timer_cancel(log.clk, &log.t[0]);
    timer_cancel(log.clk, &log.t[0]);
    clock_free(log.clk);
}

static void count(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void the_loop_hears_of_earlier_deadlines(void)
{
    struct clock *clk = manual();
    unsigned told = 0, fired = 0;
    struct timer a, b;

    clock_on_earlier(clk, count, &told);
    timer_init(&a, count, &fired);
    timer_init(&b, count, &fired);
    timer_set(clk, &a, 100);
    CHECK_EQ(told, 1);
    timer_set(clk, &b, 200);
    CHECK_EQ(told, 1);
    timer_set(clk, &b, 50);
    CHECK_EQ(told, 2);
    clock_advance(clk, 100);
    CHECK_EQ(fired, 2);
    clock_free(clk);
}

/* As a guest moves its tick when it idles: the loop wakes when it meant to, and looks then. */
static void the_loop_does_not_hear_of_deadlines_that_move_away_and_back(void)
{
    struct clock *clk = manual();
    unsigned told = 0, fired = 0;
    struct timer t;

    clock_on_earlier(clk, count, &told);
    timer_init(&t, count, &fired);
    timer_set(clk, &t, 100);
    CHECK_EQ(told, 1);
    CHECK_EQ(clock_run(clk), 100);
    timer_set(clk, &t, 1000);
    timer_cancel(clk, &t);
    timer_set(clk, &t, 100);
    timer_set(clk, &t, 120);
    CHECK_EQ(told, 1);
    CHECK_EQ(clock_run(clk), 120); /* it is told anew how long it may sleep */
    timer_set(clk, &t, 110);
    CHECK_EQ(told, 2);
    timer_cancel(clk, &t);
    CHECK_EQ(clock_run(clk), UINT64_MAX);
    timer_set(clk, &t, 500);
    CHECK_EQ(told, 3);
    clock_free(clk);
}

static void a_stopped_clock_stands_still_and_fires_nothing(void)
{
    struct clock *clk = NULL;
    unsigned fired = 0;
    struct timer t;
    u64 at;

    CHECK_EQ(clock_new(&clk), 0);
    CHECK_EQ(clock_now(clk), 0);
    timer_init(&t, count, &fired);
    timer_set(clk, &t, 0);
    CHECK_EQ(clock_run(clk), UINT64_MAX);
    CHECK_EQ(fired, 0);
    clock_start(clk);
    usleep(2000);
    CHECK(clock_now(clk) >= 2000000);
    CHECK_EQ(clock_run(clk), UINT64_MAX);
    CHECK_EQ(fired, 1);
    clock_stop(clk);
    at = clock_now(clk);
    clock_stop(clk);
    usleep(2000);
    CHECK_EQ(clock_now(clk), at);
    clock_start(clk);
    clock_start(clk);
    CHECK(clock_now(clk) >= at && clock_now(clk) - at < 1000000000);
    CHECK(clock_wall(clk) > 1500000000ull * NSEC_PER_SEC);
    clock_free(clk);
}

static void ticks_do_not_overflow(void)
{
    CHECK_EQ(ns_to_ticks(NSEC_PER_SEC, 1193182), 1193182);
    CHECK_EQ(ns_to_ticks(1ull << 62, NSEC_PER_SEC), 1ull << 62);
    CHECK_EQ(ticks_to_ns(1, 1193182), 839); /* rounded up: never early */
    for (u64 n = 0; n < 100000; n += 7)
        CHECK_EQ(ns_to_ticks(ticks_to_ns(n, 1193182), 1193182), n);
}

/* Any thread may set and cancel while one runs the timers. */
struct crowd {
    struct clock *clk;
    struct timer t[8];
    atomic_uint fired;
    atomic_bool stop;
};

static void count_atomically(void *opaque)
{
    atomic_fetch_add(&((struct crowd *)opaque)->fired, 1);
}

static void *meddle(void *opaque)
{
    struct crowd *c = opaque;
    u64 rnd = (uintptr_t)&rnd | 1;

    for (unsigned n = 0; n < 20000; n++) {
        struct timer *t = &c->t[next_random(&rnd) % ARRAY_SIZE(c->t)];
        if (next_random(&rnd) & 1)
            timer_set(c->clk, t, clock_now(c->clk) + next_random(&rnd) % 1000);
        else
            timer_cancel(c->clk, t);
        (void)timer_pending(c->clk, t);
    }
    return NULL;
}

static void *run_timers(void *opaque)
{
    struct crowd *c = opaque;

    while (!atomic_load(&c->stop))
        (void)clock_run(c->clk);
    return NULL;
}

static void threads_may_set_and_cancel(void)
{
    static struct crowd c;
    pthread_t threads[3], runner;

    CHECK_EQ(clock_new(&c.clk), 0);
    clock_start(c.clk);
    for (unsigned n = 0; n < ARRAY_SIZE(c.t); n++)
        timer_init(&c.t[n], count_atomically, &c);
    pthread_create(&runner, NULL, run_timers, &c);
    for (unsigned n = 0; n < ARRAY_SIZE(threads); n++)
        pthread_create(&threads[n], NULL, meddle, &c);
    for (unsigned n = 0; n < ARRAY_SIZE(threads); n++)
        pthread_join(threads[n], NULL);
    for (unsigned n = 0; n < ARRAY_SIZE(c.t); n++) {
        timer_set(c.clk, &c.t[n], 0);
        while (timer_pending(c.clk, &c.t[n]))
            usleep(100);
    }
    atomic_store(&c.stop, true);
    pthread_join(runner, NULL);
    CHECK(atomic_load(&c.fired) >= ARRAY_SIZE(c.t));
    CHECK_EQ(clock_run(c.clk), UINT64_MAX);
    clock_free(c.clk);
}

static struct clock *busy_clock;
static struct timer busy_timer;
static unsigned busy_calls;

/* Takes longer than its own period. */
static void busy(void *opaque)
{
    u64 until = clock_now(busy_clock) + 20000;

    if (++busy_calls > 1000)
        return;
    while (clock_now(busy_clock) < until)
        ;
    timer_set(busy_clock, &busy_timer, clock_now(busy_clock) - 10000);
}

static void a_timer_cannot_keep_the_loop(void)
{
    if (clock_new(&busy_clock))
        abort();
    clock_start(busy_clock);
    timer_init(&busy_timer, busy, NULL);
    timer_set(busy_clock, &busy_timer, 0);
    CHECK_EQ(clock_run(busy_clock), 0); /* it is due again */
    CHECK_EQ(busy_calls, 1);
    CHECK_EQ(clock_run(busy_clock), 0);
    CHECK_EQ(busy_calls, 2);
    clock_free(busy_clock);
}

int main(void)
{
    TEST_RUN(a_manual_clock_moves_when_told);
    TEST_RUN(the_heap_keeps_the_order);
    TEST_RUN(a_callback_may_set_its_timer_again);
    TEST_RUN(the_past_is_due_at_once);
    TEST_RUN(the_loop_hears_of_earlier_deadlines);
    TEST_RUN(the_loop_does_not_hear_of_deadlines_that_move_away_and_back);
    TEST_RUN(a_stopped_clock_stands_still_and_fires_nothing);
    TEST_RUN(ticks_do_not_overflow);
    TEST_RUN(threads_may_set_and_cancel);
    TEST_RUN(a_timer_cannot_keep_the_loop);
    return test_result();
}
