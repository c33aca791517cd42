/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/parallel.h"
#include "../test.h"
#include "rig.h"

#include <errno.h>

#define PORT 0x378

struct printer {
    u8 byte[16];
    unsigned n, room;
};

static struct rig rig;
static struct parallel *p;
static struct wire irq;
static struct printer printer;

static bool put(void *opaque, u8 byte)
{
    struct printer *to = opaque;

    if (!to->room)
        return false;
    to->room--;
    to->byte[to->n++ % sizeof(to->byte)] = byte;
    return true;
}

static void open_port(bool connected)
{
    struct parallel_backend be = {.put = connected ? put : NULL, .opaque = &printer};

    rig_open(&rig);
    irq = (struct wire){0};
    printer = (struct printer){.room = 16};
    CHECK_EQ(parallel_new(&p, &rig.pio, PORT, wire_irq(&irq), &be), 0);
}

static void close_port(void)
{
    parallel_free(p);
    rig_close(&rig);
}

static void strobe(u8 byte, u8 control)
{
    out8(&rig, PORT, byte);
    out8(&rig, PORT + 2, control | 1);
    out8(&rig, PORT + 2, control);
}

static void prints(void)
{
    open_port(true);
    CHECK_EQ(in8(&rig, PORT + 1), 0xde);
    CHECK_EQ(in8(&rig, PORT + 2), 0xcc);
    out8(&rig, PORT, 'a');
    out8(&rig, PORT + 2, 0x0d);
    CHECK_EQ(in8(&rig, PORT + 1), 0x5e); /* busy */
    out8(&rig, PORT + 2, 0x0c);
    CHECK_EQ(in8(&rig, PORT + 1), 0x9e); /* acknowledged */
    CHECK_EQ(in8(&rig, PORT + 1), 0xde);
    CHECK_EQ(irq.rises, 0);
    strobe('b', 0x1c);
    CHECK_EQ(irq.rises, 1);
    CHECK_EQ(printer.n, 2);
    CHECK(!memcmp(printer.byte, "ab", 2));
    out8(&rig, PORT + 4, 'c'); /* EPP */
    CHECK_EQ(printer.byte[2], 'c');
    CHECK_EQ(in8(&rig, PORT + 4), 0xff);
    CHECK_EQ(in8(&rig, PORT + 1) & 1, 1);
    out8(&rig, PORT + 1, 1);
    CHECK_EQ(in8(&rig, PORT + 1) & 1, 0);
    out8(&rig, PORT, 0x55);
    CHECK_EQ(in8(&rig, PORT), 0x55);
    out8(&rig, PORT + 2, 0x2c);
    CHECK_EQ(in8(&rig, PORT), 0xff);
    close_port();
}

static void waits_for_room(void)
{
    struct state_stream s = {0};
    struct err err;

    open_port(true);
    printer.room = 0;
    strobe('x', 0x1c);
    CHECK_EQ(in8(&rig, PORT + 1), 0x5e);
    CHECK_EQ(irq.rises, 0);
    CHECK_EQ(state_save(&s, &parallel_state, p), 0);
    parallel_reset(p);
    CHECK_EQ(in8(&rig, PORT + 1), 0xde);
    CHECK_EQ(state_load(&s, &parallel_state, p, &err), 0);
    CHECK_EQ(in8(&rig, PORT + 1), 0x5e);
    printer.room = 1;
    parallel_room(p);
    CHECK_EQ(irq.rises, 1);
    CHECK_EQ(in8(&rig, PORT + 1), 0x9e);
    CHECK_EQ(printer.byte[0], 'x');
    state_dispose(&s);
    close_port();
}

static void can_be_alone(void)
{
    open_port(false);
    CHECK_EQ(in8(&rig, PORT + 1), 0x7e);
    strobe('x', 0x0c);
    CHECK_EQ(in8(&rig, PORT + 1), 0x7e);
    close_port();
}

int main(void)
{
    TEST_RUN(prints);
    TEST_RUN(waits_for_room);
    TEST_RUN(can_be_alone);
    return test_result();
}
