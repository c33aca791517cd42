/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HPET (IA-PC HPET specification 1.0a): found by its ACPI table; counter, comparators one-shot and
   periodic through the I/O APIC, level and edge, 32-bit mode. */
#include "acpi.h"
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "time.h"
#include "trap.h"

#define VECTOR   0x60
#define IOAPIC   0xfec00000u
#define CAP      0x000
#define CONFIG   0x010
#define STATUS   0x020
#define COUNT    0x0f0
#define TCONF(n) (0x100 + 0x20 * (n))
#define TCOMP(n) (0x108 + 0x20 * (n))

static word base;

static u64 get(u32 reg)
{
    return *(volatile u64 *)(base + reg);
}

static void put(u32 reg, u64 v)
{
    *(volatile u64 *)(base + reg) = v;
}

static void route(u32 gsi, u32 low)
{
    volatile u32 *io = (volatile u32 *)(word)IOAPIC;
    io[0] = 0x11 + 2 * gsi;
    io[4] = 0;
    io[0] = 0x10 + 2 * gsi;
    io[4] = low;
}

static void registers(void)
{
    test("registers");
    u64 cap = get(CAP);
    CHECK_IN(cap & 0xff, 1, 0xff);
    CHECK_IN((cap >> 8 & 31) + 1, 3, 32); /* timers */
    CHECK_IN(cap >> 32, 1, 100000000);    /* femtoseconds a tick */
    put(CONFIG, 0);
    put(COUNT, 0x123456789abcull);
    CHECK_EQ(get(COUNT), 0x123456789abcull); /* stands still */
    CHECK_EQ(*(volatile u32 *)(base + COUNT + 4), 0x1234);
    put(COUNT, 0);
    put(CONFIG, 1);
    u64 a = get(COUNT), b = get(COUNT);
    CHECK(b >= a);
    u64 before = get(COUNT);
    delay_us(20000);
    u64 ticks = get(COUNT) - before, us = ticks * (cap >> 32) / 1000000000u;
    CHECK_IN(us, 20000, 400000); /* longer on a busy host */
    put(CONFIG, 0);
}

/* A GSI that timer n can use, by the high half of its configuration; prefers the upper ones. */
static u32 gsi_of(u32 n)
{
    u32 routes = (u32)(get(TCONF(n)) >> 32);
    for (u32 gsi = 23; gsi > 0; gsi--)
        if (routes >> gsi & 1)
            return gsi;
    guest_fatal("timer %u has no route", n);
}

static void one_shot(void)
{
    u32 n = 1, gsi = gsi_of(n);
    u64 ms = 1000000000000ull / (get(CAP) >> 32);
    test("one-shot");
    trap_count(VECTOR);
    route(gsi, VECTOR);
    put(CONFIG, 0);
    put(COUNT, 0);
    put(TCONF(n), (u64)gsi << 9 | BIT(2));
    CHECK_EQ(get(TCONF(n)) >> 9 & 31, gsi);
    put(TCOMP(n), 2 * ms);
    put(CONFIG, 1);
    sti();
    CHECK(WAIT_FOR(trap_counts[VECTOR] == 1, 100));
    CHECK(get(COUNT) >= 2 * ms);
    delay_us(5000);
    CHECK_EQ(trap_counts[VECTOR], 1);
    put(TCONF(n), (u64)gsi << 9); /* interrupt off */
    put(TCOMP(n), get(COUNT) + ms);
    delay_us(3000);
    CHECK_EQ(trap_counts[VECTOR], 1);
    cli();
}

static void level(void)
{
    u32 n = 1, gsi = gsi_of(n);
    u64 ms = 1000000000000ull / (get(CAP) >> 32);
    test("level");
    route(gsi, VECTOR | ICR_LEVEL);
    put(TCONF(n), (u64)gsi << 9 | BIT(2) | BIT(1));
    put(TCOMP(n), get(COUNT) + ms);
    CHECK(WAIT_FOR(get(STATUS) & BIT(n), 100));
    CHECK(apic_bit(APIC_IRR, VECTOR));
    put(STATUS, BIT(n));
    CHECK_EQ(get(STATUS) & BIT(n), 0);
    put(TCONF(n), (u64)gsi << 9);
    sti();
    delay_us(100);
    cli();
    route(gsi, LVT_MASKED);
}

static void periodic(void)
{
    u32 n = 0, gsi = gsi_of(n);
    u64 ms = 1000000000000ull / (get(CAP) >> 32);
    test("periodic");
    CHECK_EQ(get(TCONF(n)) & BIT(4), BIT(4)); /* timer 0 can */
    trap_count(VECTOR);
    route(gsi, VECTOR);
    put(CONFIG, 0);
    put(COUNT, 0);
    put(TCONF(n), (u64)gsi << 9 | BIT(6) | BIT(3) | BIT(2));
    put(TCOMP(n), 2 * ms); /* the first match, */
    put(TCOMP(n), 2 * ms); /* and the period */
    put(CONFIG, 1);
    sti();
    CHECK(WAIT_FOR(trap_counts[VECTOR] >= 10, 1000));
    cli();
    CHECK(get(COUNT) >= 20 * ms);
    put(TCONF(n), (u64)gsi << 9);
    put(CONFIG, 0);
    route(gsi, LVT_MASKED);
}

GUEST("hpet")
{
    const struct acpi_header *table = acpi_find("HPET");
    apic_enable();
    test("ACPI table");
    if (!table)
        guest_fatal("no HPET table");
    CHECK_EQ(acpi_sum(table, table->length), 0);
    base = (word)acpi_u64(table, 44);
    CHECK_EQ(acpi_u32(table, 36), (u32)get(CAP));
    registers();
    one_shot();
    level();
    periodic();
}
