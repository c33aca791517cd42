/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/lapic.h"

#include "../test.h"
#include "lapic_cpu.h"

#include <pthread.h>

#define PHYS_MASK (BIT64(40) - 1)
#define BASE      0xfee00000ull

enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    APR = 0x90,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR2 = 0x310,
    LVT_TIMER = 0x320,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
    SELF = 0x3f0,
};

struct fixture {
    struct clock *clk;
    struct lapic_bus *bus;
    struct cpu cpu[3];
    unsigned eois;
    u8 eoi_vector;
};

static void on_eoi(void *opaque, u8 vector)
{
    struct fixture *f = opaque;
    f->eois++;
    f->eoi_vector = vector;
}

static u32 rd(struct fixture *f, unsigned n, u32 off)
{
    return lapic_mmio_read(f->cpu[n].l, off, 4);
}

static void wr(struct fixture *f, unsigned n, u32 off, u32 val)
{
    lapic_mmio_write(f->cpu[n].l, off, 4, val);
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    CHECK_EQ(clock_new_manual(&f->clk), 0);
    CHECK_EQ(lapic_bus_new(&f->bus), 0);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(lapic_new(&f->cpu[i].l, f->bus, f->clk, i, i == 0, &lapic_cpu_ops, &f->cpu[i]), 0);
        wr(f, i, SVR, 0x1ff);
    }
    lapic_bus_on_eoi(f->bus, on_eoi, f);
}

static void teardown(struct fixture *f)
{
    for (unsigned i = 0; i < 3; i++)
        lapic_free(f->cpu[i].l);
    lapic_bus_free(f->bus);
    clock_free(f->clk);
}

/* Takes what is pending, ends it, and returns it (-1 for nothing). */
static int serve(struct fixture *f, unsigned n)
{
    int vector = lapic_pending(f->cpu[n].l);

    if (vector >= 0) {
        lapic_accept(f->cpu[n].l, (u8)vector);
        wr(f, n, EOI, 0);
    }
    return vector;
}

static bool set_base(struct fixture *f, unsigned n, u64 val)
{
    return lapic_set_base(f->cpu[n].l, val, true, PHYS_MASK);
}

static void go_x2(struct fixture *f, unsigned n)
{
    CHECK(set_base(f, n, lapic_base(f->cpu[n].l) | LAPIC_BASE_EXTD));
}

static bool wrmsr(struct fixture *f, unsigned n, u32 off, u64 val)
{
    return lapic_msr_write(f->cpu[n].l, 0x800 + off / 16, val);
}

static u64 rdmsr(struct fixture *f, unsigned n, u32 off)
{
    u64 val = 0;
    CHECK(lapic_msr_read(f->cpu[n].l, 0x800 + off / 16, &val));
    return val;
}

static bool rdmsr_faults(struct fixture *f, unsigned n, u32 off)
{
    u64 val;
    return !lapic_msr_read(f->cpu[n].l, 0x800 + off / 16, &val);
}

static void test_reset_values(void)
{
    struct fixture f;

    setup(&f);
    lapic_reset(f.cpu[1].l, false);
    CHECK_EQ(rd(&f, 1, ID), 1u << 24);
    CHECK_EQ(rd(&f, 1, VERSION), 0x00050014);
    CHECK_EQ(rd(&f, 1, SVR), 0xff);
    CHECK_EQ(rd(&f, 1, DFR), 0xffffffff);
    CHECK_EQ(rd(&f, 1, LDR), 0);
    for (u32 off = LVT_TIMER; off <= LVT_ERROR; off += 16)
        CHECK_EQ(rd(&f, 1, off), 0x10000);
    CHECK_EQ(rd(&f, 1, ICR), 0);
    CHECK_EQ(lapic_base(f.cpu[0].l), BASE | 0x900);
    CHECK_EQ(lapic_base(f.cpu[1].l), BASE | 0x800);
    teardown(&f);
}

static void test_init_keeps_id_and_base(void)
{
    struct fixture f;

    setup(&f);
    wr(&f, 1, ID, 0x7fffffff);
    CHECK_EQ(rd(&f, 1, ID), 0x7f000000);
    CHECK(set_base(&f, 1, 0xfed40000 | 0x800));
    wr(&f, 1, TPR, 0x55);
    lapic_reset(f.cpu[1].l, true);
    CHECK_EQ(rd(&f, 1, ID), 0x7f000000);
    CHECK_EQ(lapic_base(f.cpu[1].l), 0xfed40000 | 0x800);
    CHECK_EQ(rd(&f, 1, TPR), 0);
    lapic_reset(f.cpu[1].l, false);
    CHECK_EQ(rd(&f, 1, ID), 0x01000000);
    CHECK_EQ(lapic_base(f.cpu[1].l), BASE | 0x800);
    teardown(&f);
}

