/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What blk.c shares with the requests in blk_req.c. */
#pragma once
#include "virtio/blk.h"

#define BLK_F_FLUSH      9u
#define BLK_F_CONFIG_WCE 11u

#define BLK_RANGES    16u       /* of a DISCARD or WRITE_ZEROES */
#define BLK_RANGE_MAX 0x3fffffu /* sectors of each */

struct virtio_blk {
    struct virtio virtio;
    struct block *block;
    char serial[VIRTIO_BLK_ID_MAX];
    struct virtq_buf buf; /* the one that was popped last */
    unsigned in_flight;   /* requests */
};

bool blk_writes_through(const struct virtio_blk *b);
/* Starts what is in b->buf. */
void blk_start(struct virtio_blk *b, struct virtq *q);
