/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header with its extensions: read and checked, and written anew as a whole. */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V2_HEADER 72u
#define V3_HEADER 104u
#define OURS      112u /* with compression_type */
#define EXTS_MAX  64u

static int refuse(struct qcow2 *q, struct err *err, const char *why, u64 value)
{
    return err_set(err, EINVAL, "'%s': qcow2: %s (%#llx)", bfile_path(q->file), why,
                   (unsigned long long)value);
}

void q2_geometry(struct qcow2 *q)
{
    bool ext = q->incompat & Q2_INCOMPAT_EXTL2;

    q->cluster = BIT64(q->cluster_bits);
    q->entry = ext ? 16 : 8;
    q->l2_bits = q->cluster_bits - (ext ? 4 : 3);
    q->subs = ext ? 32 : 1;
    q->sub_bytes = (u32)(q->cluster / q->subs);
    q->rb_bits = q->cluster_bits + 3 - q->ref_order;
}

static int unknown_features(struct qcow2 *q, u64 unknown, struct err *err)
{
    u32 len;
    const u8 *table = q2_ext_find(q, Q2_EXT_FEATURES, &len);

    for (u32 at = 0; table && at + 48 <= len; at += 48)
        if (!table[at] && table[at + 1] < 64 && (unknown >> table[at + 1] & 1))
            return err_set(err, ENOTSUP,
                           "'%s': qcow2: needs the feature '%.46s', which is not supported",
                           bfile_path(q->file), (const char *)table + at + 2);
    return err_set(err, ENOTSUP, "'%s': qcow2: needs unknown features (%#llx)", bfile_path(q->file),
                   (unsigned long long)unknown);
}

static int read_features(struct qcow2 *q, const u8 *h, struct err *err)
{
    q->ref_order = 4;
    q->header_length = V2_HEADER;
    if (q->version < 3)
        return 0;
    q->incompat = be64(h + 72);
    q->compat = be64(h + 80);
    q->autoclear = be64(h + 88);
    q->ref_order = be32(h + 96);
    q->header_length = be32(h + 100);
    if (q->header_length < V3_HEADER || q->header_length % 8 || q->header_length > q->cluster)
        return refuse(q, err, "the length of its header is not possible", q->header_length);
    if (q->ref_order > 6)
        return refuse(q, err, "reference counts of more than 64 bits", q->ref_order);
    q->compression = q->header_length > 104 ? h[104] : 0;
    if (q->compression > 1)
        return refuse(q, err, "unknown compression type", q->compression);
    if (!!q->compression != !!(q->incompat & Q2_INCOMPAT_COMPRESSION))
        return refuse(q, err, "the compression type and its feature bit contradict each other",
                      q->compression);
    if ((q->incompat & Q2_INCOMPAT_EXTL2) && q->cluster_bits < 14)
        return refuse(q, err, "extended entries need clusters of 16 KiB at least", q->cluster_bits);
    return 0;
}

static int read_extensions(struct qcow2 *q, const u8 *h, u64 end, struct err *err)
{
    u64 at = q->header_length;

    q->ext = calloc(EXTS_MAX, sizeof(*q->ext));
    if (!q->ext)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    while (at + 8 <= end && be32(h + at)) {
        u32 type = be32(h + at), len = be32(h + at + 4);
        struct q2_ext *e = &q->ext[q->exts];
        if (len > end - at - 8)
            return refuse(q, err, "a header extension does not fit", type);
        if (q->exts == EXTS_MAX)
            return refuse(q, err, "too many header extensions", type);
        *e = (struct q2_ext){.type = type, .len = len, .data = malloc(len + 1u)};
        if (!e->data)
            return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
        memcpy(e->data, h + at + 8, len);
        e->data[len] = '\0';
        q->exts++;
        at += 8 + align_up(len, 8);
    }
    return 0;
}

u8 *q2_ext_find(struct qcow2 *q, u32 type, u32 *len)
{
    for (unsigned i = 0; i < q->exts; i++)
        if (q->ext[i].type == type) {
            *len = q->ext[i].len;
            return q->ext[i].data;
        }
    return NULL;
}

