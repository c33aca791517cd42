/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/pcihotplug.h"
#include "../test.h"
#include "rig.h"

#include <errno.h>

static struct rig rig;
static struct wire event;
static struct pcihotplug *hp;
static u32 ejected;

static void eject(void *opaque, unsigned slot)
{
    ejected |= BIT(slot);
}

static void open_all(void)
{
    struct pcihotplug_config cfg = {.pio = &rig.pio, .event = wire_irq(&event), .eject = eject};

    rig_open(&rig);
    event = (struct wire){0};
    ejected = 0;
    CHECK_EQ(pcihotplug_new(&hp, &cfg), 0);
    pcihotplug_set_removable(hp, 0x38);
}

static void close_all(void)
{
    pcihotplug_free(hp);
    rig_close(&rig);
}

static u32 in32(unsigned off)
{
    return (u32)bus_read(&rig.pio, 0xae00 + off, 4);
}

static void out32(unsigned off, u32 val)
{
    bus_write(&rig.pio, 0xae00 + off, 4, val);
}

static void tells_of_a_plug(void)
{
    open_all();
    CHECK_EQ(in32(0), 0);
    CHECK_EQ(in32(0xc), 0x38);
    pcihotplug_plugged(hp, 4);
    CHECK_EQ(event.rises, 1);
    CHECK(!event.level);
    CHECK_EQ(in8(&rig, 0xae01), 0); /* another byte */
    CHECK_EQ(in32(4), 0);
    CHECK_EQ(in32(0), 0x10);
    CHECK_EQ(in32(0), 0); /* once */
    out32(0, 0xffffffff);
    out32(0x10, 1);
    CHECK_EQ(in32(0x10), 0); /* there is one bus */
    CHECK_EQ(in32(8), 0);    /* no features */
    CHECK_EQ(ejected, 0);
    close_all();
}

static void ejects(void)
{
    open_all();
    pcihotplug_ask(hp, 3);
    CHECK_EQ(event.rises, 1);
    CHECK_EQ(in32(4), 8);
    CHECK_EQ(in32(4), 8); /* until it is done */
    out32(8, 0x106);      /* not what is not removable */
    CHECK_EQ(ejected, 0);
    out8(&rig, 0xae08, 8);
    CHECK_EQ(ejected, 8);
    CHECK_EQ(in32(4), 0);
    out32(8, 0x20); /* the guest's own idea */
    CHECK_EQ(ejected, 0x28);
    close_all();
}

/* Firmware or a kernel that does not know of it: the next reset does it. */
static void ejects_by_reset(void)
{
    open_all();
    pcihotplug_ask(hp, 5);
    pcihotplug_plugged(hp, 4);
    pcihotplug_reset(hp);
    CHECK_EQ(ejected, 0x20);
    CHECK_EQ(in32(0) | in32(4), 0);
    close_all();
}

static void keeps_its_state(void)
{
    struct state_stream s = {0};
    struct err err;

    open_all();
    pcihotplug_ask(hp, 5);
    pcihotplug_plugged(hp, 4);
    CHECK_EQ(state_save(&s, &pcihotplug_state, hp), 0);
    close_all();
    open_all();
    CHECK_EQ(state_load(&s, &pcihotplug_state, hp, &err), 0);
    CHECK_EQ(in32(0), 0x10);
    CHECK_EQ(in32(4), 0x20);
    pcihotplug_set_removable(hp, 0x10); /* slot 5 is another thing here */
    s.at = 0;
    CHECK_EQ(state_load(&s, &pcihotplug_state, hp, &err), -EINVAL);
    state_dispose(&s);
    close_all();
}

int main(void)
{
    TEST_RUN(tells_of_a_plug);
    TEST_RUN(ejects);
    TEST_RUN(ejects_by_reset);
    TEST_RUN(keeps_its_state);
    return test_result();
}
