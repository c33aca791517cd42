/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Internal snapshots: copies of the level 1 table that share what it points to. Counts go up
 * before a table on disk points anywhere, and down after it does not any more.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIXED 40u

void q2_snapshots_dispose(struct qcow2 *q)
{
    for (unsigned i = 0; q->snap && i < q->snaps; i++) {
        free(q->snap[i].extra);
        free(q->snap[i].id);
        free(q->snap[i].name);
    }
    free(q->snap);
    q->snap = NULL;
}

static int refuse(struct qcow2 *q, struct err *err, const char *why)
{
    return err_set(err, EINVAL, "'%s': qcow2: the snapshot table %s", bfile_path(q->file), why);
}

static void parse_extra(struct q2_snapshot *s, const u8 *h, u64 disk_size)
{
    s->state_size = s->extra_size >= 8 ? be64(s->extra) : be32(h + 32);
    s->disk_size = s->extra_size >= 16 ? be64(s->extra + 8) : disk_size;
    s->icount = s->extra_size >= 24 ? be64(s->extra + 16) : ~(u64)0;
}

static int read_one(struct qcow2 *q, u64 *at, struct q2_snapshot *s, struct err *err)
{
    u8 h[FIXED];
    u32 id, name;
    int rc = bfile_read_whole(q->file, *at, h, sizeof(h));

    if (rc)
        return refuse(q, err, "is not in the file");
    s->l1_offset = be64(h);
    s->l1_size = be32(h + 8);
    id = be16(h + 12);
    name = be16(h + 14);
    s->date_sec = be32(h + 16);
    s->date_nsec = be32(h + 20);
    s->clock_ns = be64(h + 24);
    s->extra_size = be32(h + 36);
    if (s->extra_size > Q2_EXTRA_MAX)
        return refuse(q, err, "has an entry with too much extra data");
    s->extra = malloc(s->extra_size + 1);
    s->id = calloc(1, id + 1u);
    s->name = calloc(1, name + 1u);
    if (!s->extra || !s->id || !s->name)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    rc = bfile_read_whole(q->file, *at + FIXED, s->extra, s->extra_size);
    if (!rc)
        rc = bfile_read_whole(q->file, *at + FIXED + s->extra_size, s->id, id);
    if (!rc)
        rc = bfile_read_whole(q->file, *at + FIXED + s->extra_size + id, s->name, name);
    if (rc)
        return refuse(q, err, "is not in the file");
    parse_extra(s, h, q->node.size);
    *at = align_up(*at + FIXED + s->extra_size + id + name, 8);
    return 0;
}

int q2_snapshots_read(struct qcow2 *q, struct err *err)
{
    u64 at = q->snap_offset;
    int rc = 0;

    q2_snapshots_dispose(q);
    q->snap_bytes = 0;
    if (!q->snaps)
        return 0;
    q->snap = calloc(q->snaps, sizeof(*q->snap));
    if (!q->snap)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    for (unsigned i = 0; i < q->snaps && !rc; i++) {
        rc = read_one(q, &at, &q->snap[i], err);
        if (!rc && at - q->snap_offset > Q2_SNAPTABLE_MAX)
            rc = refuse(q, err, "is too large");
    }
    q->snap_bytes = at - q->snap_offset;
    return rc;
}

static u64 entry_bytes(const struct q2_snapshot *s)
{
    return align_up(FIXED + max_u64(s->extra_size, 24) + strlen(s->id) + strlen(s->name), 8);
}

static void put_one(const struct q2_snapshot *s, u8 *h)
{
    u32 extra = (u32)max_u64(s->extra_size, 24), id = (u32)strlen(s->id);

    put_be64(h, s->l1_offset);
    put_be32(h + 8, s->l1_size);
    put_be16(h + 12, (u16)id);
    put_be16(h + 14, (u16)strlen(s->name));
    put_be32(h + 16, s->date_sec);
    put_be32(h + 20, s->date_nsec);
    put_be64(h + 24, s->clock_ns);
    put_be32(h + 32, s->state_size > UINT32_MAX ? 0 : (u32)s->state_size);
    put_be32(h + 36, extra);
    if (s->extra_size)
        memcpy(h + FIXED, s->extra, s->extra_size);
    put_be64(h + FIXED, s->state_size);
    put_be64(h + FIXED + 8, s->disk_size);
    put_be64(h + FIXED + 16, s->icount);
    memcpy(h + FIXED + extra, s->id, id);
    memcpy(h + FIXED + extra + id, s->name, strlen(s->name));
}

