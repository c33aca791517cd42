/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: opening with its checks, closing, and the table of operations. */
#include "block/formats/qcow2.h"
#include "base/be.h"
#include "block/file.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int damaged(struct qcow2 *q, struct err *err, const char *what, u64 at)
{
    return err_set(err, EINVAL,
                   "'%s': qcow2: %s (at %#llx); repair it with domus img check -r all, or open it "
                   "read-only",
                   bfile_path(q->file), what, (unsigned long long)at);
}

/* 64-bit entries of the file, in the host's order. */
static int read_entries(struct qcow2 *q, u64 off, u64 count, u64 **out, const char *what,
                        struct err *err)
{
    u64 *e;
    int rc;

    if (off > bfile_size(q->file) || count * 8 > bfile_size(q->file) - off)
        return err_set(
            err, EINVAL, "'%s': qcow2: the %s (%llu entries at %#llx) is not in the file",
            bfile_path(q->file), what, (unsigned long long)count, (unsigned long long)off);
    e = calloc(count + 1, 8);
    rc = e ? bfile_read(q->file, off, e, count * 8) : -ENOMEM;
    if (rc) {
        free(e);
        return err_set(err, -rc, "'%s': %s: %s", bfile_path(q->file), what, strerror(-rc));
    }
    for (u64 i = 0; i < count; i++)
        e[i] = be64(&e[i]);
    *out = e;
    return 0;
}

int q2_read_l1(struct qcow2 *q, u64 off, u32 entries, u64 **out, struct err *err)
{
    if ((u64)entries * 8 > Q2_L1_MAX || (off & (q->cluster - 1)))
        return err_set(err, EINVAL, "'%s': qcow2: a snapshot's level 1 table is not possible",
                       bfile_path(q->file));
    return read_entries(q, off, entries, out, "level 1 table of a snapshot", err);
}

static int know(struct qcow2 *q, u64 off, u64 clusters, const char *what, struct err *err)
{
    int rc;

    if ((off & (q->cluster - 1)) || off >= align_up(bfile_size(q->file), q->cluster))
        return damaged(q, err, what, off);
    rc = q2_known_add(q, off, clusters);
    if (rc == -EEXIST)
        return err_set(err, EINVAL,
                       "'%s': qcow2: %s at %#llx overlaps other metadata; open it read-only and "
                       "copy it",
                       bfile_path(q->file), what, (unsigned long long)off);
    return rc ? err_set(err, -rc, "%s", strerror(-rc)) : 0;
}

/* Fills `known`: for writing, all metadata must be where it can be. */
static int check_tables(struct qcow2 *q, struct err *err)
{
    int rc = know(q, 0, 1, "the header", err);

    if (!rc)
        rc = know(q, q->rt_offset, q->rt_clusters, "the refcount table", err);
    if (!rc && q->l1_size)
        rc = know(q, q->l1_offset, q2_clusters(q, (u64)q->l1_size * 8), "the level 1 table", err);
    if (!rc && q->node.encrypted)
        rc = know(q, q->luks.at, q2_clusters(q, q->luks_len), "the encryption header", err);
    for (u32 i = 0; i < q->rt_size && !rc; i++)
        if (q->rt[i])
            rc = know(q, q->rt[i], 1, "a refcount block", err);
    for (u32 i = 0; i < q->l1_size && !rc; i++) {
        if (q->l1[i] & Q2_L1_RESERVED)
            rc = damaged(q, err, "a level 1 entry has reserved bits", q->l1[i]);
        else if (q->l1[i] & Q2_OFFSET_MASK)
            rc = know(q, q->l1[i] & Q2_OFFSET_MASK, 1, "a level 2 table", err);
    }
    if (!rc && q->snap_bytes)
        rc = know(q, q->snap_offset, q2_clusters(q, q->snap_bytes), "the snapshot table", err);
    for (unsigned i = 0; i < q->snaps && !rc; i++)
        if (q->snap[i].l1_size)
            rc = know(q, q->snap[i].l1_offset, q2_clusters(q, (u64)q->snap[i].l1_size * 8),
                      "a snapshot's level 1 table", err);
    if (!rc && q->bitmap_dir_bytes)
        rc = know(q, q->bitmap_dir, q2_clusters(q, q->bitmap_dir_bytes), "the bitmap directory",
                  err);
    for (unsigned i = 0; i < q->bitmaps && !rc; i++)
        if (q->bitmap[i].table_size)
            rc = know(q, q->bitmap[i].table_offset,
                      q2_clusters(q, (u64)q->bitmap[i].table_size * 8), "a bitmap table", err);
    return rc;
}