int q2_ext_set(struct qcow2 *q, u32 type, const void *data, u32 len)
{
    unsigned i = 0;
    u8 *copy;

    while (i < q->exts && q->ext[i].type != type)
        i++;
    if (!len) {
        if (i < q->exts) {
            free(q->ext[i].data);
            q->ext[i] = q->ext[--q->exts];
        }
        return 0;
    }
    copy = malloc(len + 1u);
    if (!copy || i == EXTS_MAX) {
        free(copy);
        return copy ? -ENOSPC : -ENOMEM;
    }
    memcpy(copy, data, len);
    copy[len] = '\0';
    if (i < q->exts)
        free(q->ext[i].data);
    else
        q->exts++;
    q->ext[i] = (struct q2_ext){.type = type, .len = len, .data = copy};
    return 0;
}

static int read_backing_name(struct qcow2 *q, const u8 *h, u64 end, struct err *err)
{
    u64 off = be64(h + 8), len = be32(h + 16);
    u32 flen;
    const u8 *format = q2_ext_find(q, Q2_EXT_BACKING_FORMAT, &flen);

    if (!off)
        return 0;
    if (len > Q2_BACKING_MAX || off > end || len > end - off)
        return refuse(q, err, "the backing file's name is not in the first cluster", off);
    if (!len)
        return 0;
    q->node.backing_name = strndup((const char *)h + off, len);
    if (q->node.backing_name && format)
        q->node.backing_format = strdup((const char *)format);
    if (!q->node.backing_name || (format && !q->node.backing_format))
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    return 0;
}

static int check_features(struct qcow2 *q, struct err *err)
{
    if (q->incompat & ~Q2_INCOMPAT_KNOWN)
        return unknown_features(q, q->incompat & ~Q2_INCOMPAT_KNOWN, err);
    if ((q->incompat & Q2_INCOMPAT_CORRUPT) && !(q->flags & (OPEN_READ_ONLY | OPEN_FOR_REPAIR)))
        return err_set(err, EROFS,
                       "'%s': qcow2: marked as corrupt; repair it with domus img check -r all, or "
                       "open it read-only",
                       bfile_path(q->file));
    return 0;
}

static int read_fields(struct qcow2 *q, const u8 *h, struct err *err)
{
    q->node.size = be64(h + 24);
    q->l1_size = be32(h + 36);
    q->l1_offset = be64(h + 40);
    q->rt_offset = be64(h + 48);
    q->rt_clusters = be32(h + 56);
    q->snaps = be32(h + 60);
    q->snap_offset = be64(h + 64);
    if (q->node.size > Q2_SIZE_MAX || q->node.size % BLOCK_SECTOR)
        return refuse(q, err, "the disk's size is not possible", q->node.size);
    if ((u64)q->rt_clusters * q->cluster > Q2_REFTABLE_MAX || !q->rt_clusters)
        return refuse(q, err, "the refcount table's size is not possible", q->rt_clusters);
    if (q->rt_offset & (q->cluster - 1))
        return refuse(q, err, "the refcount table is not aligned", q->rt_offset);
    if ((u64)q->l1_size * 8 > Q2_L1_MAX)
        return refuse(q, err, "the level 1 table is too large", q->l1_size);
    if (q->l1_offset & (q->cluster - 1))
        return refuse(q, err, "the level 1 table is not aligned", q->l1_offset);
    if (q->l1_size < (q->node.size + ((q->cluster << q->l2_bits) - 1)) >>
        (q->cluster_bits + q->l2_bits))
        return refuse(q, err, "the level 1 table is too small for the disk", q->l1_size);
    if (q->snaps > Q2_SNAPSHOTS_MAX || (q->snap_offset & (q->cluster - 1)))
        return refuse(q, err, "the snapshot table is not possible", q->snap_offset);
    return 0;
}

int q2_read_header(struct qcow2 *q, struct err *err)
{
    u8 head[V3_HEADER + 8], *h;
    int rc = bfile_read(q->file, 0, head, sizeof(head));

    if (rc)
        return err_set(err, -rc, "'%s': %s", bfile_path(q->file), strerror(-rc));
    if (be32(head) != Q2_MAGIC)
        return refuse(q, err, "it does not start with QFI\\xfb", be32(head));
    q->version = be32(head + 4);
    q->cluster_bits = be32(head + 20);
    if (q->version < 2 || q->version > 3)
        return refuse(q, err, "unknown version", q->version);
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return refuse(q, err, "clusters are not 512 bytes to 2 MiB", q->cluster_bits);
    q->cluster = BIT64(q->cluster_bits);
    rc = read_features(q, head, err);
    if (rc)
        return rc;
    q2_geometry(q);
    h = calloc(1, q->cluster);
    rc = h ? bfile_read(q->file, 0, h, q->cluster) : -ENOMEM;
    if (rc)
        err_set(err, -rc, "'%s': %s", bfile_path(q->file), strerror(-rc));
    if (!rc)
        rc =
            read_extensions(q, h, be64(h + 8) ? min_u64(be64(h + 8), q->cluster) : q->cluster, err);
    if (!rc)
        rc = check_features(q, err);
    if (!rc)
        rc = read_fields(q, h, err);
    if (!rc)
        rc = q2_crypt_read(q, be32(h + 32), err);
    if (!rc)
        rc = read_backing_name(q, h, q->cluster, err);
    free(h);
    return rc;
}