/* A new table of `list`, and the header that points to it. meta, io alone. */
static int write_table(struct qcow2 *q, const struct q2_snapshot *list, unsigned n)
{
    u64 bytes = 0, at = 0, off = 0, old = q->snap_offset, old_n = q2_clusters(q, q->snap_bytes);
    u8 field[12] = {0}, *buf;
    int rc = 0;

    for (unsigned i = 0; i < n; i++)
        bytes += entry_bytes(&list[i]);
    if (bytes > Q2_SNAPTABLE_MAX)
        return -EFBIG;
    buf = calloc(1, align_up(bytes + 1, q->cluster));
    if (!buf)
        return -ENOMEM;
    for (unsigned i = 0; i < n; at += entry_bytes(&list[i]), i++)
        put_one(&list[i], buf + at);
    if (n)
        rc = q2_alloc_clusters(q, q2_clusters(q, bytes), &off);
    if (!rc && n)
        rc = q2_known_add(q, off, q2_clusters(q, bytes));
    if (!rc && n)
        rc = bfile_write(q->file, off, buf, q2_clusters(q, bytes) * q->cluster);
    free(buf);
    put_be32(field, n);
    put_be64(field + 4, off);
    q->unsynced = true;
    if (!rc)
        rc = q2_flush_locked(q);
    if (!rc)
        rc = q2_write_header_fields(q, 60, field, sizeof(field));
    if (!rc)
        rc = bfile_flush(q->file);
    if (rc)
        return rc;
    q->snap_offset = off;
    q->snap_bytes = bytes;
    q2_known_remove(q, old, old_n);
    q2_free_now(q, old, old_n);
    return 0;
}

static int add_to_entry(struct qcow2 *q, u64 entry, s64 delta)
{
    u64 off, bytes;

    if (entry & Q2_COMPRESSED) {
        q2_compressed_range(q, entry, &off, &bytes);
        return q2_ref_add(q, off >> q->cluster_bits,
                          q2_clusters(q, (off & (q->cluster - 1)) + bytes), delta);
    }
    if (!(entry & Q2_OFFSET_MASK))
        return 0;
    return q2_ref_add(q, (entry & Q2_OFFSET_MASK) >> q->cluster_bits, 1, delta);
}

/* To the counts of all that a level 1 table leads to. */
static int add_to_all(struct qcow2 *q, const u64 *l1, u32 entries, s64 delta)
{
    u8 *copy = malloc(q->cluster);
    int rc = copy ? 0 : -ENOMEM;

    for (u32 i = 0; i < entries && !rc; i++) {
        u64 off = l1[i] & Q2_OFFSET_MASK;
        struct q2_table *t;
        if (!off)
            continue;
        rc = q2_cache_get(q, &q->l2, off, &t);
        if (rc)
            break;
        memcpy(copy, t->data, q->cluster);
        for (u64 e = 0; e < BIT64(q->l2_bits) && !rc; e++)
            rc = add_to_entry(q, be64(copy + e * q->entry), delta);
        if (!rc)
            rc = q2_ref_add(q, off >> q->cluster_bits, 1, delta);
        if (!rc && delta < 0) {
            u64 count;
            rc = q2_ref_get(q, off >> q->cluster_bits, &count);
            if (!rc && !count)
                q2_cache_drop(&q->l2, off);
        }
    }
    free(copy);
    return rc;
}

static int copied_bit(struct qcow2 *q, u64 off, u64 *entry, bool *changed)
{
    u64 count, want;
    int rc = q2_ref_get(q, off >> q->cluster_bits, &count);

    want = (*entry & ~Q2_COPIED) | (count == 1 ? Q2_COPIED : 0);
    *changed = want != *entry;
    *entry = want;
    return rc;
}

