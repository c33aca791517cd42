/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/i8042.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct wire irq1, irq12, a20, reset;
static struct i8042 *kbc;

static void open_kbc(void)
{
    rig_open(&rig);
    irq1 = irq12 = a20 = reset = (struct wire){0};
    if (i8042_new(&kbc, &rig.pio, wire_irq(&irq1), wire_irq(&irq12), wire_irq(&a20),
                  wire_irq(&reset)))
        exit(1);
}

static void close_kbc(void)
{
    i8042_free(kbc);
    rig_close(&rig);
}

static void command(u8 byte)
{
    out8(&rig, 0x64, byte);
}

static void data(u8 byte)
{
    out8(&rig, 0x60, byte);
}

static u8 status(void)
{
    return in8(&rig, 0x64);
}

static u8 get(void)
{
    CHECK(status() & 1);
    return in8(&rig, 0x60);
}

/* The bytes that come now, first one highest; all must be of the mouse's kind or none. */
static u64 got(bool aux)
{
    u64 val = 0;

    while (status() & 1) {
        CHECK_EQ(!!(status() & 0x20), aux);
        val = val << 8 | in8(&rig, 0x60);
    }
    return val;
}

static void mouse(u8 byte)
{
    command(0xd4);
    data(byte);
}

static void untranslated(void)
{
    command(0x60);
    data(0x07);
}

static void press(const char *set2, size_t n)
{
    CHECK(i8042_put_key(kbc, (const u8 *)set2, n));
}
#define PRESS(s) press(s, sizeof(s) - 1)

static void controller_commands(void)
{
    open_kbc();
    CHECK_EQ(status(), 0x14);
    command(0xaa);
    CHECK_EQ(status(), 0x1d);
    CHECK_EQ(get(), 0x55);
    command(0xab);
    CHECK_EQ(get(), 0x00);
    command(0xa9);
    CHECK_EQ(get(), 0x00);
    command(0xa4);
    CHECK_EQ(get(), 0xf1);
    command(0x20);
    CHECK_EQ(get(), 0x47);
    command(0x60);
    data(0xff);
    CHECK_EQ(status() & 0x08, 0);
    command(0x20);
    CHECK_EQ(get(), 0x77);
    command(0xa8);
    command(0xae);
    command(0x20);
    CHECK_EQ(get(), 0x47);
    command(0xa7);
    command(0xad);
    command(0x20);
    CHECK_EQ(get(), 0x77);
    command(0x65);
    data(0x12);
    command(0x25);
    CHECK_EQ(get(), 0x12);
    command(0xc0);
    CHECK_EQ(get(), 0xb0);
    CHECK_EQ(in8(&rig, 0x60), 0xb0); /* empty: the last byte again */
    close_kbc();
}

static void interrupts_and_loops(void)
{
    open_kbc();
    command(0xd2);
    data(0x11);
    CHECK(irq1.level);
    CHECK_EQ(status() & 0x21, 0x01);
    CHECK_EQ(get(), 0x11);
    CHECK(!irq1.level);
    command(0xd3);
    data(0xa5);
    CHECK(irq12.level);
    CHECK(!irq1.level);
    CHECK_EQ(status() & 0x21, 0x21);
    CHECK_EQ(get(), 0xa5);
    CHECK(!irq12.level);
    command(0x60);
    data(0x44); /* interrupts off */
    command(0xd3);
    data(0xa5);
    CHECK_EQ(irq12.rises, 1);
    get();
    close_kbc();
}

static void a20_and_reset(void)
{
    open_kbc();
    CHECK(a20.level);
    command(0xd0);
    CHECK_EQ(get(), 0xc3);
    command(0xd1);
    data(0xdd);
    CHECK(!a20.level);
    command(0xdf);
    CHECK(a20.level);
    command(0xdd);
    CHECK(!a20.level);
    command(0xd0);
    CHECK_EQ(get(), 0xc1);
    command(0xff);
    CHECK_EQ(reset.rises, 0);
    command(0xfe);
    CHECK_EQ(reset.rises, 1);
    CHECK(!reset.level);
    command(0xd1);
    data(0x02);
    CHECK_EQ(reset.rises, 2);
    i8042_reset(kbc);
    CHECK(a20.level);
    close_kbc();
}

