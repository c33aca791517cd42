/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code that another CPU changes: with the protocol of SDM 3A 8.1.3 (a flag and a serializing
   instruction), an unsynchronized single byte, and page tables changed under INVLPG by interrupt.
 */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "page.h"
#include "smp.h"
#include "time.h"
#include "trap.h"

#define ROUNDS 500u
#define FLUSH  0x71
#define VA     (TEST_BASE + 0x123000)

static page_aligned u8 code[4096];
static volatile u32 asked, answered;
static volatile bool bad, stop;

static u32 call(const void *at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "memory");
    return v;
}

static void serialize(void)
{
    (void)cpuid(0, 0);
}

static void runner(word cpu)
{
    (void)cpu;
    for (u32 i = 1; i <= ROUNDS; i++) {
        while (asked != i)
            pause_cpu();
        serialize();
        if (call(code) != i)
            bad = true;
        answered = i;
    }
}

static void synchronized(void)
{
    test("with synchronization");
    static const u8 template[] = {0xb8, 0, 0, 0, 0, 0xc3};
    memcpy(code, template, sizeof(template));
    smp_run(1, runner, 1);
    for (u32 i = 1; i <= ROUNDS; i++) {
        *(volatile u32 *)(code + 1) = i;
        asked = i;
        while (answered != i)
            pause_cpu();
    }
    smp_wait(1);
    CHECK(!bad);
}

/* The byte at code+1 is 1 or 2 at any time; the runner must see one of them and in the end the
 * last. */
static void free_runner(word cpu)
{
    (void)cpu;
    while (!stop) {
        u32 v = call(code);
        if (v != 1 && v != 2)
            bad = true;
        answered = v;
    }
}

static void unsynchronized(void)
{
    test("one byte without synchronization");
    stop = bad = false;
    *(volatile u32 *)(code + 1) = 1;
    smp_run(1, free_runner, 1);
    for (u32 i = 0; i < ROUNDS; i++) {
        put8(code + 1, (u8)(1 + (i & 1)));
        for (volatile int d = 0; d < 50; d++)
            ;
    }
    put8(code + 1, 2);
    CHECK(WAIT_FOR(answered == 2, 1000));
    delay_us(1000);
    CHECK_EQ(answered, 2);
    put8(code + 1, 1);
    CHECK(WAIT_FOR(answered == 1, 1000));
    stop = true;
    smp_wait(1);
    CHECK(!bad);
}

static void on_flush(struct frame *f)
{
    (void)f;
    invlpg((void *)VA);
    __atomic_fetch_add(&answered, 1, __ATOMIC_SEQ_CST);
    apic_eoi();
}

static volatile u64 value[4];

static void reader(word cpu)
{
    sti();
    while (!stop)
        value[cpu] = *(volatile u64 *)VA;
    cli();
}

static void shootdown(void)
{
    static page_aligned u64 pages[2][512];
    test("page tables");
    pages[0][0] = 1, pages[1][0] = 2;
    volatile u64 *pte = page_map(VA, (word)pages[0], PTE_P | PTE_W);
    trap_handle(FLUSH, on_flush);
    stop = false;
    for (u32 i = 1; i < 4; i++)
        smp_run(i, reader, i);
    for (u32 i = 0; i < 100; i++) {
        answered = 0;
        *pte = (word)pages[i & 1] | PTE_P | PTE_W;
        invlpg((void *)VA);
        apic_ipi(0, ICR_OTHERS | ICR_ASSERT | FLUSH);
        while (answered != 3)
            pause_cpu();
        value[1] = value[2] = value[3] = 0;
        while (!value[1] || !value[2] || !value[3])
            pause_cpu();
        for (u32 c = 1; c < 4; c++) /* one read may have been on its way */
            if (value[c] != 1 + (i & 1))
                (void)WAIT_FOR(value[c] == 1 + (i & 1), 100);
        CHECK(value[1] == 1 + (i & 1) && value[2] == value[1] && value[3] == value[1]);
    }
    stop = true;
    for (u32 i = 1; i < 4; i++)
        smp_wait(i);
}

GUEST("crossmod")
{
    smp_start(4);
    synchronized();
    unsynchronized();
    shootdown();
}
