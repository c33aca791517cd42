/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/buf.h"
#include "base/le.h"

#include <stdlib.h>
#include <string.h>

void buf_dispose(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

/* n more bytes, zeroed; NULL, and failed, if there is no room. */
static u8 *extend(struct buf *b, size_t n)
{
    u8 *p;

    if (b->failed || n > BUF_MAX - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->len + n > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < b->len + n)
            cap *= 2;
        p = realloc(b->data, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->data = p;
        b->cap = cap;
    }
    p = b->data + b->len;
    memset(p, 0, n);
    b->len += n;
    return p;
}

void buf_bytes(struct buf *b, const void *from, size_t n)
{
    u8 *p = n ? extend(b, n) : NULL;

    if (p)
        memcpy(p, from, n);
}

void buf_u8(struct buf *b, u8 v)
{
    buf_bytes(b, &v, sizeof(v));
}

void buf_u16(struct buf *b, u16 v)
{
    buf_bytes(b, &v, sizeof(v));
}

void buf_u32(struct buf *b, u32 v)
{
    buf_bytes(b, &v, sizeof(v));
}

void buf_u64(struct buf *b, u64 v)
{
    buf_bytes(b, &v, sizeof(v));
}

void buf_zero(struct buf *b, size_t n)
{
    if (n)
        (void)extend(b, n);
}

void buf_text(struct buf *b, const char *text, size_t n, char pad)
{
    size_t len = strnlen(text, n);

    buf_bytes(b, text, len);
    for (; len < n; len++)
        buf_u8(b, (u8)pad);
}

void buf_align(struct buf *b, size_t to)
{
    buf_zero(b, -b->len & (to - 1));
}

void buf_insert(struct buf *b, size_t at, const void *from, size_t n)
{
    if (!extend(b, n))
        return;
    memmove(b->data + at + n, b->data + at, b->len - n - at);
    memcpy(b->data + at, from, n);
}

static u8 *field(struct buf *b, size_t at, size_t n)
{
    if (at <= b->len && n <= b->len - at)
        return b->data + at;
    BUG_ON(!b->failed);
    return NULL;
}

void buf_put8(struct buf *b, size_t at, u8 v)
{
    u8 *p = field(b, at, sizeof(v));

    if (p)
        *p = v;
}

void buf_put16(struct buf *b, size_t at, u16 v)
{
    u8 *p = field(b, at, sizeof(v));

    if (p)
        put_le16(p, v);
}

void buf_put32(struct buf *b, size_t at, u32 v)
{
    u8 *p = field(b, at, sizeof(v));

    if (p)
        put_le32(p, v);
}

void buf_put64(struct buf *b, size_t at, u64 v)
{
    u8 *p = field(b, at, sizeof(v));

    if (p)
        put_le64(p, v);
}

void buf_checksum(struct buf *b, size_t at, size_t first, size_t n)
{
    const u8 *p = field(b, first, n);
    u8 sum = 0;

    if (!p)
        return;
    buf_put8(b, at, 0);
    for (size_t i = 0; i < n; i++)
        sum = (u8)(sum + p[i]);
    buf_put8(b, at, (u8)-sum);
}
