/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zeros and discarded ranges: as bits in the tables where the version has them. Version 2 has
 * none: there a cluster can only be let go of, if no backing file would show through.
 */
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>

#define CHUNK (64 * KiB)

/* With `io` shared: zeros as data, where the range does not read as zeros already. */
static int write_zeros(struct qcow2 *q, u64 off, u64 len)
{
    static const u8 zeros[CHUNK];
    int rc = 0;

    while (len && !rc) {
        struct q2_map m;
        u64 part;
        pthread_mutex_lock(&q->meta);
        rc = q2_map_locked(q, off, min_u64(len, CHUNK), &m);
        pthread_mutex_unlock(&q->meta);
        if (rc)
            break;
        part = m.len;
        if (m.type == Q2_NORMAL || m.type == Q2_PACKED ||
            (m.type == Q2_UNALLOCATED && q2_has_backing(q)))
            rc = q2_write_bytes(q, off, zeros, part);
        off += part;
        len -= part;
    }
    return rc;
}

static bool can_be_unallocated(const struct qcow2 *q)
{
    return !q2_has_backing(q);
}

/* A whole cluster that is to read as zeros. */
static int zero_cluster(struct qcow2 *q, struct q2_table *t, u64 off, bool let_go)
{
    u64 index = q2_l2_index(q, off), old = q2_entry(q, t, index);
    u64 bitmap = q2_bitmap_of(q, t, index), entry = 0;
    bool own = !(old & Q2_COMPRESSED) && (old & Q2_COPIED) && q2_has_host(q, old);
    bool keep = own && !let_go && q->version >= 3;
    int rc = q2_entry_check(q, off, old, bitmap);

    if (rc || (!old && !bitmap && can_be_unallocated(q)) ||
        (q->subs == 1 && !own && (old & Q2_ZERO)))
        return rc;
    bitmap = 0;
    if (keep)
        entry = old & ~Q2_ZERO;
    if (keep || !can_be_unallocated(q)) {
        bitmap = q->subs > 1 ? (u64)UINT32_MAX << 32 : 0;
        entry |= q->subs == 1 ? Q2_ZERO : 0;
    }
    q2_set_entry(q, t, index, entry, bitmap);
    return keep ? 0 : q2_free_entry_later(q, old);
}

/* Subclusters [off, off + len) of one cluster. */
static int zero_subs(struct qcow2 *q, struct q2_table *t, u64 off, u64 len)
{
    u64 index = q2_l2_index(q, off), entry = q2_entry(q, t, index);
    u64 bitmap = q2_bitmap_of(q, t, index);
    unsigned first = (unsigned)((off & (q->cluster - 1)) / q->sub_bytes);
    u64 mask = (BIT64(len / q->sub_bytes) - 1) << first;
    int rc = q2_entry_check(q, off, entry, bitmap);

    if (!rc)
        q2_set_entry(q, t, index, entry, (bitmap & ~mask) | mask << 32);
    return rc;
}

/* Whether subclusters of this cluster can be marked: not if it is packed, or shared (then the
   bits would say what the host cluster of a snapshot has, which stays true). */
static int is_packed(struct qcow2 *q, u64 off, bool *packed)
{
    struct q2_table *t;
    int rc = q2_l2_get(q, off, &t);

    *packed = !rc && t && (q2_entry(q, t, q2_l2_index(q, off)) & Q2_COMPRESSED);
    return rc;
}

/* Whole (sub)clusters within one table. meta. 1: has to be written as data. */
static int zero_in_table(struct qcow2 *q, u64 off, u64 len, bool let_go)
{
    struct q2_table *t;
    u64 end = off + len;
    int rc = 0;

    q2_wait_allocs(q, off >> q->cluster_bits, q2_clusters(q, (off & (q->cluster - 1)) + len));
    if ((off | len) & (q->cluster - 1)) {
        bool packed;
        rc = is_packed(q, off, &packed);
        if (rc || packed)
            return rc ? rc : 1;
    }
    rc = q2_l2_get(q, off, &t);
    if (!rc && !t && can_be_unallocated(q))
        return 0;
    if (!rc)
        rc = q2_l2_own(q, off, &t);
    while (off < end && !rc) {
        u64 part = min_u64(end - off, q->cluster - (off & (q->cluster - 1)));
        if (part == q->cluster)
            rc = zero_cluster(q, t, off, let_go);
        else
            rc = zero_subs(q, t, off, part);
        off += part;
    }
    return rc;
}

