/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypted disks are read and written by whole sectors, since each is encrypted by itself: those
 * of a file, and any range of bytes out of them. Any thread.
 */
#pragma once
#include "block/luks/crypt.h"

#include <pthread.h>

struct bfile;

/* [at, at + len) of the file, whose first sector has the number `unit`. */
must_check int cipher_read(const struct crypt_cipher *c, u64 unit, struct bfile *f, u64 at, u8 *buf,
                           u64 len);
must_check int cipher_write(const struct crypt_cipher *c, u64 unit, struct bfile *f, u64 at,
                            const u8 *buf, u64 len); /* buf NULL: zeros */

struct sectors {
    /* Whole sectors, not none; what sectors_write was given as NULL is NULL here too. */
    int (*read)(struct sectors *s, u64 off, u8 *buf, u64 len);
    int (*write)(struct sectors *s, u64 off, const u8 *buf, u64 len);
    pthread_mutex_t parts; /* held while part of a sector is written */
};

must_check int sectors_read(struct sectors *s, u64 off, u8 *buf, u64 len);
must_check int sectors_write(struct sectors *s, u64 off, const u8 *buf, u64 len);
