/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New images, and how large an image gets. Header, refcount table, blocks, level 1 table. */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct format_key q2_keys[] = {
    {"cluster_size", "512 to 2M; 64k if not given"},
    {"compat", "0.10 (version 2) or 1.1 (version 3)"},
    {"compression_type", "of compressed clusters: zlib or zstd"},
    {"data_file", "a file for the data, beside this one, which then has only tables"},
    {"data_file_raw", "the data file can be read as a raw image: on or off"},
    {"encrypt.format", "luks: the data is encrypted; the options below are LUKS'"},
    {"encrypt.key-file", "a file with the password: all bytes of it"},
    {"encrypt.cipher-alg", "aes-256 or aes-128"},
    {"encrypt.hash-alg", "sha256, sha512 or sha1"},
    {"encrypt.iter-time", "milliseconds that it takes to try a password; 2000 if not given"},
    {"extended_l2", "clusters are allocated in 32 parts: on or off"},
    {"lazy_refcounts", "others may write reference counts late: on or off"},
    {"preallocation", "off, metadata, falloc (room is reserved), full (zeros are written)"},
    {"refcount_bits", "1 to 64"},
    {NULL, NULL},
};

struct layout {
    struct qcow2 q; /* geometry and header only */
    u64 blocks, l1_clusters, luks_clusters;
    struct luks_new luks; /* if luks_clusters */
    enum block_prealloc how;
    const char *data_file;
};

static bool power_of_2(u64 v)
{
    return v && !(v & (v - 1));
}

static int read_version(struct layout *l, const struct format_options *o, struct err *err)
{
    const char *compat = format_option(o, "compat");

    l->q.version = 3;
    if (!compat || !strcmp(compat, "1.1") || !strcmp(compat, "v3"))
        return 0;
    if (strcmp(compat, "0.10") && strcmp(compat, "v2"))
        return err_set(err, EINVAL, "compat=%.20s: there are 0.10 and 1.1", compat);
    l->q.version = 2;
    return 0;
}

static int read_sizes(struct layout *l, const struct format_options *o, struct err *err)
{
    u64 cluster = 64 * KiB, width = 16;
    int rc = format_size(o, "cluster_size", &cluster, err);

    if (!rc)
        rc = format_size(o, "refcount_bits", &width, err);
    if (rc)
        return rc;
    if (!power_of_2(cluster) || cluster < 512 || cluster > 2 * MiB)
        return err_set(err, EINVAL, "cluster_size: a power of 2 from 512 to 2M");
    if (!power_of_2(width) || width > 64)
        return err_set(err, EINVAL, "refcount_bits: a power of 2 from 1 to 64");
    l->q.cluster_bits = (u32)__builtin_ctzll(cluster);
    l->q.ref_order = (u32)__builtin_ctzll(width);
    return 0;
}

static int read_features(struct layout *l, const struct format_options *o, struct err *err)
{
    const char *type = format_option(o, "compression_type");
    bool lazy = false, ext = false, raw = false;
    int rc = format_bool(o, "lazy_refcounts", &lazy, err);

    if (!rc)
        rc = format_bool(o, "extended_l2", &ext, err);
    if (!rc)
        rc = format_bool(o, "data_file_raw", &raw, err);
    if (!rc)
        rc = format_prealloc(o, &l->how, err);
    if (rc)
        return rc;
    if (type && strcmp(type, "zlib") && strcmp(type, "zstd"))
        return err_set(err, EINVAL, "compression_type=%.20s: there are zlib and zstd", type);
    l->q.compression = type && !strcmp(type, "zstd");
    l->data_file = format_option(o, "data_file");
    if (raw && !l->data_file)
        return err_set(err, EINVAL, "data_file_raw needs data_file");
    if (ext && l->q.cluster_bits < 14)
        return err_set(err, EINVAL, "extended_l2 needs clusters of 16k at least");
    l->q.incompat = (l->q.compression ? Q2_INCOMPAT_COMPRESSION : 0) |
                    (ext ? Q2_INCOMPAT_EXTL2 : 0) | (l->data_file ? Q2_INCOMPAT_DATA_FILE : 0);
    l->q.compat = lazy ? Q2_COMPAT_LAZY : 0;
    l->q.autoclear = raw ? Q2_AUTOCLEAR_RAW : 0;
    if (l->q.version < 3 && (l->q.incompat || lazy || l->q.ref_order != 4))
        return err_set(err, EINVAL, "compat=0.10 has none of these options; leave it out");
    return 0;
}

