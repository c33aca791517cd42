/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every program of workloads is made of: a table of works, and one call that measures them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct work {
    const char *name;
    void (*run)(void);
    uint32_t operations;   /* that one call of run() does */
    void (*prepare)(void); /* before and after all runs; NULL if there is nothing to do */
    void (*finish)(void);
};

/*
 * For each work prints "work NAME OPERATIONS NANOSECONDS" of the fastest of some passes, by the
 * clock of the machine it runs in. If the environment has "works", a comma-separated list, only
 * those.
 */
void work_measure(const struct work *works, size_t n);

/* Prints what failed and why, and exits. */
_Noreturn void work_fail(const char *what);

/* Keeps the process and its children on the CPU it is on, as in a machine that has one. */
void work_pin(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t work_now(void);

/* A linear congruential generator; the low bits are poor. */
static inline uint32_t work_next(uint32_t x)
{
    return x * 1664525u + 1013904223u;
}

/* The compiler must assume that p's target is read and written. */
static inline void work_used(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
