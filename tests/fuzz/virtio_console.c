/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio console with three ports; see virtio_input.h. */
#include "virtio/console.h"
#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void take(void *opaque, const u8 *buf, size_t n)
{
    u64 *sum = opaque;

    for (size_t i = 0; i < n; i++)
        *sum += buf[i];
}

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    unsigned port = op % 3;
    u8 bytes[40] = {op};
    size_t room = virtio_console_room(t->device, port);

    if (op & 4)
        virtio_console_opened(t->device, port, op & 8);
    else if (op & 8)
        virtio_console_resize(t->device, op, (u16)input_take(in, 2));
    else if (room)
        virtio_console_receive(t->device, port, bytes, min_u64(room, sizeof(bytes)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static u64 sum;
    struct virtio_console_config cfg = {.nports = 3,
                                        .port = {{.write = take, .opaque = &sum},
                                                 {.name = "one", .write = take, .opaque = &sum},
                                                 {.name = "two", .write = take, .opaque = &sum}}};
    struct virtio_target t = {.host = host, .state = &virtio_console_state, .queues = 8};
    struct input in = {data, size};
    struct virtio_console *c;

    drv_open(&t.d);
    BUG_ON(virtio_console_new(&c, t.d.p.mem, t.d.p.rig.clk, &cfg));
    t.device = c;
    t.virtio = virtio_console_dev(c);
    virtio_target_run(&t, &in);
    virtio_console_free(c);
    drv_close(&t.d);
    return 0;
}
