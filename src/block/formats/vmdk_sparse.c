/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMDK's hosted sparse extents: a directory of tables of grains, twice; grains may be compressed
 * (streamOptimized), and then are at the end anew with every write. Little-endian.
 */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/vmdk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GRAIN   (64 * KiB)
#define GT_SIZE (VMDK_GTES * 4)

struct sparse {
    struct bat bat;
    u64 gd, rgd; /* file offsets; rgd 0: none */
    u64 tables;
    u32 *gt, *rgt; /* sectors */
    u32 flags;
    u64 desc_at, desc_len;
};

static struct sparse *of(struct bat *t)
{
    return container_of(t, struct sparse, bat);
}

bool vmdk_is_sparse(const u8 *head)
{
    return !memcmp(head, "KDMV", 4);
}

static int put_u32(struct bfile *f, u64 at, u32 value)
{
    u8 e[4];

    put_le32(e, value);
    return bfile_write(f, at, e, 4);
}

static int need_table(struct bat *t, u64 directory, u32 *gt, u64 n)
{
    static const u8 zeros[GT_SIZE];
    u64 at;
    int rc;

    if (gt[n])
        return 0;
    at = bat_room(t, GT_SIZE);
    rc = bfile_write(t->file, at, zeros, GT_SIZE);
    if (!rc)
        rc = bfile_flush(t->file); /* no entry leads to what is not on disk */
    if (!rc)
        rc = put_u32(t->file, directory + 4 * n, (u32)(at / 512));
    if (!rc)
        gt[n] = (u32)(at / 512);
    return rc;
}

static int store(struct bat *t, u64 i, u64 host)
{
    struct sparse *s = of(t);
    u64 n = i / VMDK_GTES, at = 4 * (i % VMDK_GTES);
    u32 sector = (u32)((host & ~BAT_PACKED) / 512);
    int rc = need_table(t, s->gd, s->gt, n);

    if (!rc && s->rgd)
        rc = need_table(t, s->rgd, s->rgt, n);
    if (!rc)
        rc = put_u32(t->file, s->gt[n] * 512ull + at, sector);
    if (!rc && s->rgd)
        rc = put_u32(t->file, s->rgt[n] * 512ull + at, sector);
    return rc;
}

static int inflate_grain(const u8 *from, u64 bytes, u8 *to, u64 size)
{
    uLongf got = size;
    int r = uncompress(to, &got, from, bytes);

    if ((r == Z_OK || r == Z_BUF_ERROR) && got <= size) {
        memset(to + got, 0, size - got);
        return r == Z_OK ? 0 : -EIO;
    }
    return r == Z_MEM_ERROR ? -ENOMEM : -EIO;
}

/* A marker in front: number of the first sector, bytes. */
static int read_packed(struct bat *t, u64 i, u64 host, u8 *buf)
{
    bool markers = of(t)->flags & VMDK_MARKERS;
    u64 max = 2 * t->block, head = markers ? 12 : 0, bytes;
    u8 *from = malloc(max + 12);
    int rc = from ? bfile_read(t->file, host, from, max + 12) : -ENOMEM;

    if (!rc) {
        bytes = markers ? le32(from + 8) : max;
        rc = bytes > max ? -EIO : inflate_grain(from + head, bytes, buf, t->block);
        if (rc == -EIO)
            node_fault(&t->node, "compressed grain %llu at %#llx cannot be decompressed",
                       (unsigned long long)i, (unsigned long long)host);
    }
    free(from);
    return rc;
}

/* Not longer than read_packed takes, with what follows up to a sector. */
static u64 packed_end(struct bat *t, u64 host)
{
    return host + 2 * t->block + VMDK_HEADER;
}

static int write_packed(struct bat *t, u64 i, const u8 *buf, u64 *host)
{
    uLongf bytes = compressBound(t->block);
    u8 *to = calloc(1, bytes + 12 + 512);
    int rc = to && compress2(to + 12, &bytes, buf, t->block, Z_DEFAULT_COMPRESSION) == Z_OK
                 ? 0
                 : -ENOMEM;

    if (!rc) {
        u64 n = align_up(bytes + 12, 512);
        put_le64(to, i * (t->block / 512));
        put_le32(to + 8, (u32)bytes);
        *host = bat_room(t, n);
        rc = *host / 512 > UINT32_MAX ? -EFBIG : bfile_write(t->file, *host, to, n);
    }
    free(to);
    return rc;
}

static void dispose(struct bat *t)
{
    free(of(t)->gt);
    free(of(t)->rgt);
    free(of(t));
}

