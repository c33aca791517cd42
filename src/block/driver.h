/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is behind an image: a node with an ops table, one for each format, each over another node
 * or a file. Ops are synchronous, called by several worker threads at once, without the machine's
 * lock. Ranges are within `size` and not empty; a read-only node gets only reads and flushes.
 * Ops that need the node alone (resize, check, snapshots, bitmaps) are said to.
 */
#pragma once
#include "block/block.h"

struct bfile;
struct block_format; /* block/format.h */

/* What a range of a node is. */
#define EXTENT_ALLOCATED  BIT(0) /* this node says what it reads as; else its backing does */
#define EXTENT_ZERO       BIT(1) /* reads as zeros */
#define EXTENT_DATA       BIT(2) /* has bytes in a file */
#define EXTENT_OFFSET     BIT(3) /* … as they are, from `host` on, in the file `path` */
#define EXTENT_COMPRESSED BIT(4)

struct block_extent {
    u64 len; /* 1 to what was asked for */
    unsigned flags;
    u64 host;
    const char *path; /* NULL: the node's own */
};

#define INFO_ITEMS 24u
#define BLOCK_ID   16u

/* Something a format says of an image. */
struct block_info_item {
    char name[24]; /* as JSON has it: "refcount-bits", "encrypt.uuid" */
    enum { INFO_TEXT, INFO_BOOL, INFO_NUMBER } kind;
    u64 number;
    char text[64];
};

struct block_info {
    u64 cluster; /* bytes; 0: has none */
    bool dirty, corrupt;
    bool whole; /* a write of part of a cluster writes all of it anew */
    bool noise; /* what was never written does not read as zeros */
    unsigned items;
    struct block_info_item item[INFO_ITEMS];
};

void info_text(struct block_info *info, const char *name, const char *text);
void info_number(struct block_info *info, const char *name, u64 number);
void info_bool(struct block_info *info, const char *name, bool value);

enum block_prealloc { PREALLOC_OFF, PREALLOC_METADATA, PREALLOC_FALLOC, PREALLOC_FULL };

#define CHECK_FIX_LEAKS  BIT(0)
#define CHECK_FIX_ERRORS BIT(1)

struct block_check {
    u64 errors, leaks, failures; /* found; failures: of the host, the check is not complete */
    u64 errors_fixed, leaks_fixed;
    u64 end;                                     /* of the image in its file */
    u64 total, allocated, compressed, scattered; /* clusters */
    /* A line for each finding; called at most 1000 times. */
    void (*report)(void *opaque, const char *line);
    void *opaque;
};

struct block_snapshot {
    char *id, *name;
    u64 date_ns, clock_ns, state_size, disk_size; /* date: since 1970 */
    u64 icount;
};

struct block_bitmap_info {
    char *name;
    u64 granularity, count; /* bytes; dirty bytes */
    bool in_use, enabled;
};

enum bitmap_action {
    BITMAP_ADD,
    BITMAP_REMOVE,
    BITMAP_CLEAR,
    BITMAP_ENABLE,
    BITMAP_DISABLE,
};

struct block_driver {
    const char *name;
    int (*read)(struct block_node *n, u64 off, u8 *buf, u64 len);
    int (*write)(struct block_node *n, u64 off, const u8 *buf, u64 len);
    int (*flush)(struct block_node *n);                     /* what was written reaches the disk */
    int (*discard)(struct block_node *n, u64 off, u64 len); /* a hint */
    int (*zero)(struct block_node *n, u64 off, u64 len);
    void (*close)(struct block_node *n); /* frees it, and the nodes it is over but `backing` */

