/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port 92h and another source of A20 through an OR gate; the debug exit. */
#include "dev/port92.h"
#include "dev/debugexit.h"
#include "dev/orgate.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void on_exit_value(void *opaque, u32 val)
{
    *(u32 *)opaque = val;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire a20 = {0}, reset = {0};
    struct orgate gate;
    struct irq other;
    struct port92 *p;
    struct debugexit *d;
    bool level = false;
    u32 val;

    rig_open(&rig);
    orgate_init(&gate, wire_irq(&a20));
    other = orgate_input(&gate, 1);
    BUG_ON(port92_new(&p, &rig.pio, orgate_input(&gate, 0), wire_irq(&reset)));
    BUG_ON(debugexit_new(&d, &rig.pio, 0xf4, on_exit_value, &val));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80)
            irq_set(&other, level = op & 1);
        else
            input_access(&in, &rig.pio, op, op & 0x40 ? 0xf2 : 0x92, op & 0x40 ? 8 : 1);
        BUG_ON(a20.level != (level || in8(&rig, 0x92) & 2));
        BUG_ON(reset.level);
    }
    debugexit_free(d);
    port92_free(p);
    rig_close(&rig);
    return 0;
}
