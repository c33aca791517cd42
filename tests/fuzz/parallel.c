/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices of a port or a few: the parallel port, the debug console, pvpanic. */
#include "dev/parallel.h"
#include "dev/debugcon.h"
#include "dev/pvpanic.h"
#include "dev_input.h"
#include "mangle.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool put(void *opaque, u8 byte)
{
    return *(bool *)opaque;
}

static void put_debug(void *opaque, u8 byte)
{
}

static void on_event(void *opaque, u8 events)
{
    BUG_ON(!events || events & ~PVPANIC_ALL);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const u16 base[4] = {0x377, 0x376, 0xe8, 0x504};
    struct input in = {data, size};
    struct rig rig;
    struct wire irq = {0};
    struct parallel *p;
    struct debugcon *d;
    struct pvpanic *panic;
    bool room = true;
    struct parallel_backend be = {.put = put, .opaque = &room};

    rig_open(&rig);
    BUG_ON(parallel_new(&p, &rig.pio, 0x378, wire_irq(&irq), &be));
    BUG_ON(debugcon_new(&d, &rig.pio, 0xe9, put_debug, NULL));
    BUG_ON(pvpanic_new(&panic, &rig.pio, PVPANIC_PORT, on_event, NULL));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80) {
            room = op & 1;
            parallel_room(p);
        } else if (op & 0x40) {
            if (mangle(&in, &parallel_state, p))
                parallel_reset(p);
        } else {
            input_access(&in, &rig.pio, op, base[op >> 3 & 3], 10);
        }
    }
    BUG_ON(irq.level);
    pvpanic_free(panic);
    debugcon_free(d);
    parallel_free(p);
    rig_close(&rig);
    return 0;
}
