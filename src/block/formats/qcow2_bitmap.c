/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Persistent dirty bitmaps. Those that follow writes ("auto") are read into memory before the
 * first write and marked as in use in the file, and stored at the end; others are left alone.
 */
#include "block/formats/qcow2_bitmap.h"
#include "base/be.h"
#include "block/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIXED     24u
#define BITMAPS   65535u
#define DIR_MAX   (64 * MiB)
#define RESERVED  (~(u32)7)
#define ALL_ONES  BIT64(0) /* of a table's entry without offset */
#define NAME_MAX_ 1023u

void q2_bitmaps_dispose(struct qcow2 *q)
{
    for (unsigned i = 0; i < q->bitmaps; i++) {
        free(q->bitmap[i].name);
        free(q->bitmap[i].extra);
        free(q->bitmap[i].dirty);
    }
    free(q->bitmap);
    q->bitmap = NULL;
    q->bitmaps = 0;
    q->bitmap_dir = q->bitmap_dir_bytes = 0;
}

static int refuse(struct qcow2 *q, struct err *err, const char *why)
{
    return err_set(err, EINVAL, "'%s': qcow2: its bitmaps: %s", bfile_path(q->file), why);
}

static u64 bits_of(const struct qcow2 *q, const struct q2_bitmap *b)
{
    u64 g = BIT64(b->granularity_bits);

    return q->node.size / g + !!(q->node.size % g);
}

static int parse_one(struct qcow2 *q, const u8 *dir, u64 bytes, u64 *at, struct q2_bitmap *b,
                     struct err *err)
{
    const u8 *e = dir + *at;
    u32 name;

    if (bytes - *at < FIXED)
        return refuse(q, err, "the directory is too short");
    b->table_offset = be64(e);
    b->table_size = be32(e + 8);
    b->flags = be32(e + 12);
    b->type = e[16];
    b->granularity_bits = e[17];
    name = be16(e + 18);
    b->extra_size = be32(e + 20);
    if (name > NAME_MAX_ || !name || b->extra_size > bytes ||
        FIXED + b->extra_size + name > bytes - *at)
        return refuse(q, err, "a directory entry is too long");
    if (b->type != 1 || (b->flags & RESERVED) || b->granularity_bits < 9 ||
        b->granularity_bits > 31 || (b->table_offset & (q->cluster - 1)))
        return refuse(q, err, "a directory entry is not possible");
    if ((u64)b->table_size * 8 > bfile_size(q->file))
        return refuse(q, err, "a table is larger than the file");
    b->name = strndup((const char *)e + FIXED + b->extra_size, name);
    b->extra = malloc(b->extra_size + 1);
    if (!b->name || !b->extra)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    memcpy(b->extra, e + FIXED, b->extra_size);
    *at += align_up(FIXED + b->extra_size + name, 8);
    return 0;
}

int q2_bitmaps_read(struct qcow2 *q, struct err *err)
{
    u32 len, count;
    const u8 *ext = q2_ext_find(q, Q2_EXT_BITMAPS, &len);
    u64 at = 0, bytes;
    u8 *dir;
    int rc;

    q2_bitmaps_dispose(q);
    if (!ext || !(q->autoclear & Q2_AUTOCLEAR_BITMAPS))
        return 0; /* none, or stale ones, which are left alone */
    if (len != 24)
        return refuse(q, err, "the header extension has another length");
    count = be32(ext);
    bytes = be64(ext + 8);
    q->bitmap_dir = be64(ext + 16);
    if (!count || count > BITMAPS || bytes > DIR_MAX || bytes < (u64)count * FIXED ||
        (q->bitmap_dir & (q->cluster - 1)))
        return refuse(q, err, "the directory is not possible");
    dir = malloc(bytes);
    q->bitmap = calloc(count, sizeof(*q->bitmap));
    rc = dir && q->bitmap ? bfile_read_whole(q->file, q->bitmap_dir, dir, bytes) : -ENOMEM;
    if (rc)
        refuse(q, err, "the directory cannot be read");
    for (u32 i = 0; i < count && !rc; i++) {
        q->bitmaps++;
        rc = at <= bytes ? parse_one(q, dir, bytes, &at, &q->bitmap[i], err)
                         : refuse(q, err, "the directory is too short");
    }
    q->bitmap_dir_bytes = bytes;
    free(dir);
    return rc;
}

