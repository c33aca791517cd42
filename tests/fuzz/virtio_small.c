/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio entropy device or memory balloon; see virtio_input.h. */
#include "virtio/balloon.h"
#include "virtio/rng.h"
#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void fill(void *opaque, u8 *to, size_t len)
{
    memset(to, 0x55, len);
}

static void moved(void *opaque)
{
}

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    if (t->state != &virtio_balloon_state)
        return;
    if (op & 1)
        virtio_balloon_set(t->device, (u64)op << PAGE_SHIFT);
    else if (virtio_balloon_ask(t->device))
        BUG_ON(!virtio_balloon_stats(t->device));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct virtio_rng_config cfg = {.fill = fill, .rate = size & 2 ? 1000 : 0};
    struct virtio_balloon_config balloon = {.moved = moved};
    struct virtio_target t = {.host = host};
    struct input in = {data, size};
    struct virtio_rng *r = NULL;
    struct virtio_balloon *b = NULL;

    drv_open(&t.d);
    if (size & 1) {
        BUG_ON(virtio_rng_new(&r, t.d.p.mem, t.d.p.rig.clk, &cfg));
        t.device = r;
        t.virtio = virtio_rng_dev(r);
        t.state = &virtio_rng_state;
        t.queues = 1;
    } else {
        BUG_ON(virtio_balloon_new(&b, t.d.p.mem, t.d.p.rig.clk, &balloon));
        t.device = b;
        t.virtio = virtio_balloon_dev(b);
        t.state = &virtio_balloon_state;
        t.queues = 4;
    }
    virtio_target_run(&t, &in);
    virtio_rng_free(r);
    virtio_balloon_free(b);
    drv_close(&t.d);
    return 0;
}
