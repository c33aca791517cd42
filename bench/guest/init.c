/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The /init of the benchmark's initial RAM disk, and the same workloads for the host.
 * For each workload it prints
 *   "work NAME OPERATIONS NANOSECONDS"
 * of the fastest of some rounds, by the clock of the machine it runs in. As process 1 it first
 * prints "booted NANOSECONDS CPUS", the time since the kernel started its clock; at the end it
 * prints "ended NANOSECONDS", and powers off.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_ENOUGH 20000000u /* ns */
#define ROUNDS      12
#define SORTED      4096
#define COPIED      (256 * 1024)
#define PAGES       256

static uint64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t next(uint32_t x)
{
    return x * 1664525u + 1013904223u;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The compiler must assume that p's target is read and written. */
static void used(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* 1024 steps of arithmetic that depend on each other. */
static void work_integer(void)
{
    uint32_t x = 1, sum = 0;
    for (int i = 0; i < 1024; i++) {
        x = next(x);
        sum = x & 0x100 ? sum + (x >> 7) : sum ^ (x << 3);
    }
    used(&sum);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void work_sort(void)
{
    static uint32_t v[SORTED];
    uint32_t x = 1;
    for (int i = 0; i < SORTED; i++)
        v[i] = x = next(x);
    qsort(v, SORTED, sizeof(v[0]), compare);
    used(v);
}

static void work_memcpy(void)
{
    static char from[COPIED], to[COPIED];
    used(from);
    memcpy(to, from, COPIED);
    used(to);
}

static void work_getppid(void)
{
    syscall(SYS_getppid);
}

static void work_fork(void)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        _exit(0);
    if (waitpid(child, &status, 0) != child || status != 0)
        fail("waitpid");
}

static void work_fault(void)
{
    size_t size = PAGES * 4096;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || madvise(p, size, MADV_NOHUGEPAGE) != 0)
        fail("mmap");
    for (size_t i = 0; i < size; i += 4096)
        *(volatile char *)(p + i) = 1;
    if (munmap(p, size) != 0)
        fail("munmap");
}

static const struct {
    const char *name;
    void (*run)(void);
} works[] = {
    {"integer", work_integer}, {"sort", work_sort}, {"memcpy", work_memcpy},
    {"getppid", work_getppid}, {"fork", work_fork}, {"fault", work_fault},
};

static uint64_t timed(void (*run)(void), uint64_t times)
{
    uint64_t start = now(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < times; i++)
        run();
    return now(CLOCK_MONOTONIC) - start;
}

static void work(const char *name, void (*run)(void))
{
    uint64_t times = 1, best;
    while ((best = timed(run, times)) < LONG_ENOUGH)
        times *= 2;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t took = timed(run, times);
        if (took < best)
            best = took;
    }
    printf("work %s %llu %llu\n", name, (unsigned long long)times, (unsigned long long)best);
    fflush(stdout);
}

static void report_boot(void)
{
    unsigned long long booted = now(CLOCK_BOOTTIME);
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        fail("sched_getaffinity");
    printf("booted %llu %d\n", booted, CPU_COUNT(&set));
    fflush(stdout);
}

int main(void)
{
    if (getpid() == 1)
        report_boot();
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        work(works[i].name, works[i].run);
    if (getpid() == 1) {
        printf("ended %llu\n", (unsigned long long)now(CLOCK_BOOTTIME));
        fflush(stdout);
        reboot(RB_POWER_OFF);
    }
    return 0;
}
