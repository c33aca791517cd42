/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LUKS, version 1 ("LUKS On-Disk Format Specification", 1.2.3), for the formats that have it: a
 * header with eight slots, in each of which the key of the disk is kept under a password. The disk
 * is behind it (luks.c) or in clusters (qcow2). Only AES-XTS with plain64 numbers. Big-endian.
 */
#pragma once
#include "block/format.h"
#include "block/luks/crypt.h"

#define LUKS_HEADER  592u
#define LUKS_SLOTS   8u
#define LUKS_SLOT    48u
#define LUKS_SALT    32u
#define LUKS_DIGEST  20u
#define LUKS_ACTIVE  0x00ac71f3u
#define LUKS_DEAD    0x0000deadu
#define LUKS_STRIPES 4000u /* that everybody has */
/* Of an image that a stranger made: opening it takes a minute at most for each slot. */
#define LUKS_ITERATIONS_MAX 50000000u

struct luks_slot {
    bool active;
    u32 iterations, at; /* at: sectors */
    u8 salt[LUKS_SALT];
};

struct luks_header {
    u64 at; /* in its file, bytes; all else is relative to that */
    enum crypt_hash hash;
    u32 payload; /* where a disk behind it starts, and the keys end; sectors */
    u32 key_bytes;
    u8 digest[LUKS_DIGEST], salt[LUKS_SALT];
    u32 iterations;
    char uuid[40];
    struct luks_slot slot[LUKS_SLOTS];
};

/* A header that is to be made, for one password. */
struct luks_new {
    struct luks_header h;
    u64 ms; /* that it takes to try a password */
    const char *prefix, *key_file;
    u8 *pass; /* of KEY_FILE_MAX bytes; NULL: not read yet */
    size_t npass;
};

/* luks_header.c: all of it is within `room` bytes. */
must_check int luks_read_header(struct bfile *f, u64 at, u64 room, struct luks_header *h,
                                struct err *err);
void luks_put_header(const struct luks_header *h, u8 *to);
/* What it is, by names that start with `prefix`. */
void luks_describe(const struct luks_header *h, const char *prefix, struct block_info *info);

/* luks_key.c: the cipher of the key that the password opens. -EACCES: it opens none; other errors
   with a message too. */
must_check int luks_unlock(struct bfile *f, const struct luks_header *h, const u8 *pass,
                           size_t npass, struct crypt_cipher **out, struct err *err);
/* Writes the key into the slot, whose place and iterations are set; makes the rest of it and the
   header's digest. */
must_check int luks_put_key(struct bfile *f, struct luks_header *h, unsigned slot, const u8 *pass,
                            size_t npass, const u8 *key);

/* luks_create.c: by options whose names start with `prefix`; how many bytes it takes is known
   then. */
must_check int luks_plan(struct luks_new *l, const struct format_options *options,
                         const char *prefix, struct err *err);
u64 luks_bytes(const struct luks_new *l); /* a multiple of 4096 */
/* Reads the password, ahead of anything that is written; luks_forget wipes it. */
must_check int luks_read_key(struct luks_new *l, struct err *err);
/* At `at` of the file, which has zeros there. */
must_check int luks_write_new(struct luks_new *l, struct bfile *f, u64 at);
void luks_forget(struct luks_new *l);
must_check int luks_create(const char *path, u64 size, const char *backing,
                           const char *backing_format, const struct format_options *options,
                           struct err *err);
extern const struct format_key luks_keys[];
