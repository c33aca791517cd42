/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written in which order; the rules are at the top of qcow2.h. */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

int q2_write_header_fields(struct qcow2 *q, u64 at, const void *buf, u64 len)
{
    return bfile_write(q->file, at, buf, len);
}

/* Entries [*from, *to) of a table of 64-bit entries. */
static int write_entries(struct qcow2 *q, u64 off, const u64 *entry, u32 *from, u32 *to)
{
    u32 count = *to - *from;
    u8 *buf;
    int rc;

    if (!count)
        return 0;
    buf = malloc((u64)count * 8);
    if (!buf)
        return -ENOMEM;
    for (u32 i = 0; i < count; i++)
        put_be64(buf + 8 * (u64)i, entry[*from + i]);
    rc = bfile_write(q->file, off + (u64)*from * 8, buf, (u64)count * 8);
    free(buf);
    if (!rc)
        *from = *to = 0;
    return rc;
}

/* Counts of what is new: blocks, then the table that points to them. */
static int write_counts(struct qcow2 *q)
{
    int rc = q2_cache_write(q, &q->ref);

    if (!rc && q->rt_dirty_to) {
        rc = bfile_flush(q->file);
        if (!rc)
            rc = write_entries(q, q->rt_offset, q->rt, &q->rt_dirty_from, &q->rt_dirty_to);
    }
    return rc;
}

static int flush_tables(struct qcow2 *q, bool unsynced)
{
    bool tables = q->l2.dirty || q->l1_dirty_to;
    int rc = 0;

    if (q->ref.dirty || q->rt_dirty_to) {
        rc = write_counts(q);
        unsynced = true;
    }
    if (!rc && unsynced && q->data != q->file)
        rc = bfile_flush(q->data);
    if (!rc && unsynced && tables)
        rc = bfile_flush(q->file);
    if (!rc && q->l2.dirty)
        rc = q2_cache_write(q, &q->l2);
    if (!rc && q->l1_dirty_to) {
        rc = bfile_flush(q->file);
        if (!rc)
            rc = write_entries(q, q->l1_offset, q->l1, &q->l1_dirty_from, &q->l1_dirty_to);
    }
    return !rc && (tables || unsynced) ? bfile_flush(q->file) : rc;
}

int q2_flush_locked(struct qcow2 *q)
{
    /* Taken first: a write that ends meanwhile is for the next one. */
    bool unsynced = atomic_exchange(&q->unsynced, false);
    int rc = flush_tables(q, unsynced);

    if (rc)
        q->unsynced = true;
    else
        q->frees_ready = q->frees;
    return rc;
}

/* Gives back to the host what of these clusters nobody refers to any more. No table on disk does,
   so it does not matter whether the counts there say so yet. Where the host cannot, they stay. */
static int give_back(struct qcow2 *q, u64 cluster, u64 n)
{
    u64 run = 0;
    int rc = 0;

    for (u64 i = 0; i <= n && !rc; i++) {
        u64 count = 1, at = cluster + i - run;
        if (i < n)
            rc = q2_ref_get(q, cluster + i, &count);
        if (!rc && !count) {
            run++;
        } else if (!rc && run) {
            (void)!bfile_discard(q->file, at << q->cluster_bits, run << q->cluster_bits);
            run = 0;
        }
    }
    return rc;
}

/* `io` alone and `meta` held: nobody reads or writes what is freed here. */
static int apply_frees(struct qcow2 *q)
{
    unsigned n = q->frees_ready;
    int rc = 0;

    for (unsigned i = 0; i < n && !rc; i++) {
        rc = q2_ref_add(q, q->free[i].cluster, q->free[i].count, -1);
        if (!rc)
            rc = give_back(q, q->free[i].cluster, q->free[i].count);
        if (q->fill && (q->fill >> q->cluster_bits) - q->free[i].cluster < q->free[i].count)
            q->fill = 0;
    }
    q->frees -= n;
    if (n)
        memmove(q->free, q->free + n, q->frees * sizeof(*q->free));
    q->frees_ready = 0;
    return rc;
}

int q2_flush(struct qcow2 *q)
{
    bool frees;
    int rc = 0;

    if (q->unsynced) /* the bulk of it without the lock */
        rc = bfile_flush(q->data);
    pthread_mutex_lock(&q->meta);
    if (!rc)
        rc = q2_flush_locked(q);
    frees = !rc && q->frees_ready;
    pthread_mutex_unlock(&q->meta);
    if (frees) {
        pthread_rwlock_wrlock(&q->io);
        pthread_mutex_lock(&q->meta);
        rc = apply_frees(q);
        pthread_mutex_unlock(&q->meta);
        pthread_rwlock_unlock(&q->io);
    }
    return rc;
}

int q2_settle(struct qcow2 *q)
{
    int rc;

    pthread_mutex_lock(&q->meta);
    rc = q2_flush_locked(q);
    if (!rc)
        rc = apply_frees(q);
    if (!rc)
        rc = q2_flush_locked(q);
    pthread_mutex_unlock(&q->meta);
    return rc;
}
