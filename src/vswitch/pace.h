/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit on a rate (the virtual scheduling algorithm of ITU-T I.371): what is used moves the time
   at which the next is due; as much as `burst` ahead of it is let through. Under its owner's lock.
 */
#pragma once
#include "base/base.h"

struct pace {
    u64 rate;  /* units in a second; 0: no limit */
    u64 burst; /* ns */
    u64 due;   /* ns */
};

/* ns to wait for the next; 0: it may go now. */
static inline u64 pace_wait(const struct pace *p, u64 now)
{
    return p->rate && p->due > now + p->burst ? p->due - now - p->burst : 0;
}

/* `units` at most 2^32. */
static inline void pace_use(struct pace *p, u64 now, u64 units)
{
    if (p->rate)
        p->due = max_u64(p->due, now) + units * NSEC_PER_SEC / p->rate;
}
