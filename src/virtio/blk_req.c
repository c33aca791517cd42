/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the block device (5.2.6). */
#include "base/le.h"
#include "virtio/blk_priv.h"
#include "virtio/parts.h"

#include <errno.h>
#include <stdlib.h>

#define HEADER      16u
#define RANGE_LEN   16u
#define RANGE_UNMAP 1u

#define DATA_MAX (1024 * MiB) /* of one request, which a reset waits for */

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

struct blk_range {
    u64 offset, len; /* bytes */
};

struct blk_req {
    struct virtio_blk *b;
    struct virtq *q;
    struct virtq_head head;
    u32 type;
    u8 *status;  /* in guest memory */
    u32 written; /* what the guest is told, without the status */
    struct block_req req;

    struct blk_range range[BLK_RANGES];
    unsigned nranges, next_range;

    struct iovec iov[]; /* IN, OUT: the data, in guest memory */
};

static void put_status(struct virtio_blk *b, u8 *at, u8 status)
{
    *at = status;
    mem_host_written(b->virtio.mem, at, 1);
}

static void end(struct blk_req *r, u8 status)
{
    struct virtio_blk *b = r->b;

    if (r->head.generation == r->q->generation) {
        put_status(b, r->status, status);
        virtq_push(r->q, r->head, (status == S_OK ? r->written : 0) + 1);
        virtq_interrupt(r->q);
    }
    b->in_flight--;
    free(r);
}

static void submit(struct blk_req *r, enum block_op op, u64 offset, u64 len,
                   void (*done)(struct block_req *req, int rc))
{
    r->req = (struct block_req){.op = op, .offset = offset, .len = len, .done = done, .opaque = r};
    block_submit(r->b->block, &r->req);
}

static void flushed(struct block_req *req, int rc)
{
    end(req->opaque, rc ? S_IOERR : S_OK);
}

static void finish_write(struct blk_req *r)
{
    if (blk_writes_through(r->b))
        submit(r, BLOCK_FLUSH, 0, 0, flushed);
    else
        end(r, S_OK);
}

static void moved(struct block_req *req, int rc)
{
    struct blk_req *r = req->opaque;

    if (r->type == T_IN) /* what failed may have come in part */
        mem_pieces_written(r->b->virtio.mem, req->iov, req->niov);
    if (rc || r->type == T_IN)
        end(r, rc ? S_IOERR : S_OK);
    else
        finish_write(r);
}

static bool in_range(const struct virtio_blk *b, u64 sector, u64 len)
{
    u64 size = block_size(b->block);

    return sector <= size / BLOCK_SECTOR && len <= size - sector * BLOCK_SECTOR;
}

static void start_data(struct blk_req *r, u64 sector)
{
    const struct virtq_buf *buf = &r->b->buf;
    u64 len = r->type == T_IN ? buf->in_len - 1 : buf->out_len - HEADER;
    struct parts data;

    if (len % BLOCK_SECTOR || len > DATA_MAX || !in_range(r->b, sector, len) ||
        (r->type == T_OUT && block_read_only(r->b->block))) {
        end(r, S_IOERR);
        return;
    }
    if (!len) {
        end(r, S_OK);
        return;
    }
    if (r->type == T_IN)
        parts_set(&data, r->iov, buf->iov + buf->nout, buf->nin, 0, len);
    else
        parts_set(&data, r->iov, buf->iov, buf->nout, HEADER, len);
    r->written = r->type == T_IN ? (u32)len : 0;
    r->req = (struct block_req){.op = r->type == T_IN ? BLOCK_READ : BLOCK_WRITE,
                                .offset = sector * BLOCK_SECTOR,
                                .len = len,
                                .iov = r->iov,
                                .niov = data.n,
                                .done = moved,
                                .opaque = r};
    if (r->type == T_IN && block_read_now(r->b->block, &r->req))
        moved(&r->req, 0);
    else
        block_submit(r->b->block, &r->req);
}

