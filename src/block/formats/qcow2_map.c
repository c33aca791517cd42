/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From guest offsets to host offsets: level 2 tables and what their entries mean. */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <string.h>

static u64 l1_index(const struct qcow2 *q, u64 off)
{
    return off >> (q->cluster_bits + q->l2_bits);
}

u64 q2_l2_index(const struct qcow2 *q, u64 off)
{
    return off >> q->cluster_bits & (BIT64(q->l2_bits) - 1);
}

u64 q2_entry(const struct qcow2 *q, const struct q2_table *t, u64 index)
{
    return be64(t->data + index * q->entry);
}

u64 q2_bitmap_of(const struct qcow2 *q, const struct q2_table *t, u64 index)
{
    return q->subs == 1 ? 0 : be64(t->data + index * q->entry + 8);
}

void q2_set_entry(struct qcow2 *q, struct q2_table *t, u64 index, u64 entry, u64 bitmap)
{
    put_be64(t->data + index * q->entry, entry);
    if (q->subs > 1)
        put_be64(t->data + index * q->entry + 8, bitmap);
    q2_cache_dirty(&q->l2, t);
}

/* Raw data files must read the same without the tables. */
bool q2_keeps_raw(const struct qcow2 *q)
{
    return q->autoclear & Q2_AUTOCLEAR_RAW;
}

bool q2_has_host(const struct qcow2 *q, u64 entry)
{
    return (entry & Q2_OFFSET_MASK) || (q->data != q->file && (entry & Q2_COPIED));
}

enum q2_type q2_sub_type(const struct qcow2 *q, u64 entry, u64 bitmap, unsigned sub)
{
    bool host = q2_has_host(q, entry);

    if (entry & Q2_COMPRESSED)
        return Q2_PACKED;
    if (q->subs == 1) {
        if (entry & Q2_ZERO)
            return host ? Q2_ZERO_ALLOC : Q2_ZERO_PLAIN;
        return host ? Q2_NORMAL : Q2_UNALLOCATED;
    }
    if (bitmap >> (32 + sub) & 1)
        return host ? Q2_ZERO_ALLOC : Q2_ZERO_PLAIN;
    return host && (bitmap >> sub & 1) ? Q2_NORMAL : Q2_UNALLOCATED;
}

static int check_compressed(struct qcow2 *q, u64 guest, u64 entry)
{
    u64 off, bytes;

    q2_compressed_range(q, entry, &off, &bytes);
    if (q->data != q->file)
        return node_fault(&q->node, "guest offset %#llx: compressed although there is a data file",
                          (unsigned long long)guest);
    if (off >= bfile_size(q->file) || off < q->cluster)
        return node_fault(&q->node,
                          "guest offset %#llx: compressed data at %#llx, which is not in the file",
                          (unsigned long long)guest, (unsigned long long)off);
    return 0;
}

int q2_entry_check(struct qcow2 *q, u64 guest, u64 entry, u64 bitmap)
{
    u64 host = entry & Q2_OFFSET_MASK;

    if (entry & Q2_COMPRESSED)
        return check_compressed(q, guest, entry);
    if (host & (q->cluster - 1))
        return node_fault(&q->node, "guest offset %#llx: cluster at %#llx is not aligned",
                          (unsigned long long)guest, (unsigned long long)host);
    if ((entry & Q2_ZERO) && (q->version < 3 || q->subs > 1))
        return node_fault(&q->node, "guest offset %#llx: entry %#llx has the zero bit",
                          (unsigned long long)guest, (unsigned long long)entry);
    if (q->subs > 1 && (bitmap >> 32 & bitmap & UINT32_MAX))
        return node_fault(&q->node,
                          "guest offset %#llx: subclusters are both allocated and zero: %#llx",
                          (unsigned long long)guest, (unsigned long long)bitmap);
    if (q->subs > 1 && (bitmap & UINT32_MAX) && !q2_has_host(q, entry))
        return node_fault(&q->node, "guest offset %#llx: subclusters of no cluster",
                          (unsigned long long)guest);
    if (q->data != q->file && q2_has_host(q, entry) && host != q2_start(q, guest))
        return node_fault(&q->node,
                          "guest offset %#llx: at %#llx of the data file, not at its own place",
                          (unsigned long long)guest, (unsigned long long)host);
    if (q->data == q->file && host && q2_set_has(&q->known, host >> q->cluster_bits))
        return node_fault(&q->node, "guest offset %#llx: its cluster %#llx holds metadata",
                          (unsigned long long)guest, (unsigned long long)host);
    return 0;
}

static u64 l1_entry(const struct qcow2 *q, u64 index)
{
    return index < q->l1_size ? q->l1[index] : 0;
}

bool q2_l2_in_memory(struct qcow2 *q, u64 off)
{
    u64 table = l1_entry(q, l1_index(q, off)) & Q2_OFFSET_MASK;

    return !table || q2_cache_has(&q->l2, table);
}

