/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A just-in-time compiler on one CPU whose code all CPUs call: new functions published by a
 * pointer, memory used again for others once every CPU has left it, functions that all CPUs meet
 * for the first time at once, code that shares its page with data that others write, and calls by
 * pointers and by jump tables that change.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "smp.h"
#include "xlat.h"

#define CPUS      4u
#define FUNCTIONS 48u
#define SLOT      80u

static page_aligned u8 code[2][4096];
static volatile u32 generation, done[CPUS], wrong[CPUS];
static volatile u32 first_bad[CPUS], first_want[CPUS];
static volatile bool stop;

static u32 call(const void *at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "rcx", "rdx", "memory", "cc");
    return v;
}

/* A function that returns n, with a block or some of them, and a call to `next` if there is one. */
static void put_function(u8 *p, u32 n, const u8 *next, u32 next_value)
{
    if (next && n % 3 == 0) { /* CALL next; ADD EAX, imm32; RET */
        p = emit_rel32(p, 0xe8, next);
        p = EMIT(p, 0x05);
        p = emit_le(p, n - next_value, 4);
        EMIT(p, 0xc3);
        return;
    }
    if (next && n % 3 == 1) { /* MOV EAX, n; TEST EAX, EAX; JNZ +5; JMP next; RET */
        p = EMIT(p, 0xb8);
        p = emit_le(p, n, 4);
        p = EMIT(p, 0x85, 0xc0, 0x75, 5);
        p = emit_rel32(p, 0xe9, next);
        EMIT(p, 0xc3);
        return;
    }
    /* MOV ECX, 3; MOV EAX, n - 3; 1: INC EAX; LOOP 1b; RET */
    p = EMIT(p, 0xb9, 3, 0, 0, 0, 0xb8);
    p = emit_le(p, n - 3, 4);
    EMIT(p, 0xff, 0xc0, 0xe2, 0xfc, 0xc3);
}

static u32 value_of(u32 g, u32 i)
{
    return g * 1000 + i + 1;
}

static u8 *slot(u32 i)
{
    return code[0] + i * SLOT;
}

static void emit_all(u32 g)
{
    for (u32 i = 0; i < FUNCTIONS; i++)
        put_function(slot(i), value_of(g, i), i ? slot(i - 1) : NULL, i ? value_of(g, i - 1) : 0);
}

static void note(word cpu, u32 got, u32 want)
{
    if (got == want)
        return;
    if (!wrong[cpu])
        first_bad[cpu] = got, first_want[cpu] = want;
    wrong[cpu]++;
}

static void check_cpus(u32 n)
{
    for (u32 i = 0; i < n; i++)
        if (wrong[i]) {
            print("CPU %u, %u times: ", i, wrong[i]);
            CHECK_EQ(first_bad[i], first_want[i]);
            wrong[i] = 0;
        }
    CHECK(true);
}

/* All CPUs call all functions of each generation, each in an order of its own. */
static void call_all(word cpu, u32 g)
{
    for (u32 i = 0; i < FUNCTIONS; i++) {
        u32 k = (i * (2 * (u32)cpu + 1) + (u32)cpu * 11) % FUNCTIONS;
        note(cpu, call(slot(k)), value_of(g, k));
    }
}

static void follower(word cpu)
{
    for (u32 g = 1; g <= 60; g++) {
        while (generation != g)
            pause_cpu();
        (void)cpuid(0, 0); /* what was run here before has been changed */
        call_all(cpu, g);
        done[cpu] = g;
    }
}

static void generations(void)
{
    test("memory used again for other functions");
    for (u32 i = 1; i < CPUS; i++)
        smp_run(i, follower, i);
    for (u32 g = 1; g <= 60; g++) {
        emit_all(g);
        generation = g;
        call_all(0, g);
        for (u32 i = 1; i < CPUS; i++)
            while (done[i] != g)
                pause_cpu();
    }
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
    check_cpus(CPUS);
}

/* Fresh memory each time: no CPU has run it, the pointer is enough. */
static u8 *volatile published;
static const u8 *volatile last_called[CPUS];

