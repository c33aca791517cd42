/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/testdev.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct wire wires[TESTDEV_LINES];
static struct testdev *t;

static void open_testdev(void)
{
    struct irq lines[TESTDEV_LINES];

    rig_open(&rig);
    memset(wires, 0, sizeof(wires));
    for (unsigned i = 0; i < TESTDEV_LINES; i++)
        lines[i] = (struct irq){.set = wire_set, .opaque = wires, .n = i};
    if (testdev_new(&t, &rig.pio, &rig.mmio, lines))
        exit(1);
}

static void close_testdev(void)
{
    testdev_free(t);
    rig_close(&rig);
}

static void latches_ports(void)
{
    open_testdev();
    bus_write(&rig.pio, 0xe0, 4, 0x44332211);
    CHECK_EQ(in8(&rig, 0xe2), 0x33);
    CHECK_EQ(bus_read(&rig.pio, 0xe1, 2), 0x3322);
    CHECK_EQ(bus_read(&rig.pio, 0xe8, 4), 0x44332211); /* the same latch, byte by byte */
    bus_write(&rig.pio, 0xe8, 2, 0xbbaa);
    CHECK_EQ(bus_read(&rig.pio, 0xe0, 4), 0x4433bbaa);
    bus_write(&rig.pio, 0xe4, 4, 0x1000); /* page flush: accepted */
    testdev_reset(t);
    CHECK_EQ(bus_read(&rig.pio, 0xe0, 4), 0);
    close_testdev();
}

static void drives_lines(void)
{
    open_testdev();
    out8(&rig, 0x2000, 1);
    out8(&rig, 0x2017, 0x80);
    CHECK(wires[0].level);
    CHECK(wires[23].level);
    out8(&rig, 0x2000, 0);
    CHECK(!wires[0].level);
    CHECK_EQ(bus_read(&rig.pio, 0x2017, 1), 0xff);
    testdev_reset(t);
    CHECK(!wires[23].level);
    close_testdev();
}

static void memory_takes_all_widths(void)
{
    open_testdev();
    bus_write(&rig.mmio, 0xff000000, 8, 0x8877665544332211);
    CHECK_EQ(bus_read(&rig.mmio, 0xff000003, 1), 0x44);
    CHECK_EQ(bus_read(&rig.mmio, 0xff000001, 8), 0x0088776655443322);
    bus_write(&rig.mmio, 0xff00ffff, 1, 0x5a);
    CHECK_EQ(bus_read(&rig.mmio, 0xff00fffe, 2), 0x5a00);
    bus_write(&rig.mmio, 0xff00fffc, 4, 0xdeadbeef);
    CHECK_EQ(bus_read(&rig.mmio, 0xff00fffc, 4), 0xdeadbeef);
    close_testdev();
}

static void state_comes_back(void)
{
    struct state_stream s = {0};
    struct err err = {.text = ""};

    open_testdev();
    bus_write(&rig.pio, 0xe0, 4, 0x12345678);
    bus_write(&rig.mmio, 0xff00ffff, 1, 0x5a);
    CHECK_EQ(state_save(&s, &testdev_state, t), 0);
    close_testdev();
    open_testdev();
    CHECK_EQ(state_load(&s, &testdev_state, t, &err), 0);
    CHECK_EQ(bus_read(&rig.pio, 0xe0, 4), 0x12345678);
    CHECK_EQ(bus_read(&rig.mmio, 0xff00ffff, 1), 0x5a);
    close_testdev();
    state_dispose(&s);
}

int main(void)
{
    TEST_RUN(latches_ports);
    TEST_RUN(drives_lines);
    TEST_RUN(memory_takes_all_widths);
    TEST_RUN(state_comes_back);
    return test_result();
}