/* Bytes of the bitmap in memory. */
u64 q2_bitmap_bytes(const struct qcow2 *q, const struct q2_bitmap *b)
{
    return (bits_of(q, b) + 7) / 8;
}

int q2_bitmap_load(struct qcow2 *q, struct q2_bitmap *b)
{
    u64 bytes = q2_bitmap_bytes(q, b), n = q2_clusters(q, bytes);
    int rc = 0;

    if (b->dirty)
        return 0;
    if (b->table_size != n || bytes > Q2_BITMAP_MAX)
        return -EINVAL;
    b->dirty = calloc(1, bytes + 1);
    if (!b->dirty)
        return -ENOMEM;
    for (u64 i = 0; i < n && !rc; i++) {
        u8 e[8], *to = b->dirty + (i << q->cluster_bits);
        u64 part = min_u64(bytes - (i << q->cluster_bits), q->cluster), off;
        rc = bfile_read_whole(q->file, b->table_offset + 8 * i, e, 8);
        off = rc ? 0 : be64(e) & Q2_OFFSET_MASK;
        if (!rc && off)
            rc = bfile_read(q->file, off, to, part);
        else if (!rc && (be64(e) & ALL_ONES))
            memset(to, 0xff, part);
    }
    if (rc) {
        free(b->dirty);
        b->dirty = NULL;
    }
    return rc;
}

static void set_bits(u8 *map, u64 from, u64 to)
{
    for (; from < to; from++)
        if (!(from % 8) && to - from >= 8) {
            map[from / 8] = 0xff;
            from += 7;
        } else {
            map[from / 8] |= (u8)BIT(from % 8);
        }
}

void q2_bitmaps_mark(struct qcow2 *q, u64 off, u64 len)
{
    for (unsigned i = 0; q->tracking && i < q->bitmaps; i++) {
        struct q2_bitmap *b = &q->bitmap[i];
        if (!b->dirty || !(b->flags & Q2_BITMAP_AUTO))
            continue;
        set_bits(b->dirty, off >> b->granularity_bits,
                 ((off + len - 1) >> b->granularity_bits) + 1);
        b->changed = true;
    }
}

static void put_one(const struct q2_bitmap *b, u8 *e)
{
    u32 name = (u32)strlen(b->name);

    put_be64(e, b->table_offset);
    put_be32(e + 8, b->table_size);
    put_be32(e + 12, b->flags);
    e[16] = b->type;
    e[17] = b->granularity_bits;
    put_be16(e + 18, (u16)name);
    put_be32(e + 20, b->extra_size);
    memcpy(e + FIXED, b->extra, b->extra_size);
    memcpy(e + FIXED + b->extra_size, b->name, name);
}

static u64 bytes_of_one(const struct q2_bitmap *b)
{
    return align_up(FIXED + b->extra_size + strlen(b->name), 8);
}

/* A new directory, then the header that points to it; none if no bitmap is left. meta held. */
int q2_bitmaps_write(struct qcow2 *q)
{
    u64 bytes = 0, at = 0, old = q->bitmap_dir, old_n = q2_clusters(q, q->bitmap_dir_bytes);
    u8 ext[24] = {0}, *dir;
    struct err err;
    int rc = 0;

    for (unsigned i = 0; i < q->bitmaps; i++)
        bytes += bytes_of_one(&q->bitmap[i]);
    dir = calloc(1, align_up(bytes + 1, q->cluster));
    if (!dir)
        return -ENOMEM;
    for (unsigned i = 0; i < q->bitmaps; at += bytes_of_one(&q->bitmap[i]), i++)
        put_one(&q->bitmap[i], dir + at);
    q->bitmap_dir = 0;
    if (bytes)
        rc = q2_alloc_clusters(q, q2_clusters(q, bytes), &q->bitmap_dir);
    if (!rc && bytes)
        rc = q2_known_add(q, q->bitmap_dir, q2_clusters(q, bytes));
    if (!rc && bytes)
        rc = bfile_write(q->file, q->bitmap_dir, dir, align_up(bytes, q->cluster));
    free(dir);
    q->unsynced = true;
    if (!rc)
        rc = q2_flush_locked(q);
    put_be32(ext, q->bitmaps);
    put_be64(ext + 8, bytes);
    put_be64(ext + 16, q->bitmap_dir);
    if (!rc)
        rc = q2_ext_set(q, Q2_EXT_BITMAPS, ext, bytes ? sizeof(ext) : 0);
    q->autoclear = (q->autoclear & ~Q2_AUTOCLEAR_BITMAPS) | (bytes ? Q2_AUTOCLEAR_BITMAPS : 0);
    q->bitmap_dir_bytes = bytes;
    if (!rc)
        rc = q2_write_header(q, &err);
    if (!rc && old) {
        q2_known_remove(q, old, old_n);
        q2_free_now(q, old, old_n);
    }
    return rc;
}

