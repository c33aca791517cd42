/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block device; see blk.c. */
#pragma once
#include "block/block.h"
#include "virtio/virtio.h"

#define VIRTIO_BLK_ID_MAX 20u
#define VIRTIO_BLK_QUEUES 16u /* at most */

struct virtio_blk;

struct virtio_blk_config {
    struct block *block;   /* not owned: close it first, then free the device */
    pthread_mutex_t *lock; /* of its own, and the image's; NULL: both use the machine's */
    unsigned queues;       /* 1 to VIRTIO_BLK_QUEUES */
    const char *serial;    /* what GET_ID answers, cut at VIRTIO_BLK_ID_MAX; NULL: nothing */
    struct virtio_rings rings;
};

/* -ENOMEM. */
must_check int virtio_blk_new(struct virtio_blk **out, struct mem *mem, struct clock *clk,
                              const struct virtio_blk_config *cfg);
void virtio_blk_free(struct virtio_blk *b);
struct virtio *virtio_blk_dev(struct virtio_blk *b);

/* Saved with nothing in flight: block_drain comes first. */
extern const struct state_table virtio_blk_state;