static void keyboard_commands(void)
{
    open_kbc();
    untranslated();
    data(0xff);
    CHECK_EQ(got(false), 0xfaaa);
    data(0xf2);
    CHECK_EQ(got(false), 0xfaab83);
    data(0xee);
    CHECK_EQ(got(false), 0xee);
    data(0xfe);
    CHECK_EQ(got(false), 0xee);
    data(0xed);
    data(0x05);
    CHECK_EQ(got(false), 0xfafa);
    CHECK_EQ(i8042_leds(kbc), 5);
    data(0xf3);
    CHECK_EQ(got(false), 0xfa);
    data(0x00);
    CHECK_EQ(got(false), 0xfa);
    data(0xf0);
    got(false);
    data(0x00);
    CHECK_EQ(got(false), 0xfa02);
    data(0xf0);
    got(false);
    data(0x04);
    CHECK_EQ(got(false), 0xfe);
    data(0x12); /* not a command */
    CHECK_EQ(got(false), 0xfe);
    data(0xed); /* a command in place of the argument */
    got(false);
    data(0xf2);
    CHECK_EQ(got(false), 0xfaab83);
    command(0x60);
    data(0x47); /* translated, the way PCs identify keyboards */
    data(0xf2);
    CHECK_EQ(got(false), 0xfaab41);
    close_kbc();
}

static void keys_in_three_sets(void)
{
    open_kbc();
    PRESS("\x1c"); /* A, translated */
    CHECK(irq1.level);
    CHECK_EQ(got(false), 0x1e);
    PRESS("\xf0\x1c");
    CHECK_EQ(got(false), 0x9e);
    PRESS("\xe0\xf0\x75");
    CHECK_EQ(got(false), 0xe0c8);
    PRESS("\xe1\x14\x77\xe1\xf0\x14\xf0\x77"); /* Pause */
    CHECK_EQ(got(false), 0xe11d45e19dc5);
    PRESS("\x83"); /* F7 */
    CHECK_EQ(got(false), 0x41);
    untranslated();
    PRESS("\xe0\xf0\x75");
    CHECK_EQ(got(false), 0xe0f075);
    data(0xf0);
    data(1);
    got(false);
    PRESS("\xe0\xf0\x75");
    CHECK_EQ(got(false), 0xe0c8);
    data(0xf0);
    data(3);
    got(false);
    PRESS("\x1c");
    PRESS("\x1c"); /* repeats */
    CHECK_EQ(got(false), 0x1c1c);
    PRESS("\xf0\x1c"); /* but sends no break */
    CHECK_EQ(got(false), 0);
    PRESS("\x12"); /* shift does not repeat and does break */
    PRESS("\x12");
    PRESS("\xf0\x12");
    CHECK_EQ(got(false), 0x12f012);
    data(0xfa); /* all keys do both */
    got(false);
    PRESS("\xe0\x75");
    PRESS("\xe0\xf0\x75");
    CHECK_EQ(got(false), 0x63f063);
    PRESS("\xe0\x12\xe0\x7c");
    CHECK_EQ(got(false), 0x57);
    data(0xfd); /* one make-only key */
    data(0x1c);
    got(false);
    PRESS("\xf0\x1c");
    CHECK_EQ(got(false), 0);
    close_kbc();
}

static void keyboard_can_be_silenced(void)
{
    unsigned n = 0;

    open_kbc();
    data(0xf5);
    got(false);
    PRESS("\x1c");
    CHECK_EQ(got(false), 0);
    data(0xf4);
    got(false);
    command(0xad); /* the controller holds the clock: keys wait */
    PRESS("\x1c");
    CHECK_EQ(status() & 1, 0);
    command(0xae);
    CHECK_EQ(got(false), 0x1e);
    while (n < 100 && i8042_put_key(kbc, (const u8 *)"\x1c", 1))
        n++;
    CHECK_EQ(n, 17); /* the keyboard's 16 and the output buffer */
    n = 0;
    while (status() & 1) {
        CHECK_EQ(in8(&rig, 0x60), 0x1e);
        n++;
    }
    CHECK_EQ(n, 17);
    CHECK_EQ(irq1.rises, irq1.falls);
    close_kbc();
}

static void mouse_commands(void)
{
    open_kbc();
    mouse(0xff);
    CHECK(irq12.level);
    CHECK_EQ(got(true), 0xfaaa00);
    mouse(0xf2);
    CHECK_EQ(got(true), 0xfa00);
    mouse(0xe8);
    mouse(0x03);
    CHECK_EQ(got(true), 0xfafa);
    mouse(0xe7);
    mouse(0xf4);
    got(true);
    mouse(0xe9);
    CHECK_EQ(got(true), 0xfa300364);
    mouse(0xf6);
    got(true);
    mouse(0xe9);
    CHECK_EQ(got(true), 0xfa000264);
    mouse(0xe8);
    got(true);
    mouse(0x55);
    CHECK_EQ(got(true), 0xfe);
    mouse(0x01);
    CHECK_EQ(got(true), 0xfa);
    mouse(0xf3); /* a rate that there is not, twice: the next byte is a command again */
    got(true);
    mouse(0x66);
    CHECK_EQ(got(true), 0xfe);
    mouse(0x88);
    CHECK_EQ(got(true), 0xfc);
    mouse(0xf2);
    CHECK_EQ(got(true), 0xfa00);
    mouse(0xe1);
    CHECK_EQ(got(true), 0xfe);
    mouse(0xee);
    got(true);
    mouse(0xf2);
    CHECK_EQ(got(true), 0xf2); /* wrapped */
    mouse(0xec);
    CHECK_EQ(got(true), 0xfa);
    close_kbc();
}