static void test_priorities(void)
{
    struct fixture f;
    struct lapic *l;

    setup(&f);
    l = f.cpu[0].l;
    wr(&f, 0, ICR, 0x40000 | 0x51); /* self */
    wr(&f, 0, ICR, 0x40000 | 0x62);
    CHECK_EQ(f.cpu[0].intr >= 2, true);
    CHECK_EQ(rd(&f, 0, IRR + 0x20), BIT(0x11));
    CHECK_EQ(rd(&f, 0, APR), 0x60);
    CHECK_EQ(lapic_pending(l), 0x62);
    lapic_accept(l, 0x62);
    CHECK_EQ(rd(&f, 0, ISR + 0x30), BIT(2));
    CHECK_EQ(rd(&f, 0, PPR), 0x60);
    CHECK_EQ(lapic_pending(l), -1);
    wr(&f, 0, ICR, 0x40000 | 0x6f); /* the same class waits */
    CHECK_EQ(lapic_pending(l), -1);
    wr(&f, 0, ICR, 0x40000 | 0x71);
    CHECK_EQ(lapic_pending(l), 0x71);
    wr(&f, 0, TPR, 0x75);
    CHECK_EQ(lapic_pending(l), -1);
    CHECK_EQ(rd(&f, 0, PPR), 0x75);
    f.cpu[0].intr = 0;
    lapic_set_tpr(l, 0x6f);
    CHECK_EQ(lapic_tpr(l), 0x6f);
    CHECK_EQ(f.cpu[0].intr, 1);
    CHECK_EQ(rd(&f, 0, PPR), 0x6f); /* equal classes: the TPR with its low bits */
    CHECK_EQ(serve(&f, 0), 0x71);
    lapic_set_tpr(l, 0);
    f.cpu[0].intr = 0;
    wr(&f, 0, EOI, 0); /* ends 62h */
    CHECK_EQ(f.cpu[0].intr, 1);
    CHECK_EQ(serve(&f, 0), 0x6f);
    CHECK_EQ(serve(&f, 0), 0x51);
    wr(&f, 0, EOI, 0); /* nothing in service: no effect */
    CHECK_EQ(f.eois, 0);
    teardown(&f);
}

static void test_software_disable(void)
{
    struct fixture f;

    setup(&f);
    wr(&f, 0, LVT_TIMER, 0x40);
    wr(&f, 0, ICR, 0x40000 | 0x50);
    wr(&f, 0, SVR, 0xff);
    CHECK(!lapic_svr_enabled(f.cpu[0].l));
    CHECK_EQ(rd(&f, 0, LVT_TIMER), 0x10040);
    wr(&f, 0, LVT_TIMER, 0x41);
    CHECK_EQ(rd(&f, 0, LVT_TIMER), 0x10041);
    CHECK_EQ(lapic_pending(f.cpu[0].l), -1); /* held */
    wr(&f, 0, ICR, 0x40000 | 0x60);          /* not accepted */
    wr(&f, 1, ICR, 0x4400);                  /* NMI to ID 0 */
    CHECK_EQ(f.cpu[0].nmi, 1);
    wr(&f, 0, SVR, 0x1ff);
    CHECK_EQ(rd(&f, 0, LVT_TIMER), 0x10041);
    CHECK_EQ(serve(&f, 0), 0x50);
    CHECK_EQ(serve(&f, 0), -1);
    teardown(&f);
}

static void test_accesses(void)
{
    struct fixture f;

    setup(&f);
    CHECK_EQ(lapic_mmio_read(f.cpu[0].l, VERSION, 1), 0x14);
    CHECK_EQ(lapic_mmio_read(f.cpu[0].l, VERSION + 2, 2), 0x05);
    CHECK_EQ(lapic_mmio_read(f.cpu[0].l, VERSION + 4, 4), 0);
    lapic_mmio_write(f.cpu[0].l, TPR, 1, 0x22);
    lapic_mmio_write(f.cpu[0].l, TPR + 1, 4, 0x22);
    CHECK_EQ(rd(&f, 0, TPR), 0);
    wr(&f, 0, VERSION, 0);
    CHECK_EQ(rd(&f, 0, VERSION), 0x00050014);
    CHECK_EQ(rd(&f, 0, EOI), 0);
    wr(&f, 0, ESR, 0);
    CHECK_EQ(rd(&f, 0, ESR), 0);
    wr(&f, 0, DFR, 0);
    CHECK_EQ(rd(&f, 0, DFR), 0x0fffffff);
    teardown(&f);
}