int q2_read_tables(struct qcow2 *q, struct err *err)
{
    u64 entries = (u64)q->rt_clusters * q->cluster / 8;
    int rc;

    free(q->l1);
    free(q->rt);
    q->l1 = q->rt = NULL;
    q2_set_dispose(&q->known);
    rc = read_entries(q, q->l1_offset, q->l1_size, &q->l1, "level 1 table", err);
    if (!rc)
        rc = read_entries(q, q->rt_offset, entries, &q->rt, "refcount table", err);
    if (rc && !q->rt && q->l1 && (q->flags & (OPEN_READ_ONLY | OPEN_FOR_REPAIR))) {
        q->rt = calloc(1, 8); /* reading needs none, and it can be made anew */
        entries = 0;
        rc = q->rt ? 0 : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    }
    q->rt_size = (u32)entries;
    if (!rc)
        rc = q2_snapshots_read(q, err);
    if (!rc)
        rc = q2_bitmaps_read(q, err);
    if (!rc && !(q->flags & (OPEN_READ_ONLY | OPEN_FOR_REPAIR)))
        rc = check_tables(q, err);
    return rc;
}

static int open_data_file(struct qcow2 *q, struct err *err)
{
    u32 len;
    const u8 *name = q2_ext_find(q, Q2_EXT_DATA_FILE, &len);
    int rc;

    q->data = q->file;
    if (!(q->incompat & Q2_INCOMPAT_DATA_FILE) || q->node.encrypted) /* nothing raw is in it */
        q->autoclear &= ~Q2_AUTOCLEAR_RAW;
    if (!(q->incompat & Q2_INCOMPAT_DATA_FILE))
        return 0;
    if (!name)
        return err_set(err, EINVAL,
                       "'%s': qcow2: its data is in another file, which it does not "
                       "name",
                       bfile_path(q->file));
    q->data_name = strdup((const char *)name);
    if (!q->data_name)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    rc = open_beside(&q->data, q->file, q->data_name, "data file", q->flags, err);
    if (rc)
        q->data = q->file;
    else if (q->snaps)
        rc = err_set(err, EINVAL, "'%s': qcow2: snapshots with a data file are not possible",
                     bfile_path(q->file));
    return rc;
}

/* Tables are only good after a scan. */
static int recover(struct qcow2 *q, struct err *err)
{
    struct block_check result = {0};
    unsigned flags = q->flags;
    int rc;

    q->flags |= OPEN_FOR_REPAIR;
    rc = q2_read_tables(q, err);
    if (!rc)
        rc = q2_check(&q->node, CHECK_FIX_LEAKS | CHECK_FIX_ERRORS, &result, err);
    q->flags = flags;
    if (!rc && (result.failures || result.errors > result.errors_fixed))
        rc =
            err_set(err, EINVAL,
                    "'%s': qcow2: was not closed properly, and %llu errors cannot be repaired; "
                    "open it read-only and copy it",
                    bfile_path(q->file), (unsigned long long)(result.errors - result.errors_fixed));
    return rc;
}

static int read_all(struct qcow2 *q, struct err *err)
{
    unsigned changing = q->flags & (OPEN_READ_ONLY | OPEN_FOR_REPAIR);
    int rc = q2_read_header(q, err);

    if (!rc && (q2_cache_init(&q->l2, q->cluster) || q2_cache_init(&q->ref, q->cluster)))
        rc = err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (!rc)
        rc = open_data_file(q, err);
    if (!rc && (q->incompat & Q2_INCOMPAT_DIRTY) && !changing)
        rc = recover(q, err);
    return rc ? rc : q2_read_tables(q, err);
}

static void dispose(struct qcow2 *q)
{
    for (unsigned i = 0; i < q->exts; i++)
        free(q->ext[i].data);
    free(q->ext);
    free(q->data_name);
    q2_snapshots_dispose(q);
    q2_bitmaps_dispose(q);
    q2_cache_dispose(&q->l2);
    q2_cache_dispose(&q->ref);
    q2_set_dispose(&q->known);
    free(q->l1);
    free(q->rt);
    free(q->free);
    crypt_cipher_free(q->cipher);
    if (q->data != q->file)
        bfile_close(q->data);
    bfile_close(q->file);
    pthread_mutex_destroy(&q->sectors.parts);
    pthread_rwlock_destroy(&q->io);
    pthread_mutex_destroy(&q->meta);
    q2_codecs_dispose(&q->codecs);
    pthread_cond_destroy(&q->linked);
    free(q);
}

static void q2_close(struct block_node *n)
{
    struct qcow2 *q = q2_of(n);

    if (q->begun && !q->node.fault[0]) {
        int rc = q2_bitmaps_store(q);
        if (!rc)
            rc = q2_settle(q);
        if (!rc && !bfile_is_device(q->file) && bfile_size(q->file) % BLOCK_SECTOR)
            rc = bfile_truncate(q->file, align_up(bfile_size(q->file), BLOCK_SECTOR));
        if (rc)
            fprintf(stderr, "domus: '%s': not closed properly: %s\r\n", bfile_path(q->file),
                    strerror(-rc));
    }
    dispose(q);
}

static int q2_flush_op(struct block_node *n)
{
    return q2_flush(q2_of(n));
}

