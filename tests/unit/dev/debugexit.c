/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/debugexit.h"
#include "../test.h"
#include "rig.h"

static void on_exit_value(void *opaque, u32 val)
{
    *(u64 *)opaque = val;
}

static void gives_the_value(void)
{
    struct rig rig;
    struct debugexit *d = NULL;
    u64 got = UINT64_MAX;

    rig_open(&rig);
    CHECK_EQ(debugexit_new(&d, &rig.pio, 0xf4, on_exit_value, &got), 0);
    CHECK_EQ(bus_read(&rig.pio, 0xf4, 4), 0);
    CHECK_EQ(got, UINT64_MAX);
    bus_write(&rig.pio, 0xf4, 4, 0x12345678);
    CHECK_EQ(got, 0x12345678);
    out8(&rig, 0xf4, 0x10);
    CHECK_EQ(got, 0x10);
    bus_write(&rig.pio, 0xf4, 2, 0x1234);
    CHECK_EQ(got, 0x1234);
    debugexit_reset(d);
    debugexit_free(d);
    CHECK_EQ(bus_read(&rig.pio, 0xf4, 4), 0xffffffff);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(gives_the_value);
    return test_result();
}
