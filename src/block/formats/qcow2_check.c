/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking: counts what refers to each cluster and compares with what the image says. A level 2
 * table is read once, however many level 1 tables share it, so that time and memory are bounded
 * by the file, whatever is in it. qcow2_repair.c mends.
 */
#include "block/formats/qcow2_check.h"
#include "base/be.h"
#include "block/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORTS   1000u
#define PAGES_MAX BIT64(19) /* of 2 KiB */

void q2_found(struct q2_checker *c, u64 *kind, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    ++*kind;
    if (!c->result->report || c->reports++ >= REPORTS)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    c->result->report(c->result->opaque, line);
}

static u64 page_slot(const struct q2_checker *c, u64 number)
{
    return (number * 0x9e3779b97f4a7c15ull >> 30) & (c->slots - 1);
}

static struct q2_page *find_page(const struct q2_checker *c, u64 number)
{
    struct q2_page *p = c->slot[page_slot(c, number)];

    while (p && p->number != number)
        p = p->next;
    return p;
}

u64 q2_counted(const struct q2_checker *c, u64 cluster)
{
    const struct q2_page *p = find_page(c, cluster / Q2_PAGE);

    return p ? p->count[cluster % Q2_PAGE] : 0;
}

static int count_one(struct q2_checker *c, u64 cluster, u64 n)
{
    struct q2_page *p = find_page(c, cluster / Q2_PAGE);
    struct q2_page **slot = &c->slot[page_slot(c, cluster / Q2_PAGE)];
    u32 *count;

    if (!p) {
        p = c->pages < PAGES_MAX ? calloc(1, sizeof(*p)) : NULL;
        if (!p)
            return -ENOMEM;
        p->number = cluster / Q2_PAGE;
        p->next = *slot;
        *slot = p;
        c->pages++;
    }
    count = &p->count[cluster % Q2_PAGE];
    *count = n > UINT32_MAX - *count ? UINT32_MAX : *count + (u32)n;
    c->end = max_u64(c->end, cluster + 1);
    return 0;
}

/* `n` references to each cluster of a range. What is not in the file is an error. */
static int count_range(struct q2_checker *c, u64 off, u64 bytes, u64 n, const char *what)
{
    struct qcow2 *q = c->q;
    u64 last;
    int rc = 0;

    if (!bytes)
        return 0;
    if (off >= c->file_end || bytes > c->file_end - off) {
        q2_found(c, &c->result->errors, "ERROR: %s at %#llx is not in the file", what,
                 (unsigned long long)off);
        return 0;
    }
    last = (off + bytes - 1) >> q->cluster_bits;
    for (u64 i = off >> q->cluster_bits; i <= last && !rc; i++)
        rc = count_one(c, i, n);
    return rc;
}

static bool aligned(struct q2_checker *c, u64 off, const char *what)
{
    if (!(off & (c->q->cluster - 1)))
        return true;
    q2_found(c, &c->result->errors, "ERROR: %s at %#llx is not aligned", what,
             (unsigned long long)off);
    return false;
}

/* An entry of a table with `n` references. */
static int count_entry(struct q2_checker *c, u64 entry, u64 bitmap, u64 n)
{
    struct qcow2 *q = c->q;
    u64 off, bytes;

    if (entry & Q2_COMPRESSED) {
        q2_compressed_range(q, entry, &off, &bytes);
        if (entry & Q2_COPIED)
            q2_found(c, &c->result->errors, "ERROR: compressed cluster %#llx has the copied bit",
                     (unsigned long long)off);
        if (off + bytes > c->file_end) /* the last sector may be cut short */
            bytes = off < c->file_end ? c->file_end - off : bytes;
        return count_range(c, off, bytes, n, "compressed data");
    }
    if (entry &
        (q->version >= 3 && q->subs == 1 ? Q2_L2_RESERVED & ~Q2_ZERO : Q2_L2_RESERVED | Q2_ZERO))
        q2_found(c, &c->result->errors, "ERROR: level 2 entry %#llx has reserved bits",
                 (unsigned long long)entry);
    if (q->subs > 1 && (bitmap >> 32 & bitmap & UINT32_MAX))
        q2_found(c, &c->result->errors,
                 "ERROR: subclusters of %#llx are both allocated and zero: %#llx",
                 (unsigned long long)entry, (unsigned long long)bitmap);
    off = entry & Q2_OFFSET_MASK;
    if (!off || !aligned(c, off, "data cluster") || q->data != q->file)
        return 0;
    return count_range(c, off, q->cluster, n, "data cluster");
}

