/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting further CPUs (SDM 3A 8.4.4) and giving them work. */
#include "smp.h"
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "time.h"

struct mailbox {
    void (*fn)(word);
    word arg;
};

void smp_ap_main(word number);
extern u8 smp_entry[]; /* in .low, at a page's start */
u8 smp_stacks[SMP_MAX][STACK_SIZE] __attribute__((aligned(16)));
u32 smp_next = 1;
volatile u32 smp_up;
static struct mailbox boxes[SMP_MAX];

void smp_ap_main(word number)
{
    desc_load();
    apic_write(APIC_SPIV, 0x100 | SPURIOUS_VECTOR);
    __atomic_fetch_add(&smp_up, 1, __ATOMIC_SEQ_CST);
    struct mailbox *box = &boxes[number];
    for (;;) {
        void (*fn)(word) = __atomic_load_n(&box->fn, __ATOMIC_ACQUIRE);
        if (fn) {
            fn(box->arg);
            __atomic_store_n(&box->fn, NULL, __ATOMIC_RELEASE);
        }
        pause_cpu();
    }
}

void smp_start(unsigned n)
{
    apic_enable();
    for (unsigned cpu = 1; cpu < n; cpu++) {
        u32 before = smp_up;
        apic_ipi(cpu, ICR_INIT | ICR_ASSERT);
        delay_us(10000);
        apic_ipi(cpu, ICR_SIPI | ICR_ASSERT | (u32)((word)smp_entry >> 12));
        if (!WAIT_FOR(smp_up != before, 2000))
            guest_fatal("CPU %u does not start", cpu);
    }
}

void smp_run(unsigned cpu, void (*fn)(word), word arg)
{
    boxes[cpu].arg = arg;
    __atomic_store_n(&boxes[cpu].fn, fn, __ATOMIC_RELEASE);
}

void smp_wait(unsigned cpu)
{
    if (!WAIT_FOR(!__atomic_load_n(&boxes[cpu].fn, __ATOMIC_ACQUIRE), 20000))
        guest_fatal("CPU %u does not finish", cpu);
}

void smp_all(unsigned n, void (*fn)(word))
{
    for (unsigned cpu = 1; cpu < n; cpu++)
        smp_run(cpu, fn, cpu);
    fn(0);
    for (unsigned cpu = 1; cpu < n; cpu++)
        smp_wait(cpu);
}
