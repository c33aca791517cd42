/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Repair of what a check has found: too high counts are lowered in place; anything else makes all
 * refcount structures anew at the file's end, and copied bits by them. What is wrong in tables
 * of guest data is only told: nobody knows what was meant.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* New blocks and a table, all behind what is in use. */
struct rebuilt {
    u64 start; /* cluster of the first block */
    u64 blocks, table, entries;
    u64 *rt;
};

static u64 count_at(const struct q2_checker *c, const struct rebuilt *r, u64 cluster)
{
    if (cluster >= r->start && cluster < r->start + r->blocks + r->table)
        return 1;
    return q2_counted(c, cluster);
}

static bool any_in_block(const struct q2_checker *c, const struct rebuilt *r, u64 block)
{
    u64 per = BIT64(c->q->rb_bits), from = block * per, to = from + per;

    if (from < r->start + r->blocks + r->table && to > r->start)
        return true;
    for (u64 i = from; i < to && i < c->end; i++)
        if (q2_counted(c, i))
            return true;
    return false;
}

/* How many blocks have something to count, with the blocks and the table themselves. */
static int plan(const struct q2_checker *c, struct rebuilt *r)
{
    const struct qcow2 *q = c->q;
    u64 used = 0, was;

    r->start = max_u64(c->end, c->file_end >> q->cluster_bits);
    for (u64 b = 0; b << q->rb_bits < r->start; b++)
        used += any_in_block(c, r, b);
    r->blocks = used + 1;
    r->table = 1;
    do {
        u64 last;
        was = r->blocks + r->table;
        last = (r->start + was - 1) >> q->rb_bits;
        r->entries = last + 1;
        r->blocks = used + (last - ((r->start - 1) >> q->rb_bits)) + 1;
        r->table = q2_clusters(q, r->entries * 8);
    } while (r->blocks + r->table != was);
    return r->table * q->cluster > Q2_REFTABLE_MAX ? -EFBIG : 0;
}

static int write_block(struct q2_checker *c, struct rebuilt *r, u64 block, u64 at)
{
    struct qcow2 *q = c->q;
    u64 per = BIT64(q->rb_bits);

    memset(c->buf, 0, q->cluster);
    for (u64 i = 0; i < per; i++) {
        u64 count = count_at(c, r, block * per + i);
        if (count > q2_ref_max(q))
            return -ERANGE;
        q2_ref_write(c->buf, q->ref_order, i, count);
    }
    r->rt[block] = at << q->cluster_bits;
    return bfile_write(q->file, at << q->cluster_bits, c->buf, q->cluster);
}

static int write_table(struct q2_checker *c, const struct rebuilt *r)
{
    struct qcow2 *q = c->q;
    u64 bytes = r->table * q->cluster, off = (r->start + r->blocks) << q->cluster_bits;
    u8 *buf = calloc(1, bytes), field[12];
    int rc = buf ? 0 : -ENOMEM;

    for (u64 i = 0; i < r->entries && !rc; i++)
        put_be64(buf + 8 * i, r->rt[i]);
    if (!rc)
        rc = bfile_write(q->file, off, buf, bytes);
    free(buf);
    put_be64(field, off);
    put_be32(field + 8, (u32)r->table);
    if (!rc)
        rc = bfile_flush(q->file);
    if (!rc)
        rc = bfile_write(q->file, 48, field, sizeof(field));
    if (!rc)
        rc = bfile_flush(q->file);
    if (rc)
        return rc;
    free(q->rt);
    q->rt = r->rt;
    q->rt_size = (u32)(r->table * q->cluster / 8);
    q->rt_offset = off;
    q->rt_clusters = (u32)r->table;
    q2_cache_clean(&q->ref);
    return 0;
}

static int rebuild(struct qcow2 *q)
{
    struct block_check nothing = {0};
    struct q2_checker c;
    struct rebuilt r = {0};
    u64 at;
    int rc = q2_checker_init(&c, q, &nothing);

    if (!rc)
        rc = q2_count_all(&c, false);
    if (!rc)
        rc = plan(&c, &r);
    if (!rc) {
        r.rt = calloc(r.table, q->cluster);
        rc = r.rt ? 0 : -ENOMEM;
    }
    at = r.start;
    for (u64 b = 0; !rc && b < r.entries; b++)
        if (any_in_block(&c, &r, b)) {
            rc = at < r.start + r.blocks ? write_block(&c, &r, b, at) : -EIO;
            at++;
        }
    if (!rc)
        rc = write_table(&c, &r);
    q2_checker_dispose(&c);
    if (rc)
        free(r.rt);
    return rc;
}