int q2_l2_get(struct qcow2 *q, u64 off, struct q2_table **out)
{
    u64 index = l1_index(q, off), entry = l1_entry(q, index);
    int rc;

    *out = NULL;
    if (!(entry & Q2_OFFSET_MASK))
        return 0;
    if (entry & Q2_OFFSET_MASK & (q->cluster - 1))
        return node_fault(&q->node, "level 1 entry %llu: table at %#llx is not aligned",
                          (unsigned long long)index, (unsigned long long)(entry & Q2_OFFSET_MASK));
    rc = q2_cache_get(q, &q->l2, entry & Q2_OFFSET_MASK, out);
    if (rc == -EIO && (entry & Q2_OFFSET_MASK) >= bfile_size(q->file))
        return node_fault(&q->node, "level 1 entry %llu: table at %#llx is not in the file",
                          (unsigned long long)index, (unsigned long long)(entry & Q2_OFFSET_MASK));
    return rc;
}

static void set_l1(struct qcow2 *q, u32 index, u64 entry)
{
    q->l1[index] = entry;
    if (q->l1_dirty_from == q->l1_dirty_to)
        q->l1_dirty_from = q->l1_dirty_to = index;
    q->l1_dirty_from = index < q->l1_dirty_from ? index : q->l1_dirty_from;
    q->l1_dirty_to = index >= q->l1_dirty_to ? index + 1 : q->l1_dirty_to;
}

int q2_l2_own(struct qcow2 *q, u64 off, struct q2_table **out)
{
    u32 index = (u32)l1_index(q, off);
    u64 old, at;
    struct q2_table *from = NULL;
    int rc;

    BUG_ON(index >= q->l1_size);
    old = q->l1[index];
    if ((old & Q2_COPIED) && (old & Q2_OFFSET_MASK))
        return q2_l2_get(q, off, out);
    rc = q2_alloc_clusters(q, 1, &at);
    if (!rc)
        rc = q2_known_add(q, at, 1);
    if (!rc)
        rc = q2_cache_new(q, &q->l2, at, out);
    if (!rc)
        rc = q2_l2_get(q, off, &from); /* the shared one, if any */
    if (rc)
        return rc;
    if (from)
        memcpy((*out)->data, from->data, q->cluster);
    q2_cache_dirty(&q->l2, *out); /* again: reading may have written it */
    set_l1(q, index, at | Q2_COPIED);
    if (!from)
        return 0;
    q2_known_remove(q, old & Q2_OFFSET_MASK, 1);
    return q2_free_later(q, old & Q2_OFFSET_MASK, 1);
}

/* Whether what follows at (entry, sub) goes on where `m` ends, of the same kind. */
static bool goes_on(const struct qcow2 *q, const struct q2_map *m, u64 run, u64 entry, u64 bitmap,
                    unsigned sub)
{
    if (q2_sub_type(q, entry, bitmap, sub) != m->type || !!(entry & Q2_COPIED) != m->copied)
        return false;
    if (m->type == Q2_NORMAL || m->type == Q2_ZERO_ALLOC)
        return (entry & Q2_OFFSET_MASK) + (u64)sub * q->sub_bytes == m->host + run;
    return m->type != Q2_PACKED;
}

/* From where the first subcluster starts. */
static int find_run(struct qcow2 *q, struct q2_table *t, u64 off, u64 end, struct q2_map *m)
{
    u64 at = off & ~(u64)(q->sub_bytes - 1), first = at;
    u64 table_end = (off | ((q->cluster << q->l2_bits) - 1)) + 1;

    end = min_u64(end, table_end);
    for (bool start = true; at < end; at += q->sub_bytes, start = false) {
        u64 index = q2_l2_index(q, at), entry = q2_entry(q, t, index);
        u64 bitmap = q2_bitmap_of(q, t, index);
        unsigned sub = (unsigned)((at & (q->cluster - 1)) / q->sub_bytes);
        if (start || !sub) {
            int rc = q2_entry_check(q, at, entry, bitmap);
            if (rc)
                return start ? rc : 0;
        }
        if (start) {
            m->type = q2_sub_type(q, entry, bitmap, sub);
            m->entry = entry;
            m->copied = entry & Q2_COPIED;
            m->host = (entry & Q2_OFFSET_MASK) + (u64)sub * q->sub_bytes;
        } else if (!goes_on(q, m, at - first, entry, bitmap, sub) &&
                   !(m->type == Q2_PACKED && sub)) {
            break;
        }
        m->len = at + q->sub_bytes - first;
    }
    return 0;
}

int q2_map_locked(struct qcow2 *q, u64 off, u64 len, struct q2_map *out)
{
    u64 skew = off & (q->sub_bytes - 1), table = q->cluster << q->l2_bits;
    struct q2_table *t;
    int rc;

    BUG_ON(!len);
    rc = q2_l2_get(q, off, &t);
    if (rc)
        return rc;
    *out = (struct q2_map){.type = Q2_UNALLOCATED};
    if (!t) {
        out->len = min_u64(len, table - (off & (table - 1)));
        return 0;
    }
    rc = find_run(q, t, off, off + len, out);
    if (rc)
        return rc;
    out->len = min_u64(out->len - skew, len);
    out->host += skew;
    return 0;
}
