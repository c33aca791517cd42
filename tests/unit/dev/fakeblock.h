/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk in memory instead of src/block: requests are done `delay` ns later, or at once. */
#pragma once
#include "block/block.h"
#include "bus/clock.h"

#include <errno.h>
#include <string.h>

struct block {
    u64 size;
    bool read_only;
    int fail; /* what requests come to */
    u64 delay;
    struct clock *clk;
    struct timer timer;
    struct block_req *queue;
    unsigned flushes, discards, zeros;
    void (*on_resize)(void *opaque);
    void *resize_opaque;
    u8 data[256 * 1024];
};

u64 block_size(const struct block *b)
{
    return b->size;
}

bool block_read_only(const struct block *b)
{
    return b->read_only;
}

static inline void fake_move(struct block_req *req, u8 *disk)
{
    struct iovec whole = {req->buf, req->len};
    const struct iovec *iov = req->buf ? &whole : req->iov;

    for (unsigned n = req->buf ? 1 : req->niov; n--; disk += (iov++)->iov_len)
        memcpy(req->op == BLOCK_READ ? iov->iov_base : disk,
               req->op == BLOCK_READ ? disk : iov->iov_base, iov->iov_len);
}

static inline int fake_do(struct block *b, struct block_req *req)
{
    bool moves = req->op != BLOCK_FLUSH;

    b->flushes += req->op == BLOCK_FLUSH;
    b->discards += req->op == BLOCK_DISCARD;
    b->zeros += req->op == BLOCK_ZERO;
    if (b->fail)
        return b->fail;
    if (moves && req->op != BLOCK_READ && b->read_only)
        return -EROFS;
    if (moves && (req->offset > b->size || req->len > b->size - req->offset))
        return -EINVAL;
    if (req->op == BLOCK_READ || req->op == BLOCK_WRITE)
        fake_move(req, b->data + req->offset);
    else if (moves)
        memset(b->data + req->offset, 0, req->len);
    return 0;
}

static inline void fake_run(void *opaque)
{
    struct block *b = opaque;
    struct block_req *req;

    while ((req = b->queue)) {
        b->queue = req->next;
        req->done(req, fake_do(b, req));
    }
}

static inline void fake_init(struct block *b, u64 size, struct clock *clk)
{
    memset(b, 0, sizeof(*b));
    b->size = size;
    b->clk = clk;
    timer_init(&b->timer, fake_run, b);
    for (u64 i = 0; i < size; i++)
        b->data[i] = (u8)(i * 7 + i / 512);
}

void block_submit(struct block *b, struct block_req *req)
{
    if (!b->delay) {
        req->done(req, fake_do(b, req));
        return;
    }
    BUG_ON(b->queue); /* these devices have one request at a time */
    req->next = NULL;
    b->queue = req;
    timer_set(b->clk, &b->timer, clock_now(b->clk) + b->delay);
}

bool block_read_now(struct block *b, const struct block_req *req)
{
    return false;
}

void block_drain(struct block *b)
{
    timer_cancel(b->clk, &b->timer);
    fake_run(b);
}

void block_on_resize(struct block *b, void (*fn)(void *opaque), void *opaque)
{
    b->on_resize = fn;
    b->resize_opaque = opaque;
}