static int copied_in_table(struct qcow2 *q, u64 off)
{
    struct q2_table *t;
    int rc = q2_cache_get(q, &q->l2, off, &t);

    for (u64 e = 0; e < BIT64(q->l2_bits) && !rc; e++) {
        u64 entry = q2_entry(q, t, e), bitmap = q2_bitmap_of(q, t, e);
        bool changed;
        if ((entry & Q2_COMPRESSED) || !(entry & Q2_OFFSET_MASK))
            continue;
        rc = copied_bit(q, entry & Q2_OFFSET_MASK, &entry, &changed);
        if (!rc && changed)
            q2_set_entry(q, t, e, entry, bitmap);
    }
    return rc;
}

/* Bit 63 everywhere in the active tables by the counts. */
static int set_copied(struct qcow2 *q)
{
    int rc = 0;

    for (u32 i = 0; i < q->l1_size && !rc; i++) {
        u64 off = q->l1[i] & Q2_OFFSET_MASK;
        bool changed;
        if (!off)
            continue;
        rc = copied_bit(q, off, &q->l1[i], &changed);
        if (!rc && changed) {
            q->l1_dirty_from = q->l1_dirty_to ? q->l1_dirty_from : i;
            q->l1_dirty_to = i + 1;
        }
        if (!rc)
            rc = copied_in_table(q, off);
    }
    return rc;
}

static int write_l1_copy(struct qcow2 *q, const u64 *l1, u32 entries, u64 *off)
{
    u64 n = max_u64(1, q2_clusters(q, (u64)entries * 8));
    u8 *buf = calloc(n, q->cluster);
    int rc = buf ? q2_alloc_clusters(q, n, off) : -ENOMEM;

    for (u32 i = 0; i < entries && !rc; i++)
        put_be64(buf + 8 * (u64)i, l1[i] & ~Q2_COPIED);
    if (!rc)
        rc = q2_known_add(q, *off, n);
    if (!rc)
        rc = bfile_write(q->file, *off, buf, n * q->cluster);
    q->unsynced = true;
    free(buf);
    return rc;
}

static struct q2_snapshot *find(struct qcow2 *q, const char *name)
{
    for (int by_name = 0; by_name < 2; by_name++)
        for (unsigned i = 0; i < q->snaps; i++)
            if (!strcmp(by_name ? q->snap[i].name : q->snap[i].id, name))
                return &q->snap[i];
    return NULL;
}

static int not_found(struct qcow2 *q, const char *name, struct err *err)
{
    return err_set(err, ENOENT, "'%s' has no snapshot '%.60s'; domus img snapshot -l lists them",
                   bfile_path(q->file), name);
}

