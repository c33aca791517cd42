/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/pvpanic.h"
#include "../test.h"
#include "rig.h"

static void on_event(void *opaque, u8 events)
{
    *(u8 *)opaque = events;
}

static void tells_events(void)
{
    struct rig rig;
    struct pvpanic *p = NULL;
    u8 got = 0;

    rig_open(&rig);
    CHECK_EQ(pvpanic_new(&p, &rig.pio, PVPANIC_PORT, on_event, &got), 0);
    CHECK_EQ(in8(&rig, 0x505), 7);
    out8(&rig, 0x505, 0xf0);
    CHECK_EQ(got, 0);
    out8(&rig, 0x505, 0x81);
    CHECK_EQ(got, PVPANIC_PANICKED);
    pvpanic_reset(p);
    pvpanic_free(p);
    CHECK_EQ(in8(&rig, 0x505), 0xff);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(tells_events);
    return test_result();
}