static void q2_info(struct block_node *n, struct block_info *info)
{
    struct qcow2 *q = q2_of(n);

    info->cluster = q->cluster;
    info->dirty = q->incompat & Q2_INCOMPAT_DIRTY;
    info->corrupt = q->incompat & Q2_INCOMPAT_CORRUPT;
    info_text(info, "compat", q->version < 3 ? "0.10" : "1.1");
    info_text(info, "compression-type", q->compression ? "zstd" : "zlib");
    if (q->version >= 3)
        info_bool(info, "lazy-refcounts", q->compat & Q2_COMPAT_LAZY);
    info_number(info, "refcount-bits", 1u << q->ref_order);
    if (n->encrypted) {
        info_text(info, "encrypt.format", "luks");
        luks_describe(&q->luks, "encrypt.", info);
    }
    if (q->version < 3)
        return;
    info_bool(info, "corrupt", q->incompat & Q2_INCOMPAT_CORRUPT);
    info_bool(info, "extended-l2", q->subs > 1);
    if (q->data_name) {
        info_text(info, "data-file", q->data_name);
        info_bool(info, "data-file-raw", q2_keeps_raw(q));
    }
}

static int q2_set_backing(struct block_node *n, const char *name, const char *format,
                          struct err *err)
{
    struct qcow2 *q = q2_of(n);
    char *new_name = name && *name ? strdup(name) : NULL;
    char *new_format = new_name && format ? strdup(format) : NULL;
    char *old_name = n->backing_name, *old_format = n->backing_format;
    int rc;

    if (q2_keeps_raw(q) && new_name) {
        free(new_name);
        free(new_format);
        return err_set(err, EINVAL, "'%s': a raw data file and a backing file exclude each other",
                       bfile_path(q->file));
    }
    n->backing_name = new_name;
    n->backing_format = new_format;
    rc = q2_ext_set(q, Q2_EXT_BACKING_FORMAT, new_format, new_format ? (u32)strlen(new_format) : 0);
    if (rc)
        err_set(err, -rc, "'%s': %s", bfile_path(q->file), strerror(-rc));
    if (!rc)
        rc = q2_begin(q)
                 ? err_set(err, EIO, "'%s': the header cannot be written", bfile_path(q->file))
                 : q2_write_header(q, err);
    if (rc) {
        free(new_name);
        free(new_format);
        n->backing_name = old_name;
        n->backing_format = old_format;
        return rc;
    }
    free(old_name);
    free(old_format);
    return 0;
}

static const struct block_driver q2_driver = {
    .name = "qcow2",
    .read = q2_read,
    .write = q2_write,
    .readv = q2_readv,
    .writev = q2_writev,
    .read_now = q2_read_now,
    .flush = q2_flush_op,
    .discard = q2_discard,
    .zero = q2_zero,
    .close = q2_close,
    .status = q2_status,
    .write_compressed = q2_write_compressed,
    .info = q2_info,
    .unlock = q2_unlock,
    .resize = q2_resize,
    .check = q2_check,
    .set_backing = q2_set_backing,
    .make_empty = q2_make_empty,
    .snapshot_list = q2_snapshot_list,
    .snapshot_create = q2_snapshot_create,
    .snapshot_apply = q2_snapshot_apply,
    .snapshot_delete = q2_snapshot_delete,
    .snapshot_view = q2_snapshot_view,
    .bitmap_list = q2_bitmap_list,
    .bitmap_change = q2_bitmap_change,
    .bitmap_read = q2_bitmap_read,
    .bitmap_merge = q2_bitmap_merge,
};

int q2_open(struct block_node **out, struct bfile *file, unsigned flags, struct err *err)
{
    struct qcow2 *q = calloc(1, sizeof(*q));
    int rc;

    if (!q) {
        bfile_close(file);
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    }
    q->node.ops = &q2_driver;
    q->node.read_only = flags & OPEN_READ_ONLY;
    q->node.file = q->file = q->data = file;
    q->flags = flags;
    pthread_rwlock_init(&q->io, NULL);
    pthread_mutex_init(&q->meta, NULL);
    pthread_mutex_init(&q->sectors.parts, NULL);
    q2_codecs_init(&q->codecs);
    pthread_cond_init(&q->linked, NULL);
    rc = read_all(q, err);
    if (rc) {
        free(q->node.backing_name);
        free(q->node.backing_format);
        dispose(q);
        return rc;
    }
    q->codecs.cluster = q->cluster;
    q->codecs.zstd = q->compression;
    *out = &q->node;
    return 0;
}

static bool q2_probe(const u8 *head, const char *path)
{
    return be32(head) == Q2_MAGIC && (be32(head + 4) == 2 || be32(head + 4) == 3);
}

const struct block_format format_qcow2 = {
    .name = "qcow2",
    .probe = q2_probe,
    .open = q2_open,
    .create = q2_create,
    .keys = q2_keys,
    .measure = q2_measure,
};
