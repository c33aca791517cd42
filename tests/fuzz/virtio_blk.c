/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio disk whose image fails now and then; see virtio_input.h. */
#include "virtio/blk.h"
#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct guest {
    struct memdisk *m;
    struct block *blk;
};

static void settle(struct virtio_target *t)
{
    block_drain(((struct guest *)t->opaque)->blk);
}

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    struct guest *g = t->opaque;

    if (op & 1) {
        g->m->fail = op & 2 ? -EIO : 0;
        g->m->fail_at = op & 4 ? UINT64_MAX : input_take(in, 2);
    } else {
        struct err err;
        pthread_mutex_unlock(&t->d.p.rig.lock);
        (void)!block_resize(g->blk, (1 + op / 2) * 512u, &err);
        pthread_mutex_lock(&t->d.p.rig.lock);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct virtio_target t = {
        .state = &virtio_blk_state, .queues = 2, .host = host, .settle = settle};
    struct input in = {data, size};
    struct virtio_blk_config cfg = {.queues = 2, .serial = "fuzz", .rings.packed = true};
    struct virtio_blk *b;
    struct guest g;

    t.opaque = &g;
    drv_open(&t.d);
    g.m = memdisk_new(64 * KiB, size & 1);
    g.blk = memdisk_block(g.m, &t.d.p.rig.lock);
    cfg.block = g.blk;
    BUG_ON(virtio_blk_new(&b, t.d.p.mem, t.d.p.rig.clk, &cfg));
    t.device = b;
    t.virtio = virtio_blk_dev(b);
    virtio_target_run(&t, &in);
    pthread_mutex_unlock(&t.d.p.rig.lock);
    block_close(g.blk);
    pthread_mutex_lock(&t.d.p.rig.lock);
    virtio_blk_free(b);
    drv_close(&t.d);
    return 0;
}