static void test_errors(void)
{
    struct fixture f;
    struct lapic_msg msg = {.vector = 5, .assert = true, .dest = 0};

    setup(&f);
    wr(&f, 0, LVT_ERROR, 0xe3);
    wr(&f, 0, ICR, 0x40000 | 0x0f);
    CHECK_EQ(rd(&f, 0, ESR), 0); /* not before a write */
    CHECK_EQ(serve(&f, 0), 0xe3);
    lapic_bus_send(f.bus, &msg);
    CHECK_EQ(serve(&f, 0), -1); /* one interrupt for each write */
    wr(&f, 0, ESR, 0xffffffff);
    CHECK_EQ(rd(&f, 0, ESR), 0x60);
    rd(&f, 0, SELF); /* exists only in x2APIC mode */
    CHECK_EQ(serve(&f, 0), 0xe3);
    wr(&f, 0, ESR, 0);
    CHECK_EQ(rd(&f, 0, ESR), 0x80);
    wr(&f, 0, ESR, 0);
    CHECK_EQ(rd(&f, 0, ESR), 0);
    wr(&f, 0, LVT_ERROR, 0x03); /* an error in the error interrupt ends there */
    wr(&f, 0, 0x2f0, 0);
    wr(&f, 0, ESR, 0);
    CHECK_EQ(rd(&f, 0, ESR), 0xc0);
    teardown(&f);
}

static void check_hits(struct fixture *f, int a, int b, int c)
{
    int got[3];

    for (unsigned i = 0; i < 3; i++)
        got[i] = serve(f, i) >= 0;
    CHECK_EQ(got[0], a);
    CHECK_EQ(got[1], b);
    CHECK_EQ(got[2], c);
}

static void ipi(struct fixture *f, u32 dest, u32 low)
{
    wr(f, 0, ICR2, dest << 24);
    wr(f, 0, ICR, low);
}

static void test_destinations(void)
{
    struct fixture f;

    setup(&f);
    ipi(&f, 1, 0x4040);
    check_hits(&f, 0, 1, 0);
    ipi(&f, 0xff, 0x4040);
    check_hits(&f, 1, 1, 1);
    ipi(&f, 0, 0x44040); /* shorthands: self, all, all but self */
    check_hits(&f, 1, 0, 0);
    ipi(&f, 0, 0x84040);
    check_hits(&f, 1, 1, 1);
    ipi(&f, 0, 0xc4040);
    check_hits(&f, 0, 1, 1);
    for (unsigned i = 0; i < 3; i++)
        wr(&f, i, LDR, BIT(24 + i));
    ipi(&f, 0x86, 0x4840); /* flat */
    check_hits(&f, 0, 1, 1);
    ipi(&f, 0xff, 0x4840);
    check_hits(&f, 1, 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        wr(&f, i, DFR, 0x0fffffff);
        wr(&f, i, LDR, i < 2 ? 0x20000000u | BIT(24 + i) : 0x31000000u);
    }
    ipi(&f, 0x23, 0x4840); /* cluster */
    check_hits(&f, 1, 1, 0);
    ipi(&f, 0x31, 0x4840);
    check_hits(&f, 0, 0, 1);
    ipi(&f, 0xff, 0x4840);
    check_hits(&f, 1, 1, 1);
    CHECK_EQ(rd(&f, 0, ICR2), 0xff000000);
    CHECK_EQ(rd(&f, 0, ICR), 0x4840);
    teardown(&f);
}

static void test_lowest_priority(void)
{
    struct fixture f;
    unsigned hits[3] = {0};

    setup(&f);
    for (unsigned i = 0; i < 3; i++)
        wr(&f, i, LDR, BIT(24 + i));
    wr(&f, 0, TPR, 0x30);
    wr(&f, 2, TPR, 0x20);
    ipi(&f, 7, 0x4940);
    check_hits(&f, 0, 1, 0);
    wr(&f, 1, SVR, 0xff); /* a disabled one does not take part */
    ipi(&f, 7, 0x4940);
    check_hits(&f, 0, 0, 1);
    wr(&f, 1, SVR, 0x1ff);
    wr(&f, 0, TPR, 0);
    wr(&f, 2, TPR, 0);
    for (unsigned i = 0; i < 6; i++) { /* equals take turns */
        ipi(&f, 7, 0x4940);
        for (unsigned n = 0; n < 3; n++)
            hits[n] += serve(&f, n) >= 0;
    }
    CHECK_EQ(hits[0], 2);
    CHECK_EQ(hits[1], 2);
    CHECK_EQ(hits[2], 2);
    teardown(&f);
}

