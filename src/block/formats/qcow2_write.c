/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing. In place where a cluster is the image's alone; else:
 * 1. under `meta`, host clusters are taken, and the guest's are marked as being allocated;
 * 2. without it, the data is written, with what else belongs into the clusters around it;
 * 3. under `meta`, the tables point to them, and what they pointed to is to be freed.
 */
#include "base/iov.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FREES_BOUND BIT(16)

struct plan {
    bool in_place;
    bool fresh; /* new host clusters */
    bool hole;  /* … where the file has never been */
    u64 len;    /* bytes of the request that it covers */
    u64 host;   /* of the request's first byte */
    u64 base;   /* of the first cluster */
    u64 first, count;
    u64 fill_from, fill_to; /* guest range that must be written, around the request */
    bool zero_head, zero_tail;
    struct q2_alloc alloc;
};

bool q2_wait_allocs(struct qcow2 *q, u64 first, u64 count)
{
    bool waited = false;
    struct q2_alloc *a;

    do {
        for (a = q->allocs; a; a = a->next)
            if (a->first < first + count && first < a->first + a->count)
                break;
        if (a) {
            pthread_cond_wait(&q->linked, &q->meta);
            waited = true;
        }
    } while (a);
    return waited;
}

void q2_alloc_begin(struct qcow2 *q, struct q2_alloc *a, u64 first, u64 count)
{
    *a = (struct q2_alloc){first, count, q->allocs};
    q->allocs = a;
}

void q2_alloc_end(struct qcow2 *q, struct q2_alloc *a)
{
    struct q2_alloc **at = &q->allocs;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    pthread_cond_broadcast(&q->linked);
}

/* Clusters from `first` on that are not being allocated by others, at most n, at least the first.
 */
static u64 unclaimed(const struct qcow2 *q, u64 first, u64 n)
{
    for (const struct q2_alloc *a = q->allocs; a; a = a->next)
        if (a->first >= first && a->first - first < n)
            n = a->first - first;
    return n;
}

static bool is_own(const struct qcow2 *q, u64 entry)
{
    return !(entry & Q2_COMPRESSED) && (entry & Q2_COPIED) && q2_has_host(q, entry);
}

/* What a cluster without data of its own around the request reads as. */
static bool reads_zero(const struct qcow2 *q, enum q2_type type)
{
    return type == Q2_ZERO_PLAIN || type == Q2_ZERO_ALLOC ||
           (type == Q2_UNALLOCATED && !q2_has_backing(q));
}

/* The entry and bitmap of a guest cluster. */
static int entry_at(struct qcow2 *q, u64 off, u64 *entry, u64 *bitmap)
{
    struct q2_table *t;
    int rc = q2_l2_get(q, off, &t);

    *entry = rc || !t ? 0 : q2_entry(q, t, q2_l2_index(q, off));
    *bitmap = rc || !t ? 0 : q2_bitmap_of(q, t, q2_l2_index(q, off));
    return rc ? rc : q2_entry_check(q, off, *entry, *bitmap);
}

/* Where filling ends on the side of `off`: *edge is it rounded to subcluster or cluster. */
static int find_edge(struct qcow2 *q, u64 off, bool up, bool fresh, u64 *edge, bool *zero)
{
    u64 inside = up ? off - 1 : off, entry, bitmap, unit = q->sub_bytes;
    enum q2_type type;
    int rc = entry_at(q, inside, &entry, &bitmap);

    if (rc)
        return rc;
    type = q2_sub_type(q, entry, bitmap, (unsigned)((inside & (q->cluster - 1)) / q->sub_bytes));
    if (!fresh && type == Q2_NORMAL) { /* there is no more than what is there */
        *edge = off;
        return 0;
    }
    if (fresh && ((entry & Q2_COMPRESSED) || (bitmap & UINT32_MAX)))
        unit = q->cluster; /* all of it moves */
    *edge = up ? align_up(off, unit) : off & ~(unit - 1);
    *zero = unit == q->sub_bytes && reads_zero(q, type);
    return 0;
}

static int plan_edges(struct qcow2 *q, u64 off, struct plan *p)
{
    int rc = find_edge(q, off, false, p->fresh, &p->fill_from, &p->zero_head);

    return rc ? rc : find_edge(q, off + p->len, true, p->fresh, &p->fill_to, &p->zero_tail);
}

