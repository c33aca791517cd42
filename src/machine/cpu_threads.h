/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that run a machine's CPUs, one for each, and stopping them all at a safe point:
 * between two instructions, with no lock held.
 *
 * cpu_threads_ask may be called by any thread, under any lock; the rest by the loop's thread,
 * without the machine's lock (a CPU may want it on its way out).
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

struct vm;
struct cpu_threads;

/* One thread for each CPU of vm->cpu, parked. All signals are blocked in them. */
must_check int cpu_threads_new(struct cpu_threads **out, struct vm *vm, struct err *err);
/* Parks and ends them. */
void cpu_threads_free(struct cpu_threads *t);

/* Every CPU shall leave guest code soon and park. */
void cpu_threads_ask(struct cpu_threads *t);
/* The same, and waits until they have. What they wrote is visible then. */
void cpu_threads_park(struct cpu_threads *t);
/* All run again. */
void cpu_threads_go(struct cpu_threads *t);
/* True if nobody asked since the last cpu_threads_go. */
bool cpu_threads_running(const struct cpu_threads *t);
/* What the host calls the n-th CPU's thread; 0 before it has started. */
int cpu_threads_tid(const struct cpu_threads *t, unsigned n);
