/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow, version 1: two levels of tables, compressed clusters, backing files. Big-endian. Not read:
 * encrypted images. New level 2 tables go to the file's end like clusters.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define HEADER 48u
#define MAGIC  0x514649fbu

struct qcow1 {
    struct bat bat;
    u32 cluster_bits, l2_bits;
    u64 l1_offset, l1_size;
    u64 *l1;
};

static struct qcow1 *of(struct bat *t)
{
    return container_of(t, struct qcow1, bat);
}

static int put_entry(struct bfile *f, u64 at, u64 value)
{
    u8 e[8];

    put_be64(e, value);
    return bfile_write(f, at, e, 8);
}

static int store(struct bat *t, u64 i, u64 host)
{
    struct qcow1 *q = of(t);
    u64 n = i >> q->l2_bits, bytes = 8ull << q->l2_bits;
    int rc = 0;

    if (!q->l1[n]) {
        u64 at = bat_room(t, bytes);
        u8 *zeros = calloc(1, bytes);
        rc = zeros ? bfile_write(t->file, at, zeros, bytes) : -ENOMEM;
        free(zeros);
        if (!rc)
            rc = bfile_flush(t->file); /* no entry leads to what is not on disk */
        if (!rc)
            rc = put_entry(t->file, q->l1_offset + 8 * n, at);
        if (rc)
            return rc;
        q->l1[n] = at;
    }
    return put_entry(t->file, q->l1[n] + 8 * (i & (BIT64(q->l2_bits) - 1)), host);
}

/* Of a packed cluster, which is `bytes` long. */
static u64 packed_at(const struct bat *t, u64 host, u64 *bytes)
{
    u32 bits = 63 - container_of(t, const struct qcow1, bat)->cluster_bits;

    *bytes = host >> bits;
    return host & (BIT64(bits) - 1);
}

static u64 packed_end(struct bat *t, u64 host)
{
    u64 bytes, off = packed_at(t, host, &bytes);

    return off + bytes;
}

static int read_packed(struct bat *t, u64 i, u64 host, u8 *buf)
{
    u64 bytes, off = packed_at(t, host, &bytes);
    u8 *from = malloc(bytes + 1);
    z_stream z = {
        .next_in = from, .avail_in = (uInt)bytes, .next_out = buf, .avail_out = (uInt)t->block};
    int rc = from ? bfile_read(t->file, off, from, bytes) : -ENOMEM, r;

    if (!rc && inflateInit2(&z, -12) != Z_OK)
        rc = -ENOMEM;
    if (!rc) {
        r = inflate(&z, Z_FINISH);
        inflateEnd(&z);
        if ((r != Z_STREAM_END && r != Z_BUF_ERROR) || z.avail_out)
            rc = node_fault(&t->node, "compressed cluster %llu cannot be decompressed",
                            (unsigned long long)i);
    }
    free(from);
    return rc;
}

static void dispose(struct bat *t)
{
    free(of(t)->l1);
    free(of(t));
}

static void claims(struct bat *t, struct bat_claims *c)
{
    const struct qcow1 *q = of(t);

    bat_claim(c, 0, HEADER, "the header");
    bat_claim(c, q->l1_offset, 8 * q->l1_size, "the level 1 table");
    for (u64 n = 0; n < q->l1_size; n++)
        if (q->l1[n])
            bat_claim(c, q->l1[n], 8ull << q->l2_bits, "a level 2 table");
}

static const struct bat_ops ops = {.store = store,
                                   .read_packed = read_packed,
                                   .packed_end = packed_end,
                                   .claims = claims,
                                   .dispose = dispose};

static int check_header(struct bfile *f, const u8 *h, struct err *err)
{
    if (be32(h) != MAGIC || be32(h + 4) != 1)
        return bat_refuse(f, "qcow", err, "no signature of version 1", be32(h + 4));
    if (be32(h + 36))
        return err_set(err, ENOTSUP, "'%s': qcow: encrypted images are not supported",
                       bfile_path(f));
    if (h[32] < 9 || h[32] > 16 || h[33] < 6 || h[33] > 13)
        return bat_refuse(f, "qcow", err, "cluster or table sizes are not possible", be16(h + 32));
    if (be64(h + 24) < 2 || be64(h + 24) > BIT64(56))
        return bat_refuse(f, "qcow", err, "the disk's size is not possible", be64(h + 24));
    if (be32(h + 16) > 1023)
        return bat_refuse(f, "qcow", err, "the backing file's name is too long", be32(h + 16));
    return 0;
}