static u64 put_ext(u8 *buf, u64 at, u64 room, u32 type, const void *data, u32 len)
{
    if (at + 8 + align_up(len, 8) > room)
        return UINT64_MAX;
    put_be32(buf + at, type);
    put_be32(buf + at + 4, len);
    memcpy(buf + at + 8, data, len);
    return at + 8 + align_up(len, 8);
}

static u64 put_features(u8 *buf, u64 at, u64 room)
{
    static const struct {
        u8 type, bit;
        char name[46];
    } names[] = {
        {0, 0, "dirty bit"},        {0, 1, "corrupt bit"},         {0, 2, "external data file"},
        {0, 3, "compression type"}, {0, 4, "extended L2 entries"}, {1, 0, "lazy refcounts"},
        {2, 0, "bitmaps"},          {2, 1, "raw external data"}};

    return put_ext(buf, at, room, Q2_EXT_FEATURES, names, sizeof(names));
}

static void put_fields(struct qcow2 *q, u8 *h)
{
    put_be32(h, Q2_MAGIC);
    put_be32(h + 4, q->version);
    put_be32(h + 20, q->cluster_bits);
    put_be64(h + 24, q->node.size);
    put_be32(h + 32, q2_crypt_method(q));
    put_be32(h + 36, q->l1_size);
    put_be64(h + 40, q->l1_offset);
    put_be64(h + 48, q->rt_offset);
    put_be32(h + 56, q->rt_clusters);
    put_be32(h + 60, q->snaps);
    put_be64(h + 64, q->snap_offset);
    if (q->version < 3)
        return;
    put_be64(h + 72, q->incompat);
    put_be64(h + 80, q->compat);
    put_be64(h + 88, q->autoclear);
    put_be32(h + 96, q->ref_order);
    put_be32(h + 100, q->header_length);
    if (q->header_length > 104)
        h[104] = q->compression;
}

int q2_header_bytes(struct qcow2 *q, u8 *h, struct err *err)
{
    const char *name = q->node.backing_name;
    u64 at = q->header_length, names = name ? strlen(name) : 0;
    u64 room = q->cluster - names - 8;

    put_fields(q, h);
    for (unsigned i = 0; i < q->exts && at != UINT64_MAX; i++)
        if (q->ext[i].type != Q2_EXT_FEATURES)
            at = put_ext(h, at, room, q->ext[i].type, q->ext[i].data, q->ext[i].len);
    if (at != UINT64_MAX && q->version >= 3) {
        u64 with = put_features(h, at, room);
        at = with == UINT64_MAX ? at : with; /* small clusters have no room for it */
    }
    if (at == UINT64_MAX || names > Q2_BACKING_MAX)
        return err_set(err, ENOSPC,
                       "'%s': the header's extensions and the backing file's name do not fit into "
                       "a cluster of %llu bytes",
                       bfile_path(q->file), (unsigned long long)q->cluster);
    at += 8; /* the end mark is zeros */
    if (names) {
        put_be64(h + 8, at);
        put_be32(h + 16, (u32)names);
        memcpy(h + at, name, names);
    }
    return 0;
}

int q2_write_header(struct qcow2 *q, struct err *err)
{
    u8 *h = calloc(1, q->cluster);
    int rc = 0;

    if (!h)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (q->header_length > OURS) /* fields that are unknown stay as they are */
        rc = bfile_read(q->file, OURS, h + OURS, q->header_length - OURS);
    if (rc)
        err_set(err, -rc, "'%s': %s", bfile_path(q->file), strerror(-rc));
    else
        rc = q2_header_bytes(q, h, err);
    if (!rc) {
        rc = bfile_write(q->file, 0, h, q->cluster);
        if (!rc)
            rc = bfile_flush(q->file);
        if (rc)
            err_set(err, -rc, "'%s': %s", bfile_path(q->file), strerror(-rc));
    }
    free(h);
    return rc;
}
