/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small loops, each of which asks for one thing that an engine may be good or bad at. */
#define _GNU_SOURCE
#include "work.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STEPS       1024
#define SORTED      4096
#define FIB_OF      18
#define FIB_CALLS   8361 /* for fib(FIB_OF) */
#define TURNS       200  /* of the interpreted program */
#define CHASES      4096
#define CHASE_SMALL (128 * 1024)
#define CHASE_LARGE (16 * 1024 * 1024)
#define COPIED      (256 * 1024)

/* An operation: a step of arithmetic that depends on the step before, with a branch. */
static void run_integer(void)
{
    uint32_t x = 1, sum = 0;
    for (int i = 0; i < STEPS; i++) {
        x = work_next(x);
        sum = x & 0x100 ? sum + (x >> 7) : sum ^ (x << 3);
    }
    work_used(&sum);
}

static void quicksort(uint32_t *v, size_t n)
{
    while (n > 1) {
        uint32_t pivot = v[n / 2];
        size_t i = 0, j = n - 1;
        for (;; i++, j--) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint32_t t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
        quicksort(v, i);
        v += i;
        n -= i;
    }
}

/* An operation: one of the numbers that are filled in and sorted. */
static void run_sort(void)
{
    static uint32_t v[SORTED];
    uint32_t x = 1;
    for (int i = 0; i < SORTED; i++)
        v[i] = x = work_next(x);
    quicksort(v, SORTED);
    work_used(v);
}

static __attribute__((noinline)) uint32_t fib(uint32_t n)
{
    if (n < 2)
        return n;
    uint32_t before = fib(n - 1), two_before = fib(n - 2);
    /* Else the compiler would make a loop of the second call; calls are what counts. */
    __asm__("" : "+r"(two_before));
    return before + two_before;
}

/* An operation: a call and its return. */
static void run_fib(void)
{
    uint32_t result = fib(FIB_OF);
    work_used(&result);
}

enum op { LOAD, ADD, SUB, XOR, SHIFT, LESS, JUMP_IF, HALT };

struct code {
    uint8_t op, a, b;
    int32_t value;
};

static uint64_t interpret(const struct code *program, uint64_t reg[static 8])
{
    uint64_t count = 0;
    for (const struct code *c = program;; c++) {
        count++;
        switch ((enum op)c->op) {
        case LOAD:
            reg[c->a] = (uint64_t)c->value;
            break;
        case ADD:
            reg[c->a] += reg[c->b] + (uint64_t)c->value;
            break;
        case SUB:
            reg[c->a] -= reg[c->b];
            break;
        case XOR:
            reg[c->a] ^= reg[c->b];
            break;
        case SHIFT:
            reg[c->a] = reg[c->b] << (c->value & 63);
            break;
        case LESS:
            reg[c->a] = reg[c->a] < reg[c->b];
            break;
        case JUMP_IF:
            if (reg[c->a])
                c += c->value;
            break;
        case HALT:
            return count;
        }
    }
}

/* 2 instructions, 8 in each of TURNS turns, and the last. */
#define INTERPRETED (2 + 8 * TURNS + 1)

/* An operation: an instruction of the interpreted program. */
static void run_interpreter(void)
{
    static const struct code program[] = {
        {LOAD, 0, 0, 0}, {LOAD, 1, 0, TURNS}, {ADD, 0, 7, 1},  {SHIFT, 2, 0, 3},
        {XOR, 3, 2, 0},  {ADD, 4, 3, 5},      {SUB, 5, 4, 0},  {SHIFT, 6, 0, 0},
        {LESS, 6, 1, 0}, {JUMP_IF, 6, 0, -8}, {HALT, 0, 0, 0},
    };
    static const struct code *volatile start = program;
    uint64_t reg[8] = {0};
    if (interpret(start, reg) != INTERPRETED)
        abort();
    work_used(reg);
}

static struct {
    void **memory, **at;
    size_t size;
} chase;

/* Pointers, one to a cache line, that lead through all of them in a random order. */
static void prepare_chase(size_t size)
{
    size_t n = size / 64;
    chase.size = size;
    chase.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *order = malloc(n * sizeof(*order)), x = 1;
    if (chase.memory == MAP_FAILED || madvise(chase.memory, size, MADV_NOHUGEPAGE) != 0 || !order)
        work_fail("memory to chase through");
    for (uint32_t i = 0; i < n; i++) {
        x = work_next(x);
        uint32_t j = (uint32_t)((uint64_t)x * (i + 1) >> 32);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < n; i++)
        chase.memory[order[i] * 8] = &chase.memory[order[(i + 1) % n] * 8];
    chase.at = chase.memory;
    free(order);
}

static void prepare_small(void)
{
    prepare_chase(CHASE_SMALL);
}

static void prepare_large(void)
{
    prepare_chase(CHASE_LARGE);
}

static void finish_chase(void)
{
    munmap(chase.memory, chase.size);
}

/* An operation: a load whose address is what the load before has read. */
static void run_chase(void)
{
    void **p = chase.at;
    for (int i = 0; i < CHASES; i++)
        p = *p;
    chase.at = p;
}

/* An operation: 256 KiB. The C library chooses its code by CPUID. */
static void run_memcpy(void)
{
    static char from[COPIED], to[COPIED];
    work_used(from);
    memcpy(to, from, COPIED);
    work_used(to);
}

int main(void)
{
    static const struct work works[] = {
        {"integer", run_integer, STEPS, NULL, NULL},
        {"sort", run_sort, SORTED, NULL, NULL},
        {"fib", run_fib, FIB_CALLS, NULL, NULL},
        {"interpreter", run_interpreter, INTERPRETED, NULL, NULL},
        {"chase-small", run_chase, CHASES, prepare_small, finish_chase},
        {"chase-large", run_chase, CHASES, prepare_large, finish_chase},
        {"memcpy", run_memcpy, 1, NULL, NULL},
    };
    work_measure(works, COUNT_OF(works));
    return 0;
}