static void statistics(struct q2_checker *c, u64 entry, u64 *next)
{
    u64 off = entry & Q2_OFFSET_MASK;

    if (entry & Q2_COMPRESSED) {
        c->result->compressed++;
        c->result->allocated++;
        c->result->scattered++;
    } else if (off) {
        c->result->allocated++;
        c->result->scattered += *next && off != *next;
        *next = off + c->q->cluster;
    }
}

static int check_table(struct q2_checker *c, const struct q2_l2_ref *l2)
{
    struct qcow2 *q = c->q;
    int rc = bfile_read(q->file, l2->off, c->buf, q->cluster);
    u64 next = 0;

    if (rc) {
        q2_found(c, &c->result->failures, "ERROR: level 2 table at %#llx cannot be read: %s",
                 (unsigned long long)l2->off, strerror(-rc));
        return 0;
    }
    for (u64 i = 0; i < BIT64(q->l2_bits) && !rc; i++) {
        u64 entry = be64(c->buf + i * q->entry);
        u64 bitmap = q->subs > 1 ? be64(c->buf + i * q->entry + 8) : 0;
        if (!entry && !bitmap)
            continue;
        rc = count_entry(c, entry, bitmap, l2->refs);
        if (l2->active)
            statistics(c, entry, &next);
    }
    return rc;
}

static int add_l2(struct q2_checker *c, u64 off, bool active)
{
    if (c->l2s == c->l2_room) {
        u64 room = c->l2_room ? c->l2_room * 2 : 1024;
        struct q2_l2_ref *more = realloc(c->l2, room * sizeof(*more));
        if (!more)
            return -ENOMEM;
        c->l2 = more;
        c->l2_room = room;
    }
    c->l2[c->l2s++] = (struct q2_l2_ref){off, 1, active};
    return 0;
}

static int check_l1(struct q2_checker *c, const u64 *l1, u32 entries, bool active)
{
    int rc = 0;

    for (u32 i = 0; i < entries && !rc; i++) {
        u64 off = l1[i] & Q2_OFFSET_MASK;
        if (l1[i] & Q2_L1_RESERVED)
            q2_found(c, &c->result->errors, "ERROR: level 1 entry %#llx has reserved bits",
                     (unsigned long long)l1[i]);
        if (!off || !aligned(c, off, "level 2 table"))
            continue;
        rc = count_range(c, off, c->q->cluster, 1, "level 2 table");
        if (!rc && off < c->file_end)
            rc = add_l2(c, off, active);
    }
    return rc;
}

static int check_snapshot(struct q2_checker *c, const struct q2_snapshot *s)
{
    struct qcow2 *q = c->q;
    struct err err;
    u64 *l1;
    int rc;

    if (q2_counted(c, s->l1_offset >> q->cluster_bits)) {
        q2_found(c, &c->result->errors, "ERROR: level 1 table of snapshot '%.40s' is used twice",
                 s->name);
        return 0;
    }
    rc = count_range(c, s->l1_offset, max_u64(1, (u64)s->l1_size * 8), 1,
                     "snapshot's level 1 table");
    if (rc)
        return rc;
    rc = q2_read_l1(q, s->l1_offset, s->l1_size, &l1, &err);
    if (rc == -ENOMEM)
        return rc;
    if (rc) {
        q2_found(c, &c->result->errors, "ERROR: %.200s", err.text);
        return 0;
    }
    rc = check_l1(c, l1, s->l1_size, false);
    free(l1);
    return rc;
}

static int by_offset(const void *a, const void *b)
{
    const struct q2_l2_ref *x = a, *y = b;

    return x->off < y->off ? -1 : x->off > y->off;
}

