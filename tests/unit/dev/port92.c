/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/port92.h"
#include "../test.h"
#include "rig.h"

static void switches_a20_and_resets(void)
{
    struct rig rig;
    struct wire a20 = {0}, reset = {0};
    struct port92 *p = NULL;

    rig_open(&rig);
    CHECK_EQ(port92_new(&p, &rig.pio, wire_irq(&a20), wire_irq(&reset)), 0);
    CHECK(!a20.level);
    out8(&rig, 0x92, in8(&rig, 0x92) | 2);
    CHECK(a20.level);
    CHECK_EQ(in8(&rig, 0x92), 2);
    CHECK_EQ(reset.rises, 0);
    out8(&rig, 0x92, 3);
    CHECK_EQ(reset.rises, 1);
    CHECK(!reset.level);
    out8(&rig, 0x92, 3); /* only 0 to 1 resets */
    CHECK_EQ(reset.rises, 1);
    out8(&rig, 0x92, 0);
    CHECK(!a20.level);
    out8(&rig, 0x92, 2);
    port92_reset(p);
    CHECK(!a20.level);
    port92_free(p);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(switches_a20_and_resets);
    return test_result();
}
