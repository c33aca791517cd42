/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i8254: counting modes on channel 2 (output at port 61h bit 5) and 0, latch, read-back, BCD,
   access modes, the rate against the ACPI timer. */
#include "acpi.h"
#include "desc.h"
#include "io.h"
#include "time.h"

static void gate(bool on)
{
    outb(0x61, (u8)((inb(0x61) & ~3) | on));
}

static bool out2(void)
{
    return inb(0x61) & 0x20;
}

/* Some microseconds: loads and triggers take effect with the next clock pulse. */
static void settle(void)
{
    for (int i = 0; i < 50; i++)
        (void)inb(0x61);
}

static void load(u8 channel, u8 control, u16 count)
{
    outb(0x43, (u8)(channel << 6 | 0x30 | control));
    outb((u16)(0x40 + channel), (u8)count);
    outb((u16)(0x40 + channel), (u8)(count >> 8));
    settle();
}

static u16 latch(u8 channel)
{
    outb(0x43, (u8)(channel << 6));
    u16 v = inb((u16)(0x40 + channel));
    return (u16)(v | inb((u16)(0x40 + channel)) << 8);
}

static u8 status(u8 channel)
{
    outb(0x43, (u8)(0xe0 | 2 << channel));
    return inb((u16)(0x40 + channel));
}

static void mode0(void)
{
    test("mode 0");
    gate(false);
    load(2, 0, 1000);
    CHECK(!out2());
    u16 a = latch(2), b = latch(2);
    CHECK_EQ(a, b); /* the gate is closed */
    gate(true);
    load(2, 0, 60000);
    gate(true);
    a = latch(2);
    for (volatile int i = 0; i < 1000; i++)
        ;
    b = latch(2);
    CHECK(b < a && a <= 60000);
    CHECK(!out2());
    load(2, 0, 20000);
    CHECK(!out2()); /* a new count starts over */
    u32 spins = 0;
    while (!out2() && ++spins < 10000000)
        pause_cpu();
    CHECK(out2());
}

static void mode3_and_2(void)
{
    test("modes 2 and 3");
    gate(true);
    load(2, 6, 50000);
    u32 high = 0, low = 0, edges = 0;
    bool last = out2();
    for (u32 i = 0; i < 2000000 && edges < 4; i++) {
        bool now = out2();
        edges += now != last;
        last = now;
        now ? high++ : low++;
    }
    CHECK_EQ(edges, 4);
    CHECK(high > 0 && low > 0);
    CHECK_EQ(latch(2) & 1, 0); /* it counts by two */
    load(2, 4, 1000);
    for (int i = 0; i < 100; i++)
        CHECK_IN(latch(2), 1, 1000);
    CHECK_EQ(status(2) & 0x3f, 0x34);
}

static void one_shot(void)
{
    test("mode 1");
    gate(false);
    load(2, 2, 50000);
    CHECK(out2());
    gate(true); /* the rising gate starts it */
    u32 spins = 0;
    settle();
    CHECK(!out2()); /* for 42 ms */
    while (!out2() && ++spins < 10000000)
        pause_cpu();
    CHECK(out2());
    gate(false);
}

static void latches(void)
{
    test("latch and read-back");
    gate(true);
    load(2, 0, 60000);
    outb(0x43, 0x80); /* latch channel 2 */
    for (volatile int i = 0; i < 2000; i++)
        ;
    outb(0x43, 0x80); /* a second latch does not replace the first */
    u16 first = inb(0x42);
    first = (u16)(first | inb(0x42) << 8);
    u16 later = latch(2);
    CHECK(later < first);
    outb(0x43, 0xc8); /* status and count of channel 2: status comes first */
    u8 st = inb(0x42);
    CHECK_EQ(st & 0x3f, 0x30);
    u16 count = inb(0x42);
    count = (u16)(count | inb(0x42) << 8);
    CHECK(count <= later);
    test("access modes");
    outb(0x43, 0x90); /* low byte only, mode 0 */
    outb(0x42, 255);
    settle();
    u8 low = inb(0x42);
    CHECK(low < 255 || out2());
    CHECK_EQ(status(2) & 0x3f, 0x10);
    gate(false);
    outb(0x43, 0xb0);
    CHECK_EQ(status(2) & 0x40, 0x40); /* null count: nothing loaded yet */
    outb(0x42, 1);
    CHECK_EQ(status(2) & 0x40, 0x40);
    outb(0x42, 1);
    test("BCD");
    gate(false);
    load(2, 1, 0x1000);
    CHECK_EQ(status(2) & 1, 1);
    gate(true);
    for (volatile int i = 0; i < 1000; i++)
        ;
    u16 bcd = latch(2);
    bool digits = true;
    for (int i = 0; i < 16; i += 4)
        digits = digits && (bcd >> i & 15) < 10;
    CHECK(digits);
    gate(false);
}

static void rate(void)
{
    const struct acpi_header *fadt = acpi_find("FACP");
    test("rate");
    if (!fadt)
        guest_fatal("no FADT");
    u16 timer = (u16)acpi_u32(fadt, FADT_PM_TMR);
    u32 start = inl(timer) & 0xffffff;
    delay_us(50000);
    u32 ticks = ((inl(timer) & 0xffffff) - start) & 0xffffff;
    CHECK_IN(ticks, 178977, 178977 * 20); /* 50 ms of 3.579545 MHz, or longer on a busy host */
}

GUEST("pit")
{
    mode0();
    mode3_and_2();
    one_shot();
    latches();
    rate();
}
