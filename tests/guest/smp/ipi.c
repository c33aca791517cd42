/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interprocessor interrupts between four CPUs: physical and logical destinations, shorthands,
   lowest priority, NMI, waking from HLT; by memory and in x2APIC mode; I/O APIC to another CPU. */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "smp.h"
#include "time.h"
#include "trap.h"

#define CPUS   4
#define VECTOR 0x70

static volatile u32 got[CPUS], nmis[CPUS];
static volatile bool stop;

static u32 me(void)
{
    return cpuid(1, 0).ebx >> 24;
}

static void on_ipi(struct frame *f)
{
    (void)f;
    got[me()]++;
    apic_eoi();
}

static void on_nmi(struct frame *f)
{
    (void)f;
    nmis[me()]++;
}

/* Until end()'s interrupt has been taken: left pending, it would be counted in the next test. */
static void wait_halted(word cpu)
{
    while (!stop || !got[cpu])
        halt();
}

static void logical_flat(word cpu)
{
    apic_write(APIC_DFR, ~0u);
    apic_write(APIC_LDR, 1u << (24 + cpu));
}

static void to_x2(word cpu)
{
    (void)cpu;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
}

static u32 total(void)
{
    return got[0] + got[1] + got[2] + got[3];
}

/* Sends, and wants the given CPUs (a mask) to have got exactly one interrupt each. */
static void send(u32 dest, u32 mode, u32 want, int line)
{
    for (u32 i = 0; i < CPUS; i++)
        got[i] = 0;
    apic_ipi(dest, mode | ICR_ASSERT | VECTOR);
    u32 n = 0;
    for (u32 left = want; left; left &= left - 1)
        n++;
    sti();
    (void)WAIT_FOR(total() >= n, 1000);
    delay_us(1000);
    cli();
    u32 seen = 0;
    for (u32 i = 0; i < CPUS; i++) {
        seen |= got[i] ? BIT(i) : 0;
        check_eq(got[i] <= 1, 1, "at most one", line);
    }
    check_eq(seen, want, "CPUs", line);
}
#define SEND(dest, mode, want) send(dest, mode, want, __LINE__)

static void begin(void)
{
    stop = false;
    for (u32 i = 1; i < CPUS; i++)
        smp_run(i, wait_halted, i);
    delay_us(1000);
}

static void end(void)
{
    for (u32 i = 0; i < CPUS; i++)
        got[i] = 0;
    stop = true;
    apic_ipi(0, ICR_OTHERS | ICR_ASSERT | VECTOR);
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
}

static void common(void)
{
    begin();
    for (u32 i = 0; i < CPUS; i++)
        SEND(i, ICR_FIXED, BIT(i));
    SEND(0, ICR_SELF, 1);
    SEND(0, ICR_ALL, 15);
    SEND(0, ICR_OTHERS, 14);
    test("NMI");
    for (u32 i = 0; i < CPUS; i++)
        nmis[i] = 0;
    apic_ipi(2, ICR_NMI | ICR_ASSERT);
    CHECK(WAIT_FOR(nmis[2] == 1, 1000)); /* wakes it from HLT */
    apic_ipi(0, ICR_OTHERS | ICR_NMI | ICR_ASSERT);
    CHECK(WAIT_FOR(nmis[1] == 1 && nmis[2] == 2 && nmis[3] == 1, 1000));
    CHECK_EQ(nmis[0], 0);
    end();
}

static u32 nmi_depth, deepest;

static void nested_nmi(struct frame *f)
{
    (void)f;
    if (++nmi_depth > deepest)
        deepest = nmi_depth;
    if (nmis[0]++ == 0) {
        apic_ipi(0, ICR_NMI | ICR_ASSERT); /* held until IRET */
        delay_us(1000);
    }
    nmi_depth--;
}

static void nmi_blocking(void)
{
    test("an NMI is held while one is handled");
    nmis[0] = 0;
    trap_handle(NMI, nested_nmi);
    apic_ipi(0, ICR_NMI | ICR_ASSERT);
    CHECK(WAIT_FOR(nmis[0] == 2, 1000));
    CHECK_EQ(deepest, 1);
    trap_handle(NMI, on_nmi);
}

static void through_ioapic(void)
{
    volatile u32 *io = (volatile u32 *)(word)0xfec00000;
    test("I/O APIC to another CPU");
    begin();
    got[3] = 0;
    io[0] = 0x10 + 2 * 4 + 1;
    io[4] = 3u << 24;
    io[0] = 0x10 + 2 * 4;
    io[4] = VECTOR;
    outb(0x3fc, 0x0b);
    outb(0x3f9, 2);
    CHECK(WAIT_FOR(got[3] == 1, 1000));
    outb(0x3f9, 0);
    (void)inb(0x3fa);
    io[0] = 0x10 + 2 * 4;
    io[4] = LVT_MASKED;
    end();
}

static void xapic(void)
{
    test("physical destinations and shorthands");
    common();
    test("logical destinations");
    smp_all(CPUS, logical_flat);
    begin();
    SEND(0x04, ICR_LOGICAL, 4);
    SEND(0x0a, ICR_LOGICAL, 10);
    SEND(0xff, ICR_LOGICAL, 15);
    SEND(0xff, ICR_FIXED, 15); /* the broadcast ID */
    for (u32 i = 0; i < CPUS; i++)
        got[i] = 0;
    apic_ipi(0x0f, ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT | VECTOR);
    sti();
    CHECK(WAIT_FOR(total() == 1, 1000));
    delay_us(1000);
    cli();
    CHECK_EQ(total(), 1); /* one of them */
    end();
}

static void x2apic(void)
{
    test("x2APIC destinations");
    if (!(cpuid(1, 0).ecx & BIT(21)))
        return;
    smp_all(CPUS, to_x2);
    apic_use_msrs(true);
    common();
    test("x2APIC logical destinations");
    begin();
    SEND(0x00000005, ICR_LOGICAL, 5); /* cluster 0, one bit a CPU */
    SEND(0xffffffff, ICR_FIXED, 15);
    SEND(0x00010001, ICR_LOGICAL, 0); /* a cluster that nobody is in */
    end();
    CHECK_TRAP(GP, 0, wrmsr(0x830, 1 << 13)); /* reserved bit in ICR */
}

GUEST("ipi")
{
    trap_handle(VECTOR, on_ipi);
    trap_handle(NMI, on_nmi);
    smp_start(CPUS);
    xapic();
    nmi_blocking();
    through_ioapic();
    x2apic();
}
