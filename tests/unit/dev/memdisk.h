/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image in memory that fails when told to; its requests wait for block_drain. */
#pragma once
#include "block/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memdisk {
    struct block_node node;
    u8 *data, *own;           /* own: to be freed; NULL: data is lent */
    int fail;                 /* -errno of every request that reaches … */
    u64 fail_at;              /* … this byte */
    _Atomic unsigned moves;   /* reads and writes: calls */
    _Atomic unsigned flushes; /* calls */
    _Atomic u64 discarded;    /* bytes */
    bool now;                 /* small reads need no wait, with memdisk_block_now */
};

static inline int memdisk_check(const struct memdisk *m, u64 off, u64 len)
{
    return m->fail && off <= m->fail_at && m->fail_at < off + len ? m->fail : 0;
}

static inline int memdisk_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct memdisk *m = container_of(n, struct memdisk, node);

    memcpy(buf, m->data + off, len);
    return memdisk_check(m, off, len);
}

static inline int memdisk_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct memdisk *m = container_of(n, struct memdisk, node);
    int rc = memdisk_check(m, off, len);

    if (!rc)
        memcpy(m->data + off, buf, len);
    return rc;
}

static inline int memdisk_readv(struct block_node *n, u64 off, const struct iovec *iov,
                                unsigned count)
{
    container_of(n, struct memdisk, node)->moves++;
    return node_move_pieces(n, false, off, iov, count);
}

static inline int memdisk_writev(struct block_node *n, u64 off, const struct iovec *iov,
                                 unsigned count)
{
    container_of(n, struct memdisk, node)->moves++;
    return node_move_pieces(n, true, off, iov, count);
}

static inline int memdisk_read_now(struct block_node *n, u64 off, const struct iovec *iov,
                                   unsigned count)
{
    return container_of(n, struct memdisk, node)->now ? memdisk_readv(n, off, iov, count) : -EAGAIN;
}

static inline int memdisk_flush(struct block_node *n)
{
    struct memdisk *m = container_of(n, struct memdisk, node);
    int rc = m->fail && m->fail_at == UINT64_MAX ? m->fail : 0;

    m->flushes++;
    return rc;
}

static inline int memdisk_discard(struct block_node *n, u64 off, u64 len)
{
    container_of(n, struct memdisk, node)->discarded += len;
    return 0;
}

static inline int memdisk_zero(struct block_node *n, u64 off, u64 len)
{
    memset(container_of(n, struct memdisk, node)->data + off, 0, len);
    return 0;
}

static inline int memdisk_resize(struct block_node *n, u64 size, enum block_prealloc how,
                                 struct err *err)
{
    struct memdisk *m = container_of(n, struct memdisk, node);

    if (m->fail)
        return err_set(err, -m->fail, "told to fail");
    BUG_ON(!m->own);
    m->data = m->own = realloc(m->own, size);
    BUG_ON(!m->own);
    memset(m->data + min_u64(size, n->size), 0, size - min_u64(size, n->size));
    n->size = size;
    return 0;
}

static inline void memdisk_close(struct block_node *n)
{
    struct memdisk *m = container_of(n, struct memdisk, node);

    free(m->own);
    free(m);
}

static const struct block_driver memdisk_driver = {
    .name = "memory",
    .read = memdisk_read,
    .write = memdisk_write,
    .readv = memdisk_readv,
    .writev = memdisk_writev,
    .read_now = memdisk_read_now,
    .flush = memdisk_flush,
    .discard = memdisk_discard,
    .zero = memdisk_zero,
    .close = memdisk_close,
    .resize = memdisk_resize,
};

/* In `data`, of `size` bytes: sector n is filled with n, low byte first, four bytes each. */
static inline struct memdisk *memdisk_new_in(u8 *data, u64 size, bool read_only)
{
    struct memdisk *m = calloc(1, sizeof(*m));

    BUG_ON(!m);
    m->node = (struct block_node){.ops = &memdisk_driver, .size = size, .read_only = read_only};
    m->data = data;
    for (u64 at = 0; at < size; at += BLOCK_SECTOR) {
        u32 sector[BLOCK_SECTOR / 4];
        for (unsigned i = 0; i < ARRAY_SIZE(sector); i++)
            sector[i] = (u32)(at / BLOCK_SECTOR);
        memcpy(m->data + at, sector, sizeof(sector));
    }
    return m;
}

static inline struct memdisk *memdisk_new(u64 size, bool read_only)
{
    u8 *data = malloc(size);
    struct memdisk *m;

    BUG_ON(!data);
    m = memdisk_new_in(data, size, read_only);
    m->own = data;
    return m;
}

static inline struct block *memdisk_block(struct memdisk *m, pthread_mutex_t *lock)
{
    struct block *b;

    BUG_ON(block_new(&b, &m->node, 0, lock) != 0);
    return b;
}

/* Small reads are done at once, the rest by a thread. */
static inline struct block *memdisk_block_now(struct memdisk *m, pthread_mutex_t *lock)
{
    struct block *b;

    m->now = true;
    BUG_ON(block_new(&b, &m->node, 1, lock) != 0);
    return b;
}