static void test_nmi_smi_init_sipi(void)
{
    struct fixture f;

    setup(&f);
    ipi(&f, 1, 0x4400);
    ipi(&f, 1, 0x400); /* level bit means nothing for NMI */
    ipi(&f, 1, 0x4200);
    CHECK_EQ(f.cpu[1].nmi, 2);
    CHECK_EQ(f.cpu[1].smi, 1);
    ipi(&f, 1, 0xc500); /* INIT, level assert */
    CHECK_EQ(f.cpu[1].init, 1);
    ipi(&f, 1, 0x8500); /* level de-assert */
    CHECK_EQ(f.cpu[1].init, 1);
    ipi(&f, 1, 0x0500); /* edge */
    CHECK_EQ(f.cpu[1].init, 2);
    ipi(&f, 0, 0xc4699);
    CHECK_EQ(f.cpu[0].sipi, 0);
    CHECK_EQ(f.cpu[1].sipi, 1);
    CHECK_EQ(f.cpu[2].sipi_vector, 0x99);
    ipi(&f, 1, 0x4300); /* reserved modes */
    ipi(&f, 1, 0x4700);
    CHECK(!lapic_accepts_extint(f.cpu[1].l));
    CHECK_EQ(lapic_pending(f.cpu[1].l), -1);
    teardown(&f);
}

static void test_level_eoi(void)
{
    struct fixture f;
    struct lapic_msg msg = {.vector = 0x45, .level_triggered = true, .assert = true, .dest = 2};

    setup(&f);
    CHECK(lapic_bus_deliver(f.bus, &msg));
    CHECK_EQ(rd(&f, 2, TMR + 0x20), BIT(5));
    CHECK_EQ(serve(&f, 2), 0x45);
    CHECK_EQ(f.eois, 1);
    CHECK_EQ(f.eoi_vector, 0x45);
    msg.level_triggered = false;
    CHECK(lapic_bus_deliver(f.bus, &msg));
    CHECK_EQ(rd(&f, 2, TMR + 0x20), 0);
    CHECK_EQ(serve(&f, 2), 0x45);
    CHECK_EQ(f.eois, 1);
    msg.level_triggered = true;
    msg.assert = false;
    lapic_bus_send(f.bus, &msg);
    CHECK_EQ(serve(&f, 2), -1);
    msg.dest = 9;
    CHECK(!lapic_bus_deliver(f.bus, &msg));
    teardown(&f);
}

static void test_msi(void)
{
    struct fixture f;

    setup(&f);
    for (unsigned i = 0; i < 3; i++)
        wr(&f, i, LDR, BIT(24 + i));
    lapic_bus_msi(f.bus, 0xfee01000, 0x0041);
    check_hits(&f, 0, 1, 0);
    lapic_bus_msi(f.bus, 0xfee06004, 0x4041);
    check_hits(&f, 0, 1, 1);
    wr(&f, 1, TPR, 0x10);
    lapic_bus_msi(f.bus, 0xfee0600c, 0x4041); /* redirection hint */
    check_hits(&f, 0, 0, 1);
    lapic_bus_msi(f.bus, 0xfee06004, 0x4141); /* lowest priority */
    check_hits(&f, 0, 0, 1);
    lapic_bus_msi(f.bus, 0xfee01000, 0xc041);
    CHECK_EQ(serve(&f, 1), 0x41);
    CHECK_EQ(f.eois, 1);
    lapic_bus_msi(f.bus, 0xfee01000, 0x0400);
    CHECK_EQ(f.cpu[1].nmi, 1);
    lapic_bus_msi(f.bus, 0xfec01000, 0x41);
    lapic_bus_msi(f.bus, 0x1fee01000, 0x41);
    check_hits(&f, 0, 0, 0);
    teardown(&f);
}

static void test_base_transitions(void)
{
    struct fixture f;
    u64 base = BASE | 0x100;

    setup(&f);
    CHECK(!set_base(&f, 0, base | 0x801));
    CHECK(!set_base(&f, 0, base | 0xa00));
    CHECK(!set_base(&f, 0, base | 0x800 | BIT64(40)));
    CHECK(!lapic_set_base(f.cpu[0].l, base | 0xc00, false, PHYS_MASK));
    CHECK(!set_base(&f, 0, base | 0x400));
    CHECK(set_base(&f, 0, base | 0xc00));
    CHECK(!set_base(&f, 0, base | 0x800));
    CHECK(!set_base(&f, 0, base | 0x400));
    CHECK_EQ(rd(&f, 0, VERSION), 0xffffffff);
    CHECK(set_base(&f, 0, base));
    CHECK(!set_base(&f, 0, base | 0xc00));
    CHECK(!set_base(&f, 0, base | 0x400));
    lapic_set_tpr(f.cpu[0].l, 0xf0); /* CR8 works without an APIC */
    CHECK_EQ(lapic_tpr(f.cpu[0].l), 0xf0);
    wr(&f, 0, SVR, 0x1ff);
    CHECK(set_base(&f, 0, base | 0x800));
    CHECK_EQ(rd(&f, 0, SVR), 0xff);
    CHECK_EQ(rd(&f, 0, TPR), 0);
    teardown(&f);
}

