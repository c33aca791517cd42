/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LUKS, version 1 ("LUKS On-Disk Format Specification", 1.2.3), private to its files: a header with
 * eight slots, in each of which the key of the disk is kept under a password, and the encrypted
 * disk behind. Only AES-XTS with plain64 numbers. Big-endian.
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
    enum crypt_hash hash;
    u32 payload; /* sectors */
    u32 key_bytes;
    u8 digest[LUKS_DIGEST], salt[LUKS_SALT];
    u32 iterations;
    char uuid[40];
    struct luks_slot slot[LUKS_SLOTS];
};

/* luks_header.c */
must_check int luks_read_header(struct bfile *f, struct luks_header *h, struct err *err);
void luks_put_header(const struct luks_header *h, u8 *to);

/* luks_key.c: of the slot that the password opens the disk's key into `key`. -EACCES: of none;
   other errors with a message too. */
must_check int luks_find_key(struct bfile *f, const struct luks_header *h, const u8 *pass,
                             size_t npass, u8 *key, struct err *err);
/* Writes the key into the slot, whose place and iterations are set; makes the rest of it and the
   header's digest. */
must_check int luks_put_key(struct bfile *f, struct luks_header *h, unsigned slot, const u8 *pass,
                            size_t npass, const u8 *key);

/* luks_create.c */
must_check int luks_create(const char *path, u64 size, const char *backing,
                           const char *backing_format, const struct format_options *options,
                           struct err *err);
extern const struct format_key luks_keys[];