static void claim_tables(const struct sparse *s, u64 directory, const u32 *gt, struct bat_claims *c)
{
    bat_claim(c, directory, 4 * s->tables, "a grain directory");
    for (u64 n = 0; n < s->tables; n++)
        if (gt[n])
            bat_claim(c, gt[n] * 512ull, GT_SIZE, "a grain table");
}

static void claims(struct bat *t, struct bat_claims *c)
{
    const struct sparse *s = of(t);

    bat_claim(c, 0, VMDK_HEADER, "the header");
    if (s->desc_at)
        bat_claim(c, s->desc_at, s->desc_len, "the descriptor");
    claim_tables(s, s->gd, s->gt, c);
    if (s->rgd)
        claim_tables(s, s->rgd, s->rgt, c);
}

static int begin(struct bat *t)
{
    return vmdk_new_cid(&t->node);
}

static int adopt(struct bat *t, const u8 id[BLOCK_ID])
{
    return vmdk_adopt(&t->node, id);
}

static const struct bat_ops plain_ops = {
    .store = store, .begin = begin, .adopt = adopt, .claims = claims, .dispose = dispose};
static const struct bat_ops packed_ops = {.store = store,
                                          .begin = begin,
                                          .adopt = adopt,
                                          .claims = claims,
                                          .dispose = dispose,
                                          .read_packed = read_packed,
                                          .packed_end = packed_end,
                                          .write_packed = write_packed};

static int read_directory(struct bfile *f, u64 at, u64 tables, u32 **out, struct err *err)
{
    int rc;

    *out = calloc(tables + 1, 4);
    if (!*out)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    rc = bfile_read_whole(f, at, *out, 4 * tables);
    for (u64 i = 0; i < tables; i++)
        (*out)[i] = le32(&(*out)[i]);
    return rc ? bat_refuse(f, "vmdk", err, "the grain directory is not in the file", at) : 0;
}

static int read_table(struct sparse *s, u64 n, struct err *err)
{
    struct bat *t = &s->bat;
    u64 first = n * VMDK_GTES, count = min_u64(VMDK_GTES, t->blocks - first);
    u8 gt[GT_SIZE];
    int rc = bfile_read_whole(t->file, s->gt[n] * 512ull, gt, 4 * count);

    if (rc)
        return bat_refuse(t->file, "vmdk", err, "a grain table is not in the file",
                          s->gt[n] * 512ull);
    for (u64 i = 0; i < count && !rc; i++) {
        u32 e = le32(gt + 4 * i);
        if (!e)
            continue;
        if (e == 1 && (s->flags & VMDK_ZEROED)) {
            t->host[first + i] = BAT_ZERO;
            continue;
        }
        rc = bat_check_host(t, first + i, e * 512ull, VMDK_HEADER, err);
        t->host[first + i] = e * 512ull | (s->flags & VMDK_COMPRESSED ? BAT_PACKED : 0);
    }
    return rc;
}

static int check_header(struct bfile *f, const u8 *h, struct err *err)
{
    u64 capacity = le64(h + 12), grain = le64(h + 20);

    if (!vmdk_is_sparse(h))
        return bat_refuse(f, "vmdk", err, "no signature of a sparse extent", le32(h));
    if (!le32(h + 4) || le32(h + 4) > 3)
        return bat_refuse(f, "vmdk", err, "unknown version", le32(h + 4));
    if (!grain || (grain & (grain - 1)) || grain > 4096 || grain * 512 < 4096)
        return bat_refuse(f, "vmdk", err, "the size of grains is not possible", grain);
    if (le32(h + 44) != VMDK_GTES)
        return bat_refuse(f, "vmdk", err, "grain tables do not have 512 entries", le32(h + 44));
    if (!capacity || capacity > BIT64(42))
        return bat_refuse(f, "vmdk", err, "the extent's size is not possible", capacity);
    if ((le32(h + 8) & VMDK_COMPRESSED) && h[77] + 256 * h[78] != 1)
        return bat_refuse(f, "vmdk", err, "unknown compression", h[77]);
    return 0;
}

/* The header that counts: of a stream it is at the end. */
static int read_header(struct bfile *f, u8 *h, struct err *err)
{
    int rc = bfile_read(f, 0, h, VMDK_HEADER);

    if (!rc && vmdk_is_sparse(h) && le64(h + 56) == ~(u64)0 && bfile_size(f) > 1536)
        rc = bfile_read(f, bfile_size(f) - 1024, h, VMDK_HEADER);
    if (rc)
        return err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
    return check_header(f, h, err);
}

