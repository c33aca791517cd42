/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A SCSI adapter with a disk whose image fails now and then, and a CD-ROM; see virtio_input.h. */
#include "virtio/scsi.h"
#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct guest {
    struct memdisk *m;
    struct block *blk[2];
};

static void settle(struct virtio_target *t)
{
    struct guest *g = t->opaque;

    block_drain(g->blk[0]);
    block_drain(g->blk[1]);
}

static void change_disc(struct virtio_target *t, bool in)
{
    struct guest *g = t->opaque;

    if (!virtio_scsi_unit(t->device, 1))
        return;
    block_drain(g->blk[1]); /* as closing the old one does */
    scsi_change_disc(virtio_scsi_unit(t->device, 1), in ? g->blk[1] : NULL);
    virtio_scsi_medium_changed(t->device, 1);
}

/* Pulls the CD-ROM drive out, or plugs it in again. */
static void move_drive(struct virtio_target *t)
{
    struct guest *g = t->opaque;
    struct scsi_unit_config unit = {
        .block = g->blk[1], .cdrom = true, .vendor = "V", .product = "P", .revision = "R"};

    if (virtio_scsi_unit(t->device, 1))
        virtio_scsi_unplug(t->device, 1);
    else
        virtio_scsi_plug(t->device, 1, &unit);
}

static void resize(struct virtio_target *t, u64 size)
{
    struct err err;

    pthread_mutex_unlock(&t->d.p.rig.lock);
    (void)!block_resize(((struct guest *)t->opaque)->blk[0], size, &err);
    pthread_mutex_lock(&t->d.p.rig.lock);
}

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    struct guest *g = t->opaque;

    switch (op & 3) {
    case 0:
        g->m->fail = op & 4 ? -EIO : 0;
        g->m->fail_at = op & 8 ? UINT64_MAX : input_take(in, 2);
        break;
    case 1:
        resize(t, (1 + op / 4) * 512u);
        break;
    case 2:
        change_disc(t, op & 4);
        break;
    default:
        if (op & 8)
            move_drive(t);
        else if (virtio_scsi_unit(t->device, 1))
            scsi_eject(virtio_scsi_unit(t->device, 1));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct virtio_target t = {
        .state = &virtio_scsi_state, .queues = 3, .host = host, .settle = settle};
    struct input in = {data, size};
    struct virtio_scsi_config cfg = {
        .unit =
            {{.queues = true, .vendor = "V", .product = "P", .revision = "R"},
             {.cdrom = true, .removable = true, .vendor = "V", .product = "P", .revision = "R"}},
        .nunits = 2,
        .queues = 1,
        .packed = true};
    struct virtio_scsi *s;
    struct guest g;

    t.opaque = &g;
    drv_open(&t.d);
    g.m = memdisk_new(64 * KiB, size & 1);
    g.blk[0] = memdisk_block(g.m, &t.d.p.rig.lock);
    g.blk[1] = memdisk_block(memdisk_new(64 * KiB, true), &t.d.p.rig.lock);
    for (unsigned n = 0; n < 2; n++)
        cfg.unit[n].block = g.blk[n];
    BUG_ON(virtio_scsi_new(&s, t.d.p.mem, t.d.p.rig.clk, &cfg));
    t.device = s;
    t.virtio = virtio_scsi_dev(s);
    virtio_target_run(&t, &in);
    pthread_mutex_unlock(&t.d.p.rig.lock);
    block_close(g.blk[0]);
    block_close(g.blk[1]);
    pthread_mutex_lock(&t.d.p.rig.lock);
    virtio_scsi_free(s);
    drv_close(&t.d);
    return 0;
}
