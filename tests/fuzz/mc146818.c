/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports 70h-73h and time. A running clock must always show a real time of day. */
#include "dev/mc146818.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u8 get(struct rig *rig, u8 reg)
{
    out8(rig, 0x70, reg);
    return in8(rig, 0x71);
}

static void check_time(struct rig *rig)
{
    out8(rig, 0x70, 0x0b);
    out8(rig, 0x71, 0x06); /* binary, 24 hours, running */
    out8(rig, 0x70, 0x0a);
    out8(rig, 0x71, 0x20);
    BUG_ON(get(rig, 0) > 59 || get(rig, 2) > 59 || get(rig, 4) > 23);
    BUG_ON(get(rig, 6) - 1u > 6 || get(rig, 7) - 1u > 30 || get(rig, 8) - 1u > 11);
    BUG_ON(get(rig, 9) > 99 || get(rig, 0x32) > 99);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire irq8 = {0};
    struct mc146818 *rtc;

    rig_open(&rig);
    BUG_ON(mc146818_new(&rtc, &rig.pio, wire_irq(&irq8), rig.clk));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if ((op & 0xc0) == 0xc0)
            clock_advance(rig.clk, input_take(&in, 1) * NSEC_PER_SEC);
        else if (op & 0x80)
            input_advance(&in, rig.clk);
        else if (op & 0x40)
            out8(&rig, 0x70, op & 0x0f); /* favours the clock's registers */
        else
            input_access(&in, &rig.pio, op, 0x70, 4);
    }
    check_time(&rig);
    mc146818_reset(rtc);
    BUG_ON(irq8.level);
    mc146818_free(rtc);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    rig_close(&rig);
    return 0;
}
