/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/port61.h"
#include "../test.h"
#include "rig.h"

static void shows_timer2_and_refresh(void)
{
    struct rig rig;
    struct i8254 *pit = NULL;
    struct port61 *p = NULL;
    unsigned toggles = 0;

    rig_open(&rig);
    CHECK_EQ(i8254_new(&pit, &rig.pio, (struct irq){0}, rig.clk), 0);
    CHECK_EQ(port61_new(&p, &rig.pio, pit, rig.clk), 0);
    CHECK_EQ(in8(&rig, 0x61) & 0xef, 0);
    out8(&rig, 0x61, 0xff);
    CHECK_EQ(in8(&rig, 0x61) & 0xef, 0x0f); /* the NMI status bits stay 0 */

    /* How a kernel calibrates: gate on, mode 0, wait for OUT. */
    out8(&rig, 0x61, 0x01);
    out8(&rig, 0x43, 0xb0);
    out8(&rig, 0x42, 0xa9);
    out8(&rig, 0x42, 0x04); /* 1193 ticks: 1 ms */
    clock_advance(rig.clk, 999 * US);
    CHECK_EQ(in8(&rig, 0x61) & 0x20, 0);
    clock_advance(rig.clk, 3 * US);
    CHECK_EQ(in8(&rig, 0x61) & 0x20, 0x20);

    for (unsigned i = 0, last = in8(&rig, 0x61) & 0x10; i < 1000; i++) {
        clock_advance(rig.clk, US);
        if ((in8(&rig, 0x61) & 0x10) != last) {
            toggles++;
            last ^= 0x10;
        }
    }
    CHECK_EQ(toggles, 66); /* 1 ms / 15.086 us */
    port61_reset(p);
    CHECK_EQ(in8(&rig, 0x61) & 0x0f, 0);
    port61_free(p);
    i8254_free(pit);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(shows_timer2_and_refresh);
    return test_result();
}