    /* The rest may be NULL: what the node cannot do. */
    /* The same as read and write, of pieces of memory; see node_readv. */
    int (*readv)(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
    int (*writev)(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
    /* Where the range is as it is, at the same offset: a descriptor to read it from; -1: nowhere.
     */
    int (*plain_fd)(struct block_node *n, u64 off, u64 len);
    /* Waits for no disk and no other thread: -EAGAIN. */
    int (*read_now)(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
    int (*status)(struct block_node *n, u64 off, u64 len, struct block_extent *out);
    /* One cluster from its start on (the last one of the image may be short). -ENOSPC: it does not
       get smaller by it, and is to be written plainly. */
    int (*write_compressed)(struct block_node *n, u64 off, const u8 *buf, u64 len);
    void (*info)(struct block_node *n, struct block_info *info);

    /* Alone. */
    /* Of a node that is encrypted. */
    int (*unlock)(struct block_node *n, const u8 *pass, size_t len, struct err *err);
    int (*resize)(struct block_node *n, u64 size, enum block_prealloc how, struct err *err);
    int (*check)(struct block_node *n, unsigned fix, struct block_check *result, struct err *err);
    int (*set_backing)(struct block_node *n, const char *name, const char *format, struct err *err);
    /* The backing file was written to, and is `id` now: the image is over that. */
    int (*adopt)(struct block_node *n, const u8 id[BLOCK_ID]);
    /* Nothing is allocated any more: the backing shows through everywhere. */
    int (*make_empty)(struct block_node *n, struct err *err);
    /* The list is freed with block_snapshots_free. */
    int (*snapshot_list)(struct block_node *n, struct block_snapshot **out, unsigned *count);
    int (*snapshot_create)(struct block_node *n, const char *name, struct err *err);
    int (*snapshot_apply)(struct block_node *n, const char *id_or_name, struct err *err);
    int (*snapshot_delete)(struct block_node *n, const char *id_or_name, struct err *err);
    /* Makes the node read what the snapshot has; it must be read-only. */
    int (*snapshot_view)(struct block_node *n, const char *id_or_name, struct err *err);
    int (*bitmap_list)(struct block_node *n, struct block_bitmap_info **out, unsigned *count);
    int (*bitmap_change)(struct block_node *n, enum bitmap_action action, const char *name,
                         u64 granularity, struct err *err);
    /* Puts into *dirty, one bit for each `granularity` bytes, what is set in the bitmap; freed by
       the caller. */
    int (*bitmap_read)(struct block_node *n, const char *name, u64 *granularity, u8 **dirty,
                       struct err *err);
    int (*bitmap_merge)(struct block_node *n, const char *name, u64 granularity, const u8 *dirty,
                        struct err *err);
};

/* Embedded in the driver's own structure. */
struct block_node {
    const struct block_driver *ops;
    u64 size; /* bytes, a multiple of BLOCK_SECTOR */
    bool read_only;
    bool encrypted; /* reads and writes are -EACCES until `unlock` */
    /* Of a node that a format has opened; NULL for others. */
    const struct block_format *format;
    struct bfile *file;         /* not owned here */
    struct block_node *backing; /* owned; closed by node_close */
    char *backing_name;         /* as the image has it; owned */
    char *backing_format;       /* likewise; NULL: not said */
    /* Zeros where the format has none. */
    u8 id[BLOCK_ID];          /* what the image has, or was when it was made */
    u8 backing_id[BLOCK_ID];  /* that of the backing file it was made over */
    char fault[256];          /* what is wrong with the image, once an op has met it */
    struct block_node *above; /* whose part or backing it is; NULL: the uppermost */
    /* Of the uppermost, for node_fault's text of any below it; by the thread of the op, with the
       format's locks held. May be NULL. */
    void (*on_fault)(void *opaque, const char *text);
    void *fault_opaque;
};

/* Closes the node and those behind it. NULL is allowed. */
void node_close(struct block_node *n);
/* For any node: readv and writev, or what they come to by read and write. */
must_check int node_readv(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
must_check int node_writev(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
/* By read and write. */
must_check int node_move_pieces(struct block_node *n, bool write, u64 off, const struct iovec *iov,
                                unsigned count);
/* Of the backing, with zeros beyond its end and if there is none. */
must_check int node_read_backing(struct block_node *n, u64 off, u8 *buf, u64 len);
/* status, or what is true of any node. */
must_check int node_status(struct block_node *n, u64 off, u64 len, struct block_extent *out);
/* Through the chain: which node says what the range reads as. `*in`: NULL if none does, and then
   it is zeros; `*depth`: how far down. `stop` (or NULL) is not asked any more: what comes from it
   or below counts as not allocated. */
must_check int node_chain_status(struct block_node *n, struct block_node *stop, u64 off, u64 len,
                                 struct block_extent *out, struct block_node **in, unsigned *depth);
/* Whether the range reads as zeros, as far as can be said without reading. */
bool node_is_zero(struct block_node *n, u64 off, u64 len);
bool is_all_zero(const u8 *buf, u64 len);
/* The first thing that is wrong with an image is kept, said on stderr and told above, and -EIO. */
int node_fault(struct block_node *n, const char *fmt, ...) printf_like(2, 3);
void block_snapshots_free(struct block_snapshot *list, unsigned count);
void block_bitmaps_free(struct block_bitmap_info *list, unsigned count);

/* Opens what is encrypted in the chain by the password in the file; NULL: only says if it is
   needed. -EACCES with a message: it is, or is another one. */
must_check int block_unlock(struct block_node *top, const char *key_file, struct err *err);
bool block_is_encrypted(const struct block_node *top); /* anything of it */

/* A file or host block device as it is. Owns the file, also on failure. `guarded`: nobody has
   said that it is raw, so that a write that would make it look like another format is -EPERM. */
must_check int block_raw_new(struct block_node **out, struct bfile *file, bool guarded,
                             struct err *err);
/* A file without a name, of `size` zeros, in $TMPDIR or /var/tmp. */
must_check int block_raw_temporary(struct block_node **out, u64 size, struct err *err);
/* Over `base`, which is then only read: writes go to a temporary file without a name. Owns the base
   also if it fails. */
must_check int block_snapshot_open(struct block_node **out, struct block_node *base,
                                   struct err *err);
/* Over `top`, which may be written: what is read from its backing files is written into it. Owns
   top also if it fails; is it if it has none. */
must_check int block_copy_on_read_open(struct block_node **out, struct block_node *top,
                                       struct err *err);