/* Each table once, with how often it is referred to. */
static void merge_l2(struct q2_checker *c)
{
    u64 to = 0;

    if (c->l2s)
        qsort(c->l2, c->l2s, sizeof(*c->l2), by_offset);
    for (u64 i = 0; i < c->l2s; i++) {
        if (to && c->l2[to - 1].off == c->l2[i].off) {
            if (c->l2[to - 1].active && c->l2[i].active)
                q2_found(c, &c->result->errors,
                         "ERROR: level 2 table at %#llx is used twice by the disk",
                         (unsigned long long)c->l2[i].off);
            c->l2[to - 1].refs++;
            c->l2[to - 1].active |= c->l2[i].active;
        } else {
            c->l2[to++] = c->l2[i];
        }
    }
    c->l2s = to;
}

static int check_bitmaps(struct q2_checker *c)
{
    struct qcow2 *q = c->q;
    int rc = count_range(c, q->bitmap_dir, q->bitmap_dir_bytes, 1, "bitmap directory");

    for (unsigned i = 0; i < q->bitmaps && !rc; i++) {
        const struct q2_bitmap *b = &q->bitmap[i];
        u64 bytes = (u64)b->table_size * 8;
        rc = count_range(c, b->table_offset, bytes, 1, "bitmap table");
        for (u64 at = 0; at < bytes && !rc && b->table_offset + bytes <= c->file_end; at += 8) {
            u8 e[8];
            rc = bfile_read(q->file, b->table_offset + at, e, 8);
            if (!rc && (be64(e) & Q2_OFFSET_MASK))
                rc = count_range(c, be64(e) & Q2_OFFSET_MASK, q->cluster, 1, "bitmap's data");
        }
    }
    return rc;
}

static int check_refcount_tables(struct q2_checker *c)
{
    struct qcow2 *q = c->q;
    int rc = count_range(c, q->rt_offset, (u64)q->rt_clusters * q->cluster, 1, "refcount table");

    for (u32 i = 0; i < q->rt_size && !rc; i++) {
        u64 off = q->rt[i], errors = c->result->errors;
        if (!off)
            continue;
        if (aligned(c, off, "refcount block") && !(off & 0x1ff))
            rc = count_range(c, off, q->cluster, 1, "refcount block");
        if (!rc && off < c->file_end && q2_counted(c, off >> q->cluster_bits) > 1)
            q2_found(c, &c->result->errors, "ERROR: refcount block at %#llx is used twice",
                     (unsigned long long)off);
        if (c->result->errors != errors) {
            c->rebuild = true;
            q->rt[i] = 0; /* only in memory */
        }
    }
    return rc;
}

int q2_count_all(struct q2_checker *c, bool refcount_tables)
{
    struct qcow2 *q = c->q;
    int rc = count_one(c, 0, 1);

    if (!rc)
        rc = count_range(c, q->l1_offset, max_u64(1, (u64)q->l1_size * 8), 1, "level 1 table");
    if (!rc)
        rc = count_range(c, q->snap_offset, q->snap_bytes, 1, "snapshot table");
    if (!rc && q->node.encrypted)
        rc = count_range(c, q->luks.at, q->luks_len, 1, "encryption header");
    if (!rc)
        rc = check_l1(c, q->l1, q->l1_size, true);
    for (unsigned i = 0; i < q->snaps && !rc; i++)
        rc = check_snapshot(c, &q->snap[i]);
    if (!rc)
        rc = check_bitmaps(c);
    merge_l2(c);
    for (u64 i = 0; i < c->l2s && !rc; i++)
        rc = check_table(c, &c->l2[i]);
    if (!rc && refcount_tables)
        rc = check_refcount_tables(c);
    return rc;
}

/* The image's count of one cluster against what was counted. */
static void compare_one(struct q2_checker *c, u64 cluster, u64 said)
{
    u64 counted = q2_counted(c, cluster);

    if (said)
        c->said_end = max_u64(c->said_end, cluster + 1);
    if (said == counted)
        return;
    q2_found(c, said > counted ? &c->result->leaks : &c->result->errors,
             "%s cluster %llu refcount=%llu reference=%llu", said > counted ? "Leaked" : "ERROR",
             (unsigned long long)cluster, (unsigned long long)said, (unsigned long long)counted);
}

static bool has_block(const struct qcow2 *q, u64 cluster)
{
    return cluster >> q->rb_bits < q->rt_size && q->rt[cluster >> q->rb_bits];
}