int q2_snapshot_list(struct block_node *n, struct block_snapshot **out, unsigned *count)
{
    struct qcow2 *q = q2_of(n);
    struct block_snapshot *list = calloc(q->snaps + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (unsigned i = 0; i < q->snaps; i++) {
        const struct q2_snapshot *s = &q->snap[i];
        list[i] = (struct block_snapshot){.id = strdup(s->id),
                                          .name = strdup(s->name),
                                          .date_ns = s->date_sec * NSEC_PER_SEC + s->date_nsec,
                                          .clock_ns = s->clock_ns,
                                          .state_size = s->state_size,
                                          .disk_size = s->disk_size,
                                          .icount = s->icount};
        if (!list[i].id || !list[i].name) {
            block_snapshots_free(list, i + 1);
            return -ENOMEM;
        }
    }
    *out = list;
    *count = q->snaps;
    return 0;
}

static int alone_begin(struct qcow2 *q)
{
    int rc = q->data != q->file ? -ENOTSUP : q2_begin(q);

    if (rc)
        return rc;
    pthread_rwlock_wrlock(&q->io);
    rc = q2_settle(q);
    pthread_mutex_lock(&q->meta);
    return rc;
}

static int alone_end(struct qcow2 *q, int rc, const char *what, struct err *err)
{
    if (q->data == q->file) {
        pthread_mutex_unlock(&q->meta);
        if (!rc)
            rc = q2_settle(q);
        pthread_rwlock_unlock(&q->io);
    }
    if (rc)
        err_set(err, -rc, "'%s': the snapshot cannot be %s: %s", bfile_path(q->file), what,
                rc == -ERANGE ? "the image's reference counts are too narrow" : strerror(-rc));
    return rc;
}

static int new_snapshot(struct qcow2 *q, const char *name, struct q2_snapshot *s)
{
    struct timespec now;
    unsigned long id = 0;
    char text[24];

    for (unsigned i = 0; i < q->snaps; i++) {
        unsigned long other = strtoul(q->snap[i].id, NULL, 10);
        id = other > id ? other : id;
    }
    snprintf(text, sizeof(text), "%lu", id + 1);
    clock_gettime(CLOCK_REALTIME, &now);
    *s = (struct q2_snapshot){.l1_size = q->l1_size,
                              .date_sec = (u32)now.tv_sec,
                              .date_nsec = (u32)now.tv_nsec,
                              .disk_size = q->node.size,
                              .id = strdup(text),
                              .name = strdup(name)};
    return s->id && s->name ? 0 : -ENOMEM;
}

int q2_snapshot_create(struct block_node *n, const char *name, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_snapshot *list = NULL, s = {0};
    int rc = strlen(name) > 1023 || q->snaps == Q2_SNAPSHOTS_MAX ? -ENAMETOOLONG : 0;

    if (rc)
        return err_set(err, -rc, "'%s': a snapshot's name is too long", bfile_path(q->file));
    rc = alone_begin(q);
    if (!rc)
        rc = new_snapshot(q, name, &s);
    if (!rc)
        list = calloc(q->snaps + 1u, sizeof(*list));
    if (!rc && !list)
        rc = -ENOMEM;
    if (!rc) {
        rc = add_to_all(q, q->l1, q->l1_size, 1);
        if (!rc)
            rc = set_copied(q);
        if (!rc)
            rc = write_l1_copy(q, q->l1, q->l1_size, &s.l1_offset);
    }
    if (!rc) {
        if (q->snaps)
            memcpy(list, q->snap, q->snaps * sizeof(*list));
        list[q->snaps] = s;
        rc = write_table(q, list, q->snaps + 1);
    }
    if (!rc) {
        free(q->snap);
        q->snap = list;
        q->snaps++;
    } else {
        free(list);
        free(s.id);
        free(s.name);
    }
    return alone_end(q, rc, "made", err);
}

int q2_snapshot_delete(struct block_node *n, const char *name, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_snapshot *list = NULL, *s = find(q, name), gone;
    unsigned at;
    u64 *l1 = NULL;
    int rc;

    if (!s)
        return not_found(q, name, err);
    gone = *s;
    at = (unsigned)(s - q->snap);
    rc = q2_read_l1(q, gone.l1_offset, gone.l1_size, &l1, err);
    if (rc)
        return rc;
    rc = alone_begin(q);
    list = calloc(q->snaps, sizeof(*list));
    if (!rc && !list)
        rc = -ENOMEM;
    if (!rc) {
        memcpy(list, q->snap, at * sizeof(*list));
        memcpy(list + at, q->snap + at + 1, (q->snaps - at - 1) * sizeof(*list));
        rc = write_table(q, list, q->snaps - 1);
    }
    if (!rc) {
        u64 clusters = max_u64(1, q2_clusters(q, (u64)gone.l1_size * 8));
        free(q->snap);
        q->snap = list;
        q->snaps--;
        list = NULL;
        rc = add_to_all(q, l1, gone.l1_size, -1);
        q2_known_remove(q, gone.l1_offset, clusters);
        q2_free_now(q, gone.l1_offset, clusters);
        if (!rc)
            rc = set_copied(q);
        free(gone.extra);
        free(gone.id);
        free(gone.name);
    }
    free(list);
    free(l1);
    return alone_end(q, rc, "deleted", err);
}

/* The header points to the new table; meta, io alone. */
static int switch_l1(struct qcow2 *q, u64 *l1, u32 entries, u64 off, u64 size)
{
    u64 old = q->l1_offset, old_n = max_u64(1, q2_clusters(q, (u64)q->l1_size * 8));
    u64 *old_l1 = q->l1;
    u32 old_size = q->l1_size;
    int rc = q2_flush_locked(q);

    if (!rc)
        rc = q2_write_header_l1(q, size, entries, off);
    if (!rc)
        rc = bfile_flush(q->file);
    if (rc)
        return rc;
    for (u32 i = 0; i < old_size; i++)
        if (old_l1[i] & Q2_OFFSET_MASK)
            q2_known_remove(q, old_l1[i] & Q2_OFFSET_MASK, 1);
    for (u32 i = 0; i < entries && !rc; i++)
        if (l1[i] & Q2_OFFSET_MASK)
            rc = q2_known_add(q, l1[i] & Q2_OFFSET_MASK, 1);
    q->l1 = l1;
    q->l1_size = entries;
    q->l1_offset = off;
    q->l1_dirty_from = q->l1_dirty_to = 0;
    q->node.size = size;
    if (!rc)
        rc = add_to_all(q, old_l1, old_size, -1);
    q2_known_remove(q, old, old_n);
    q2_free_now(q, old, old_n);
    free(old_l1);
    return rc ? rc : set_copied(q);
}

int q2_snapshot_apply(struct block_node *n, const char *name, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_snapshot *s = find(q, name);
    u64 *l1 = NULL, *bigger, off, per = q->cluster << q->l2_bits, need;
    u32 entries;
    int rc;

    if (!s)
        return not_found(q, name, err);
    if (s->disk_size > Q2_SIZE_MAX || s->disk_size % BLOCK_SECTOR || !s->disk_size)
        return err_set(err, EINVAL, "'%s': the snapshot's disk has no possible size",
                       bfile_path(q->file));
    rc = q2_read_l1(q, s->l1_offset, s->l1_size, &l1, err);
    if (rc)
        return rc;
    need = s->disk_size / per + !!(s->disk_size % per);
    entries = (u32)max_u64(s->l1_size, min_u64(need, Q2_L1_MAX / 8));
    bigger = realloc(l1, (u64)entries * 8);
    rc = alone_begin(q);
    if (!bigger || entries < need) {
        free(bigger ? bigger : l1);
        return alone_end(q, rc ? rc : -EFBIG, "applied", err);
    }
    l1 = bigger;
    memset(l1 + s->l1_size, 0, (entries - s->l1_size) * sizeof(*l1));
    for (u32 i = 0; i < entries; i++)
        l1[i] &= Q2_OFFSET_MASK;
    if (!rc)
        rc = add_to_all(q, l1, entries, 1);
    if (!rc)
        rc = write_l1_copy(q, l1, entries, &off);
    if (!rc)
        rc = switch_l1(q, l1, entries, off, s->disk_size);
    if (q->l1 != l1)
        free(l1);
    if (!rc && q->tracking) /* everything may have changed */
        q2_bitmaps_mark(q, 0, q->node.size);
    return alone_end(q, rc, "applied", err);
}

int q2_make_empty(struct block_node *n, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    u64 *l1 = calloc(q->l1_size + 1u, sizeof(*l1)), off;
    int rc = l1 ? alone_begin(q) : -ENOMEM;

    if (!l1)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (!rc)
        rc = write_l1_copy(q, l1, q->l1_size, &off);
    if (!rc)
        rc = switch_l1(q, l1, q->l1_size, off, n->size);
    if (q->l1 != l1)
        free(l1);
    return alone_end(q, rc, "emptied", err);
}

int q2_snapshot_view(struct block_node *n, const char *name, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_snapshot *s = find(q, name);
    u64 *l1;
    int rc;

    BUG_ON(!n->read_only);
    if (!s)
        return not_found(q, name, err);
    rc = q2_read_l1(q, s->l1_offset, s->l1_size, &l1, err);
    if (rc)
        return rc;
    free(q->l1);
    q->l1 = l1;
    q->l1_size = s->l1_size;
    n->size = align_up(min_u64(s->disk_size, Q2_SIZE_MAX), BLOCK_SECTOR);
    return 0;
}