static void test_disabled(void)
{
    struct fixture f;
    struct lapic *l;

    setup(&f);
    l = f.cpu[0].l;
    wr(&f, 0, ID, 0x55000000);
    wr(&f, 0, ICR, 0x40000 | 0x50);
    CHECK(!lapic_accepts_extint(l));
    CHECK(set_base(&f, 0, BASE | 0x100));
    CHECK_EQ(lapic_pending(l), -1);
    CHECK(lapic_accepts_extint(l));
    CHECK(!lapic_extint_pending(l));
    lapic_set_lint(l, 0, true);
    CHECK(lapic_extint_pending(l));
    lapic_set_lint(l, 1, true);
    CHECK_EQ(f.cpu[0].nmi, 1);
    wr(&f, 1, ICR, 0x84500);
    CHECK_EQ(f.cpu[0].init, 0); /* not on the bus */
    CHECK(set_base(&f, 0, BASE | 0x900));
    CHECK_EQ(rd(&f, 0, ID), 0);
    CHECK(!lapic_extint_pending(l));
    teardown(&f);
}

static void test_lint(void)
{
    struct fixture f;
    struct lapic *l;

    setup(&f);
    l = f.cpu[0].l;
    lapic_set_lint(l, 0, true);
    f.cpu[0].intr = 0;
    wr(&f, 0, LVT_LINT0, 0x700); /* ExtINT, with the line up already */
    CHECK_EQ(f.cpu[0].intr, 1);
    CHECK(lapic_accepts_extint(l));
    CHECK(lapic_extint_pending(l));
    CHECK_EQ(rd(&f, 0, LVT_LINT0), 0x1700);
    lapic_set_lint(l, 0, false);
    CHECK(!lapic_extint_pending(l));
    CHECK_EQ(rd(&f, 0, LVT_LINT0), 0x700);
    wr(&f, 0, LVT_LINT0, 0x10700);
    CHECK(!lapic_accepts_extint(l));
    lapic_set_lint(l, 0, true);
    CHECK(!lapic_extint_pending(l));
    wr(&f, 0, LVT_LINT1, 0x400);
    lapic_set_lint(l, 1, true);
    lapic_set_lint(l, 1, true);
    CHECK_EQ(f.cpu[0].nmi, 1);
    lapic_set_lint(l, 1, false);
    wr(&f, 0, LVT_LINT1, 0x200);
    lapic_set_lint(l, 1, true);
    CHECK_EQ(f.cpu[0].smi, 1);
    lapic_set_lint(l, 1, false);
    wr(&f, 0, LVT_LINT1, 0x500);
    lapic_set_lint(l, 1, true);
    CHECK_EQ(f.cpu[0].init, 1);
    lapic_set_lint(l, 1, false);
    wr(&f, 0, LVT_LINT1, 0x8066); /* LINT1 is always an edge */
    lapic_set_lint(l, 1, true);
    CHECK_EQ(serve(&f, 0), 0x66);
    CHECK_EQ(serve(&f, 0), -1);
    teardown(&f);
}

static void test_lint0_level(void)
{
    struct fixture f;
    struct lapic *l;

    setup(&f);
    l = f.cpu[0].l;
    wr(&f, 0, LVT_LINT0, 0x8055);
    lapic_set_lint(l, 0, true);
    CHECK_EQ(rd(&f, 0, LVT_LINT0), 0xc055);
    CHECK_EQ(serve(&f, 0), 0x55); /* again after the EOI while the line is up */
    CHECK_EQ(rd(&f, 0, LVT_LINT0), 0xc055);
    lapic_set_lint(l, 0, false);
    CHECK_EQ(serve(&f, 0), 0x55);
    CHECK_EQ(rd(&f, 0, LVT_LINT0), 0x8055);
    CHECK_EQ(serve(&f, 0), -1);
    wr(&f, 0, LVT_LINT0, 0x18055);
    lapic_set_lint(l, 0, true);
    CHECK_EQ(serve(&f, 0), -1);
    wr(&f, 0, LVT_LINT0, 0x8055);
    lapic_set_lint(l, 0, false);
    CHECK_EQ(serve(&f, 0), 0x55);
    CHECK_EQ(serve(&f, 0), -1);
    teardown(&f);
}

static void test_extint_message(void)
{
    struct fixture f;
    struct lapic_msg msg = {
        .delivery_mode = LAPIC_EXTINT, .level_triggered = true, .assert = true, .dest = 1};

    setup(&f);
    lapic_bus_send(f.bus, &msg);
    CHECK(lapic_accepts_extint(f.cpu[1].l));
    CHECK(lapic_extint_pending(f.cpu[1].l));
    CHECK(!lapic_extint_pending(f.cpu[0].l));
    msg.assert = false;
    lapic_bus_send(f.bus, &msg);
    CHECK(!lapic_extint_pending(f.cpu[1].l));
    teardown(&f);
}

