/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/ps2input.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct wire lines[4];
static struct i8042 *kbc;
static struct ps2input *ps2;
static struct input in;

static void open_all(void)
{
    rig_open(&rig);
    memset(lines, 0, sizeof(lines));
    in = (struct input){0};
    if (i8042_new(&kbc, &rig.pio, wire_irq(&lines[0]), wire_irq(&lines[1]), wire_irq(&lines[2]),
                  wire_irq(&lines[3])) ||
        ps2input_new(&ps2, kbc, &in, rig.clk))
        exit(1);
    out8(&rig, 0x64, 0x60); /* interrupts on, no translation */
    out8(&rig, 0x60, 0x03);
}

static void close_all(void)
{
    ps2input_free(ps2);
    i8042_free(kbc);
    CHECK(!in.sinks);
    rig_close(&rig);
}

static int next_byte(void)
{
    return in8(&rig, 0x64) & 1 ? in8(&rig, 0x60) : -1;
}

static void keys_arrive_as_set_2(void)
{
    open_all();
    input_key(&in, 103, true);
    input_key(&in, 103, false);
    CHECK_EQ(next_byte(), 0xe0);
    CHECK_EQ(next_byte(), 0x75);
    CHECK_EQ(next_byte(), 0xe0);
    CHECK_EQ(next_byte(), 0xf0);
    CHECK_EQ(next_byte(), 0x75);
    CHECK_EQ(next_byte(), -1);
    input_key(&in, 30, false); /* was never pressed */
    CHECK_EQ(next_byte(), -1);
    close_all();
}

static void nothing_is_lost_while_the_guest_does_not_read(void)
{
    unsigned downs = 0, ups = 0, i;
    int byte, before = 0;

    open_all();
    for (i = 0; i < 400; i++) /* more than fits: presses are dropped, never releases */
        input_key(&in, (u16)(2 + i % 60), true);
    for (i = 2; i < 62; i++)
        input_key(&in, (u16)i, false);
    for (i = 0; i < 2000; i++) {
        while ((byte = next_byte()) >= 0) {
            if (byte != 0xf0)
                *(before == 0xf0 ? &ups : &downs) += 1;
            before = byte;
        }
        clock_advance(rig.clk, 5 * MS);
    }
    CHECK_EQ(ups, 60);
    CHECK(downs >= 250);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    close_all();
}

static void positions_become_motion(void)
{
    open_all();
    out8(&rig, 0x64, 0xd4);
    out8(&rig, 0x60, 0xf4);
    CHECK_EQ(next_byte(), 0xfa);
    input_point(&in, 3200, 0, 0, INPUT_LEFT);
    CHECK_EQ(next_byte(), 0x09);
    CHECK_EQ(next_byte(), 100);
    CHECK_EQ(next_byte(), 0);
    close_all();
}

int main(void)
{
    TEST_RUN(keys_arrive_as_set_2);
    TEST_RUN(nothing_is_lost_while_the_guest_does_not_read);
    TEST_RUN(positions_become_motion);
    return test_result();
}
