/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading, and what a range is. */
#include "base/iov.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>

static int read_packed(struct qcow2 *q, const struct q2_map *m, u64 off, const struct iovec *iov,
                       unsigned n)
{
    u8 *buf = malloc(m->len);
    int rc = buf ? q2_read_compressed(q, m->entry, off & (q->cluster - 1), buf, m->len) : -ENOMEM;

    if (!rc)
        iov_scatter(iov, n, buf);
    free(buf);
    return rc;
}

static bool is_backed(const struct qcow2 *q, u64 off)
{
    return q->node.backing && off < q->node.backing->size;
}

/* Not beyond where the backing file ends. */
static int map_to_read(struct qcow2 *q, u64 off, u64 len, struct q2_map *m)
{
    int rc = q2_map_locked(q, off, len, m);

    if (!rc && m->type == Q2_UNALLOCATED && is_backed(q, off))
        m->len = min_u64(m->len, q->node.backing->size - off);
    return rc;
}

static int read_run(struct qcow2 *q, const struct q2_map *m, u64 off, const struct iovec *iov,
                    unsigned n)
{
    if (m->type == Q2_NORMAL)
        return q2_data_read(q, m->host, iov, n);
    if (m->type == Q2_PACKED)
        return read_packed(q, m, off, iov, n);
    if (m->type == Q2_UNALLOCATED && is_backed(q, off))
        return node_readv(q->node.backing, off, iov, n);
    iov_zero(iov, n);
    return 0;
}

static int read_range(struct qcow2 *q, u64 off, const struct iovec *iov, u64 len)
{
    struct iovec part[Q2_PIECES];
    u64 done = 0;
    int rc = 0;

    while (done < len && !rc) {
        struct q2_map m;
        unsigned n;
        pthread_mutex_lock(&q->meta);
        rc = map_to_read(q, off + done, len - done, &m);
        pthread_mutex_unlock(&q->meta);
        if (rc)
            break;
        n = iov_part(iov, done, m.len, part, Q2_PIECES, &m.len);
        rc = read_run(q, &m, off + done, part, n);
        done += m.len;
    }
    return rc;
}

int q2_read_range(struct qcow2 *q, u64 off, u8 *buf, u64 len)
{
    return read_range(q, off, &(struct iovec){buf, len}, len);
}

/* Of an encrypted image into one piece. */
static int read_pieces(struct qcow2 *q, u64 off, const struct iovec *iov, unsigned count)
{
    int rc = -EACCES;

    if (q2_is_locked(q))
        return rc;
    pthread_rwlock_rdlock(&q->io);
    rc = q->node.encrypted ? sectors_read(&q->sectors, off, iov->iov_base, iov->iov_len)
                           : read_range(q, off, iov, iov_bytes(iov, count));
    pthread_rwlock_unlock(&q->io);
    return rc;
}

int q2_readv(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    return n->encrypted ? node_move_pieces(n, false, off, iov, count)
                        : read_pieces(q2_of(n), off, iov, count);
}

int q2_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    return read_pieces(q2_of(n), off, &(struct iovec){buf, len}, 1);
}

static int read_run_now(struct qcow2 *q, const struct q2_map *m, u64 off, const struct iovec *iov,
                        unsigned n)
{
    struct block_node *b = q->node.backing;

    if (m->type == Q2_NORMAL)
        return bfile_read_now(q->data, m->host, iov, n);
    if (m->type == Q2_PACKED)
        return -EAGAIN;
    if (m->type == Q2_UNALLOCATED && is_backed(q, off))
        return b->ops->read_now ? b->ops->read_now(b, off, iov, n) : -EAGAIN;
    iov_zero(iov, n);
    return 0;
}

/* One that lies in a row on the host, by tables in memory. */
int q2_read_now(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    struct qcow2 *q = q2_of(n);
    u64 len = iov_bytes(iov, count);
    struct q2_map m;
    int rc = -EAGAIN;

    if (n->encrypted || pthread_rwlock_tryrdlock(&q->io))
        return rc;
    if (!pthread_mutex_trylock(&q->meta)) {
        if (q2_l2_in_memory(q, off))
            rc = map_to_read(q, off, len, &m);
        pthread_mutex_unlock(&q->meta);
    }
    rc = rc || m.len < len ? -EAGAIN : read_run_now(q, &m, off, iov, count);
    pthread_rwlock_unlock(&q->io);
    return rc;
}

static void describe(const struct qcow2 *q, const struct q2_map *m, struct block_extent *out)
{
    unsigned as_it_is = q->node.encrypted ? 0 : EXTENT_OFFSET;

    out->len = m->len;
    out->host = m->host;
    out->path = bfile_path(q->data);
    switch (m->type) {
    case Q2_UNALLOCATED:
        out->flags = q2_has_backing(q) ? 0 : EXTENT_ZERO;
        break;
    case Q2_ZERO_PLAIN:
        out->flags = EXTENT_ALLOCATED | EXTENT_ZERO;
        break;
    case Q2_ZERO_ALLOC:
        out->flags = EXTENT_ALLOCATED | EXTENT_ZERO | as_it_is;
        break;
    case Q2_NORMAL:
        out->flags = EXTENT_ALLOCATED | EXTENT_DATA | as_it_is;
        break;
    default:
        out->flags = EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_COMPRESSED;
        break;
    }
}

int q2_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    struct qcow2 *q = q2_of(n);
    struct q2_map m;
    int rc;

    pthread_mutex_lock(&q->meta);
    rc = q2_map_locked(q, off, len, &m);
    pthread_mutex_unlock(&q->meta);
    if (!rc)
        describe(q, &m, out);
    return rc;
}
