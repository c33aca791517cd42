/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APIC of one CPU: registers, the timer in its modes, priorities, self-IPIs, errors,
   disabling (SDM 3A chapter 10). The same once more in x2APIC mode. */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "time.h"
#include "trap.h"

#define TIMER 0x40

static void registers(void)
{
    test("registers");
    CHECK_EQ(apic_read(APIC_ID) >> 24, 0);
    CHECK_IN(apic_read(APIC_VERSION) & 0xff, 0x10, 0x15);
    CHECK_IN(apic_read(APIC_VERSION) >> 16 & 0xff, 3, 7); /* LVT entries less one */
    apic_write(APIC_VERSION, 0);
    CHECK(apic_read(APIC_VERSION) != 0);
    apic_write(APIC_TPR, 0x123456ab);
    CHECK_EQ(apic_read(APIC_TPR), 0xab);
    CHECK_EQ(apic_read(APIC_PPR), 0xab);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_DFR, 0);
    CHECK_EQ(apic_read(APIC_DFR), 0x0fffffff);
    apic_write(APIC_DFR, ~0u);
    apic_write(APIC_LDR, 0x12345678);
    CHECK_EQ(apic_read(APIC_LDR), 0x12000000);
    apic_write(APIC_TIMER_DIVIDE, ~0u);
    CHECK_EQ(apic_read(APIC_TIMER_DIVIDE), 0x0b);
    apic_write(APIC_SPIV, 0x1ff);
    CHECK_EQ(apic_read(APIC_SPIV) & 0x1ff, 0x1ff);
    apic_write(APIC_LVT_LINT1, LVT_MASKED | 0x7ff);
    CHECK_EQ(apic_read(APIC_LVT_LINT1) & 0x17ff, 0x7ff);
    apic_write(APIC_LVT_LINT1, LVT_MASKED);
}

static void one_shot(void)
{
    test("one-shot timer");
    trap_count(TIMER);
    apic_write(APIC_TIMER_DIVIDE, 0xb); /* by 1 */
    apic_write(APIC_LVT_TIMER, TIMER);
    apic_write(APIC_TIMER_INITIAL, 1000000);
    u32 a = apic_read(APIC_TIMER_CURRENT), b = apic_read(APIC_TIMER_CURRENT);
    CHECK(a <= 1000000 && b <= a);
    sti();
    CHECK(WAIT_FOR(trap_counts[TIMER] == 1, 1000));
    delay_us(5000);
    CHECK_EQ(trap_counts[TIMER], 1);
    CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
    apic_write(APIC_TIMER_INITIAL, 200000000);
    apic_write(APIC_TIMER_INITIAL, 0); /* stops it */
    CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
    apic_write(APIC_LVT_TIMER, TIMER | LVT_MASKED); /* counts, but does not interrupt */
    apic_write(APIC_TIMER_INITIAL, 100000);
    CHECK(WAIT_FOR(apic_read(APIC_TIMER_CURRENT) == 0, 1000));
    apic_write(APIC_LVT_TIMER, TIMER);
    delay_us(1000);
    CHECK_EQ(trap_counts[TIMER], 1);
    cli();
    apic_write(APIC_TIMER_INITIAL, 50000);
    halt();
    CHECK_EQ(trap_counts[TIMER], 2);
}

/* Timer ticks in 2^24 of the TSC, measured over 20 ms. */
static u32 rate(u32 divide)
{
    apic_write(APIC_LVT_TIMER, TIMER | LVT_MASKED);
    apic_write(APIC_TIMER_DIVIDE, divide);
    u64 start = rdtsc();
    apic_write(APIC_TIMER_INITIAL, ~0u);
    delay_us(20000);
    u64 n = ~0u - apic_read(APIC_TIMER_CURRENT), tsc = rdtsc() - start;
    apic_write(APIC_TIMER_INITIAL, 0);
    return (u32)((n << 24) / tsc);
}

static void rates(void)
{
    test("divider");
    u32 by1 = rate(0xb), by2 = rate(0), by16 = rate(3);
    CHECK_IN(by2, by1 / 3, by1 * 2 / 3);
    CHECK_IN(by16, by1 / 24, by1 / 10);
}

static void periodic(void)
{
    test("periodic timer");
    u32 ms = (u32)(tsc_of_us(1000) * rate(0xb) >> 24);
    trap_count(TIMER);
    apic_write(APIC_LVT_TIMER, TIMER | LVT_PERIODIC);
    apic_write(APIC_TIMER_INITIAL, ms);
    sti();
    CHECK(WAIT_FOR(trap_counts[TIMER] >= 20, 1000));
    cli();
    apic_write(APIC_TIMER_INITIAL, 0);
    sti();
    delay_us(2000);
    u32 n = trap_counts[TIMER];
    delay_us(5000);
    CHECK_EQ(trap_counts[TIMER], n);
    cli();
}

