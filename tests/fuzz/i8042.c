/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports 60h and 64h, keys and mouse motion, in some inputs with keys that take their time. What is
   in the buffers must come to an end. */
#include "dev/i8042.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MAX_PENDING 80 /* two devices' replies and events, and the controller's */

static void host_event(struct i8042 *kbc, struct input *in, u8 op)
{
    u8 key[8];
    s8 dx = (s8)input_take(in, 1), dy = (s8)input_take(in, 1);

    if (op & 0x20) {
        i8042_mouse(kbc, dx * 100, dy * 100, op & 7, (u8)dx);
        return;
    }
    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (u8)input_take(in, 1);
    i8042_put_key(kbc, key, op % 10);
}

/* A mouse with motion left keeps reporting it, so events stop first. */
static void drain(struct rig *rig, struct wire *irq1, struct wire *irq12)
{
    unsigned n = 0;

    out8(rig, 0x64, 0xd4);
    out8(rig, 0x60, 0xff);
    while (in8(rig, 0x64) & 1) {
        in8(rig, 0x60);
        BUG_ON(++n > MAX_PENDING);
    }
    BUG_ON(irq1->level || irq12->level);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire irq1 = {0}, irq12 = {0}, a20 = {0}, reset = {0};
    struct i8042 *kbc;

    rig_open(&rig);
    BUG_ON(i8042_new(&kbc, &rig.pio, wire_irq(&irq1), wire_irq(&irq12), wire_irq(&a20),
                     wire_irq(&reset)));
    if (size % 2)
        i8042_set_clock(kbc, rig.clk);
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80)
            host_event(kbc, &in, op);
        else if ((op & 6) == 6)
            input_advance(&in, rig.clk);
        else
            input_access(&in, &rig.pio, op & 0x79, op & 0x40 ? 0x64 : 0x60, 1);
        BUG_ON(irq1.level && irq12.level);
    }
    drain(&rig, &irq1, &irq12);
    i8042_reset(kbc);
    BUG_ON(!a20.level);
    i8042_free(kbc);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    rig_close(&rig);
    return 0;
}