/* How many clusters from the one at `off` on need new host clusters. */
static int count_fresh(struct qcow2 *q, u64 off, u64 len, u64 *count)
{
    u64 first = off >> q->cluster_bits, n = ((off + len - 1) >> q->cluster_bits) - first + 1;

    n = min_u64(n, BIT64(q->l2_bits) - q2_l2_index(q, off));
    n = unclaimed(q, first, n);
    for (*count = 1; *count < n; ++*count) {
        u64 entry, bitmap;
        int rc = entry_at(q, (first + *count) << q->cluster_bits, &entry, &bitmap);
        if (rc)
            return rc;
        if (is_own(q, entry))
            break;
    }
    return 0;
}

static int take_clusters(struct qcow2 *q, u64 off, struct plan *p)
{
    int rc;

    if (q->data != q->file) {
        p->base = p->first << q->cluster_bits;
        p->hole = false;
        return 0;
    }
    rc = q2_alloc_clusters(q, p->count, &p->base);
    p->hole = !rc && !q->node.encrypted && p->base >= bfile_size(q->file);
    return rc;
}

static int plan_alloc(struct qcow2 *q, u64 off, u64 len, u64 entry, struct plan *p)
{
    int rc = 0;

    p->first = off >> q->cluster_bits;
    p->fresh = !is_own(q, entry);
    p->count = 1;
    if (p->fresh)
        rc = count_fresh(q, off, len, &p->count);
    p->len = min_u64(len, ((p->first + p->count) << q->cluster_bits) - off);
    if (!rc)
        rc = plan_edges(q, off, p);
    if (!rc && p->fresh)
        rc = take_clusters(q, off, p);
    else
        p->base = entry & Q2_OFFSET_MASK;
    p->host = p->base + (off & (q->cluster - 1));
    if (!rc)
        q2_alloc_begin(q, &p->alloc, p->first, p->count);
    return rc;
}

/* meta. */
static int make_plan(struct qcow2 *q, u64 off, u64 len, struct plan *p)
{
    struct q2_map m;
    int rc;

    do {
        rc = q2_map_locked(q, off, len, &m);
        if (rc)
            return rc;
        p->in_place = m.type == Q2_NORMAL && m.copied;
        if (p->in_place) {
            p->len = m.len;
            p->host = m.host;
            return 0;
        }
    } while (q2_wait_allocs(q, off >> q->cluster_bits, 1));
    return plan_alloc(q, off, len, m.entry, p);
}

/* Guest bytes [from, to) as they are; beyond the disk's end zeros. */
static int fetch(struct qcow2 *q, u64 from, u64 to, bool zero, u8 *buf)
{
    u64 end = max_u64(from, min_u64(to, q->node.size));

    memset(buf + (end - from), 0, to - end);
    if (zero)
        memset(buf, 0, end - from);
    return zero || end == from ? 0 : q2_read_range(q, from, buf, end - from);
}

/* With room for a piece before and behind `iov`. */
static int write_data(struct qcow2 *q, u64 off, struct iovec *iov, unsigned n, const struct plan *p)
{
    u64 end = off + p->len;
    u64 head = p->zero_head && p->hole ? 0 : off - p->fill_from;
    u64 tail = p->zero_tail && p->hole ? 0 : p->fill_to - end;
    u8 *fill = head + tail ? malloc(head + tail) : NULL;
    int rc = head + tail && !fill ? -ENOMEM : 0;

    if (!rc && head)
        rc = fetch(q, p->fill_from, off, p->zero_head, fill);
    if (!rc && tail)
        rc = fetch(q, end, p->fill_to, p->zero_tail, fill + head);
    iov[-1] = (struct iovec){fill, head};
    iov[n] = (struct iovec){fill ? fill + head : NULL, tail};
    if (!rc)
        rc = q2_data_write(q, p->host - head, iov - 1, n + 2);
    free(fill);
    return rc;
}

/* Which subclusters of a cluster are within [from, to). */
static u64 sub_mask(const struct qcow2 *q, u64 cluster, u64 from, u64 to)
{
    u64 start = cluster << q->cluster_bits, mask = 0;

    for (unsigned s = 0; s < q->subs; s++) {
        u64 at = start + (u64)s * q->sub_bytes;
        if (at < to && at + q->sub_bytes > from)
            mask |= BIT64(s);
    }
    return mask;
}