static int read_encryption(struct layout *l, const struct format_options *o, struct err *err)
{
    static const char prefix[] = "encrypt.";
    const char *format = format_option(o, "encrypt.format");
    int rc;

    for (unsigned i = 0; o && i < o->n && !format; i++)
        if (!strncmp(o->pair[i].key, prefix, strlen(prefix)))
            return err_set(err, EINVAL, "%s needs encrypt.format=luks", o->pair[i].key);
    if (!format)
        return 0;
    if (strcmp(format, "luks"))
        return err_set(err, EINVAL, "encrypt.format=%.20s: there is luks", format);
    if (l->q.autoclear & Q2_AUTOCLEAR_RAW)
        return err_set(err, EINVAL, "data_file_raw and encryption exclude each other");
    if (l->q.version < 3 && l->how != PREALLOC_OFF)
        return err_set(err, EINVAL, "preallocation with encryption needs compat=1.1");
    rc = luks_plan(&l->luks, o, prefix, err);
    if (!rc)
        l->luks_clusters = q2_clusters(&l->q, luks_bytes(&l->luks));
    return rc;
}

/* Counts of `used` clusters and of the table and blocks themselves. */
static void size_refcounts(const struct qcow2 *q, u64 used, u64 *blocks, u64 *table)
{
    u64 was;

    *blocks = *table = 1;
    do {
        was = *blocks + *table;
        *blocks = ((used + was - 1) >> q->rb_bits) + 1;
        *table = q2_clusters(q, *blocks * 8);
    } while (*blocks + *table != was);
}

static int plan(struct layout *l, u64 size, const struct format_options *o, struct err *err)
{
    struct qcow2 *q = &l->q;
    u64 per, entries, table;
    int rc = read_version(l, o, err);

    if (!rc)
        rc = read_sizes(l, o, err);
    if (!rc)
        rc = read_features(l, o, err);
    if (rc)
        return rc;
    q2_geometry(q);
    rc = read_encryption(l, o, err);
    if (rc)
        return rc;
    q->header_length = q->version < 3 ? 72 : 112;
    q->node.size = align_up(size, BLOCK_SECTOR);
    per = q->cluster << q->l2_bits;
    entries = q->node.size / per + !!(q->node.size % per);
    if (entries * 8 > Q2_L1_MAX || size > Q2_SIZE_MAX)
        return err_set(err, EFBIG, "clusters of %llu bytes are too small for so large an image",
                       (unsigned long long)q->cluster);
    q->l1_size = (u32)entries;
    l->l1_clusters = max_u64(1, q2_clusters(q, entries * 8));
    size_refcounts(q, 1 + l->l1_clusters + l->luks_clusters, &l->blocks, &table);
    q->rt_clusters = (u32)table;
    q->rt_offset = q->cluster;
    q->l1_offset = (1 + table + l->blocks) * q->cluster;
    return 0;
}

static int write_refcounts(struct layout *l)
{
    struct qcow2 *q = &l->q;
    u64 first = 1 + q->rt_clusters, used = first + l->blocks + l->l1_clusters + l->luks_clusters;
    u8 *buf = calloc(1, q->cluster);
    int rc = buf ? 0 : -ENOMEM;

    for (u64 b = 0; b < l->blocks && !rc; b++) {
        u64 per = BIT64(q->rb_bits), n = used > b * per ? min_u64(per, used - b * per) : 0;
        memset(buf, 0, q->cluster);
        for (u64 i = 0; i < n; i++)
            q2_ref_write(buf, q->ref_order, i, 1);
        rc = bfile_write(q->file, (first + b) * q->cluster, buf, q->cluster);
        if (!rc) {
            put_be64(buf, (first + b) * q->cluster);
            rc = bfile_write(q->file, q->rt_offset + 8 * b, buf, 8);
        }
    }
    free(buf);
    return rc;
}

