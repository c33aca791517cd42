/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block device (VIRTIO 1.2, section 5.2): requests become those of a disk image, whose data moves
 * from and to guest memory. A read of what the host has in memory is over before the notification
 * is. Left out: secure erase, lifetime, zoned devices, the legacy SCSI commands.
 *
 * Under the device's lock, or the machine's where it has none; the image's requests end under the
 * same. A reset waits for what is in flight, since that reaches guest memory; it lets go of that
 * lock meanwhile.
 */
#include "base/le.h"
#include "virtio/blk_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE 256u

#define F_SEG_MAX      2u
#define F_GEOMETRY     4u
#define F_RO           5u
#define F_BLK_SIZE     6u
#define F_TOPOLOGY     10u
#define F_MQ           12u
#define F_DISCARD      13u
#define F_WRITE_ZEROES 14u

enum {
    CFG_CAPACITY = 0,
    CFG_SEG_MAX = 12,
    CFG_CYLINDERS = 16,
    CFG_HEADS = 18,
    CFG_SECTORS = 19,
    CFG_BLK_SIZE = 20,
    CFG_MIN_IO = 26,
    CFG_WRITEBACK = 32,
    CFG_NUM_QUEUES = 34,
    CFG_DISCARD_SECTORS = 36,
    CFG_DISCARD_SEGS = 40,
    CFG_DISCARD_ALIGN = 44,
    CFG_ZERO_SECTORS = 48,
    CFG_ZERO_SEGS = 52,
    CFG_ZERO_UNMAP = 56,
    CFG_LEN = 60,
};

static void fill_capacity(struct virtio_blk *b)
{
    u64 sectors = block_size(b->block) / BLOCK_SECTOR;

    put_le64(b->virtio.config + CFG_CAPACITY, sectors);
    put_le16(b->virtio.config + CFG_CYLINDERS, (u16)min_u64(sectors / (16 * 63), 16383));
}

static void fill_config(struct virtio_blk *b)
{
    u8 *c = b->virtio.config;

    fill_capacity(b);
    put_le32(c + CFG_SEG_MAX, QUEUE_SIZE - 2);
    c[CFG_HEADS] = 16;
    c[CFG_SECTORS] = 63;
    put_le32(c + CFG_BLK_SIZE, BLOCK_SECTOR);
    put_le16(c + CFG_MIN_IO, 1);
    c[CFG_WRITEBACK] = 1;
    put_le16(c + CFG_NUM_QUEUES, (u16)b->virtio.nqueues);
    put_le32(c + CFG_DISCARD_SECTORS, BLK_RANGE_MAX);
    put_le32(c + CFG_DISCARD_SEGS, BLK_RANGES);
    put_le32(c + CFG_DISCARD_ALIGN, 1);
    put_le32(c + CFG_ZERO_SECTORS, BLK_RANGE_MAX);
    put_le32(c + CFG_ZERO_SEGS, BLK_RANGES);
    c[CFG_ZERO_UNMAP] = 1;
}

/* 5.2.5.2: a driver that cannot flush finds its writes on the disk when they are done. */
bool blk_writes_through(const struct virtio_blk *b)
{
    if (virtio_has(&b->virtio, BLK_F_CONFIG_WCE))
        return !b->virtio.config[CFG_WRITEBACK];
    return !virtio_has(&b->virtio, BLK_F_FLUSH);
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_blk *b = opaque;

    while (virtq_pop(q, &b->buf))
        blk_start(b, q);
    virtq_interrupt(q); /* for those that are over already */
}

static void drain(void *opaque)
{
    struct virtio_blk *b = opaque;

    if (b->in_flight)
        block_drain(b->block);
}

static void reset(void *opaque)
{
    struct virtio_blk *b = opaque;

    fill_config(b);
    drain(b);
}

static void queue_reset(void *opaque, struct virtq *q)
{
    drain(opaque);
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct virtio_blk *b = opaque;

    b->virtio.config[CFG_WRITEBACK] &= 1;
}

static void resized(void *opaque)
{
    struct virtio_blk *b = opaque;

    fill_capacity(b);
    virtio_config_changed(&b->virtio);
}

static const struct virtio_ops ops = {.notify = notify,
                                      .reset = reset,
                                      .queue_reset = queue_reset,
                                      .drain = drain,
                                      .config_written = config_written};

int virtio_blk_new(struct virtio_blk **out, struct mem *mem, struct clock *clk,
                   const struct virtio_blk_config *cfg)
{
    struct virtio_blk *b = calloc(1, sizeof(*b));
    struct virtio_init init = {.name = "virtio-blk",
                               .type = VIRTIO_BLK,
                               .class = 0x0100,
                               .ops = &ops,
                               .opaque = b,
                               .mem = mem,
                               .clk = clk,
                               .lock = cfg->lock,
                               .rings = cfg->rings,
                               .config_len = CFG_LEN};

    if (!b)
        return -ENOMEM;
    BUG_ON(!cfg->queues || cfg->queues > VIRTIO_BLK_QUEUES);
    b->block = cfg->block;
    if (cfg->serial)
        memcpy(b->serial, cfg->serial, min_u64(strlen(cfg->serial), sizeof(b->serial)));
    init.features = BIT64(F_SEG_MAX) | BIT64(F_GEOMETRY) | BIT64(F_BLK_SIZE) | BIT64(F_TOPOLOGY) |
                    BIT64(BLK_F_FLUSH) | BIT64(BLK_F_CONFIG_WCE);
    if (cfg->queues > 1)
        init.features |= BIT64(F_MQ);
    init.features |=
        block_read_only(b->block) ? BIT64(F_RO) : BIT64(F_DISCARD) | BIT64(F_WRITE_ZEROES);
    virtio_init(&b->virtio, &init);
    for (unsigned n = 0; n < cfg->queues; n++)
        virtio_add_queue(&b->virtio, QUEUE_SIZE);
    b->virtio.config_wmask[CFG_WRITEBACK] = 1;
    fill_config(b);
    block_on_resize(b->block, resized, b);
    *out = b;
    return 0;
}

void virtio_blk_free(struct virtio_blk *b)
{
    if (!b)
        return;
    BUG_ON(b->in_flight);
    virtio_dispose(&b->virtio);
    free(b);
}

struct virtio *virtio_blk_dev(struct virtio_blk *b)
{
    return &b->virtio;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_blk, virtio, 1, virtio_fields),
    STATE_END,
};

/* What the image is now counts, not what it was. */
static int loaded(void *opaque)
{
    struct virtio_blk *b = opaque;
    u8 writeback = b->virtio.config[CFG_WRITEBACK] & 1;
    int rc = virtio_loaded(&b->virtio);

    fill_config(b);
    b->virtio.config[CFG_WRITEBACK] = writeback;
    for (unsigned n = 0; n < b->virtio.nqueues && !rc; n++)
        rc = b->virtio.queue[n].in_use ? -EINVAL : 0;
    return rc;
}

const struct state_table virtio_blk_state = {
    .name = "virtio-blk", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