static int lower_leaks(struct q2_checker *c)
{
    struct qcow2 *q = c->q;

    for (u32 b = 0; b < q->rt_size; b++) {
        bool changed = false;
        int rc;
        if (!q->rt[b])
            continue;
        rc = bfile_read(q->file, q->rt[b], c->buf, q->cluster);
        if (rc)
            return rc;
        for (u64 i = 0; i < BIT64(q->rb_bits); i++) {
            u64 counted = q2_counted(c, ((u64)b << q->rb_bits) + i);
            if (q2_ref_read(c->buf, q->ref_order, i) <= counted)
                continue;
            q2_ref_write(c->buf, q->ref_order, i, counted);
            changed = true;
            c->result->leaks_fixed++;
        }
        if (changed)
            rc = bfile_write(q->file, q->rt[b], c->buf, q->cluster);
        if (rc)
            return rc;
    }
    q2_cache_clean(&q->ref);
    return bfile_flush(q->file);
}

static int mend_bit(struct q2_checker *c, u64 entry, u64 at)
{
    u64 count, want;
    u8 field[8];
    int rc = q2_ref_get(c->q, (entry & Q2_OFFSET_MASK) >> c->q->cluster_bits, &count);

    if (rc)
        return rc;
    want = (entry & ~Q2_COPIED) | (count == 1 ? Q2_COPIED : 0);
    if (want == entry)
        return 0;
    put_be64(field, want);
    return bfile_write(c->q->file, at, field, 8);
}

static int mend_copied(struct q2_checker *c)
{
    struct qcow2 *q = c->q;
    int rc = 0;

    for (u32 i = 0; i < q->l1_size && !rc; i++) {
        u64 off = q->l1[i] & Q2_OFFSET_MASK;
        if (!off || off >= c->file_end || (off & (q->cluster - 1)))
            continue;
        rc = mend_bit(c, q->l1[i], q->l1_offset + 8 * (u64)i);
    }
    for (u64 t = 0; t < c->l2s && !rc; t++) {
        if (!c->l2[t].active || bfile_read(q->file, c->l2[t].off, c->buf, q->cluster))
            continue;
        for (u64 i = 0; i < BIT64(q->l2_bits) && !rc; i++) {
            u64 entry = be64(c->buf + i * q->entry);
            if (!(entry & Q2_COMPRESSED) && (entry & Q2_OFFSET_MASK) && q->data == q->file)
                rc = mend_bit(c, entry, c->l2[t].off + i * q->entry);
        }
    }
    q2_cache_clean(&q->l2);
    return rc ? rc : bfile_flush(q->file);
}

/* Dirty and corrupt are over, if nothing is left. */
static int clear_marks(struct qcow2 *q)
{
    u8 field[8];

    if (!(q->incompat & (Q2_INCOMPAT_DIRTY | Q2_INCOMPAT_CORRUPT)))
        return 0;
    q->incompat &= ~(Q2_INCOMPAT_DIRTY | Q2_INCOMPAT_CORRUPT);
    put_be64(field, q->incompat);
    return bfile_write(q->file, 72, field, 8);
}

int q2_repair(struct q2_checker *c, unsigned fix)
{
    struct qcow2 *q = c->q;
    struct block_check after = {0};
    u64 errors = c->result->errors, leaks = c->result->leaks;
    int rc = 0;

    pthread_mutex_lock(&q->meta);
    if ((fix & CHECK_FIX_ERRORS) && errors) {
        if (errors > c->copied_wrong || c->rebuild)
            rc = rebuild(q);
        if (!rc)
            rc = mend_copied(c);
    } else if (leaks && (fix & CHECK_FIX_LEAKS) && !c->rebuild) {
        rc = lower_leaks(c);
    }
    pthread_mutex_unlock(&q->meta);
    if (rc)
        return rc;
    if (errors || leaks) { /* what is left */
        struct err err;
        rc = q2_read_tables(q, &err) ? -EINVAL : q2_check(&q->node, 0, &after, &err);
        if (rc)
            return rc;
        c->result->errors_fixed = errors - min_u64(errors, after.errors);
        c->result->leaks_fixed = leaks - min_u64(leaks, after.leaks);
        c->result->failures += after.failures;
    }
    if (!after.errors && !c->result->failures && (fix & CHECK_FIX_ERRORS))
        rc = clear_marks(q);
    return rc;
}
