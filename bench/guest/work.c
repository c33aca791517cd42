/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures works. A pass repeats a work until it takes LONG_ENOUGH, which is found by doubling and
 * lets a translator see the code first. Then the fastest of up to PASSES passes counts: what else
 * the host does only ever makes one slower. A slow machine, or a long work, gets fewer passes, so
 * that it ends.
 */
#define _GNU_SOURCE
#include "work.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONG_ENOUGH 30000000u   /* ns */
#define BUDGET      1200000000u /* ns, after which no further pass begins */
#define PASSES      10

_Noreturn void work_fail(const char *what)
{
    perror(what);
    exit(1);
}

uint64_t work_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void work_pin(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    if (cpu < 0)
        work_fail("sched_getcpu");
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        work_fail("sched_setaffinity");
}

static uint64_t timed(void (*run)(void), uint64_t times)
{
    uint64_t start = work_now();
    for (uint64_t i = 0; i < times; i++)
        run();
    return work_now() - start;
}

static void measure(const struct work *work)
{
    uint64_t times = 1, best, start = work_now();
    while ((best = timed(work->run, times)) < LONG_ENOUGH)
        times *= 2;
    for (int i = 1; i < PASSES && work_now() - start < BUDGET; i++) {
        uint64_t took = timed(work->run, times);
        if (took < best)
            best = took;
    }
    printf("work %s %llu %llu\n", work->name, (unsigned long long)times * work->operations,
           (unsigned long long)best);
    fflush(stdout);
}

/* Whether the comma-separated list has the name. */
static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (strncmp(list, name, length) != 0 || (list[length] != '\0' && list[length] != ',')) {
        list = strchr(list, ',');
        if (!list)
            return false;
        list++;
    }
    return true;
}

void work_measure(const struct work *works, size_t n)
{
    const char *wanted = getenv("works");
    for (size_t i = 0; i < n; i++) {
        if (wanted && !listed(wanted, works[i].name))
            continue;
        if (works[i].prepare)
            works[i].prepare();
        measure(&works[i]);
        if (works[i].finish)
            works[i].finish();
    }
}
