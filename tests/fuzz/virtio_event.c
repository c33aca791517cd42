/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio keyboard, mouse or tablet that is in use; see virtio_input.h. */
#define input ui_input /* dev_input.h has a struct of that name */
#include "virtio/input.h"
#undef input

#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    struct ui_input *to = t->opaque;
    u64 v = input_take(in, 4);

    if (!(op & 3))
        input_move(to, (s8)v, (s8)(v >> 8), (s8)(v >> 16), (unsigned)(v >> 24));
    else if ((op & 3) == 1)
        input_point(to, v & INPUT_ABS_MAX, v >> 16 & INPUT_ABS_MAX, 0, op >> 2);
    else
        for (unsigned n = 0; n <= (v >> 16 & 0xff); n++)
            if (!input_key(to, v & 0x1ff, op & 1))
                break;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct virtio_target t = {.state = &virtio_input_state, .queues = 2, .host = host};
    struct input in = {data, size};
    struct ui_input from = {0};
    struct virtio_input *dev;

    t.opaque = &from;
    drv_open(&t.d);
    BUG_ON(virtio_input_new(&dev, t.d.p.mem, t.d.p.rig.clk, size % 3, &from, true));
    t.device = dev;
    t.virtio = virtio_input_dev(dev);
    virtio_target_run(&t, &in);
    virtio_input_free(dev);
    drv_close(&t.d);
    return 0;
}
