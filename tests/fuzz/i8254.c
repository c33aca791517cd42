/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports 40h-43h and 61h, and time. Checks that the status byte agrees with the output wire. */
#include "dev/i8254.h"
#include "dev/port61.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_out(struct rig *rig, struct i8254 *pit)
{
    for (unsigned i = 0; i < 3; i++) {
        bus_write(&rig->pio, 0x43, 1, 0xe0 | 2u << i);
        BUG_ON((bus_read(&rig->pio, 0x40 + i, 1) >> 7) != i8254_out_of(pit, i));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire irq0 = {0};
    struct i8254 *pit;
    struct port61 *p;

    rig_open(&rig);
    BUG_ON(i8254_new(&pit, &rig.pio, wire_irq(&irq0), rig.clk));
    BUG_ON(port61_new(&p, &rig.pio, pit, rig.clk));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80)
            input_advance(&in, rig.clk);
        else if (op & 0x40)
            input_access(&in, &rig.pio, op, 0x61, 1);
        else
            input_access(&in, &rig.pio, op, 0x40, 4);
    }
    for (unsigned i = 0; i < 3; i++) { /* empties the latches */
        bus_read(&rig.pio, 0x40 + i, 1);
        bus_read(&rig.pio, 0x40 + i, 1);
        bus_read(&rig.pio, 0x40 + i, 1);
    }
    check_out(&rig, pit);
    i8254_reset(pit);
    port61_free(p);
    i8254_free(pit);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    rig_close(&rig);
    return 0;
}