static void ranged(struct block_req *req, int rc);

static void next_range(struct blk_req *r)
{
    const struct blk_range *range = &r->range[r->next_range++];

    submit(r, r->type == T_DISCARD ? BLOCK_DISCARD : BLOCK_ZERO, range->offset, range->len, ranged);
}

static void ranged(struct block_req *req, int rc)
{
    struct blk_req *r = req->opaque;

    if (rc && !(rc == -EOPNOTSUPP && r->type == T_DISCARD)) /* which is a hint */
        end(r, S_IOERR);
    else if (r->next_range < r->nranges && r->head.generation == r->q->generation)
        next_range(r);
    else
        finish_write(r);
}

/* 5.2.6.2: flags that are not known are not supported; for DISCARD that is all of them. */
static int parse_range(struct blk_req *r, const u8 *raw)
{
    u64 sector = le64(raw), len = (u64)le32(raw + 8) * BLOCK_SECTOR;
    u32 flags = le32(raw + 12), known = r->type == T_WRITE_ZEROES ? RANGE_UNMAP : 0;

    if (flags & ~known)
        return S_UNSUPP;
    if (le32(raw + 8) > BLK_RANGE_MAX || !in_range(r->b, sector, len))
        return S_IOERR;
    if (len)
        r->range[r->nranges++] = (struct blk_range){sector * BLOCK_SECTOR, len};
    return S_OK;
}

static void start_ranges(struct blk_req *r)
{
    const struct virtq_buf *buf = &r->b->buf;
    u64 n = (buf->out_len - HEADER) / RANGE_LEN;
    int status = S_OK;
    u8 raw[RANGE_LEN];

    if (block_read_only(r->b->block) || (buf->out_len - HEADER) % RANGE_LEN || !n || n > BLK_RANGES)
        status = S_IOERR;
    for (u64 i = 0; i < n && status == S_OK; i++) {
        virtq_read(buf, HEADER + i * RANGE_LEN, raw, sizeof(raw));
        status = parse_range(r, raw);
    }
    if (status == S_OK && r->nranges)
        next_range(r);
    else
        end(r, (u8)status);
}

static void get_id(struct blk_req *r)
{
    const struct virtq_buf *buf = &r->b->buf;
    u64 len = min_u64(buf->in_len - 1, VIRTIO_BLK_ID_MAX);

    r->written = (u32)virtq_write(r->q, buf, 0, r->b->serial, len);
    end(r, S_OK);
}

static void dispatch(struct blk_req *r, u64 sector)
{
    switch (r->type) {
    case T_IN:
    case T_OUT:
        start_data(r, sector);
        break;
    case T_FLUSH:
        submit(r, BLOCK_FLUSH, 0, 0, flushed);
        break;
    case T_GET_ID:
        get_id(r);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        start_ranges(r);
        break;
    default:
        end(r, S_UNSUPP);
    }
}

void blk_start(struct virtio_blk *b, struct virtq *q)
{
    const struct virtq_buf *buf = &b->buf;
    const struct iovec *last = &buf->iov[buf->nout + buf->nin - 1];
    struct blk_req *r;
    u8 header[HEADER], *status;

    if (!buf->in_len || virtq_read(buf, 0, header, HEADER) < HEADER) {
        virtio_break(&b->virtio, "a request has no header or no room for its status");
        return;
    }
    status = (u8 *)last->iov_base + last->iov_len - 1;
    r = calloc(1, sizeof(*r) + (buf->nout + buf->nin) * sizeof(r->iov[0]));
    if (!r) {
        put_status(b, status, S_IOERR);
        virtq_push(q, buf->head, 1);
        return;
    }
    r->b = b;
    r->q = q;
    r->head = buf->head;
    r->type = le32(header);
    r->status = status;
    b->in_flight++;
    dispatch(r, le64(header + 8));
}
