/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio network card and a cable that is sometimes full; see virtio_input.h. */
#include "../unit/net/rig.h"
#include "virtio/net.h"
#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    struct far *far = t->opaque;
    u8 frame[4096];
    size_t len;

    switch (op & 3) {
    case 0:
        far->room = op >> 2;
        net_ready(&far->end);
        break;
    case 1:
        net_set_link(&far->end, op & 4);
        break;
    case 2:
        virtio_net_announce(t->device);
        break;
    default:
        len = input_take(in, 2) % sizeof(frame);
        memset(frame, op & 4 ? 0xff : 2, sizeof(frame));
        for (size_t i = 0; i < len && i < 60; i++)
            frame[i] = (u8)input_take(in, 1);
        if (net_send(&far->end, frame, len))
            break;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const struct virtio_net_config cfg = {
        .mac = {2, 2, 2, 2, 2, 2}, .rings.packed = true, .pairs = 2};
    struct virtio_target t = {.state = &virtio_net_state, .queues = 5, .host = host};
    struct input in = {data, size};
    struct virtio_net *n;
    struct far far;

    far_init(&far);
    t.opaque = &far;
    drv_open(&t.d);
    BUG_ON(virtio_net_new(&n, t.d.p.mem, t.d.p.rig.clk, &cfg));
    t.device = n;
    t.virtio = virtio_net_dev(n);
    net_plug(&far.end, virtio_net_end(n));
    virtio_target_run(&t, &in);
    virtio_net_free(n);
    BUG_ON(clock_run(t.d.p.rig.clk) != UINT64_MAX);
    drv_close(&t.d);
    return 0;
}
