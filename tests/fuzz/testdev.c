/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test device's ports and memory. */
#include "dev/testdev.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire wires[TESTDEV_LINES] = {0};
    struct irq lines[TESTDEV_LINES];
    struct testdev *t;

    rig_open(&rig);
    for (unsigned i = 0; i < TESTDEV_LINES; i++)
        lines[i] = (struct irq){.set = wire_set, .opaque = wires, .n = i};
    BUG_ON(testdev_new(&t, &rig.pio, &rig.mmio, lines));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80)
            input_access(&in, &rig.mmio, op, 0xff000000, 0x10000);
        else if (op & 0x40)
            input_access(&in, &rig.pio, op, 0x1ffc, 32);
        else
            input_access(&in, &rig.pio, op, 0xde, 16);
    }
    testdev_reset(t);
    for (unsigned i = 0; i < TESTDEV_LINES; i++)
        BUG_ON(wires[i].level);
    testdev_free(t);
    rig_close(&rig);
    return 0;
}
