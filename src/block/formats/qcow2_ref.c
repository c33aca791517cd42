/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reference counts: reading and changing them, handing out clusters, and refcount blocks as they
 * are needed. A new block lies in the first cluster that it counts itself. All under `meta`.
 */
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FREES_MAX BIT64(24)

u64 q2_ref_max(const struct qcow2 *q)
{
    return q->ref_order == 6 ? ~(u64)0 : BIT64(1u << q->ref_order) - 1;
}

u64 q2_ref_read(const u8 *block, unsigned order, u64 index)
{
    unsigned width = 1u << order, per = 8 / (width < 8 ? width : 8);

    switch (order) {
    case 4:
        return (u64)block[index * 2] << 8 | block[index * 2 + 1];
    case 5:
    case 6: {
        u64 v = 0;
        for (unsigned i = 0; i < width / 8; i++)
            v = v << 8 | block[index * (width / 8) + i];
        return v;
    }
    default:
        return block[index / per] >> index % per * width & (BIT(width) - 1);
    }
}

void q2_ref_write(u8 *block, unsigned order, u64 index, u64 count)
{
    unsigned width = 1u << order, per = 8 / (width < 8 ? width : 8);

    if (order >= 3) {
        for (unsigned i = width / 8; i--; count >>= 8)
            block[index * (width / 8) + i] = (u8)count;
    } else {
        unsigned shift = (unsigned)(index % per) * width;
        u8 *byte = &block[index / per];
        *byte = (u8)((*byte & ~((BIT(width) - 1) << shift)) | count << shift);
    }
}

/* *out is NULL where there is no block: all counts are 0. */
static int block_of(struct qcow2 *q, u64 cluster, struct q2_table **out)
{
    u64 index = cluster >> q->rb_bits;
    int rc;

    *out = NULL;
    if (index >= q->rt_size || !(q->rt[index] & ~(u64)0x1ff))
        return 0;
    rc = q2_cache_get(q, &q->ref, q->rt[index], out);
    if (rc == -EIO)
        return node_fault(&q->node, "refcount block at %#llx cannot be read",
                          (unsigned long long)q->rt[index]);
    return rc;
}

static u64 index_in(const struct qcow2 *q, u64 cluster)
{
    return cluster & (BIT64(q->rb_bits) - 1);
}

int q2_ref_get(struct qcow2 *q, u64 cluster, u64 *count)
{
    struct q2_table *t;
    int rc = block_of(q, cluster, &t);

    if (!rc)
        *count = t ? q2_ref_read(t->data, q->ref_order, index_in(q, cluster)) : 0;
    return rc;
}

static void rt_dirty(struct qcow2 *q, u32 index)
{
    if (q->rt_dirty_from == q->rt_dirty_to)
        q->rt_dirty_from = q->rt_dirty_to = index;
    q->rt_dirty_from = index < q->rt_dirty_from ? index : q->rt_dirty_from;
    q->rt_dirty_to = index >= q->rt_dirty_to ? index + 1 : q->rt_dirty_to;
}

static int write_header_rt(struct qcow2 *q, u64 off, u32 clusters)
{
    u8 field[12];

    for (unsigned i = 0; i < 8; i++)
        field[i] = (u8)(off >> (56 - 8 * i));
    for (unsigned i = 0; i < 4; i++)
        field[8 + i] = (u8)(clusters >> (24 - 8 * i));
    return q2_write_header_fields(q, 48, field, sizeof(field));
}

/* What a larger table is made of: blocks that count themselves and the table, then the table. */
struct rt_plan {
    u64 start; /* cluster */
    u64 blocks, clusters, entries;
};

static int plan_table(const struct qcow2 *q, u64 index, struct rt_plan *p)
{
    u64 per = q->cluster / 8;

    p->start = index << q->rb_bits;
    p->entries = max_u64(index + 1, q->rt_size + q->rt_size / 2);
    p->blocks = 1;
    for (;;) {
        u64 blocks;
        p->entries = max_u64(p->entries, index + p->blocks);
        p->clusters = (p->entries + per - 1) / per;
        blocks = ((p->blocks + p->clusters - 1) >> q->rb_bits) + 1;
        if (blocks <= p->blocks)
            break;
        p->blocks = blocks;
    }
    p->entries = p->clusters * per;
    return p->clusters * q->cluster > Q2_REFTABLE_MAX ? -EFBIG : 0;
}

static int write_blocks(struct qcow2 *q, const struct rt_plan *p)
{
    u8 *block = malloc(q->cluster);
    u64 per = BIT64(q->rb_bits);
    int rc = block ? 0 : -ENOMEM;

    for (u64 b = 0; b < p->blocks && !rc; b++) {
        u64 used = p->blocks + p->clusters - b * per;
        memset(block, 0, q->cluster);
        for (u64 i = 0; i < min_u64(used, per); i++)
            q2_ref_write(block, q->ref_order, i, 1);
        rc = bfile_write(q->file, (p->start + b) << q->cluster_bits, block, q->cluster);
    }
    free(block);
    return rc;
}