int vmdk_sparse_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct sparse *s = calloc(1, sizeof(*s));
    u8 h[VMDK_HEADER];
    bool packed;
    int rc = s ? read_header(f, h, err) : err_set(err, ENOMEM, "%s", strerror(ENOMEM));

    if (rc) {
        bfile_close(f);
        free(s);
        return rc;
    }
    s->flags = le32(h + 8);
    packed = s->flags & VMDK_COMPRESSED;
    rc = bat_init(&s->bat, packed ? &packed_ops : &plain_ops, f, flags, le64(h + 12) * 512,
                  le64(h + 20) * 512, err);
    if (rc)
        return rc;
    s->desc_at = le64(h + 28) * 512 & INT64_MAX;
    s->desc_len = min_u64(le64(h + 36), VMDK_DESC_MAX / 512) * 512;
    s->gd = le64(h + 56) * 512;
    s->rgd = s->flags & VMDK_REDUNDANT ? le64(h + 48) * 512 : 0;
    s->tables = (s->bat.blocks + VMDK_GTES - 1) / VMDK_GTES;
    rc = read_directory(f, s->gd & INT64_MAX, s->tables, &s->gt, err);
    if (!rc && s->rgd)
        rc = read_directory(f, s->rgd & INT64_MAX, s->tables, &s->rgt, err);
    for (u64 n = 0; n < s->tables && !rc; n++)
        if (s->gt[n])
            rc = read_table(s, n, err);
    return bat_opened(&s->bat, rc, flags, out, err);
}

int vmdk_sparse_descriptor(struct bfile *f, char **out, struct err *err)
{
    u8 h[VMDK_HEADER];
    u64 off, bytes;
    int rc = bfile_read(f, 0, h, sizeof(h));

    *out = NULL;
    off = le64(h + 28) * 512;
    bytes = min_u64(le64(h + 36), VMDK_DESC_MAX / 512) * 512;
    if (rc || !off || !bytes)
        return rc ? err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc)) : 0;
    *out = calloc(1, bytes + 1);
    rc = *out ? bfile_read(f, off & INT64_MAX, *out, bytes) : -ENOMEM;
    if (rc) {
        free(*out);
        *out = NULL;
        return err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
    }
    return 0;
}

static int write_directory(struct bfile *f, u64 at, u64 first_table, u64 tables)
{
    u64 bytes = align_up(4 * tables, 512);
    u8 *gd = calloc(1, bytes);
    int rc = gd ? 0 : -ENOMEM;

    for (u64 i = 0; i < tables && !rc; i++)
        put_le32(gd + 4 * i, (u32)((first_table + i * GT_SIZE) / 512));
    if (!rc)
        rc = bfile_write(f, at, gd, bytes);
    free(gd);
    return rc;
}

int vmdk_sparse_create(struct bfile *f, u64 size, bool stream, bool zeroed, const char *desc)
{
    u64 tables = (size + GRAIN * VMDK_GTES - 1) / (GRAIN * VMDK_GTES);
    u64 dir = align_up(4 * tables, 512), desc_bytes = desc ? 20 * 512 : 0;
    u64 rgd = VMDK_HEADER + desc_bytes, gd = rgd + dir + tables * GT_SIZE;
    u64 end = align_up(gd + dir + tables * GT_SIZE, GRAIN);
    u8 h[VMDK_HEADER] = {0};
    int rc;

    memcpy(h, "KDMV", 4);
    put_le32(h + 4, stream ? 3 : zeroed ? 2 : 1);
    put_le32(h + 8, 1 | VMDK_REDUNDANT | (stream ? VMDK_COMPRESSED | VMDK_MARKERS : 0) |
                        (zeroed ? VMDK_ZEROED : 0));
    put_le64(h + 12, size / 512);
    put_le64(h + 20, GRAIN / 512);
    put_le64(h + 28, desc ? 1 : 0);
    put_le64(h + 36, desc_bytes / 512);
    put_le32(h + 44, VMDK_GTES);
    put_le64(h + 48, rgd / 512);
    put_le64(h + 56, gd / 512);
    put_le64(h + 64, end / 512);
    memcpy(h + 73, "\n \r\n", 4);
    h[77] = stream;
    rc = bat_clear(f, end);
    if (!rc)
        rc = bfile_write(f, 0, h, sizeof(h));
    if (!rc && desc)
        rc = bfile_write(f, VMDK_HEADER, desc, min_u64(strlen(desc), desc_bytes));
    if (!rc)
        rc = write_directory(f, rgd, rgd + dir, tables);
    return rc ? rc : write_directory(f, gd, gd + dir, tables);
}
