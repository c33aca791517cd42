/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/clock.h"

#include "os/time.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct clock {
    pthread_mutex_t lock;
    bool manual;
    /* now = running ? host - origin : stopped_at. Written under lock, read lock-free: `origin`
       is UINT64_MAX while stopped. */
    _Atomic u64 origin;
    _Atomic u64 stopped_at;
    struct timer **heap; /* heap[0] is the earliest; lock */
    unsigned n, cap;
    u64 awaited; /* when clock_run will be called, at the latest; lock */
    void (*on_earlier)(void *opaque);
    void *on_earlier_opaque;
};

int clock_new(struct clock **out)
{
    struct clock *clk = calloc(1, sizeof(*clk));

    if (!clk)
        return -ENOMEM;
    pthread_mutex_init(&clk->lock, NULL);
    clk->origin = UINT64_MAX;
    clk->awaited = UINT64_MAX;
    *out = clk;
    return 0;
}

int clock_new_manual(struct clock **out)
{
    int rc = clock_new(out);

    if (!rc)
        (*out)->manual = true;
    return rc;
}

void clock_free(struct clock *clk)
{
    if (!clk)
        return;
    pthread_mutex_destroy(&clk->lock);
    free(clk->heap);
    free(clk);
}

void clock_start(struct clock *clk)
{
    pthread_mutex_lock(&clk->lock);
    if (!clk->manual && clk->origin == UINT64_MAX)
        clk->origin = host_ns(CLOCK_MONOTONIC) - clk->stopped_at;
    pthread_mutex_unlock(&clk->lock);
}

void clock_stop(struct clock *clk)
{
    pthread_mutex_lock(&clk->lock);
    if (!clk->manual && clk->origin != UINT64_MAX) {
        clk->stopped_at = host_ns(CLOCK_MONOTONIC) - clk->origin;
        clk->origin = UINT64_MAX;
    }
    pthread_mutex_unlock(&clk->lock);
}

u64 clock_now(struct clock *clk)
{
    u64 origin = atomic_load_explicit(&clk->origin, memory_order_acquire);

    if (origin == UINT64_MAX)
        return atomic_load_explicit(&clk->stopped_at, memory_order_relaxed);
    return host_ns(CLOCK_MONOTONIC) - origin;
}

u64 clock_wall(struct clock *clk)
{
    return clk->manual ? clock_now(clk) : host_ns(CLOCK_REALTIME);
}

void clock_on_earlier(struct clock *clk, void (*fn)(void *opaque), void *opaque)
{
    clk->on_earlier = fn;
    clk->on_earlier_opaque = opaque;
}

static void heap_put(struct clock *clk, unsigned slot, struct timer *t)
{
    clk->heap[slot] = t;
    t->heap_slot = slot + 1;
}

/* Moves the timer at `slot` up or down to where it belongs. */
static void heap_fix(struct clock *clk, unsigned slot)
{
    struct timer *t = clk->heap[slot];

    while (slot && clk->heap[(slot - 1) / 2]->deadline > t->deadline) {
        heap_put(clk, slot, clk->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    for (;;) {
        unsigned child = 2 * slot + 1;
        if (child >= clk->n)
            break;
        if (child + 1 < clk->n && clk->heap[child + 1]->deadline < clk->heap[child]->deadline)
            child++;
        if (clk->heap[child]->deadline >= t->deadline)
            break;
        heap_put(clk, slot, clk->heap[child]);
        slot = child;
    }
    heap_put(clk, slot, t);
}

static void heap_remove(struct clock *clk, struct timer *t)
{
    unsigned slot = t->heap_slot - 1;
    struct timer *last = clk->heap[--clk->n];

    t->heap_slot = 0;
    if (last != t) {
        heap_put(clk, slot, last);
        heap_fix(clk, slot);
    }
}

void timer_init(struct timer *t, void (*fn)(void *opaque), void *opaque)
{
    *t = (struct timer){.fn = fn, .opaque = opaque};
}

void timer_set(struct clock *clk, struct timer *t, u64 deadline)
{
    bool earlier;

    pthread_mutex_lock(&clk->lock);
    if (!t->heap_slot) {
        if (clk->n == clk->cap) {
            unsigned cap = clk->cap ? clk->cap * 2 : 32;
            struct timer **p = realloc(clk->heap, cap * sizeof(struct timer *));
            BUG_ON(!p); /* a bounded number of timers, all made at start */
            clk->heap = p;
            clk->cap = cap;
        }
        heap_put(clk, clk->n++, t);
    }
    t->deadline = deadline;
    heap_fix(clk, t->heap_slot - 1);
    earlier = deadline < clk->awaited;
    if (earlier)
        clk->awaited = deadline;
    pthread_mutex_unlock(&clk->lock);
    if (earlier && clk->on_earlier)
        clk->on_earlier(clk->on_earlier_opaque);
}

void timer_cancel(struct clock *clk, struct timer *t)
{
    pthread_mutex_lock(&clk->lock);
    if (t->heap_slot)
        heap_remove(clk, t);
    pthread_mutex_unlock(&clk->lock);
}

bool timer_pending(struct clock *clk, const struct timer *t)
{
    bool pending;

    pthread_mutex_lock(&clk->lock);
    pending = t->heap_slot != 0;
    pthread_mutex_unlock(&clk->lock);
    return pending;
}

/* Takes the earliest timer off the heap if it is due at `now`. */
static struct timer *pop_due(struct clock *clk, u64 now, u64 *next)
{
    struct timer *t = NULL;

    pthread_mutex_lock(&clk->lock);
    if (clk->n && clk->heap[0]->deadline <= now) {
        t = clk->heap[0];
        heap_remove(clk, t);
    } else {
        clk->awaited = clk->n ? clk->heap[0]->deadline : UINT64_MAX;
        *next = clk->n ? clk->awaited - now : UINT64_MAX;
    }
    pthread_mutex_unlock(&clk->lock);
    return t;
}

u64 clock_run(struct clock *clk)
{
    u64 next, now, late;
    struct timer *t;

    if (!clk->manual && atomic_load(&clk->origin) == UINT64_MAX)
        return UINT64_MAX;
    /* Not what becomes due meanwhile: a timer that a guest sets anew faster than its callback runs
       must not keep the caller, who has more to do. */
    now = clock_now(clk);
    while ((t = pop_due(clk, now, &next)))
        t->fn(t->opaque);
    late = clock_now(clk) - now;
    if (next == UINT64_MAX)
        return next;
    return next > late ? next - late : 0;
}

void clock_advance(struct clock *clk, u64 ns)
{
    u64 end = clock_now(clk) + ns;
    u64 next;

    BUG_ON(!clk->manual);
    while ((next = clock_run(clk)) != UINT64_MAX && clock_now(clk) + next <= end)
        clk->stopped_at += next;
    clk->stopped_at = end;
    clock_run(clk);
}