static int compare_blocks(struct q2_checker *c)
{
    struct qcow2 *q = c->q;

    for (u32 b = 0; b < q->rt_size; b++) {
        int rc;
        if (!q->rt[b])
            continue;
        rc = bfile_read(q->file, q->rt[b], c->buf, q->cluster);
        if (rc) {
            q2_found(c, &c->result->failures, "ERROR: refcount block %u cannot be read: %s", b,
                     strerror(-rc));
            continue;
        }
        for (u64 i = 0; i < BIT64(q->rb_bits); i++)
            compare_one(c, ((u64)b << q->rb_bits) + i, q2_ref_read(c->buf, q->ref_order, i));
    }
    return 0;
}

/* What was counted where the image has no counts at all. */
static void compare_rest(struct q2_checker *c)
{
    for (u64 s = 0; s < c->slots; s++)
        for (const struct q2_page *p = c->slot[s]; p; p = p->next)
            for (u64 i = 0; i < Q2_PAGE; i++)
                if (p->count[i] && !has_block(c->q, p->number * Q2_PAGE + i)) {
                    compare_one(c, p->number * Q2_PAGE + i, 0);
                    c->rebuild = true;
                }
}

static void check_copied(struct q2_checker *c, u64 entry, u64 off, const char *what)
{
    u64 said = 0;

    if (off >= c->file_end || (off & (c->q->cluster - 1)) ||
        q2_ref_get(c->q, off >> c->q->cluster_bits, &said))
        return;
    if ((said == 1) != !!(entry & Q2_COPIED)) {
        q2_found(c, &c->result->errors, "ERROR: copied bit of %s %#llx, refcount=%llu", what,
                 (unsigned long long)entry, (unsigned long long)said);
        c->copied_wrong++;
    }
}

static int check_copied_bits(struct q2_checker *c)
{
    struct qcow2 *q = c->q;
    int rc = 0;

    for (u32 i = 0; i < q->l1_size; i++)
        if (q->l1[i] & Q2_OFFSET_MASK)
            check_copied(c, q->l1[i], q->l1[i] & Q2_OFFSET_MASK, "level 1 entry");
    for (u64 t = 0; t < c->l2s && !rc; t++) {
        if (!c->l2[t].active || bfile_read(q->file, c->l2[t].off, c->buf, q->cluster))
            continue;
        for (u64 i = 0; i < BIT64(q->l2_bits); i++) {
            u64 entry = be64(c->buf + i * q->entry);
            if (!(entry & Q2_COMPRESSED) && (entry & Q2_OFFSET_MASK) && q->data == q->file)
                check_copied(c, entry, entry & Q2_OFFSET_MASK, "level 2 entry");
        }
    }
    return rc;
}

int q2_checker_init(struct q2_checker *c, struct qcow2 *q, struct block_check *result)
{
    *c = (struct q2_checker){.q = q, .result = result};
    c->slots = BIT64(14);
    c->slot = calloc(c->slots, sizeof(*c->slot));
    c->buf = malloc(q->cluster);
    c->file_end = align_up(bfile_size(q->file), q->cluster);
    return c->slot && c->buf ? 0 : -ENOMEM;
}

void q2_checker_dispose(struct q2_checker *c)
{
    for (u64 s = 0; c->slot && s < c->slots; s++)
        while (c->slot[s]) {
            struct q2_page *next = c->slot[s]->next;
            free(c->slot[s]);
            c->slot[s] = next;
        }
    free(c->slot);
    free(c->buf);
    free(c->l2);
}

int q2_check(struct block_node *n, unsigned fix, struct block_check *result, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_checker c;
    int rc = q2_checker_init(&c, q, result);

    if (!rc && q->begun)
        rc = q2_flush(q);
    if (!rc)
        rc = q2_count_all(&c, true);
    if (!rc)
        rc = compare_blocks(&c);
    if (!rc) {
        compare_rest(&c);
        pthread_mutex_lock(&q->meta);
        rc = check_copied_bits(&c);
        pthread_mutex_unlock(&q->meta);
    }
    result->total = q2_clusters(q, n->size);
    result->end = max_u64(c.end, c.said_end) << q->cluster_bits;
    if (!rc && fix)
        rc = q2_repair(&c, fix);
    q2_checker_dispose(&c);
    return rc ? err_set(err, -rc, "'%s' cannot be checked: %s", bfile_path(q->file), strerror(-rc))
              : 0;
}
