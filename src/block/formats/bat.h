/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What most formats are: a table that says where in the file each block of the disk is, new blocks
 * going to the file's end. A format reads its table into `host` and says how an entry is stored.
 *
 * On disk an entry follows its data: entries are kept until a flush, which writes them once the
 * data is on disk. What is lost before leaves unused blocks in the file.
 */
#pragma once
#include "block/format.h"

#include <pthread.h>

#define BAT_NONE    0ull      /* not allocated; also what any offset below the header is */
#define BAT_ZERO    1ull      /* reads as zeros, whatever the backing has */
#define BAT_PACKED  BIT64(63) /* compressed at this offset: read_packed */
#define BAT_ENTRIES BIT64(27) /* at most: 1 GiB of memory */

struct bat;
struct bat_claims;

struct bat_ops {
    /* Writes the entry of block i, which is at file offset `host` now. */
    int (*store)(struct bat *t, u64 i, u64 host);
    /* The whole block i into buf; NULL: none is packed. */
    int (*read_packed)(struct bat *t, u64 i, u64 host, u8 *buf);
    /* The end of that in the file, or what is a little behind it. NULL: none is packed, or such
       images are only read. */
    u64 (*packed_end)(struct bat *t, u64 host);
    /* NULL, or every write compresses: the whole block i, which is at *host then. Lock held. */
    int (*write_packed)(struct bat *t, u64 i, const u8 *buf, u64 *host);
    /* NULL, or after entries were stored and before the flush ends: trailers. */
    int (*finish)(struct bat *t);
    /* NULL, or before the first change. */
    int (*begin)(struct bat *t);
    /* driver.h; NULL: nothing to do */
    int (*adopt)(struct bat *t, const u8 id[BLOCK_ID]);
    /* NULL, or at the end of what begin has begun. */
    int (*end)(struct bat *t);
    /* NULL: `partial` is. Which sectors of such a block i are in the file: a bit each into map,
       lowest first. */
    int (*read_map)(struct bat *t, u64 i, u8 *map);
    void (*info)(struct bat *t, struct block_info *info);
    /* Says with bat_claim where tables are that no block may lie on; bat_check_host has seen to
       what is in front of all blocks. NULL: there are none else. */
    void (*claims)(struct bat *t, struct bat_claims *c);
    void (*dispose)(struct bat *t); /* frees the structure that t is in */
};

struct bat {
    struct block_node node;
    const struct bat_ops *bat_ops;
    struct bfile *file;
    u64 block;   /* bytes */
    u64 blocks;  /* entries of host */
    u64 *host;   /* file offset of the data, or BAT_*; lock */
    u64 prefix;  /* bytes in front of a block's data, part of it */
    u64 align;   /* of new blocks in the file */
    u64 end;     /* where the next one goes; lock */
    u8 *dirty;   /* a bit for each entry that is not stored; lock */
    u8 *partial; /* a bit for each block that may have sectors of the backing's; NULL: none; lock */
    u64 dirty_from, dirty_to;
    bool begun;    /* lock */
    bool unclosed; /* says that its last writer has not ended; a check with repair ends that */
    pthread_mutex_t lock;
    /* The packed block that was read last, and what it is at. Held while it is unpacked. */
    pthread_mutex_t unpacked_lock;
    u64 unpacked_host;
    u8 *unpacked;
};

extern const struct block_driver bat_driver;

/* Allocates host, all BAT_NONE. Owns t->file from here on, also on failure, when it disposes of t.
 */
must_check int bat_init(struct bat *t, const struct bat_ops *ops, struct bfile *file,
                        unsigned flags, u64 size, u64 block, struct err *err);
/* The end of an opening: rc as it was so far; then, to be written, no two blocks may overlap. */
must_check int bat_opened(struct bat *t, int rc, unsigned flags, struct block_node **out,
                          struct err *err);
void bat_claim(struct bat_claims *c, u64 at, u64 len, const char *what);
/* driver.h: check */
must_check int bat_check(struct block_node *n, unsigned fix, struct block_check *r,
                         struct err *err);
/* No block is partial yet. -ENOMEM with a message. */
must_check int bat_allow_partial(struct bat *t, struct err *err);
/* Gives up an opening: disposes and returns rc. */
int bat_fail(struct bat *t, int rc);
/* -EINVAL with a message. */
int bat_refuse(struct bfile *f, const char *format, struct err *err, const char *why, u64 value);
/* The first n bytes of the file; -ENOMEM if the caller got no `state` for the format. */
must_check int bat_read_header(struct bfile *f, const void *state, u8 *h, size_t n,
                               struct err *err);
/* Of a format that is never written: -EROFS with a message, unless flags say that it is not to be.
 */
must_check int bat_only_read(struct bfile *f, const char *format, unsigned flags, struct err *err);
/* Opening has failed before bat_init: closes the file, frees the state. Returns rc. */
int bat_give_up(struct bfile *f, void *state, int rc);
/* Checks that a block's place is behind `from` and inside the file. */
must_check int bat_check_host(struct bat *t, u64 i, u64 host, u64 from, struct err *err);
/* Block i is from now on at `host`. Lock held. */
void bat_set(struct bat *t, u64 i, u64 host);
/* Room for n bytes at the end. Lock held. */
u64 bat_room(struct bat *t, u64 n);
/* Starts a file of a format: made empty, but a device has what it had. */
must_check int bat_create(struct bfile **out, const char *path, struct err *err);
/* Before anything else is written: the first `bytes` of it are there, and zeros. */
must_check int bat_clear(struct bfile *f, u64 bytes);
/* Ends it: closes, and says what went wrong. */
must_check int bat_created(struct bfile *f, int rc, struct err *err);
/* Of the image `backing`, as one at `path` would name it: what node.id is of it. It must be of this
   format, which is what `given` (or NULL) says. */
must_check int bat_parent_id(const char *path, const char *backing, const char *given,
                             const char *format, u8 id[BLOCK_ID], struct err *err);
