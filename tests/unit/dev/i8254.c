/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/i8254.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct wire irq0;
static struct i8254 *pit;

static void open_pit(void)
{
    rig_open(&rig);
    irq0 = (struct wire){0};
    if (i8254_new(&pit, &rig.pio, wire_irq(&irq0), rig.clk))
        exit(1);
}

static void close_pit(void)
{
    i8254_free(pit);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX); /* no timer stays behind */
    rig_close(&rig);
}

/* Moves time to the start of PIT tick t. */
static void to_tick(u64 t)
{
    clock_advance(rig.clk, ticks_to_ns(t, I8254_HZ) - clock_now(rig.clk));
}

static void program(unsigned n, u8 control, u16 count)
{
    out8(&rig, 0x43, (u8)(n << 6 | control));
    out8(&rig, (u16)(0x40 + n), (u8)count);
    out8(&rig, (u16)(0x40 + n), (u8)(count >> 8));
}

static u16 read_count(unsigned n)
{
    u16 lo = in8(&rig, (u16)(0x40 + n));
    return (u16)(lo | in8(&rig, (u16)(0x40 + n)) << 8);
}

static u16 latched(unsigned n)
{
    out8(&rig, 0x43, (u8)(n << 6));
    return read_count(n);
}

static u8 status(unsigned n)
{
    out8(&rig, 0x43, (u8)(0xe0 | 2u << n));
    return in8(&rig, (u16)(0x40 + n));
}

static void mode0_counts_once(void)
{
    open_pit();
    program(0, 0x30, 10); /* at tick 0: loaded at 1, terminal count at 11 */
    CHECK_EQ(status(0), 0x70);
    to_tick(1);
    CHECK_EQ(status(0), 0x30);
    CHECK_EQ(latched(0), 10);
    to_tick(10);
    CHECK_EQ(latched(0), 1);
    CHECK(!irq0.level);
    to_tick(11);
    CHECK_EQ(latched(0), 0);
    CHECK(irq0.level);
    to_tick(13);
    CHECK_EQ(latched(0), 0xfffe);
    CHECK_EQ(irq0.rises, 1);
    out8(&rig, 0x40, 5); /* the first byte stops the count and drops OUT */
    CHECK(!irq0.level);
    to_tick(20);
    CHECK_EQ(latched(0), 0xfffe);
    out8(&rig, 0x40, 0);
    to_tick(26);
    CHECK(irq0.level);
    CHECK_EQ(irq0.rises, 2);
    close_pit();
}

static void mode2_divides(void)
{
    open_pit();
    program(0, 0x34, 100);
    CHECK(irq0.level);
    to_tick(1);
    CHECK_EQ(latched(0), 100);
    to_tick(100);
    CHECK_EQ(latched(0), 1);
    CHECK(!i8254_out_of(pit, 0)); /* low for one tick */
    CHECK_EQ(irq0.rises, 1);
    to_tick(101);
    CHECK_EQ(latched(0), 100);
    CHECK(i8254_out_of(pit, 0));
    CHECK_EQ(irq0.rises, 2);
    to_tick(1001);
    CHECK_EQ(irq0.rises, 11);
    /* A new count waits for the end of the period. */
    to_tick(1050);
    program(0, 0x34, 100);
    to_tick(1060);
    out8(&rig, 0x40, 40);
    out8(&rig, 0x40, 0);
    CHECK_EQ(status(0), 0xf4);
    to_tick(1150);
    CHECK_EQ(latched(0), 1);
    to_tick(1151);
    CHECK_EQ(latched(0), 40);
    CHECK_EQ(status(0), 0xb4);
    close_pit();
}

static void mode3_is_square(void)
{
    open_pit();
    program(0, 0x36, 1000);
    to_tick(500);
    CHECK(irq0.level);
    CHECK_EQ(latched(0), 2);
    to_tick(501);
    CHECK(!irq0.level);
    CHECK_EQ(latched(0), 1000);
    to_tick(1001);
    CHECK(irq0.level);
    program(2, 0x36, 7); /* odd: high for 4, low for 3; gate 2 is low, so it waits */
    CHECK(i8254_out(pit));
    i8254_set_gate2(pit, true);
    to_tick(1002);
    CHECK_EQ(latched(2), 6);
    to_tick(1005);
    CHECK_EQ(latched(2), 0);
    CHECK(i8254_out(pit));
    to_tick(1006);
    CHECK_EQ(latched(2), 6);
    CHECK(!i8254_out(pit));
    to_tick(1008);
    CHECK_EQ(latched(2), 2);
    CHECK(!i8254_out(pit));
    to_tick(1009);
    CHECK_EQ(latched(2), 6);
    CHECK(i8254_out(pit));
    close_pit();
}

static void mode3_takes_a_new_count_at_the_half(void)
{
    open_pit();
    i8254_set_gate2(pit, true);
    program(2, 0xb6 & 0x3f, 100);
    to_tick(11);
    out8(&rig, 0x42, 20);
    out8(&rig, 0x42, 0);
    to_tick(50);
    CHECK(i8254_out(pit));
    to_tick(51); /* low half of 10 */
    CHECK(!i8254_out(pit));
    CHECK_EQ(latched(2), 20);
    to_tick(60);
    CHECK(!i8254_out(pit));
    to_tick(61);
    CHECK(i8254_out(pit));
    close_pit();
}

