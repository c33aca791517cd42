/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/hpet.h"
#include "../test.h"
#include "rig.h"

#define CONFIG  0x010
#define STATUS  0x020
#define COUNTER 0x0f0
#define T(n)    (0x100u + 0x20u * (n))
#define CMP(n)  (T(n) + 8)
#define FSB(n)  (T(n) + 16)

#define LEVEL    0x0002u
#define INT      0x0004u
#define PERIODIC 0x0008u
#define VAL_SET  0x0040u
#define MODE32   0x0100u
#define ROUTE(n) ((unsigned)(n) << 9)
#define FSB_EN   0x4000u

static struct rig rig;
static struct wire wires[24];
static struct hpet *h;
static unsigned msis;
static u64 msi_addr, msi_data;

static void on_msi(void *opaque, u64 addr, u32 data)
{
    msis++;
    msi_addr = addr;
    msi_data = data;
}

static void open_hpet(void)
{
    struct irq irqs[24];

    rig_open(&rig);
    memset(wires, 0, sizeof(wires));
    msis = 0;
    for (unsigned i = 0; i < 24; i++)
        irqs[i] = (struct irq){.set = wire_set, .opaque = wires, .n = i};
    if (hpet_new(&h, &rig.mmio, HPET_BASE, rig.clk, irqs, on_msi, NULL))
        exit(1);
}

static void close_hpet(void)
{
    hpet_free(h);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    rig_close(&rig);
}

static u64 get(u64 reg)
{
    return bus_read(&rig.mmio, HPET_BASE + reg, 8);
}

static void put(u64 reg, u64 val)
{
    bus_write(&rig.mmio, HPET_BASE + reg, 8, val);
}

static void put32(u64 reg, u64 val)
{
    bus_write(&rig.mmio, HPET_BASE + reg, 4, val);
}

static void ticks(u64 n)
{
    clock_advance(rig.clk, n * HPET_TICK_NS);
}

static void capabilities(void)
{
    open_hpet();
    CHECK_EQ(get(0), 0x009896808086a201ull);
    CHECK_EQ(bus_read(&rig.mmio, HPET_BASE + 4, 4), 10000000);
    CHECK_EQ(get(T(0)), 0x00ff000000008030ull);
    CHECK_EQ(get(T(3)), 0);
    CHECK_EQ(get(CMP(2)), UINT64_MAX);
    put(0, 0);
    CHECK_EQ(get(0), 0x009896808086a201ull);
    put(T(1), ROUTE(3) | INT); /* not a line it can take */
    CHECK_EQ(get(T(1)) & 0xffff, 0x8034);
    put(T(1), ROUTE(20) | INT);
    CHECK_EQ(get(T(1)) & 0xffff, 0x8034 | ROUTE(20));
    close_hpet();
}

static void main_counter(void)
{
    open_hpet();
    ticks(100);
    CHECK_EQ(get(COUNTER), 0);
    put(CONFIG, 1);
    ticks(100);
    CHECK_EQ(get(COUNTER), 100);
    put(CONFIG, 0);
    ticks(100);
    CHECK_EQ(get(COUNTER), 100);
    put32(COUNTER + 4, 0xffffffff);
    put32(COUNTER, 0xfffffff0);
    put(CONFIG, 1);
    ticks(0x20);
    CHECK_EQ(get(COUNTER), 0x10);
    hpet_reset(h);
    CHECK_EQ(get(COUNTER), 0);
    close_hpet();
}

static void one_shot_edge(void)
{
    open_hpet();
    put(CMP(2), 1000);
    put(T(2), INT | ROUTE(16));
    put(CONFIG, 1);
    ticks(999);
    CHECK_EQ(wires[16].rises, 0);
    ticks(1);
    CHECK_EQ(wires[16].rises, 1);
    CHECK(!wires[16].level);
    CHECK_EQ(get(STATUS), 0);
    CHECK_EQ(get(CMP(2)), 1000);
    ticks(100000);
    CHECK_EQ(wires[16].rises, 1);
    put(CMP(2), 500); /* in the past: waits for the wrap */
    ticks(100000);
    CHECK_EQ(wires[16].rises, 1);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    close_hpet();
}

static void one_shot_32_bit_wraps(void)
{
    open_hpet();
    put(COUNTER, 0x7fffffff0ull);
    put(T(0), INT | MODE32 | ROUTE(17));
    put(CMP(0), 0x123400000010ull);
    CHECK_EQ(get(CMP(0)), 0x10);
    put(CONFIG, 1);
    ticks(0x1f);
    CHECK_EQ(wires[17].rises, 0);
    ticks(1);
    CHECK_EQ(wires[17].rises, 1);
    ticks(0x100000000ull);
    CHECK_EQ(wires[17].rises, 2);
    close_hpet();
}

static void level_until_acknowledged(void)
{
    open_hpet();
    put(T(1), INT | LEVEL | ROUTE(18));
    put(CMP(1), 100);
    put(CONFIG, 1);
    ticks(150);
    CHECK(wires[18].level);
    CHECK_EQ(get(STATUS), 2);
    put(STATUS, 1);
    CHECK(wires[18].level);
    put(STATUS, 2);
    CHECK(!wires[18].level);
    close_hpet();
}