static void knock(u8 a, u8 b, u8 c)
{
    const u8 rates[3] = {a, b, c};

    for (unsigned i = 0; i < 3; i++) {
        mouse(0xf3);
        mouse(rates[i]);
    }
    mouse(0xf2);
}

static void mouse_packets(void)
{
    open_kbc();
    i8042_mouse(kbc, 5, 5, 0, 0); /* not enabled */
    CHECK_EQ(got(true), 0);
    mouse(0xf4);
    got(true);
    i8042_mouse(kbc, 5, 3, 1, I8042_MOUSE_LEFT);
    CHECK_EQ(got(true), 0x2905fd);
    i8042_mouse(kbc, -1, -2, 0, 0);
    CHECK_EQ(got(true), 0x18ff02);
    i8042_mouse(kbc, 300, 0, 0, 0); /* more than a packet holds */
    CHECK_EQ(got(true), 0x08ff00082d00);
    knock(200, 100, 80);
    CHECK_EQ(got(true) & 0xff, 3);
    i8042_mouse(kbc, 0, 0, -1, I8042_MOUSE_SIDE);
    CHECK_EQ(got(true), 0x080000ff);
    knock(200, 200, 80);
    CHECK_EQ(got(true) & 0xff, 4);
    i8042_mouse(kbc, 0, 0, 1, I8042_MOUSE_SIDE | I8042_MOUSE_RIGHT);
    CHECK_EQ(got(true), 0x0a000011);
    mouse(0xf0); /* remote: on request only */
    got(true);
    i8042_mouse(kbc, 1, 0, 0, 0);
    CHECK_EQ(got(true), 0);
    mouse(0xeb);
    CHECK_EQ(got(true), 0xfa08010000);
    close_kbc();
}

static void clicks_are_not_lost(void)
{
    open_kbc();
    mouse(0xf4);
    got(true);
    command(0xa7); /* nobody takes packets now */
    i8042_mouse(kbc, 0, 0, 0, I8042_MOUSE_LEFT);
    i8042_mouse(kbc, 0, 0, 0, 0);
    command(0xa8);
    CHECK_EQ(got(true), 0x090000080000);
    close_kbc();
}

static void replies_wait_for_the_buffer(void)
{
    open_kbc();
    PRESS("\x1c");
    command(0x20); /* the key is still there */
    CHECK_EQ(get(), 0x1e);
    CHECK_EQ(get(), 0x47);
    CHECK_EQ(status() & 1, 0);
    close_kbc();
}

/* A handler that looks at the byte and the BIOS behind it both read the same one. */
static void keys_take_their_time(void)
{
    open_kbc();
    i8042_set_clock(kbc, rig.clk);
    PRESS("\xe0\x75");
    PRESS("\x1c");
    CHECK(irq1.level);
    CHECK_EQ(in8(&rig, 0x60), 0xe0);
    CHECK(!irq1.level);
    CHECK_EQ(status() & 1, 0);
    CHECK_EQ(in8(&rig, 0x60), 0xe0);
    clock_advance(rig.clk, 1 * MS - 1);
    CHECK(!irq1.level);
    clock_advance(rig.clk, 1);
    CHECK(irq1.level);
    CHECK_EQ(irq1.rises, 2);
    CHECK_EQ(in8(&rig, 0x60), 0x48);
    data(0xf2); /* replies do not wait */
    CHECK_EQ(got(false), 0xfaab41);
    command(0x20);
    CHECK_EQ(get(), 0x47);
    mouse(0xf4);
    CHECK_EQ(got(true), 0xfa);
    i8042_mouse(kbc, 1, 0, 0, 0); /* nor does the mouse */
    CHECK_EQ(got(true), 0x080100);
    command(0xad); /* and a key that may not come now */
    clock_advance(rig.clk, 5 * MS);
    CHECK_EQ(status() & 1, 0);
    command(0xae);
    CHECK_EQ(get(), 0x1e);
    PRESS("\xf0\x1c");
    PRESS("\x1c");
    i8042_reset(kbc);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    close_kbc();
}

int main(void)
{
    TEST_RUN(controller_commands);
    TEST_RUN(interrupts_and_loops);
    TEST_RUN(a20_and_reset);
    TEST_RUN(keyboard_commands);
    TEST_RUN(keys_in_three_sets);
    TEST_RUN(keyboard_can_be_silenced);
    TEST_RUN(mouse_commands);
    TEST_RUN(mouse_packets);
    TEST_RUN(clicks_are_not_lost);
    TEST_RUN(replies_wait_for_the_buffer);
    TEST_RUN(keys_take_their_time);
    return test_result();
}