/* Flags of all in the directory as it lies. */
static int write_flags(struct qcow2 *q)
{
    u64 at = q->bitmap_dir;
    int rc = 0;

    for (unsigned i = 0; i < q->bitmaps && !rc; i++) {
        u8 field[4];
        put_be32(field, q->bitmap[i].flags);
        rc = bfile_write(q->file, at + 12, field, 4);
        at += bytes_of_one(&q->bitmap[i]);
    }
    return rc ? rc : bfile_flush(q->file);
}

int q2_bitmaps_begin(struct qcow2 *q)
{
    bool any = false;

    for (unsigned i = 0; i < q->bitmaps; i++) {
        struct q2_bitmap *b = &q->bitmap[i];
        if (!(b->flags & Q2_BITMAP_AUTO) || (b->flags & Q2_BITMAP_IN_USE))
            continue;
        if ((b->extra_size && !(b->flags & Q2_BITMAP_COMPATIBLE)) || q2_bitmap_load(q, b))
            continue; /* it becomes inconsistent, which the flag says */
        any = true;
    }
    for (unsigned i = 0; i < q->bitmaps; i++)
        if (q->bitmap[i].flags & Q2_BITMAP_AUTO)
            q->bitmap[i].flags |= Q2_BITMAP_IN_USE;
    q->tracking = any;
    return q->bitmaps ? write_flags(q) : 0;
}

/* Frees the clusters of a bitmap in the file: data and table. */
void q2_bitmap_free(struct qcow2 *q, const struct q2_bitmap *b)
{
    for (u64 i = 0; i < b->table_size; i++) {
        u8 e[8];
        if (bfile_read_whole(q->file, b->table_offset + 8 * i, e, 8))
            return;
        if (be64(e) & Q2_OFFSET_MASK)
            q2_free_now(q, be64(e) & Q2_OFFSET_MASK, 1);
    }
    if (b->table_size) {
        q2_known_remove(q, b->table_offset, q2_clusters(q, (u64)b->table_size * 8));
        q2_free_now(q, b->table_offset, q2_clusters(q, (u64)b->table_size * 8));
    }
}

/* New clusters for the table and what is not all zeros. */
int q2_bitmap_store(struct qcow2 *q, struct q2_bitmap *b)
{
    u64 bytes = q2_bitmap_bytes(q, b), n = q2_clusters(q, bytes), tn = q2_clusters(q, n * 8), off;
    u8 *table = calloc(max_u64(tn, 1), q->cluster), *buf = malloc(q->cluster);
    int rc = table && buf ? q2_alloc_clusters(q, tn, &off) : -ENOMEM;

    if (!rc)
        rc = q2_known_add(q, off, tn);
    for (u64 i = 0; i < n && !rc; i++) {
        u64 part = min_u64(bytes - (i << q->cluster_bits), q->cluster), at;
        const u8 *from = b->dirty + (i << q->cluster_bits);
        if (is_all_zero(from, part))
            continue;
        memset(buf, 0, q->cluster);
        memcpy(buf, from, part);
        rc = q2_alloc_clusters(q, 1, &at);
        if (!rc)
            rc = bfile_write(q->file, at, buf, q->cluster);
        put_be64(table + 8 * i, at);
    }
    if (!rc)
        rc = bfile_write(q->file, off, table, tn * q->cluster);
    free(table);
    free(buf);
    if (rc)
        return rc;
    b->table_offset = off;
    b->table_size = (u32)n;
    return 0;
}

int q2_bitmaps_put(struct qcow2 *q, bool following)
{
    struct q2_bitmap *old = malloc(q->bitmaps * sizeof(*old));
    int rc = old ? 0 : -ENOMEM;

    if (old)
        memcpy(old, q->bitmap, q->bitmaps * sizeof(*old));
    for (unsigned i = 0; i < q->bitmaps && !rc; i++) {
        struct q2_bitmap *b = &q->bitmap[i];
        bool follows = b->flags & Q2_BITMAP_AUTO;
        if (!b->dirty || follows != following)
            continue;
        if (b->changed)
            rc = q2_bitmap_store(q, b);
        b->flags &= ~Q2_BITMAP_IN_USE;
        b->changed = false;
    }
    if (!rc)
        rc = q2_bitmaps_write(q);
    for (unsigned i = 0; i < q->bitmaps && !rc; i++)
        if (old[i].table_offset != q->bitmap[i].table_offset)
            q2_bitmap_free(q, &old[i]);
    free(old);
    return rc;
}

