/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is behind an image: a node with an ops table, one for each format, each over another node
 * or a file. Ops are synchronous, called by several worker threads at once, without the machine's
 * lock. Ranges are within `size` and not empty; a read-only node gets only reads and flushes.
 */
#pragma once
#include "block/block.h"

struct block_driver {
    const char *name;
    int (*read)(struct block_node *n, u64 off, u8 *buf, u64 len);
    int (*write)(struct block_node *n, u64 off, const u8 *buf, u64 len);
    int (*flush)(struct block_node *n);                     /* what was written reaches the disk */
    int (*discard)(struct block_node *n, u64 off, u64 len); /* a hint */
    int (*zero)(struct block_node *n, u64 off, u64 len);
    void (*close)(struct block_node *n); /* frees it, and the nodes it is over */
};

/* Embedded in the driver's own structure. */
struct block_node {
    const struct block_driver *ops;
    u64 size; /* bytes, a multiple of BLOCK_SECTOR */
    bool read_only;
};

/* A file or host block device as it is. */
must_check int block_raw_open(struct block_node **out, const char *path, bool read_only,
                              struct err *err);
/* A file without a name, of `size` zeros, in $TMPDIR or /var/tmp. */
must_check int block_raw_temporary(struct block_node **out, u64 size, struct err *err);
/* Over `base`, which is then only read: writes go to a temporary file without a name. Owns the base
   also if it fails. */
must_check int block_snapshot_open(struct block_node **out, struct block_node *base,
                                   struct err *err);