/* The part of [off, off + len) that is within one table; with subclusters, whole clusters or
   within one cluster. */
static u64 one_table(const struct qcow2 *q, u64 off, u64 len)
{
    u64 table = q->cluster << q->l2_bits, skew = off & (q->cluster - 1);

    len = min_u64(len, table - (off & (table - 1)));
    if (skew || len < q->cluster)
        return min_u64(len, q->cluster - skew);
    return len & ~(q->cluster - 1);
}

static int zero_units(struct qcow2 *q, u64 off, u64 len, bool let_go)
{
    int rc = 0;

    while (len && !rc) {
        u64 part = one_table(q, off, len);
        pthread_mutex_lock(&q->meta);
        rc = zero_in_table(q, off, part, let_go);
        pthread_mutex_unlock(&q->meta);
        if (rc == 1)
            rc = write_zeros(q, off, part);
        off += part;
        len -= part;
    }
    return rc;
}

/* Rounds inward to units; the disk's end counts as one. */
static void whole_units(const struct qcow2 *q, u64 unit, u64 off, u64 len, u64 *from, u64 *to)
{
    *from = align_up(off, unit);
    *to = off + len == q->node.size ? align_up(off + len, unit) : (off + len) & ~(unit - 1);
    if (*to <= *from)
        *from = *to = off + len;
}

static int zero_range(struct qcow2 *q, u64 off, u64 len)
{
    u64 from, to, end = off + len;
    int rc;

    if (q2_keeps_raw(q))
        return bfile_zero(q->data, off, len);
    if (q->version < 3 && q2_has_backing(q))
        return write_zeros(q, off, len);
    whole_units(q, q->version < 3 ? q->cluster : q->sub_bytes, off, len, &from, &to);
    rc = write_zeros(q, off, min_u64(from, end) - off);
    if (!rc && from < to)
        rc = zero_units(q, from, to - from, false);
    if (!rc && to < end)
        rc = write_zeros(q, to, end - to);
    return rc;
}

static int change(struct block_node *n, u64 off, u64 len, int (*how)(struct qcow2 *, u64, u64))
{
    struct qcow2 *q = q2_of(n);
    int rc = q2_begin(q);

    if (rc)
        return rc;
    pthread_mutex_lock(&q->meta);
    q2_bitmaps_mark(q, off, len);
    pthread_mutex_unlock(&q->meta);
    pthread_rwlock_rdlock(&q->io);
    rc = how(q, off, len);
    q->unsynced = true;
    pthread_rwlock_unlock(&q->io);
    q2_end(q);
    return rc;
}

int q2_zero(struct block_node *n, u64 off, u64 len)
{
    return q2_is_locked(q2_of(n)) ? -EACCES : change(n, off, len, zero_range);
}

static int discard_range(struct qcow2 *q, u64 off, u64 len)
{
    u64 from, to;
    int rc = 0;

    if (q2_keeps_raw(q))
        return bfile_discard(q->data, off, len);
    if (q->version < 3 && q2_has_backing(q))
        return 0;
    whole_units(q, q->cluster, off, len, &from, &to);
    if (from == to)
        return 0;
    rc = zero_units(q, from, to - from, true);
    if (!rc && q->data != q->file)
        rc = bfile_discard(q->data, from, to - from);
    return rc;
}

int q2_discard(struct block_node *n, u64 off, u64 len)
{
    return change(n, off, len, discard_range);
}