/* As Linux does: VAL_SET, first match, period. */
static void periodic_with_val_set(void)
{
    open_hpet();
    put(CONFIG, 1);
    ticks(5000);
    put32(T(0), INT | PERIODIC | VAL_SET | MODE32 | ROUTE(19));
    put32(CMP(0), 5000 + 10000);
    CHECK_EQ(get(T(0)) & VAL_SET, 0);
    put32(CMP(0), 100000);
    ticks(10000);
    CHECK_EQ(wires[19].rises, 1);
    CHECK_EQ(get(CMP(0)), 115000);
    ticks(99999);
    CHECK_EQ(wires[19].rises, 1);
    ticks(1);
    CHECK_EQ(wires[19].rises, 2);
    ticks(1000000);
    CHECK_EQ(wires[19].rises, 12);
    put32(CMP(0), 50000); /* the period alone; the next match stays */
    CHECK_EQ(get(CMP(0)), 1215000);
    put32(T(0), PERIODIC | MODE32 | ROUTE(19)); /* goes on without interrupts */
    ticks(10 * 50000ull + 100000);
    CHECK_EQ(wires[19].rises, 12);
    CHECK(get(CMP(0)) > get(COUNTER));
    CHECK(get(CMP(0)) <= get(COUNTER) + 50000);
    close_hpet();
}

static void periodic_with_one_write(void)
{
    open_hpet();
    put(T(0), INT | PERIODIC | VAL_SET | ROUTE(19));
    put(CMP(0), 20000);
    put(CONFIG, 1);
    ticks(100000);
    CHECK_EQ(wires[19].rises, 5);
    close_hpet();
}

static void short_periods_are_thinned(void)
{
    open_hpet();
    put(T(0), INT | PERIODIC | VAL_SET | ROUTE(19));
    put(CMP(0), 1);
    put(CONFIG, 1);
    clock_advance(rig.clk, 100 * MS);
    CHECK(wires[19].rises <= 5000);
    CHECK(wires[19].rises >= 4900);
    put(T(0), INT | PERIODIC | VAL_SET | ROUTE(19));
    put(CMP(0), 0); /* no period at all */
    clock_advance(rig.clk, 100 * MS);
    CHECK_EQ(get(COUNTER), 20000000);
    close_hpet();
}

static void msi(void)
{
    open_hpet();
    put32(FSB(1) + 4, 0xfee01000);
    put32(FSB(1), 0x4041);
    put(T(1), INT | FSB_EN | LEVEL | ROUTE(20));
    put(CMP(1), 100);
    put(CONFIG, 1);
    ticks(100);
    CHECK_EQ(msis, 1);
    CHECK_EQ(msi_addr, 0xfee01000);
    CHECK_EQ(msi_data, 0x4041);
    CHECK_EQ(wires[20].rises, 0);
    CHECK_EQ(get(STATUS), 0);
    close_hpet();
}

static void legacy_replacement(void)
{
    open_hpet();
    hpet_pit_irq(h, 0, true);
    CHECK(wires[0].level);
    hpet_rtc_irq(h, 0, true);
    CHECK(wires[8].level);
    put(T(0), INT | LEVEL);
    put(T(1), INT);
    put(CMP(0), 1000);
    put(CMP(1), 2000);
    put(CONFIG, 3);
    CHECK(hpet_legacy(h));
    CHECK(!wires[0].level);
    hpet_pit_irq(h, 0, false);
    hpet_pit_irq(h, 0, true);
    CHECK_EQ(wires[0].rises, 1);
    ticks(1000);
    CHECK(wires[0].level);
    put(STATUS, 1);
    CHECK(!wires[0].level);
    ticks(1000);
    CHECK_EQ(wires[8].rises, 2);
    put(CONFIG, 1);
    CHECK(wires[0].level);
    CHECK(wires[8].level);
    hpet_reset(h);
    CHECK(!hpet_legacy(h));
    close_hpet();
}

static void widths(void)
{
    open_hpet();
    put(CMP(0), 0x1122334455667788ull);
    CHECK_EQ(bus_read(&rig.mmio, HPET_BASE + CMP(0) + 4, 4), 0x11223344);
    CHECK_EQ(bus_read(&rig.mmio, HPET_BASE + CMP(0) + 1, 1), 0x77);
    CHECK_EQ(bus_read(&rig.mmio, HPET_BASE + CMP(0) + 2, 2), 0x5566);
    bus_write(&rig.mmio, HPET_BASE + CMP(0), 1, 0xff); /* too narrow */
    bus_write(&rig.mmio, HPET_BASE + CMP(0) + 3, 8, 0xff);
    CHECK_EQ(get(CMP(0)), 0x1122334455667788ull);
    CHECK_EQ(bus_read(&rig.mmio, HPET_BASE + CMP(0) + 4, 8), 0x11223344);
    close_hpet();
}

int main(void)
{
    TEST_RUN(capabilities);
    TEST_RUN(main_counter);
    TEST_RUN(one_shot_edge);
    TEST_RUN(one_shot_32_bit_wraps);
    TEST_RUN(level_until_acknowledged);
    TEST_RUN(periodic_with_val_set);
    TEST_RUN(periodic_with_one_write);
    TEST_RUN(short_periods_are_thinned);
    TEST_RUN(msi);
    TEST_RUN(legacy_replacement);
    TEST_RUN(widths);
    return test_result();
}
