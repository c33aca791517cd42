/* SPDX-License-Identifier: GPL-2.0-or-later */
/* I/O APIC: registers, edge and level interrupts of the PIT and COM1, masks, remote IRR; the
   entries of the MADT that say where it is and where interrupt 0 goes. */
#include "acpi.h"
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "time.h"
#include "trap.h"

#define VECTOR 0x60

static volatile u32 *io;
static u32 gsi_of_isa[16];

static u32 get(u32 index)
{
    io[0] = index;
    return io[4];
}

static void put(u32 index, u32 v)
{
    io[0] = index;
    io[4] = v;
}

static void route(u32 gsi, u32 low)
{
    put(0x10 + 2 * gsi, LVT_MASKED);
    put(0x11 + 2 * gsi, 0);
    put(0x10 + 2 * gsi, low);
}

static void find(void)
{
    const struct acpi_header *madt = acpi_find("APIC");
    test("MADT");
    if (!madt)
        guest_fatal("no MADT");
    for (u32 i = 0; i < 16; i++)
        gsi_of_isa[i] = i;
    CHECK_EQ(acpi_u32(madt, 36), 0xfee00000);
    const u8 *p = (const u8 *)madt;
    for (u32 at = 44; at + 2 <= madt->length && p[at + 1] >= 2; at += p[at + 1]) {
        if (p[at] == 1)
            io = (volatile u32 *)(word)acpi_u32(madt, at + 4);
        if (p[at] == 2 && p[at + 3] < 16)
            gsi_of_isa[p[at + 3]] = acpi_u32(madt, at + 4);
    }
    CHECK(io != NULL);
    if (!io)
        guest_fatal("no I/O APIC in the MADT");
}

static void registers(void)
{
    test("registers");
    u32 version = get(1);
    CHECK_IN(version & 0xff, 0x10, 0x20);
    CHECK_EQ(version >> 16 & 0xff, 23);
    u32 id = get(0);
    put(0, 0x05000000);
    CHECK_EQ(get(0), 0x05000000);
    put(0, id);
    put(1, 0);
    CHECK_EQ(get(1), version);
    for (u32 i = 0; i < 24; i++) {
        CHECK_EQ(get(0x10 + 2 * i) & LVT_MASKED, LVT_MASKED);
        put(0x11 + 2 * i, 0xab000000);
        CHECK_EQ(get(0x11 + 2 * i), 0xab000000);
        put(0x11 + 2 * i, 0);
        put(0x10 + 2 * i, LVT_MASKED | 0x7000 | i); /* 5000h is read-only: status, remote IRR */
        CHECK_EQ(get(0x10 + 2 * i), LVT_MASKED | 0x2000 | i);
        put(0x10 + 2 * i, LVT_MASKED);
    }
}

static void pit_once(void)
{
    outb(0x43, 0x30);
    outb(0x40, 100);
    outb(0x40, 0);
}

static void edge(void)
{
    u32 gsi = gsi_of_isa[0];
    test("edge");
    trap_count(VECTOR);
    route(gsi, VECTOR);
    sti();
    pit_once();
    CHECK(WAIT_FOR(trap_counts[VECTOR] == 1, 100));
    pit_once();
    CHECK(WAIT_FOR(trap_counts[VECTOR] == 2, 100));
    CHECK(!apic_bit(APIC_TMR, VECTOR));
    route(gsi, VECTOR | LVT_MASKED);
    pit_once();
    delay_us(2000);
    CHECK_EQ(trap_counts[VECTOR], 2);
    cli();
    outb(0x43, 0x34); /* a train of edges */
    outb(0x40, 0xa9);
    outb(0x40, 0x04); /* 1 kHz */
    route(gsi, VECTOR);
    sti();
    CHECK(WAIT_FOR(trap_counts[VECTOR] >= 20, 1000));
    route(gsi, LVT_MASKED);
    cli();
    pit_once();
}

static void uart_line(bool on)
{
    outb(0x3fc, on ? 0x0b : 0x03);
    outb(0x3f9, on ? 2 : 0);
    if (!on)
        (void)inb(0x3fa);
}

static bool drop_line;

static void on_level(struct frame *f)
{
    trap_counts[f->vector]++;
    if (trap_counts[f->vector] == 3 || drop_line)
        uart_line(false);
    apic_eoi();
}

static void level(void)
{
    u32 gsi = gsi_of_isa[4];
    test("level");
    trap_counts[VECTOR] = 0;
    trap_handle(VECTOR, on_level);
    route(gsi, VECTOR | ICR_LEVEL);
    sti();
    uart_line(true);
    CHECK(WAIT_FOR(trap_counts[VECTOR] >= 3, 100));
    delay_us(1000);
    CHECK_EQ(trap_counts[VECTOR], 3); /* once for each EOI while the line was up */
    cli();
    uart_line(true);
    CHECK_EQ(get(0x10 + 2 * gsi) & BIT(14), BIT(14)); /* remote IRR: delivered, no EOI yet */
    CHECK(apic_bit(APIC_IRR, VECTOR));
    CHECK(apic_bit(APIC_TMR, VECTOR));
    drop_line = true;
    sti();
    CHECK(WAIT_FOR(trap_counts[VECTOR] == 4, 100));
    cli();
    CHECK_EQ(get(0x10 + 2 * gsi) & BIT(14), 0);
    test("level while masked");
    route(gsi, VECTOR | ICR_LEVEL | LVT_MASKED);
    uart_line(true);
    CHECK(!apic_bit(APIC_IRR, VECTOR));
    put(0x10 + 2 * gsi, VECTOR | ICR_LEVEL); /* unmasked with the line up */
    CHECK(apic_bit(APIC_IRR, VECTOR));
    sti();
    CHECK(WAIT_FOR(trap_counts[VECTOR] == 5, 100));
    cli();
    route(gsi, LVT_MASKED);
}

GUEST("ioapic")
{
    apic_enable();
    find();
    registers();
    edge();
    level();
}