int q2_bitmaps_store(struct qcow2 *q)
{
    int rc;

    if (!q->tracking)
        return 0;
    pthread_mutex_lock(&q->meta);
    rc = q2_bitmaps_put(q, true);
    pthread_mutex_unlock(&q->meta);
    return rc;
}

static u64 dirty_bytes(const struct qcow2 *q, const struct q2_bitmap *b)
{
    u64 n = 0, limit = q2_bitmap_bytes(q, b);

    for (u64 i = 0; b->dirty && i < limit; i++)
        n += (u64)__builtin_popcount(b->dirty[i]);
    return n << b->granularity_bits;
}

int q2_bitmap_list(struct block_node *n, struct block_bitmap_info **out, unsigned *count)
{
    struct qcow2 *q = q2_of(n);
    struct block_bitmap_info *list = calloc(q->bitmaps + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (unsigned i = 0; i < q->bitmaps; i++) {
        const struct q2_bitmap *b = &q->bitmap[i];
        list[i] = (struct block_bitmap_info){.name = strdup(b->name),
                                             .granularity = BIT64(b->granularity_bits),
                                             .count = dirty_bytes(q, b),
                                             .in_use = (b->flags & Q2_BITMAP_IN_USE) && !b->dirty,
                                             .enabled = b->flags & Q2_BITMAP_AUTO};
        if (!list[i].name) {
            block_bitmaps_free(list, i);
            return -ENOMEM;
        }
    }
    *out = list;
    *count = q->bitmaps;
    return 0;
}

static struct q2_bitmap *find(struct qcow2 *q, const char *name)
{
    for (unsigned i = 0; i < q->bitmaps; i++)
        if (!strcmp(q->bitmap[i].name, name))
            return &q->bitmap[i];
    return NULL;
}

static int add(struct qcow2 *q, const char *name, u64 granularity, struct err *err)
{
    struct q2_bitmap *list,
        b = {.type = 1, .flags = Q2_BITMAP_AUTO | Q2_BITMAP_IN_USE, .changed = true};

    if (!granularity)
        granularity = min_u64(max_u64(q->cluster, 4 * KiB), 64 * KiB);
    if (q->version < 3)
        return refuse(q, err, "version 2 (compat=0.10) has none");
    if (granularity < 512 || granularity > BIT64(31) || (granularity & (granularity - 1)))
        return refuse(q, err, "a granularity is a power of 2, from 512 to 2G");
    if (!*name || strlen(name) > NAME_MAX_ || q->bitmaps == BITMAPS)
        return refuse(q, err, "the name is empty or too long");
    if (find(q, name))
        return err_set(err, EEXIST, "'%s' has a bitmap '%.60s' already", bfile_path(q->file), name);
    b.granularity_bits = (u8)__builtin_ctzll(granularity);
    if (q2_bitmap_bytes(q, &b) > Q2_BITMAP_MAX)
        return refuse(q, err, "with this granularity it is too large");
    list = realloc(q->bitmap, (q->bitmaps + 1u) * sizeof(*list));
    if (!list)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    q->bitmap = list;
    b.name = strdup(name);
    b.extra = malloc(1);
    b.dirty = calloc(1, q2_bitmap_bytes(q, &b) + 1);
    if (!b.name || !b.extra || !b.dirty) {
        free(b.name);
        free(b.extra);
        free(b.dirty);
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    }
    q->bitmap[q->bitmaps++] = b;
    q->tracking = true;
    return 0;
}

static void drop(struct qcow2 *q, struct q2_bitmap *b)
{
    free(b->name);
    free(b->extra);
    free(b->dirty);
    *b = q->bitmap[--q->bitmaps];
}

/* After all other bitmaps are as they were, writes what has changed. */
static int apply_change(struct qcow2 *q, enum bitmap_action action, struct q2_bitmap *b)
{
    struct q2_bitmap old = *b;
    int rc = 0;

    switch (action) {
    case BITMAP_REMOVE:
        old.name = old.name ? strdup(old.name) : NULL;
        drop(q, b);
        rc = q2_bitmaps_write(q);
        if (!rc)
            q2_bitmap_free(q, &old);
        free(old.name);
        return rc;
    case BITMAP_CLEAR:
        memset(b->dirty, 0, q2_bitmap_bytes(q, b));
        b->changed = true;
        b->flags |= Q2_BITMAP_AUTO & old.flags;
        break;
    case BITMAP_ENABLE:
        b->flags |= Q2_BITMAP_AUTO;
        break;
    default:
        b->flags &= ~Q2_BITMAP_AUTO;
        break;
    }
    if (b->changed) {
        rc = q2_bitmap_store(q, b);
        b->changed = false;
    }
    b->flags = (b->flags & ~Q2_BITMAP_IN_USE) | (b->flags & Q2_BITMAP_AUTO ? Q2_BITMAP_IN_USE : 0);
    if (!rc)
        rc = q2_bitmaps_write(q);
    if (!rc && old.table_offset != b->table_offset)
        q2_bitmap_free(q, &old);
    q->tracking = true;
    return rc;
}

int q2_bitmap_change(struct block_node *n, enum bitmap_action action, const char *name,
                     u64 granularity, struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_bitmap *b;
    int rc = q2_begin(q);

    if (rc)
        return err_set(err, -rc, "'%s': %s", bfile_path(q->file), strerror(-rc));
    if (action == BITMAP_ADD) {
        rc = add(q, name, granularity, err);
        return rc;
    }
    b = find(q, name);
    if (!b)
        return err_set(err, ENOENT, "'%s' has no bitmap '%.60s'", bfile_path(q->file), name);
    if (action != BITMAP_REMOVE && (b->flags & Q2_BITMAP_IN_USE) && !b->dirty)
        return err_set(err, EINVAL, "bitmap '%.60s' is inconsistent; it can only be removed", name);
    if (action != BITMAP_REMOVE)
        rc = q2_bitmap_load(q, b);
    pthread_mutex_lock(&q->meta);
    if (!rc)
        rc = apply_change(q, action, b);
    pthread_mutex_unlock(&q->meta);
    return rc ? err_set(err, -rc, "'%s': the bitmap cannot be changed: %s", bfile_path(q->file),
                        strerror(-rc))
              : 0;
}

int q2_bitmap_read(struct block_node *n, const char *name, u64 *granularity, u8 **dirty,
                   struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_bitmap *b = find(q, name);
    int rc;

    if (!b)
        return err_set(err, ENOENT, "'%s' has no bitmap '%.60s'", bfile_path(q->file), name);
    if ((b->flags & Q2_BITMAP_IN_USE) && !b->dirty)
        return err_set(err, EINVAL, "bitmap '%.60s' is inconsistent", name);
    rc = q2_bitmap_load(q, b);
    *dirty = rc ? NULL : malloc(q2_bitmap_bytes(q, b) + 1);
    if (rc || !*dirty)
        return err_set(err, rc ? -rc : ENOMEM, "bitmap '%.60s' cannot be read", name);
    memcpy(*dirty, b->dirty, q2_bitmap_bytes(q, b));
    *granularity = BIT64(b->granularity_bits);
    return 0;
}

int q2_bitmap_merge(struct block_node *n, const char *name, u64 granularity, const u8 *dirty,
                    struct err *err)
{
    struct qcow2 *q = q2_of(n);
    struct q2_bitmap *b = find(q, name);
    u64 count = (n->size + granularity - 1) / granularity;
    int rc = b ? q2_begin(q) : 0;

    if (!b)
        return err_set(err, ENOENT, "'%s' has no bitmap '%.60s'", bfile_path(q->file), name);
    if (!rc)
        rc = q2_bitmap_load(q, b);
    if (rc)
        return err_set(err, -rc, "bitmap '%.60s' cannot be read", name);
    for (u64 i = 0; i < count; i++)
        if (dirty[i / 8] >> i % 8 & 1)
            set_bits(b->dirty, i * granularity >> b->granularity_bits,
                     ((min_u64((i + 1) * granularity, n->size) - 1) >> b->granularity_bits) + 1);
    b->changed = true;
    pthread_mutex_lock(&q->meta);
    rc = b->flags & Q2_BITMAP_AUTO ? 0 : apply_change(q, BITMAP_DISABLE, b);
    pthread_mutex_unlock(&q->meta);
    q->tracking = true;
    return rc ? err_set(err, -rc, "bitmap '%.60s' cannot be written: %s", name, strerror(-rc)) : 0;
}