static void mode1_and_5_are_triggered(void)
{
    open_pit();
    program(2, 0x32, 10);
    to_tick(20);
    CHECK_EQ(status(2), 0xf2); /* not loaded before a trigger */
    i8254_set_gate2(pit, true);
    CHECK(i8254_out(pit));
    to_tick(21);
    CHECK(!i8254_out(pit));
    to_tick(25);
    i8254_set_gate2(pit, false);
    i8254_set_gate2(pit, true); /* again */
    to_tick(35);
    CHECK(!i8254_out(pit));
    to_tick(36);
    CHECK(i8254_out(pit));
    program(2, 0x3a, 10);
    i8254_set_gate2(pit, false);
    i8254_set_gate2(pit, true);
    to_tick(46);
    CHECK(i8254_out(pit));
    to_tick(47);
    CHECK(!i8254_out(pit));
    to_tick(48);
    CHECK(i8254_out(pit));
    close_pit();
}

static void mode4_strobes(void)
{
    open_pit();
    program(0, 0x38, 50);
    CHECK(irq0.level);
    to_tick(51);
    CHECK(!i8254_out_of(pit, 0));
    CHECK_EQ(irq0.rises, 1);
    to_tick(52);
    CHECK(i8254_out_of(pit, 0));
    CHECK_EQ(irq0.rises, 2);
    to_tick(100000);
    CHECK_EQ(irq0.rises, 2);
    close_pit();
}

static void gate2_pauses_mode0(void)
{
    open_pit();
    i8254_set_gate2(pit, true);
    program(2, 0x30, 100);
    to_tick(41);
    i8254_set_gate2(pit, false);
    to_tick(1000);
    CHECK_EQ(latched(2), 60);
    i8254_set_gate2(pit, true);
    to_tick(1059);
    CHECK(!i8254_out(pit));
    to_tick(1060);
    CHECK(i8254_out(pit));
    close_pit();
}

static void counts_in_bcd(void)
{
    open_pit();
    program(0, 0x35, 0x1000);
    to_tick(2);
    CHECK_EQ(latched(0), 0x0999);
    program(0, 0x31, 0);
    to_tick(4);
    CHECK_EQ(latched(0), 0x9999);
    program(0, 0x31, 0xffff); /* not decimal: must only not break anything */
    to_tick(100);
    latched(0);
    close_pit();
}

static void latches_hold(void)
{
    open_pit();
    program(0, 0x34, 0x1234);
    to_tick(0x35);
    out8(&rig, 0x43, 0x00);
    to_tick(0x100);
    out8(&rig, 0x43, 0x00); /* ignored: not read yet */
    CHECK_EQ(read_count(0), 0x1200);
    out8(&rig, 0x43, 0xc2); /* read-back: status and count */
    to_tick(0x200);
    CHECK_EQ(in8(&rig, 0x40), 0xb4);
    CHECK_EQ(read_count(0), 0x1234 - 0xff);
    program(0, 0x14, 0x56); /* low byte only; the second byte is a new count */
    to_tick(0x202);
    CHECK_EQ(in8(&rig, 0x40), 0xff);
    CHECK_EQ(in8(&rig, 0x43), 0xff);
    close_pit();
}

static void one_byte_access(void)
{
    open_pit();
    out8(&rig, 0x43, 0x14); /* low byte */
    out8(&rig, 0x40, 0x56);
    to_tick(2);
    CHECK_EQ(in8(&rig, 0x40), 0x55);
    CHECK_EQ(in8(&rig, 0x40), 0x55);
    out8(&rig, 0x43, 0x24); /* high byte */
    out8(&rig, 0x40, 0x56);
    to_tick(4);
    CHECK_EQ(in8(&rig, 0x40), 0x55);
    close_pit();
}

/* 1193182 Hz over a second, and no storm of host timers from the shortest period. */
static void rate_is_exact_and_bounded(void)
{
    open_pit();
    program(0, 0x34, 0);
    clock_advance(rig.clk, 10 * NSEC_PER_SEC);
    CHECK_EQ(irq0.rises - 1, 10ull * I8254_HZ / 65536);
    program(0, 0x34, 2);
    irq0.rises = 0;
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(irq0.rises <= 50000);
    CHECK(irq0.rises >= 40000);
    i8254_reset(pit);
    irq0.rises = 0;
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK_EQ(irq0.rises, 0);
    close_pit();
}

static void ports_are_claimed_once(void)
{
    struct i8254 *second = NULL;

    open_pit();
    CHECK(i8254_new(&second, &rig.pio, wire_irq(&irq0), rig.clk) < 0);
    close_pit();
}

int main(void)
{
    TEST_RUN(mode0_counts_once);
    TEST_RUN(mode2_divides);
    TEST_RUN(mode3_is_square);
    TEST_RUN(mode3_takes_a_new_count_at_the_half);
    TEST_RUN(mode1_and_5_are_triggered);
    TEST_RUN(mode4_strobes);
    TEST_RUN(gate2_pauses_mode0);
    TEST_RUN(counts_in_bcd);
    TEST_RUN(latches_hold);
    TEST_RUN(one_byte_access);
    TEST_RUN(rate_is_exact_and_bounded);
    TEST_RUN(ports_are_claimed_once);
    return test_result();
}
