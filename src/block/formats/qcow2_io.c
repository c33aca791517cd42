/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading, and what a range is. */
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <string.h>

static int read_run(struct qcow2 *q, const struct q2_map *m, u64 off, u8 *buf)
{
    switch (m->type) {
    case Q2_UNALLOCATED:
        return node_read_backing(&q->node, off, buf, m->len);
    case Q2_ZERO_PLAIN:
    case Q2_ZERO_ALLOC:
        memset(buf, 0, m->len);
        return 0;
    case Q2_NORMAL:
        return bfile_read(q->data, m->host, buf, m->len);
    default:
        return q2_read_compressed(q, m->entry, off & (q->cluster - 1), buf, m->len);
    }
}

int q2_read_range(struct qcow2 *q, u64 off, u8 *buf, u64 len)
{
    int rc = 0;

    while (len && !rc) {
        struct q2_map m;
        pthread_mutex_lock(&q->meta);
        rc = q2_map_locked(q, off, len, &m);
        pthread_mutex_unlock(&q->meta);
        if (rc)
            break;
        rc = read_run(q, &m, off, buf);
        off += m.len;
        buf += m.len;
        len -= m.len;
    }
    return rc;
}

int q2_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct qcow2 *q = q2_of(n);
    int rc;

    pthread_rwlock_rdlock(&q->io);
    rc = q2_read_range(q, off, buf, len);
    pthread_rwlock_unlock(&q->io);
    return rc;
}

static void describe(const struct qcow2 *q, const struct q2_map *m, struct block_extent *out)
{
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
        out->flags = EXTENT_ALLOCATED | EXTENT_ZERO | EXTENT_OFFSET;
        break;
    case Q2_NORMAL:
        out->flags = EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_OFFSET;
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