static int write_table(struct qcow2 *q, u64 off, const u64 *rt, u64 bytes)
{
    u8 *copy = malloc(bytes);
    int rc;

    if (!copy)
        return -ENOMEM;
    for (u64 i = 0; i < bytes / 8; i++) {
        u64 v = __builtin_bswap64(rt[i]);
        memcpy(copy + 8 * i, &v, 8);
    }
    rc = bfile_write(q->file, off, copy, bytes);
    free(copy);
    return rc;
}

/* On disk in order: blocks and table, then the header, then the old table is free. */
static int grow_table(struct qcow2 *q, u64 index)
{
    struct rt_plan p;
    u64 *rt, off, old = q->rt_offset;
    u32 old_clusters = q->rt_clusters;
    int rc = plan_table(q, index, &p);

    if (!rc)
        rc = q2_flush_locked(q);
    if (rc)
        return rc;
    rt = calloc(p.entries, 8);
    if (!rt)
        return -ENOMEM;
    memcpy(rt, q->rt, (u64)q->rt_size * 8);
    for (u64 b = 0; b < p.blocks; b++)
        rt[index + b] = (p.start + b) << q->cluster_bits;
    off = (p.start + p.blocks) << q->cluster_bits;
    rc = q2_known_add(q, p.start << q->cluster_bits, p.blocks + p.clusters);
    if (!rc)
        rc = write_blocks(q, &p);
    if (!rc)
        rc = write_table(q, off, rt, p.clusters * q->cluster);
    if (!rc)
        rc = bfile_flush(q->file);
    if (!rc)
        rc = write_header_rt(q, off, (u32)p.clusters);
    if (!rc)
        rc = bfile_flush(q->file);
    if (rc) {
        free(rt);
        return rc;
    }
    free(q->rt);
    q->rt = rt;
    q->rt_offset = off;
    q->rt_size = (u32)p.entries;
    q->rt_clusters = (u32)p.clusters;
    q2_known_remove(q, old, old_clusters);
    return q2_ref_add(q, old >> q->cluster_bits, old_clusters, -1);
}

/* 1: it had to be made, so that what was free may not be any more. */
static int need_block(struct qcow2 *q, u64 cluster)
{
    u64 index = cluster >> q->rb_bits, home = index << q->rb_bits;
    struct q2_table *t;
    int rc;

    if (index < q->rt_size && q->rt[index])
        return 0;
    if (index >= q->rt_size) {
        rc = grow_table(q, index);
        return rc ? rc : 1;
    }
    rc = q2_known_add(q, home << q->cluster_bits, 1);
    if (rc == -EEXIST)
        return node_fault(&q->node, "cluster %#llx holds metadata but is not counted",
                          (unsigned long long)(home << q->cluster_bits));
    if (!rc)
        rc = q2_cache_new(q, &q->ref, home << q->cluster_bits, &t);
    if (rc)
        return rc;
    q2_ref_write(t->data, q->ref_order, 0, 1);
    q->rt[index] = home << q->cluster_bits;
    rt_dirty(q, (u32)index);
    return 1;
}

int q2_ref_set(struct qcow2 *q, u64 cluster, u64 count)
{
    struct q2_table *t;
    int rc = count ? need_block(q, cluster) : 0;

    if (rc >= 0)
        rc = block_of(q, cluster, &t);
    if (rc || !t)
        return rc;
    q2_ref_write(t->data, q->ref_order, index_in(q, cluster), count);
    q2_cache_dirty(&q->ref, t);
    if (!count && cluster < q->hint)
        q->hint = cluster;
    if (!count)
        q->run = 0;
    return 0;
}

int q2_ref_add(struct qcow2 *q, u64 cluster, u64 n, s64 delta)
{
    for (; n; n--, cluster++) {
        u64 count;
        int rc = q2_ref_get(q, cluster, &count);
        if (rc)
            return rc;
        if (delta < 0 && count < (u64)-delta)
            return node_fault(&q->node, "cluster %#llx is in use but has a reference count of %llu",
                              (unsigned long long)(cluster << q->cluster_bits),
                              (unsigned long long)count);
        if (delta > 0 && count > q2_ref_max(q) - (u64)delta)
            return -ERANGE;
        rc = q2_ref_set(q, cluster, count + (u64)delta);
        if (rc)
            return rc;
    }
    return 0;
}

