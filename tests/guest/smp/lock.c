/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Atomicity between four CPUs: locked adds in all widths, across cache lines and pages, CMPXCHG
   loops, the 16-byte form, XCHG locks, plain aligned stores; and the store-buffer order x86 allows
   and forbids. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "smp.h"

#define CPUS   4
#define ROUNDS 5000u

static page_aligned u8 area[3 * 4096];
static volatile u64 plain __attribute__((aligned(64)));
static volatile bool torn;
static void *target;

static void add64(word cpu)
{
    (void)cpu;
    for (u32 i = 0; i < ROUNDS; i++)
        asm volatile("lock incq (%0)" : : "r"(target) : "memory", "cc");
}

static void add32(word cpu)
{
    for (u32 i = 0; i < ROUNDS; i++)
        asm volatile("lock addl %1, (%0)" : : "r"(target), "r"((u32)cpu + 1) : "memory", "cc");
}

static void xadd16(word cpu)
{
    (void)cpu;
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 v = 1;
        asm volatile("lock xaddw %w0, (%1)" : "+r"(v) : "r"(target) : "memory", "cc");
    }
}

static void compare(word cpu)
{
    (void)cpu;
    for (u32 i = 0; i < ROUNDS; i++) {
        bool done = false;
        u64 old = *(volatile u64 *)target;
        while (!done)
            asm volatile("lock cmpxchgq %3, %1"
                         : "+a"(old), "+m"(*(u64 *)target), "=@ccz"(done)
                         : "r"(old + 1)
                         : "memory");
    }
}

static void pair(word cpu)
{
    (void)cpu;
    u64 a = 0, d = 0;
    for (u32 i = 0; i < ROUNDS; i++) {
        bool done = false;
        while (!done) {
            if (a != d)
                torn = true;
            asm volatile("lock cmpxchg16b (%3)"
                         : "+a"(a), "+d"(d), "=@ccz"(done)
                         : "r"(target), "b"(a + 1), "c"(d + 1)
                         : "memory");
        }
    }
}

static u64 guarded;

static void spinlock(word cpu)
{
    (void)cpu;
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 v = 1;
        do {
            v = 1;
            asm volatile("xchgl %0, (%1)" : "+r"(v) : "r"(target) : "memory");
        } while (v);
        guarded++;
        asm volatile("movl $0, (%0)" : : "r"(target) : "memory");
    }
}

static void bits(word cpu)
{
    for (u32 i = 0; i < ROUNDS; i++) {
        bool c;
        asm volatile("lock btcl %1, (%2)" : "=@ccc"(c) : "r"((u32)cpu), "r"(target) : "memory");
        if (c != (i & 1))
            torn = true;
    }
}

static void counters(const char *name, u32 offset)
{
    test(name);
    target = area + offset;
    memset(area, 0, sizeof(area));
    smp_all(CPUS, add64);
    CHECK_EQ(*(volatile u64 *)target, CPUS * ROUNDS);
    memset(area, 0, sizeof(area));
    smp_all(CPUS, add32);
    CHECK_EQ(*(volatile u32 *)target, 10 * ROUNDS);
    memset(area, 0, sizeof(area));
    smp_all(CPUS, xadd16);
    CHECK_EQ(*(volatile u16 *)target, CPUS * ROUNDS);
    memset(area, 0, sizeof(area));
    smp_all(CPUS, compare);
    CHECK_EQ(*(volatile u64 *)target, CPUS * ROUNDS);
}

static void write_halves(word cpu)
{
    for (u32 i = 0; i < ROUNDS; i++) {
        plain = cpu & 1 ? 0 : ~0ull;
        u64 v = plain;
        if (v != 0 && v != ~0ull)
            torn = true;
    }
}

/* Stores of one CPU are seen in order; loads are not reordered with other loads. */
static volatile u64 first __attribute__((aligned(64))), second __attribute__((aligned(64)));
static volatile bool wrong_order;

static void in_order(word cpu)
{
    for (u32 i = 1; i <= ROUNDS; i++) {
        if (cpu == 0) {
            first = i;
            second = i;
        } else {
            u64 s = second, f = first;
            if (f < s)
                wrong_order = true;
        }
    }
}

/* With a locked instruction between store and load, both CPUs cannot read the old values. */
static volatile u32 flag[2] __attribute__((aligned(64))), seen[2], arrive, both_old;

static void meet(u32 round)
{
    __atomic_fetch_add(&arrive, 1, __ATOMIC_SEQ_CST);
    while (arrive < 2 * round)
        pause_cpu();
}

static void dekker(word cpu)
{
    if (cpu > 1)
        return;
    for (u32 i = 0; i < 1000; i++) {
        flag[cpu] = 0;
        meet(3 * i + 1);
        flag[cpu] = 1;
        asm volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
        seen[cpu] = flag[1 - cpu];
        meet(3 * i + 2);
        if (cpu == 0 && !seen[0] && !seen[1])
            both_old++;
        meet(3 * i + 3);
    }
}

GUEST("lock")
{
    smp_start(CPUS);
    counters("aligned", 64);
    counters("not aligned", 65);
    counters("across cache lines", 64 - 1);
    counters("across pages", 4096 - 1);
    test("16 bytes");
    memset(area, 0, sizeof(area));
    target = area + 64;
    if (cpuid(1, 0).ecx & BIT(13)) {
        smp_all(CPUS, pair);
        CHECK_EQ(((u64 *)target)[0], CPUS * ROUNDS);
        CHECK_EQ(((u64 *)target)[1], CPUS * ROUNDS);
        CHECK(!torn);
    }
    test("XCHG as a lock");
    memset(area, 0, sizeof(area));
    smp_all(CPUS, spinlock);
    CHECK_EQ(guarded, CPUS * ROUNDS);
    test("bits of one word");
    torn = false;
    smp_all(CPUS, bits);
    CHECK(!torn);
    CHECK_EQ(*(volatile u32 *)target, 0);
    test("plain aligned stores are whole");
    smp_all(CPUS, write_halves);
    CHECK(!torn);
    test("order of stores and of loads");
    smp_all(CPUS, in_order);
    CHECK(!wrong_order);
    smp_all(CPUS, dekker);
    CHECK_EQ(both_old, 0);
}