static void deadline(void)
{
    test("TSC deadline");
    if (!(cpuid(1, 0).ecx & BIT(24)))
        return;
    trap_count(TIMER);
    apic_write(APIC_LVT_TIMER, TIMER | LVT_DEADLINE);
    asm volatile("mfence");
    u64 ms = tsc_of_us(1000), when = rdtsc() + 20 * ms;
    wrmsr(0x6e0, when);
    u64 armed = rdmsr(0x6e0);
    CHECK(armed == when || rdtsc() >= when);
    CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
    halt();
    CHECK(rdtsc() >= when);
    CHECK_EQ(trap_counts[TIMER], 1);
    CHECK_EQ(rdmsr(0x6e0), 0); /* disarmed */
    wrmsr(0x6e0, 1);           /* in the past: at once */
    halt();
    CHECK_EQ(trap_counts[TIMER], 2);
    wrmsr(0x6e0, rdtsc() + 1000 * ms);
    wrmsr(0x6e0, 0);
    CHECK_EQ(rdmsr(0x6e0), 0);
    wrmsr(0x6e0, rdtsc() + 1000 * ms);
    apic_write(APIC_LVT_TIMER, TIMER | LVT_MASKED); /* leaving the mode disarms */
    CHECK_EQ(rdmsr(0x6e0), 0);
    wrmsr(0x6e0, 12345);
    CHECK_EQ(rdmsr(0x6e0), 0); /* ignored in other modes */
}

static u8 order[8];
static unsigned norder;
static u32 ppr_seen;

static void note(struct frame *f)
{
    if (norder < ARRAY_SIZE(order))
        order[norder++] = (u8)f->vector;
    ppr_seen = apic_read(APIC_PPR);
    apic_eoi();
}

static void self(u8 vector)
{
    apic_ipi(0, ICR_SELF | ICR_ASSERT | vector);
}

static void priorities(void)
{
    test("priorities");
    static const u8 vectors[] = {0x51, 0x91, 0x71, 0x72};
    for (unsigned i = 0; i < 4; i++) {
        trap_handle(vectors[i], note);
        self(vectors[i]);
        CHECK(apic_bit(APIC_IRR, vectors[i]));
    }
    norder = 0;
    sti();
    delay_us(100);
    cli();
    CHECK_EQ(norder, 4);
    CHECK_EQ((u32)order[0] << 24 | order[1] << 16 | order[2] << 8 | order[3], 0x91727151);
    CHECK_EQ(ppr_seen, 0x50);
    apic_write(APIC_TPR, 0x70); /* class 7 and below must wait */
    norder = 0;
    self(0x72);
    self(0x91);
    sti();
    delay_us(100);
    CHECK_EQ(norder, 1);
    CHECK(apic_bit(APIC_IRR, 0x72));
    apic_write(APIC_TPR, 0x60);
    delay_us(100);
    CHECK_EQ(norder, 2);
    cli();
    apic_write(APIC_TPR, 0);
    self(0x51);
    self(0x51); /* one request bit */
    norder = 0;
    sti();
    delay_us(100);
    cli();
    CHECK_EQ(norder, 1);
    CHECK_EQ(apic_read(APIC_PPR), 0);
}

static unsigned depth, deepest, calls;

static void nest(struct frame *f)
{
    if (++depth > deepest)
        deepest = depth;
    CHECK(apic_bit(APIC_ISR, (u8)f->vector));
    switch (calls++) {
    case 0:
        CHECK_EQ(f->vector, 0x51);
        self(0x91); /* comes at once */
        sti();
        delay_us(100);
        cli();
        CHECK_EQ(calls, 2);
        break;
    case 1:
        CHECK_EQ(f->vector, 0x91);
        self(0x51); /* waits for the end of both */
        sti();
        delay_us(100);
        cli();
        break;
    }
    depth--;
    apic_eoi();
}

static void nesting(void)
{
    test("nesting");
    depth = deepest = calls = 0;
    trap_handle(0x51, nest);
    trap_handle(0x91, nest);
    self(0x51);
    sti();
    delay_us(500);
    cli();
    CHECK_EQ(calls, 3);
    CHECK_EQ(deepest, 2);
    trap_handle(0x51, note);
    trap_handle(0x91, note);
}