static int fill(struct layout *l, const char *backing, const char *backing_format, struct err *err)
{
    struct qcow2 *q = &l->q;
    u64 luks = q->l1_offset + l->l1_clusters * q->cluster;
    u8 *h = calloc(1, q->cluster);
    int rc = h ? 0 : -ENOMEM;

    q->node.backing_name = (char *)(uintptr_t)backing;
    q->ext = calloc(64, sizeof(*q->ext));
    if (!rc && backing && backing_format)
        rc = q2_ext_set(q, Q2_EXT_BACKING_FORMAT, backing_format, (u32)strlen(backing_format));
    if (!rc && l->data_file)
        rc = q2_ext_set(q, Q2_EXT_DATA_FILE, l->data_file, (u32)strlen(l->data_file));
    if (!rc) /* a device is not empty */
        rc = bfile_zero(q->file, 0, luks + l->luks_clusters * q->cluster);
    if (!rc)
        rc = write_refcounts(l);
    if (!rc && l->luks_clusters)
        rc = q2_crypt_create(q, &l->luks, luks);
    if (rc)
        err_set(err, -rc, "'%s' cannot be written: %s", bfile_path(q->file), strerror(-rc));
    if (!rc)
        rc = q2_header_bytes(q, h, err);
    if (!rc) {
        rc = bfile_write(q->file, 0, h, q->cluster);
        if (rc)
            err_set(err, -rc, "'%s' cannot be written: %s", bfile_path(q->file), strerror(-rc));
    }
    for (unsigned i = 0; i < q->exts; i++)
        free(q->ext[i].data);
    free(q->ext);
    free(h);
    return rc;
}

static int make_data_file(const struct layout *l, const char *path, struct err *err)
{
    char *name = path_beside(path, l->data_file);
    struct bfile *f;
    int rc = name ? bfile_open(&f, name, BFILE_CREATE, err) : -ENOMEM;

    free(name);
    if (rc)
        return rc;
    rc = bfile_truncate(f, l->q.node.size);
    bfile_close(f);
    return rc ? err_set(err, -rc, "'%s': %s", l->data_file, strerror(-rc)) : 0;
}

static int preallocate(const char *path, enum block_prealloc how, struct err *err)
{
    struct block_node *n;
    struct bfile *f;
    int rc = bfile_open(&f, path, 0, err);

    if (!rc)
        rc = q2_open(&n, f, OPEN_NO_BACKING | OPEN_ANY_BACKING, err);
    if (rc)
        return rc;
    rc = q2_begin(q2_of(n));
    if (!rc)
        rc = q2_preallocate(q2_of(n), 0, n->size, how);
    if (!rc)
        rc = q2_flush(q2_of(n));
    if (rc)
        err_set(err, -rc, "'%s' cannot be preallocated: %s", path, strerror(-rc));
    node_close(n);
    return rc;
}

int q2_create(const char *path, u64 size, const char *backing, const char *backing_format,
              const struct format_options *options, struct err *err)
{
    struct layout l = {0};
    int rc = plan(&l, size, options, err);

    if (!rc && l.data_file && backing && l.q.autoclear)
        rc = err_set(err, EINVAL, "a raw data file and a backing file exclude each other");
    if (!rc && l.how != PREALLOC_OFF && backing)
        rc = err_set(err, EINVAL, "preallocation would hide the backing file");
    if (!rc && l.luks_clusters)
        rc = luks_read_key(&l.luks, err);
    if (!rc && l.data_file)
        rc = make_data_file(&l, path, err);
    if (!rc)
        rc = bfile_open(&l.q.file, path, BFILE_CREATE, err);
    if (!rc)
        rc = fill(&l, backing, backing_format, err);
    bfile_close(l.q.file);
    luks_forget(&l.luks);
    if (!rc && l.how != PREALLOC_OFF)
        rc = preallocate(path, l.how, err);
    return rc;
}

int q2_measure(u64 size, u64 data, const struct format_options *options, u64 *required, u64 *full,
               struct err *err)
{
    struct layout l = {0};
    u64 meta, blocks, table, clusters;
    int rc = plan(&l, size, options, err);

    if (rc)
        return rc;
    clusters = q2_clusters(&l.q, l.q.node.size);
    meta = 1 + l.l1_clusters + l.luks_clusters + (clusters >> l.q.l2_bits) +
           !!(clusters & (BIT64(l.q.l2_bits) - 1));
    size_refcounts(&l.q, clusters + meta, &blocks, &table);
    meta = (meta + blocks + table) * l.q.cluster;
    *full = meta + l.q.node.size;
    *required = meta + (l.how == PREALLOC_FULL || l.how == PREALLOC_FALLOC
                            ? l.q.node.size
                            : q2_clusters(&l.q, data) * l.q.cluster);
    if (l.data_file)
        *required = *full = meta;
    return 0;
}
