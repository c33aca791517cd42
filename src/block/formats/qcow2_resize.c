/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A larger or smaller disk, a level 1 table of another size, and preallocation. */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2_bitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUN 256u /* clusters in a row: what lies free before one is shorter, and stays unused */

/* A run of clusters that are not in the tables: takes host clusters for them. */
static int allocate_run(struct qcow2 *q, u64 off, u64 len, u64 *end)
{
    u64 n = q2_clusters(q, len), host = off, entry = Q2_COPIED, bitmap = UINT32_MAX;
    struct q2_table *t;
    int rc = 0;

    if (q->node.encrypted) { /* zeros of the file are none of the disk */
        entry |= q->subs == 1 ? Q2_ZERO : 0;
        bitmap <<= 32;
    }
    if (q->data == q->file)
        rc = q2_alloc_clusters(q, n, &host);
    if (!rc)
        rc = q2_l2_own(q, off, &t);
    for (u64 i = 0; i < n && !rc; i++)
        q2_set_entry(q, t, q2_l2_index(q, off + (i << q->cluster_bits)),
                     (host + (i << q->cluster_bits)) | entry, bitmap);
    *end = host + (n << q->cluster_bits);
    return rc;
}

static int write_zeros(struct bfile *f, u64 from, u64 to)
{
    static const u8 zeros[64 * KiB];
    int rc = 0;

    for (; from < to && !rc; from += min_u64(sizeof(zeros), to - from))
        rc = bfile_write(f, from, zeros, min_u64(sizeof(zeros), to - from));
    return rc;
}

/* The host's room for what allocate_run took: [end - len, end). */
static int fill_run(struct qcow2 *q, u64 len, u64 end, enum block_prealloc how)
{
    u64 from = end - q2_clusters(q, len) * q->cluster;

    if (how == PREALLOC_FALLOC)
        return bfile_allocate(q->data, from, end - from);
    if (how == PREALLOC_FULL)
        return write_zeros(q->data, from, end);
    return bfile_zero(q->data, from, end - from); /* the file's end; what was freed is stale */
}

int q2_preallocate(struct qcow2 *q, u64 from, u64 to, enum block_prealloc how)
{
    u64 table = q->cluster << q->l2_bits, end;
    int rc = q->node.encrypted && q->version < 3 ? -EOPNOTSUPP : 0;

    for (from = align_up(from, q->cluster); from < to && !rc;) {
        u64 len = min_u64(min_u64(to - from, table - (from & (table - 1))), RUN * q->cluster);
        pthread_mutex_lock(&q->meta);
        rc = allocate_run(q, from, len, &end);
        pthread_mutex_unlock(&q->meta);
        if (!rc)
            rc = fill_run(q, len, end, how);
        q->unsynced = true;
        from += len;
    }
    return rc;
}

static int write_l1(struct qcow2 *q, u64 off, const u64 *l1, u64 entries)
{
    u64 bytes = align_up(max_u64(entries, 1) * 8, q->cluster);
    u8 *buf = calloc(1, bytes);
    int rc;

    if (!buf)
        return -ENOMEM;
    for (u64 i = 0; i < entries; i++)
        put_be64(buf + 8 * i, l1[i]);
    rc = bfile_write(q->file, off, buf, bytes);
    free(buf);
    return rc;
}

int q2_write_header_l1(struct qcow2 *q, u64 size, u64 entries, u64 off)
{
    u8 h[24];

    put_be64(h, size);
    put_be32(h + 8, q2_crypt_method(q));
    put_be32(h + 12, (u32)entries);
    put_be64(h + 16, off);
    return q2_write_header_fields(q, 24, h, sizeof(h));
}

/* On disk in order: the copy with its counts, the header, then the old one is free. meta, and
   `io` alone. */
int q2_grow_l1(struct qcow2 *q, u64 entries)
{
    u64 *l1, off, n = q2_clusters(q, entries * 8), old = q->l1_offset;
    u64 old_n = max_u64(1, q2_clusters(q, (u64)q->l1_size * 8));
    int rc;

    if (entries <= q->l1_size)
        return 0;
    if (entries * 8 > Q2_L1_MAX)
        return -EFBIG;
    l1 = calloc(entries, 8);
    if (!l1)
        return -ENOMEM;
    memcpy(l1, q->l1, (u64)q->l1_size * 8);
    rc = q2_alloc_clusters(q, n, &off);
    if (!rc)
        rc = q2_known_add(q, off, n);
    if (!rc)
        rc = write_l1(q, off, l1, entries);
    if (!rc)
        rc = q2_flush_locked(q);
    if (!rc)
        rc = q2_write_header_l1(q, q->node.size, entries, off);
    if (!rc)
        rc = bfile_flush(q->file);
    if (rc) {
        free(l1);
        return rc;
    }
    free(q->l1);
    q->l1 = l1;
    q->l1_size = (u32)entries;
    q->l1_offset = off;
    q2_known_remove(q, old, old_n);
    return q2_free_later(q, old, old_n);
}

static int grow(struct qcow2 *q, u64 size, enum block_prealloc how)
{
    u64 per = q->cluster << q->l2_bits, was = q->node.size;
    int rc;

    /* The last cluster's rest may hold anything. */
    if (was & (q->cluster - 1)) {
        u64 rest = min_u64(align_up(was, q->cluster), size) - was;
        q->node.size = was + rest;
        rc = q2_zero(&q->node, was, rest);
        q->node.size = was;
        if (rc)
            return rc;
    }
    pthread_rwlock_wrlock(&q->io);
    pthread_mutex_lock(&q->meta);
    rc = q2_grow_l1(q, size / per + !!(size % per));
    pthread_mutex_unlock(&q->meta);
    pthread_rwlock_unlock(&q->io);
    if (!rc && q->data != q->file)
        rc = bfile_truncate(q->data, size);
    if (!rc && how != PREALLOC_OFF)
        rc = q2_preallocate(q, was, size, how);
    if (!rc)
        rc = q2_flush(q);
    return rc;
}

static int shrink(struct qcow2 *q, u64 size)
{
    u64 from = align_up(size, q->cluster), was = q->node.size;
    int rc = 0;

    if (from < was)
        rc = q2_discard(&q->node, from, was - from);
    if (!rc)
        rc = q2_flush(q);
    if (!rc && q->data != q->file)
        rc = bfile_truncate(q->data, size);
    return rc;
}

/* With the header that says so. */
static int change_size(struct qcow2 *q, u64 size, enum block_prealloc how)
{
    int rc = size > q->node.size ? grow(q, size, how) : shrink(q, size);

    if (!rc)
        rc = q2_write_header_l1(q, size, q->l1_size, q->l1_offset);
    if (!rc)
        rc = bfile_flush(q->file);
    if (!rc)
        q->node.size = size;
    return rc;
}

int q2_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    u64 was = n->size;
    int rc = q2_begin(q), r;

    size = align_up(size, BLOCK_SECTOR);
    if (!rc && size > Q2_SIZE_MAX)
        rc = -EFBIG;
    if (!rc) {
        rc = q2_bitmaps_before_resize(q, size, err);
        if (rc)
            return rc;
        rc = change_size(q, size, how);
        r = q2_bitmaps_after_resize(q, was);
        rc = rc ? rc : r;
    }
    return rc ? err_set(err, -rc, "'%s' cannot be resized: %s", bfile_path(q->file), strerror(-rc))
              : 0;
}
