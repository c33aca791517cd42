/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All registers, time, and bytes and breaks from the line, also from inside on_room. */
#include "dev/ns16550a.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void on_write(void *opaque, const u8 *buf, size_t n)
{
    BUG_ON(!n);
}

/* As a console with a backlog does. */
static void on_room(void *opaque)
{
    static const u8 more[16];
    struct ns16550a **u = opaque;
    size_t room = ns16550a_room(*u);

    BUG_ON(room > sizeof(more));
    ns16550a_receive(*u, more, room / 2);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire irq = {0};
    struct ns16550a *u;

    rig_open(&rig);
    BUG_ON(ns16550a_new(&u, &rig.pio, 0x3f8, wire_irq(&irq), rig.clk,
                        (struct ns16550a_backend){.write = on_write}));
    ns16550a_set_on_room(u, on_room, &u);
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1), buf[32] = {0};
        if ((op & 0xc0) == 0xc0) {
            ns16550a_receive(u, buf, op & 0x1f);
        } else if ((op & 0xe0) == 0xa0) {
            ns16550a_set_modem(u, (u8)(op << 4));
            ns16550a_receive_break(u);
        } else if (op & 0x80) {
            input_advance(&in, rig.clk);
        } else {
            input_access(&in, &rig.pio, op, 0x3f8, 8);
        }
        BUG_ON(ns16550a_room(u) > 16);
    }
    ns16550a_set_on_room(u, NULL, NULL);
    ns16550a_reset(u);
    BUG_ON(irq.level || ns16550a_room(u) != 1);
    ns16550a_free(u);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    rig_close(&rig);
    return 0;
}