static void test_timer_one_shot(void)
{
    struct fixture f;

    setup(&f);
    wr(&f, 0, LVT_TIMER, 0x40);
    wr(&f, 0, DIVIDE, 0xb);
    wr(&f, 0, INITIAL, 1000);
    CHECK_EQ(rd(&f, 0, CURRENT), 1000);
    clock_advance(f.clk, 999);
    CHECK_EQ(rd(&f, 0, CURRENT), 1);
    CHECK_EQ(serve(&f, 0), -1);
    clock_advance(f.clk, 1);
    CHECK_EQ(serve(&f, 0), 0x40);
    CHECK_EQ(rd(&f, 0, CURRENT), 0);
    CHECK_EQ(rd(&f, 0, INITIAL), 1000);
    clock_advance(f.clk, 5000);
    CHECK_EQ(serve(&f, 0), -1);
    wr(&f, 0, LVT_TIMER, 0x20040); /* periodic: an expired count stays at zero */
    CHECK_EQ(rd(&f, 0, CURRENT), 0);
    wr(&f, 0, LVT_TIMER, 0x10040);
    wr(&f, 0, INITIAL, 1000);
    clock_advance(f.clk, 2000);
    wr(&f, 0, LVT_TIMER, 0x40); /* expired while masked: lost */
    CHECK_EQ(serve(&f, 0), -1);
    wr(&f, 0, INITIAL, 1000);
    wr(&f, 0, INITIAL, 0); /* stops */
    clock_advance(f.clk, 2000);
    CHECK_EQ(serve(&f, 0), -1);
    teardown(&f);
}

static void test_timer_periodic(void)
{
    struct fixture f;

    setup(&f);
    wr(&f, 0, DIVIDE, 3); /* by 16 */
    CHECK_EQ(rd(&f, 0, DIVIDE), 3);
    wr(&f, 0, LVT_TIMER, 0x20041);
    wr(&f, 0, INITIAL, 1000);
    for (unsigned i = 0; i < 3; i++) {
        clock_advance(f.clk, 15999);
        CHECK_EQ(serve(&f, 0), -1);
        CHECK_EQ(rd(&f, 0, CURRENT), 1);
        clock_advance(f.clk, 1);
        CHECK_EQ(rd(&f, 0, CURRENT), 1000);
        CHECK_EQ(serve(&f, 0), 0x41);
    }
    clock_advance(f.clk, 1600);
    CHECK_EQ(rd(&f, 0, CURRENT), 900);
    wr(&f, 0, DIVIDE, 0); /* by 2: the count stays, its speed changes */
    CHECK_EQ(rd(&f, 0, CURRENT), 900);
    clock_advance(f.clk, 1800);
    CHECK_EQ(serve(&f, 0), 0x41);
    clock_advance(f.clk, 1000);
    wr(&f, 0, LVT_TIMER, 0x41); /* one-shot: goes on from where it is */
    CHECK_EQ(rd(&f, 0, CURRENT), 500);
    clock_advance(f.clk, 1000);
    CHECK_EQ(rd(&f, 0, CURRENT), 0);
    CHECK_EQ(serve(&f, 0), 0x41);
    clock_advance(f.clk, 10000);
    CHECK_EQ(serve(&f, 0), -1);
    teardown(&f);
}

static void test_timer_tiny_period(void)
{
    struct fixture f;

    setup(&f);
    wr(&f, 0, DIVIDE, 0xb);
    wr(&f, 0, LVT_TIMER, 0x20041);
    wr(&f, 0, INITIAL, 1);
    f.cpu[0].intr = 0;
    clock_advance(f.clk, 1000000);
    CHECK(f.cpu[0].intr >= 50 && f.cpu[0].intr <= 101);
    CHECK_EQ(serve(&f, 0), 0x41);
    lapic_reset(f.cpu[0].l, true);
    f.cpu[0].intr = 0;
    clock_advance(f.clk, 1000000);
    CHECK_EQ(f.cpu[0].intr, 0);
    teardown(&f);
}