static int link_clusters(struct qcow2 *q, const struct plan *p)
{
    struct q2_table *t;
    int rc = q2_l2_own(q, p->first << q->cluster_bits, &t);

    for (u64 i = 0; i < p->count && !rc; i++) {
        u64 index = q2_l2_index(q, (p->first + i) << q->cluster_bits);
        u64 old = q2_entry(q, t, index), bitmap = q2_bitmap_of(q, t, index);
        u64 mask = q->subs > 1 ? sub_mask(q, p->first + i, p->fill_from, p->fill_to) : 0;
        if (old & Q2_COMPRESSED)
            bitmap = 0;
        bitmap = (bitmap | mask) & ~(mask << 32);
        q2_set_entry(q, t, index, (p->base + (i << q->cluster_bits)) | Q2_COPIED, bitmap);
        if (p->fresh)
            rc = q2_free_entry_later(q, old);
    }
    return rc;
}

/* What of the bytes from `*done` on is written in one place. */
static int write_part(struct qcow2 *q, u64 off, const struct iovec *iov, u64 len, u64 *done)
{
    struct iovec part[1 + Q2_PIECES + 1];
    struct plan p = {0};
    unsigned n;
    int rc;

    iov_part(iov, *done, len - *done, part, Q2_PIECES, &len);
    off += *done;
    pthread_mutex_lock(&q->meta);
    rc = make_plan(q, off, len, &p);
    if (!rc)
        q2_bitmaps_mark(q, off, p.len);
    pthread_mutex_unlock(&q->meta);
    if (rc)
        return rc;
    n = iov_part(iov, *done, p.len, part + 1, Q2_PIECES, &p.len);
    *done += p.len;
    rc = p.in_place ? q2_data_write(q, p.host, part + 1, n) : write_data(q, off, part + 1, n, &p);
    q->unsynced = true;
    if (p.in_place)
        return rc;
    pthread_mutex_lock(&q->meta);
    if (!rc)
        rc = link_clusters(q, &p);
    if (rc && p.fresh && q->data == q->file)
        q2_free_now(q, p.base, p.count);
    q2_alloc_end(q, &p.alloc);
    pthread_mutex_unlock(&q->meta);
    return rc;
}

static int write_range(struct qcow2 *q, u64 off, const struct iovec *iov, u64 len)
{
    u64 done = 0;
    int rc = 0;

    while (done < len && !rc)
        rc = write_part(q, off, iov, len, &done);
    return rc;
}

int q2_write_range(struct qcow2 *q, u64 off, const u8 *buf, u64 len)
{
    return write_range(q, off, &(struct iovec){(void *)(uintptr_t)buf, len}, len);
}

int q2_begin(struct qcow2 *q)
{
    u64 known = q->autoclear & Q2_AUTOCLEAR_KNOWN;
    struct err err;
    int rc = 0;

    if (q->begun)
        return 0;
    pthread_rwlock_wrlock(&q->io);
    if (!q->begun) {
        if (known != q->autoclear) {
            q->autoclear = known;
            rc = q2_write_header(q, &err);
        }
        if (!rc)
            rc = q2_bitmaps_begin(q);
        q->begun = !rc;
    }
    pthread_rwlock_unlock(&q->io);
    return rc;
}

void q2_end(struct qcow2 *q)
{
    bool many;

    pthread_mutex_lock(&q->meta);
    many = q->frees > FREES_BOUND;
    pthread_mutex_unlock(&q->meta);
    if (many)
        (void)!q2_flush(q); /* the next flush of the guest says what is wrong */
}

/* Of an encrypted image from one piece. */
static int write_pieces(struct qcow2 *q, u64 off, const struct iovec *iov, unsigned count)
{
    int rc = q2_is_locked(q) ? -EACCES : q2_begin(q);

    if (rc)
        return rc;
    pthread_rwlock_rdlock(&q->io);
    rc = q->node.encrypted ? sectors_write(&q->sectors, off, iov->iov_base, iov->iov_len)
                           : write_range(q, off, iov, iov_bytes(iov, count));
    pthread_rwlock_unlock(&q->io);
    q2_end(q);
    return rc;
}

int q2_writev(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    return n->encrypted ? node_move_pieces(n, true, off, iov, count)
                        : write_pieces(q2_of(n), off, iov, count);
}

int q2_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    return write_pieces(q2_of(n), off, &(struct iovec){(void *)(uintptr_t)buf, len}, 1);
}
