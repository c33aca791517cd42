/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMIs between four CPUs, with an SMRAM of its own for each; one that sleeps in HLT, one that is in
   the mode when an INIT comes. */
#include "smi.h"
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "smp.h"
#include "time.h"
#include "trap.h"

#define CPUS   4
#define VECTOR 0x70

static volatile bool stop;

static volatile struct smi *box(u32 cpu)
{
    return (volatile struct smi *)(word)(SMBASE + cpu * 0x10000 + SMI_BOX);
}

static void install(u32 cpu)
{
    memcpy((void *)(word)(SMBASE + cpu * 0x10000 + SMI_ENTRY), smi_handler,
           (size_t)(smi_handler_end - smi_handler));
    memset((void *)box(cpu), 0, sizeof(struct smi));
}

/* One after the other, as firmware does it: all begin at the same SMBASE. */
static void relocate(void)
{
    test("SMBASE of each CPU");
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        install(cpu);
    for (u32 cpu = CPUS; cpu-- > 0;) {
        box(0)->count = 0;
        box(0)->change[0].at = 0xff00;
        box(0)->change[0].val = SMBASE + cpu * 0x10000;
        apic_ipi(cpu, ICR_SMI | ICR_ASSERT);
        CHECK(WAIT_FOR(box(0)->count_after == 1, 1000));
        delay_us(1000); /* until RSM is done */
        memset((void *)box(0), 0, sizeof(struct smi));
    }
}

static void sleep_until_stop(word cpu)
{
    (void)cpu;
    while (!stop)
        halt();
}

static void spin_until_stop(word cpu)
{
    (void)cpu;
    while (!stop)
        pause_cpu();
}

static void end(void)
{
    stop = true;
    apic_ipi(0, ICR_OTHERS | ICR_ASSERT | VECTOR);
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
}

static void to_all(void (*how)(word))
{
    stop = false;
    for (u32 i = 1; i < CPUS; i++)
        smp_run(i, how, i);
    delay_us(1000);
    for (u32 n = 1; n <= 20; n++) {
        apic_ipi(0, ICR_OTHERS | ICR_SMI | ICR_ASSERT);
        for (u32 i = 1; i < CPUS; i++)
            CHECK(WAIT_FOR(box(i)->count >= n, 1000));
        delay_us(500);
    }
    for (u32 i = 1; i < CPUS; i++) {
        CHECK_EQ(box(i)->count, 20);
        CHECK_EQ(box(i)->cs, (SMBASE + i * 0x10000) >> 4);
        box(i)->count = 0;
    }
    CHECK_EQ(box(0)->count, 0);
    end();
}

/* It waits for the end of the mode, and SMBASE outlives it. */
static void init_in_the_mode(void)
{
    u32 before = smp_up;
    extern u8 smp_entry[];
    test("INIT in the mode");
    box(3)->count_after = 0;
    apic_ipi(3, ICR_SMI | ICR_ASSERT);
    CHECK(WAIT_FOR(box(3)->count == 1, 1000)); /* and now it spends some time there */
    apic_ipi(3, ICR_INIT | ICR_ASSERT);
    delay_us(10000);
    CHECK_EQ(box(3)->count, 1);
    CHECK_EQ(box(3)->count_after, 1);
    apic_ipi(3, ICR_SMI | ICR_ASSERT); /* waits for the SIPI */
    delay_us(1000);
    CHECK_EQ(box(3)->count, 1);
    apic_ipi(3, ICR_SIPI | ICR_ASSERT | (u32)((word)smp_entry >> 12));
    CHECK(WAIT_FOR(box(3)->count == 2, 1000));
    CHECK(WAIT_FOR(smp_up != before, 2000));
}

GUEST("smi")
{
    trap_count(VECTOR);
    smp_start(CPUS);
    relocate();
    test("CPUs that sleep");
    to_all(sleep_until_stop);
    test("CPUs that run");
    to_all(spin_until_stop);
    init_in_the_mode();
}
