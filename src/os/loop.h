/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop of a VM process: file descriptors, signals, wake-ups by other threads, and one
 * deadline that the owner gives before each wait. One thread runs it.
 *
 * loop_wake, loop_stop and loop_want may be called by any thread; the rest by the loop's thread,
 * or before it runs. Callbacks run in the loop's thread with no lock held.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

#define LOOP_READ  BIT(0)
#define LOOP_WRITE BIT(1)
#define LOOP_HUP   BIT(2) /* only in what a callback is told: hang-up or error */

struct loop;
struct loop_fd;

typedef void (*loop_fd_fn)(void *opaque, unsigned events);

must_check int loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *l);

/* Watches `fd`, which is not owned, for LOOP_READ and LOOP_WRITE as loop_want says (first:
   `want`). A descriptor that cannot be waited for, such as a regular file, is always ready. */
must_check int loop_add(struct loop *l, struct loop_fd **out, int fd, unsigned want, loop_fd_fn fn,
                        void *opaque, struct err *err);
void loop_want(struct loop_fd *f, unsigned want);
/* The callback will not be called again, also when it is this one that runs. NULL is allowed. */
void loop_remove(struct loop_fd *f);

/* Takes the n signals over from the process: they are blocked in this thread and those it starts
   from now on, and told to `fn` instead. At most one call for each loop. */
must_check int loop_signals(struct loop *l, const int *signals, size_t n,
                            void (*fn)(void *opaque, int sig), void *opaque, struct err *err);

/* Makes the loop go round once more soon. Async-signal-safe. */
void loop_wake(struct loop *l);
/* Makes loop_run return after the round it is in. */
void loop_stop(struct loop *l);

/* Calls `before` in each round; it returns how many ns at most to wait (UINT64_MAX: no limit).
   Returns after loop_stop, or -errno when the host's own interface fails. */
must_check int loop_run(struct loop *l, u64 (*before)(void *opaque), void *opaque, struct err *err);
