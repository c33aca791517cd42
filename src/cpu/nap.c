/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delay loops of systems that have no better clock add up what they see a counter of the 8254 go
 * down by, and it wraps, 100 times a second say. On a busy host such a loop uses up its thread's
 * share of a core, and then the thread gets none for tens of milliseconds: wraps are missed, and
 * the delay takes several times as long.
 *
 * So where a loop has once been held up that way, it naps between reads: a thread that mostly
 * sleeps gets a core when it wakes. On a host that is not busy nothing changes: there, a system
 * that measures other clocks by such a loop measures exactly.
 */
#include "cpu/nap.h"
#include "cpu/vcpu.h"

#include <time.h>

#define USEC 1000ull

#define SPIN_GAP  (20 * USEC)   /* two reads of a loop are not farther apart, … */
#define HELD_UP   (2000 * USEC) /* … unless the host let it wait: this long */
#define SPIN_MIN  (100 * USEC)  /* a loop that takes less is left alone */
#define NAP       (200 * USEC)  /* short against the period of any counter */
#define NAP_EVERY (10 * USEC)   /* the loop runs so long between two naps */
#define BUSY_TIME NSEC_PER_SEC  /* how long a host counts as busy */

static void nap(struct vcpu *c)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)NAP;
    if (end.tv_nsec >= (long)NSEC_PER_SEC) {
        end.tv_nsec -= (long)NSEC_PER_SEC;
        end.tv_sec++;
    }
    vcpu_sleep_until(c, &end);
}

void nap_before_in(struct vcpu *c, u16 port)
{
    struct nap *n = &c->nap;
    u64 now, gap;

    if (port != c->vm->timer_port) {
        n->last = 0;
        return;
    }
    now = clock_now(c->vm->clock);
    gap = now - n->last;
    if (n->last && gap >= HELD_UP)
        n->allowed_end = now + BUSY_TIME;
    if (gap > SPIN_GAP) {
        n->since = n->woke = now;
    } else if (now < n->allowed_end && now - n->since >= SPIN_MIN && now - n->woke >= NAP_EVERY) {
        nap(c);
        now = n->woke = clock_now(c->vm->clock);
    }
    n->last = now;
}

void nap_before_out(struct vcpu *c, u16 port)
{
    if (port != c->vm->timer_latch_port)
        c->nap.last = 0;
}