static void listener(word cpu)
{
    const u8 *last = NULL;
    while (!stop) {
        const u8 *p = published;
        if (!p || p == last) {
            pause_cpu();
            continue;
        }
        for (u32 i = 0; i < 3; i++)
            note(cpu, call(p), *(const u32 *)(p - 4));
        last_called[cpu] = last = p;
    }
}

static void publish(void)
{
    static page_aligned u8 heap[16][4096];
    test("new functions published by a pointer");
    stop = false;
    for (u32 i = 1; i < CPUS; i++)
        smp_run(i, listener, i);
    u8 *p = heap[0];
    for (u32 n = 1; p + 128 < heap[15] + 4096; n++) {
        *(u32 *)p = n * 7;
        put_function(p + 4, n * 7, NULL, 0);
        published = p + 4;
        note(0, call(p + 4), n * 7);
        p += 52;
        for (u32 i = 1; n % 16 == 0 && i < CPUS; i++) /* now and then all come by */
            while (last_called[i] != published)
                pause_cpu();
    }
    stop = true;
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
    check_cpus(CPUS);
}

/* Two CPUs run a function; two write data right beside it, and it is patched by single bytes. */
static void page_runner(word cpu)
{
    u32 last = 0;
    while (!stop) {
        u32 v = call(code[1] + 0x800) & 0xff;
        if (v < last)
            note(cpu, v, last); /* it only grows */
        last = v;
        done[cpu]++;
    }
}

static void page_writer(word cpu)
{
    volatile u32 *low = (volatile u32 *)code[1] + cpu * 16,
                 *near = (volatile u32 *)(code[1] + 0x810) + cpu;
    u32 n = 0;
    while (!stop) {
        *low = n;
        *near = n * 3;
        if (*low != n || *near != n * 3)
            note(cpu, *low, n);
        n++;
        done[cpu]++;
    }
}

static void mixed(void)
{
    test("code and data of several CPUs in one page");
    memset(code[1], 0, 4096);
    EMIT(code[1] + 0x800, 0xb8, 0, 0, 0, 0, 0xc3);
    stop = false;
    for (u32 i = 1; i < CPUS; i++)
        done[i] = 0, smp_run(i, i == 1 ? page_runner : page_writer, i);
    for (u32 n = 1; n < 100; n++) {
        put8(code[1] + 0x801, (u8)n);
        note(0, call(code[1] + 0x800), n);
        u32 before = done[1];
        while (done[1] - before < 3)
            pause_cpu();
    }
    /* All has been seen when it has run often enough behind the last store. */
    u32 seen = done[1];
    while (done[1] - seen < 3)
        pause_cpu();
    stop = true;
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
    check_cpus(CPUS);
}

/* A table of jumps that CPU 0 changes; each function says which it is. */
static const u8 *volatile table[8];

static void table_runner(word cpu)
{
    while (!stop) {
        for (u32 i = 0; i < 8; i++) {
            u32 v;
            asm volatile("call *(%1)" : "=a"(v) : "r"(&table[i]) : "rcx", "memory", "cc");
            if ((v - 1) % 8 != i)
                note(cpu, v, i + 1);
        }
        done[cpu]++;
    }
}

static void tables(void)
{
    test("calls by a table that changes");
    generation = 0;
    emit_all(0);
    for (u32 i = 0; i < 8; i++)
        table[i] = slot(i);
    stop = false;
    for (u32 i = 1; i < CPUS; i++)
        done[i] = 0, smp_run(i, table_runner, i);
    for (u32 n = 0; n < 3000; n++)
        table[n * 5 % 8] = slot(n * 5 % 8 + 8 * (n / 3 % 6));
    for (u32 i = 1; i < CPUS; i++)
        while (done[i] < 10)
            pause_cpu();
    stop = true;
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
    check_cpus(CPUS);
}

GUEST("smp-jit")
{
    smp_start(CPUS);
    generations();
    publish();
    mixed();
    tables();
}