static void test_timer_deadline(void)
{
    struct fixture f;
    struct lapic *l;

    setup(&f);
    l = f.cpu[0].l;
    lapic_set_tsc_deadline(l, 5000, 0); /* not in that mode: ignored */
    CHECK_EQ(lapic_tsc_deadline(l), 0);
    wr(&f, 0, INITIAL, 100000);
    wr(&f, 0, LVT_TIMER, 0x40042);
    CHECK_EQ(rd(&f, 0, INITIAL), 0);
    wr(&f, 0, INITIAL, 1000);
    CHECK_EQ(rd(&f, 0, INITIAL), 0);
    clock_advance(f.clk, 10000);
    lapic_set_tsc_deadline(l, 7000, -5000); /* at 12000 ns */
    CHECK_EQ(lapic_tsc_deadline(l), 7000);
    clock_advance(f.clk, 1999);
    CHECK_EQ(serve(&f, 0), -1);
    CHECK_EQ(rd(&f, 0, CURRENT), 0);
    clock_advance(f.clk, 1);
    CHECK_EQ(serve(&f, 0), 0x42);
    CHECK_EQ(lapic_tsc_deadline(l), 0);
    lapic_set_tsc_deadline(l, 1, 0); /* in the past: at once */
    CHECK_EQ(serve(&f, 0), 0x42);
    CHECK_EQ(lapic_tsc_deadline(l), 0);
    lapic_set_tsc_deadline(l, 20000, 0);
    lapic_set_tsc_deadline(l, 0, 0); /* disarms */
    clock_advance(f.clk, 20000);
    CHECK_EQ(serve(&f, 0), -1);
    lapic_set_tsc_deadline(l, UINT64_MAX, 0);
    CHECK_EQ(lapic_tsc_deadline(l), UINT64_MAX);
    wr(&f, 0, LVT_TIMER, 0x42); /* leaving the mode disarms */
    wr(&f, 0, LVT_TIMER, 0x40042);
    CHECK_EQ(lapic_tsc_deadline(l), 0);
    teardown(&f);
}

static void test_x2apic_registers(void)
{
    struct fixture f;
    u64 val;

    setup(&f);
    CHECK(!lapic_msr_read(f.cpu[1].l, 0x802, &val)); /* xAPIC mode */
    wr(&f, 1, ID, 0x44000000);
    wr(&f, 1, TPR, 0x20);
    go_x2(&f, 1);
    CHECK_EQ(rdmsr(&f, 1, ID), 1);
    CHECK_EQ(rdmsr(&f, 1, LDR), 2);
    CHECK_EQ(rdmsr(&f, 1, TPR), 0x20);
    CHECK_EQ(rdmsr(&f, 1, VERSION), 0x50014);
    CHECK_EQ(rdmsr(&f, 1, SVR), 0x1ff);
    CHECK(!wrmsr(&f, 1, ID, 1));
    CHECK(!wrmsr(&f, 1, LDR, 1));
    CHECK(!wrmsr(&f, 1, TPR, 0x100));
    CHECK(!wrmsr(&f, 1, TPR, BIT64(32)));
    CHECK(!wrmsr(&f, 1, EOI, 1));
    CHECK(wrmsr(&f, 1, EOI, 0));
    CHECK(!wrmsr(&f, 1, ESR, 1));
    CHECK(!wrmsr(&f, 1, SVR, 0x11ff));
    CHECK(!wrmsr(&f, 1, LVT_TIMER, 0x80000));
    CHECK(!wrmsr(&f, 1, LVT_TIMER, 0x700));
    CHECK(wrmsr(&f, 1, LVT_TIMER, 0x1040)); /* read-only delivery status */
    CHECK_EQ(rdmsr(&f, 1, LVT_TIMER), 0x40);
    CHECK(!wrmsr(&f, 1, SELF, 0x140));
    CHECK(!wrmsr(&f, 1, CURRENT, 0));
    CHECK(rdmsr_faults(&f, 1, EOI));
    CHECK(rdmsr_faults(&f, 1, SELF));
    CHECK(rdmsr_faults(&f, 1, DFR));
    CHECK(rdmsr_faults(&f, 1, APR));
    CHECK(rdmsr_faults(&f, 1, ICR2));
    CHECK(rdmsr_faults(&f, 1, 0x2f0));
    CHECK(rdmsr_faults(&f, 1, 0xff0));
    CHECK(!wrmsr(&f, 1, 0x000, 0));
    lapic_reset(f.cpu[1].l, true); /* INIT stays in x2APIC mode */
    CHECK_EQ(rdmsr(&f, 1, ID), 1);
    CHECK_EQ(rdmsr(&f, 1, LDR), 2);
    teardown(&f);
}

