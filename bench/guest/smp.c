/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several CPUs: processes that share nothing, threads that share memory, and threads that do
 * nothing but wake each other.
 */
#define _GNU_SOURCE
#include "text.h"
#include "work.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#define WORKERS   4
#define TEXT      (512 * 1024)
#define EXCHANGES 256
#define NUMBERS   (128 * 1024) /* a multiple of WORKERS */

static Bytef text[TEXT], packed[TEXT];

static void fill_text(void)
{
    text_fill((char *)text, TEXT, 1);
}

/* An operation: all of WORKERS processes deflating TEXT each. */
static void run_deflate(void)
{
    pid_t child[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        child[i] = fork();
        if (child[i] < 0)
            work_fail("fork");
        if (child[i] == 0) {
            uLongf size = TEXT;
            _exit(compress2(packed, &size, text, TEXT, 6) != Z_OK);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        int status;
        if (waitpid(child[i], &status, 0) != child[i] || status != 0)
            work_fail("a child");
    }
}

static _Atomic uint32_t turn; /* whose it is, 0 or 1 */

/* Keeps the thread on the nth CPU of those that the process may use. */
static void move_to(int nth)
{
    cpu_set_t all, one;
    if (sched_getaffinity(getpid(), sizeof(all), &all) != 0)
        work_fail("sched_getaffinity");
    nth %= CPU_COUNT(&all);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && nth-- == 0)
            CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        work_fail("sched_setaffinity");
}

static void wait_for_turn(uint32_t mine)
{
    while (atomic_load(&turn) != mine)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine, NULL, NULL, 0);
}

static void pass_turn(uint32_t mine)
{
    atomic_store(&turn, !mine);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *player(void *arg)
{
    uint32_t mine = (uint32_t)(uintptr_t)arg;
    move_to((int)mine);
    for (int i = 0; i < EXCHANGES; i++) {
        wait_for_turn(mine);
        pass_turn(mine);
    }
    return NULL;
}

static void start_all(pthread_t *threads, int n, void *(*run)(void *))
{
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i) != 0)
            work_fail("pthread_create");
}

static void join_all(const pthread_t *threads, int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* An operation: both threads woken once. They start anew every EXCHANGES operations. */
static void run_futex(void)
{
    pthread_t threads[2];
    start_all(threads, 2, player);
    join_all(threads, 2);
}

static uint32_t numbers[NUMBERS], scratch[NUMBERS];

static void merge(uint32_t *v, uint32_t *tmp, size_t middle, size_t n)
{
    size_t i = 0, j = middle;
    memcpy(tmp, v, n * sizeof(*v));
    for (size_t k = 0; k < n; k++)
        v[k] = j == n || (i < middle && tmp[i] <= tmp[j]) ? tmp[i++] : tmp[j++];
}

static void merge_sort(uint32_t *v, uint32_t *tmp, size_t n)
{
    if (n < 2)
        return;
    merge_sort(v, tmp, n / 2);
    merge_sort(v + n / 2, tmp + n / 2, n - n / 2);
    merge(v, tmp, n / 2, n);
}

static void *sorter(void *arg)
{
    size_t n = NUMBERS / WORKERS, first = (uintptr_t)arg * n;
    uint32_t x = (uint32_t)first;
    for (size_t i = 0; i < n; i++)
        numbers[first + i] = x = work_next(x);
    merge_sort(numbers + first, scratch + first, n);
    return NULL;
}

/* An operation: NUMBERS filled in and sorted, a part by each thread, and the parts merged. */
static void run_sort(void)
{
    pthread_t threads[WORKERS];
    start_all(threads, WORKERS, sorter);
    join_all(threads, WORKERS);
    for (size_t part = NUMBERS / WORKERS; part < NUMBERS; part *= 2)
        for (size_t first = 0; first < NUMBERS; first += 2 * part)
            merge(numbers + first, scratch + first, part, 2 * part);
    for (size_t i = 1; i < NUMBERS; i++) {
        if (numbers[i - 1] > numbers[i]) {
            fprintf(stderr, "smp: not sorted at %zu\n", i);
            exit(1);
        }
    }
}

int main(void)
{
    static const struct work works[] = {
        {"4-deflates", run_deflate, 1, fill_text, NULL},
        {"futex", run_futex, EXCHANGES, NULL, NULL},
        {"4-sorts", run_sort, 1, NULL, NULL},
    };
    work_measure(works, COUNT_OF(works));
    return 0;
}