static void errors(void)
{
    test("ESR");
    apic_write(APIC_ESR, 0);
    CHECK_EQ(apic_read(APIC_ESR), 0);
    self(5); /* vectors below 16 cannot be sent */
    apic_write(APIC_ESR, 0);
    CHECK(apic_read(APIC_ESR) & 0x60);
    apic_write(APIC_ESR, 0);
    apic_write(APIC_ESR, 0);
    CHECK_EQ(apic_read(APIC_ESR), 0);
}

static void software_disable(void)
{
    test("software disable");
    apic_write(APIC_LVT_TIMER, TIMER);
    apic_write(APIC_SPIV, 0xff);
    CHECK_EQ(apic_read(APIC_LVT_TIMER) & LVT_MASKED, LVT_MASKED);
    apic_write(APIC_LVT_TIMER, TIMER);
    CHECK_EQ(apic_read(APIC_LVT_TIMER) & LVT_MASKED, LVT_MASKED); /* held */
    apic_enable();
}

static void sti_shadow(void)
{
    test("STI holds interrupts back for one instruction");
    u64 ip;
    self(0x51);
    trap_handle(0x51, NULL);
    CHECK_TRAP(0x51, 0, asm volatile("sti\n nop\n.globl after_sti\nafter_sti: nop\n nop"));
    ip = last_trap.ip;
    apic_eoi();
    extern u8 after_sti[];
    CHECK_EQ(ip, (word)after_sti);
    trap_handle(0x51, note);
    self(0x51);
    norder = 0;
    asm volatile("sti\n cli\n nop\n nop"); /* never open */
    CHECK_EQ(norder, 0);
    CHECK_TRAP(NO_TRAP, 0, asm volatile("sti\n hlt\n cli")); /* wakes at once */
    CHECK_EQ(norder, 1);
}

static void all(void)
{
    apic_enable();
    one_shot();
    rates();
    periodic();
    deadline();
    priorities();
    nesting();
    software_disable();
    sti_shadow();
}

static void global_disable(void)
{
    test("APIC_BASE");
    u64 base = rdmsr(MSR_APIC_BASE);
    CHECK_EQ(cpuid(1, 0).edx & BIT(9), BIT(9));
    wrmsr(MSR_APIC_BASE, base & ~0x800ull);
    CHECK_EQ(cpuid(1, 0).edx & BIT(9), 0);
    wrmsr(MSR_APIC_BASE, base);
    CHECK_EQ(cpuid(1, 0).edx & BIT(9), BIT(9));
    CHECK_EQ(apic_read(APIC_SPIV) & 0x100, 0); /* as after power-on */
    apic_enable();
}

static void x2(void)
{
    test("x2APIC");
    if (!(cpuid(1, 0).ecx & BIT(21))) {
        CHECK_TRAP(GP, 0, wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400));
        return;
    }
    CHECK_TRAP(GP, 0, (void)rdmsr(0x802));
    CHECK_TRAP(GP, 0, wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & ~0x800ull) | 0x400));
    apic_x2();
    CHECK_EQ(rdmsr(0x802), 0);
    CHECK_EQ(rdmsr(0x80d), 1); /* LDR: cluster 0, CPU 0; derived from the ID */
    CHECK_TRAP(GP, 0, wrmsr(0x802, 1));
    CHECK_TRAP(GP, 0, wrmsr(0x80d, 1));
    CHECK_TRAP(GP, 0, wrmsr(0x80b, 1)); /* EOI takes 0 only */
    CHECK_TRAP(GP, 0, (void)rdmsr(0x80b));
    CHECK_TRAP(GP, 0, (void)rdmsr(0x80e));  /* no DFR */
    CHECK_TRAP(GP, 0, (void)rdmsr(0x831));  /* ICR is one register */
    CHECK_TRAP(GP, 0, (void)rdmsr(0x83f));  /* SELF IPI is write-only */
    CHECK_TRAP(GP, 0, wrmsr(0x808, 0x100)); /* reserved bits */
    CHECK_TRAP(GP, 0, wrmsr(0x828, 1));
    CHECK_TRAP(GP, 0, wrmsr(0x83f, 0x100));
    CHECK_TRAP(GP, 0, wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~0x400ull)); /* not directly */
    all();
    test("SELF IPI");
    norder = 0;
    wrmsr(0x83f, 0x91);
    sti();
    delay_us(100);
    cli();
    CHECK_EQ(norder, 1);
}

GUEST("lapic")
{
    apic_enable();
    registers();
    all();
    errors();
    global_disable();
    x2();
}