static void test_x2apic_ipis(void)
{
    struct fixture f;

    setup(&f);
    go_x2(&f, 0);
    CHECK(wrmsr(&f, 0, SVR, 0x1ff));
    CHECK(wrmsr(&f, 0, SELF, 0x71));
    CHECK_EQ(lapic_pending(f.cpu[0].l), 0x71);
    lapic_accept(f.cpu[0].l, 0x71);
    CHECK(wrmsr(&f, 0, EOI, 0));
    CHECK(wrmsr(&f, 0, ICR, 1ull << 32 | 0x4072)); /* to one in xAPIC mode */
    CHECK_EQ(rdmsr(&f, 0, ICR), 1ull << 32 | 0x4072);
    CHECK_EQ(serve(&f, 1), 0x72);
    CHECK(wrmsr(&f, 0, ICR, 0xffffffffull << 32 | 0x4073));
    CHECK_EQ(serve(&f, 1), 0x73);
    CHECK_EQ(serve(&f, 2), 0x73);
    CHECK_EQ(lapic_pending(f.cpu[0].l), 0x73);
    go_x2(&f, 1);
    CHECK(wrmsr(&f, 0, ICR, 0x3ull << 32 | 0x4874)); /* cluster 0, IDs 0 and 1 */
    CHECK_EQ(lapic_pending(f.cpu[0].l), 0x74);
    CHECK_EQ(lapic_pending(f.cpu[1].l), 0x74);
    CHECK(wrmsr(&f, 0, ICR, 0x10002ull << 32 | 0x4875)); /* cluster 1 */
    CHECK_EQ(lapic_pending(f.cpu[1].l), 0x74);
    CHECK(!wrmsr(&f, 0, ICR, 0x2000));
    CHECK(!wrmsr(&f, 0, ICR, BIT64(20)));
    CHECK(wrmsr(&f, 0, ICR, 0x1ull << 32 | 0x5076)); /* delivery status is ignored */
    CHECK_EQ(lapic_pending(f.cpu[1].l), 0x76);
    wr(&f, 2, ICR2, 0x01000000); /* and back, from xAPIC */
    wr(&f, 2, ICR, 0x4077);
    CHECK_EQ(lapic_pending(f.cpu[1].l), 0x77);
    lapic_bus_msi(f.bus, 0xfeeff000, 0x78); /* an 8-bit FFh is everybody */
    CHECK_EQ(lapic_pending(f.cpu[1].l), 0x78);
    CHECK_EQ(serve(&f, 2), 0x78);
    CHECK(wrmsr(&f, 1, SELF, 3));
    CHECK(wrmsr(&f, 1, ESR, 0));
    CHECK_EQ(rdmsr(&f, 1, ESR), 0x20);
    teardown(&f);
}

static void *sender(void *opaque)
{
    struct fixture *f = opaque;

    for (unsigned i = 0; i < 20000; i++) {
        struct lapic_msg msg = {.vector = (u8)(32 + i % 200),
                                .level_triggered = i & 1,
                                .assert = true,
                                .delivery_mode = i % 3 == 0,
                                .dest = i % 7 ? 0 : 0xff};
        lapic_bus_send(f->bus, &msg);
        lapic_set_lint(f->cpu[1].l, 0, i & 1);
    }
    return NULL;
}

/* Two CPUs' threads against a device's: no bit is lost, and no data race for TSan to find. */
static void *receiver(void *opaque)
{
    struct fixture *f = opaque;

    wr(f, 1, LVT_LINT0, 0x8031);
    for (unsigned i = 0; i < 20000; i++) {
        serve(f, 1);
        lapic_set_tpr(f->cpu[1].l, (u8)i);
        wr(f, 1, LDR, i << 24);
        wr(f, 1, ICR, 0xc4033);
    }
    lapic_set_tpr(f->cpu[1].l, 0);
    return NULL;
}

static void test_threads(void)
{
    struct fixture f;
    pthread_t threads[2];
    unsigned served = 0;

    setup(&f);
    lapic_bus_on_eoi(f.bus, NULL, &f);
    CHECK_EQ(pthread_create(&threads[0], NULL, sender, &f), 0);
    CHECK_EQ(pthread_create(&threads[1], NULL, receiver, &f), 0);
    for (unsigned i = 0; i < 20000; i++)
        served += serve(&f, 0) >= 0;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(f.cpu[0].intr > 0);
    while (serve(&f, 0) >= 0)
        served++;
    CHECK(served > 0);
    lapic_set_lint(f.cpu[1].l, 0, false);
    for (unsigned i = 0; i < 300; i++)
        serve(&f, 1);
    CHECK_EQ(serve(&f, 1), -1);
    teardown(&f);
}

int main(void)
{
    TEST_RUN(test_reset_values);
    TEST_RUN(test_init_keeps_id_and_base);
    TEST_RUN(test_priorities);
    TEST_RUN(test_software_disable);
    TEST_RUN(test_accesses);
    TEST_RUN(test_errors);
    TEST_RUN(test_destinations);
    TEST_RUN(test_lowest_priority);
    TEST_RUN(test_nmi_smi_init_sipi);
    TEST_RUN(test_level_eoi);
    TEST_RUN(test_msi);
    TEST_RUN(test_base_transitions);
    TEST_RUN(test_disabled);
    TEST_RUN(test_lint);
    TEST_RUN(test_lint0_level);
    TEST_RUN(test_extint_message);
    TEST_RUN(test_timer_one_shot);
    TEST_RUN(test_timer_periodic);
    TEST_RUN(test_timer_tiny_period);
    TEST_RUN(test_timer_deadline);
    TEST_RUN(test_x2apic_registers);
    TEST_RUN(test_x2apic_ipis);
    TEST_RUN(test_threads);
    return test_result();
}
