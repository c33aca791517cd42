/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes appended one field after another, little-endian, for firmware tables. Failure to get
 * memory, or more than BUF_MAX bytes, is remembered in `failed` and looked at once, at the end.
 */
#pragma once
#include "base/base.h"

#define BUF_MAX (64 * KiB) /* more would not fit in the F segment */

struct buf {
    u8 *data;
    size_t len, cap;
    bool failed;
};

void buf_dispose(struct buf *b);

void buf_u8(struct buf *b, u8 v);
void buf_u16(struct buf *b, u16 v);
void buf_u32(struct buf *b, u32 v);
void buf_u64(struct buf *b, u64 v);
void buf_bytes(struct buf *b, const void *p, size_t n);
void buf_zero(struct buf *b, size_t n);
/* `text` in a field of n bytes, cut or filled up with `pad`. */
void buf_text(struct buf *b, const char *text, size_t n, char pad);
/* Zeros up to a multiple of `to`, a power of two. */
void buf_align(struct buf *b, size_t to);
/* Moves what follows `at` and puts n bytes there. */
void buf_insert(struct buf *b, size_t at, const void *p, size_t n);

/* Stores into what was appended before; nothing happens where `failed` left no room for it. */
void buf_put8(struct buf *b, size_t at, u8 v);
void buf_put16(struct buf *b, size_t at, u16 v);
void buf_put32(struct buf *b, size_t at, u32 v);
void buf_put64(struct buf *b, size_t at, u64 v);
/* Stores at `at` what makes the n bytes from `first` add up to 0 modulo 256. */
void buf_checksum(struct buf *b, size_t at, size_t first, size_t n);