/* The first n free clusters in a row. */
static int find_free(struct qcow2 *q, u64 n, u64 *first)
{
    u64 limit = BIT64(56 - q->cluster_bits), run = 0;
    u64 at = q->run && n >= q->run ? max_u64(q->hint, q->run_hint) : q->hint;

    while (run < n) {
        struct q2_table *t;
        u64 per = BIT64(q->rb_bits), i = index_in(q, at);
        int rc = block_of(q, at, &t);
        if (rc)
            return rc;
        if (at >= limit)
            return -EFBIG;
        if (!t) {
            u64 part = min_u64(per - i, n - run);
            run += part;
            at += part;
            continue;
        }
        for (; i < per && run < n; i++, at++)
            run = q2_ref_read(t->data, q->ref_order, i) ? 0 : run + 1;
    }
    *first = at - n;
    return 0;
}

/* Blocks for all of them; 1 if one had to be made. */
static int need_blocks(struct qcow2 *q, u64 first, u64 n)
{
    u64 last = (first + n - 1) >> q->rb_bits;

    for (u64 b = first >> q->rb_bits; b <= last; b++) {
        int rc = need_block(q, b << q->rb_bits);
        if (rc)
            return rc;
    }
    return 0;
}

int q2_alloc_clusters(struct qcow2 *q, u64 n, u64 *off)
{
    u64 first;
    int rc;

    if (q->node.fault[0])
        return -EIO;
    do {
        rc = find_free(q, n, &first);
        if (!rc)
            rc = need_blocks(q, first, n);
    } while (rc == 1);
    for (u64 i = 0; i < n && !rc; i++) {
        if (q2_set_has(&q->known, first + i))
            return node_fault(&q->node, "cluster %#llx holds metadata but has no reference count",
                              (unsigned long long)((first + i) << q->cluster_bits));
        rc = q2_ref_set(q, first + i, 1);
    }
    if (rc)
        return rc;
    if (n == 1 || first == q->hint) {
        q->hint = first + n;
    } else {
        q->run = n;
        q->run_hint = first + n;
    }
    *off = first << q->cluster_bits;
    return 0;
}

int q2_alloc_bytes(struct qcow2 *q, u64 bytes, u64 *off)
{
    u64 skew = q->fill & (q->cluster - 1), room = skew ? q->cluster - skew : 0, more;
    int rc;

    if (room >= bytes) {
        rc = q2_ref_add(q, q->fill >> q->cluster_bits, 1, 1);
        if (rc == -ERANGE)
            room = 0;
        else if (rc)
            return rc;
        else
            goto out;
    }
    rc = q2_alloc_clusters(q, 1, &more);
    if (rc)
        return rc;
    if (room && more == q->fill + room && !q2_ref_add(q, q->fill >> q->cluster_bits, 1, 1))
        goto out; /* it goes across the two */
    q->fill = more;
out:
    *off = q->fill;
    q->fill += bytes;
    return 0;
}

void q2_free_now(struct qcow2 *q, u64 off, u64 clusters)
{
    /* What fails only leaks. */
    (void)!q2_ref_add(q, off >> q->cluster_bits, clusters, -1);
}

int q2_free_later(struct qcow2 *q, u64 off, u64 clusters)
{
    u64 first = off >> q->cluster_bits;
    struct q2_free *last = q->frees > q->frees_ready ? &q->free[q->frees - 1] : NULL;

    if (last && last->cluster + last->count == first) {
        last->count += clusters;
        return 0;
    }
    if (q->frees == q->frees_room) {
        unsigned room = q->frees_room ? q->frees_room * 2 : 64;
        struct q2_free *more;
        if (room > FREES_MAX)
            return 0; /* they leak */
        more = realloc(q->free, room * sizeof(*more));
        if (!more)
            return 0;
        q->free = more;
        q->frees_room = room;
    }
    q->free[q->frees++] = (struct q2_free){first, clusters};
    return 0;
}

void q2_compressed_range(const struct qcow2 *q, u64 entry, u64 *off, u64 *bytes)
{
    unsigned x = 62 - (q->cluster_bits - 8);
    u64 sectors = ((entry & ~(Q2_COMPRESSED | Q2_COPIED)) >> x) + 1;

    *off = entry & (BIT64(x) - 1);
    *bytes = sectors * 512 - (*off & 511);
}

int q2_free_entry_later(struct qcow2 *q, u64 entry)
{
    u64 off, bytes;

    if (entry & Q2_COMPRESSED) {
        q2_compressed_range(q, entry, &off, &bytes);
        return q2_free_later(q, q2_start(q, off), q2_clusters(q, (off & (q->cluster - 1)) + bytes));
    }
    if (q->data != q->file || !(entry & Q2_OFFSET_MASK))
        return 0;
    return q2_free_later(q, entry & Q2_OFFSET_MASK, 1);
}