static int read_l2(struct qcow1 *q, u64 n, u8 *buf, struct err *err)
{
    struct bat *t = &q->bat;
    u64 first = n << q->l2_bits, count = min_u64(BIT64(q->l2_bits), t->blocks - first);
    int rc = bfile_read_whole(t->file, q->l1[n], buf, 8 * count);

    if (rc)
        return err_set(err, EINVAL, "'%s': qcow: level 2 table %llu at %#llx is not in the file",
                       bfile_path(t->file), (unsigned long long)n, (unsigned long long)q->l1[n]);
    for (u64 i = 0; i < count && !rc; i++) {
        u64 e = be64(buf + 8 * i);
        u64 off = e & BAT_PACKED ? e & (BIT64(63 - q->cluster_bits) - 1) : e;
        if (e)
            rc = bat_check_host(t, first + i, off, HEADER, err);
        t->host[first + i] = e;
    }
    return rc;
}

static int read_tables(struct qcow1 *q, struct err *err)
{
    struct bat *t = &q->bat;
    u8 *l1 = malloc(8 * q->l1_size + 1), *l2 = malloc(8ull << q->l2_bits);
    int rc = 0;

    q->l1 = calloc(q->l1_size + 1, 8);
    if (!l1 || !l2 || !q->l1)
        rc = err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    else if (bfile_read_whole(t->file, q->l1_offset, l1, 8 * q->l1_size))
        rc = bat_refuse(t->file, "qcow", err, "the level 1 table is not in the file", q->l1_offset);
    for (u64 n = 0; n < q->l1_size && !rc; n++) {
        q->l1[n] = be64(l1 + 8 * n);
        if (q->l1[n])
            rc = read_l2(q, n, l2, err);
    }
    free(l1);
    free(l2);
    return rc;
}

static int read_backing(struct qcow1 *q, const u8 *h, struct err *err)
{
    struct bat *t = &q->bat;
    u32 len = be32(h + 16);
    int rc;

    if (!be64(h + 8) || !len)
        return 0;
    t->node.backing_name = calloc(1, len + 1u);
    rc = t->node.backing_name ? bfile_read_whole(t->file, be64(h + 8), t->node.backing_name, len)
                              : -ENOMEM;
    return rc ? err_set(err, -rc, "'%s': qcow: the backing file's name is not in the file",
                        bfile_path(t->file))
              : 0;
}

static int qcow1_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct qcow1 *q = calloc(1, sizeof(*q));
    u8 h[HEADER];
    int rc = bat_read_header(f, q, h, sizeof(h), err);

    if (!rc)
        rc = check_header(f, h, err);
    if (rc)
        return bat_give_up(f, q, rc);
    q->cluster_bits = h[32];
    q->l2_bits = h[33];
    q->l1_offset = be64(h + 40);
    q->bat.align = BIT64(q->cluster_bits);
    rc =
        bat_init(&q->bat, &ops, f, flags, align_up(be64(h + 24), 512), BIT64(q->cluster_bits), err);
    if (rc)
        return rc;
    q->l1_size = ((q->bat.blocks - 1) >> q->l2_bits) + 1;
    rc = read_tables(q, err);
    if (!rc)
        rc = read_backing(q, h, err);
    return bat_opened(&q->bat, rc, flags, out, err);
}

static int qcow1_create(const char *path, u64 size, const char *backing, const char *backing_format,
                        const struct format_options *options, struct err *err)
{
    u32 bits = backing ? 9 : 12, l2_bits = backing ? 12 : 9,
        names = backing ? (u32)strlen(backing) : 0;
    u64 l1, per = 1ull << (bits + l2_bits);
    u8 h[HEADER + 1024] = {0};
    struct bfile *f;
    int rc;

    if (!size || size > BIT64(39) || names > 1023)
        return err_set(err, EINVAL, "format qcow: from 1 byte to 512G, and a shorter name");
    rc = bat_create(&f, path, err);
    if (rc)
        return rc;
    l1 = align_up(HEADER + names, 8);
    put_be32(h, MAGIC);
    put_be32(h + 4, 1);
    put_be64(h + 8, names ? HEADER : 0);
    put_be32(h + 16, names);
    put_be64(h + 24, align_up(size, 512));
    h[32] = (u8)bits;
    h[33] = (u8)l2_bits;
    put_be64(h + 40, l1);
    if (names)
        memcpy(h + HEADER, backing, names);
    rc = bat_clear(f, l1 + 8 * ((size + per - 1) / per));
    if (!rc)
        rc = bfile_write(f, 0, h, l1);
    return bat_created(f, rc, err);
}

static bool probe(const u8 *head, const char *path)
{
    return be32(head) == MAGIC && be32(head + 4) == 1;
}

const struct block_format format_qcow1 = {
    .name = "qcow", .probe = probe, .open = qcow1_open, .create = qcow1_create};
