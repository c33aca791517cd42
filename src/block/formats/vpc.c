/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual PC's and Hyper-V's VHD, specification 1.0: fixed, dynamic and differencing. Big-endian.
 * A fixed image has its mark at the end only, so it is never guessed: say format=vpc.
 */
#include "block/formats/vpc.h"
#include "base/be.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/concat.h"
#include "block/formats/formats.h"
#include "block/formats/utf16.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE    0xffffffffu
#define CHS_MAX (65535ull * 16 * 255 * 512)

struct vpc {
    struct bat bat;
    u64 table;
    u8 footer[VPC_FOOTER];
};

static struct vpc *vpc_of(struct bat *t)
{
    return container_of(t, struct vpc, bat);
}

u32 vpc_checksum(const u8 *p, u32 len, u32 at)
{
    u32 sum = 0;

    for (u32 i = 0; i < len; i++)
        sum += i >= at && i < at + 4 ? 0 : p[i];
    return ~sum;
}

/* Data is there by now: first all its sectors are said to be, then where it is. */
static int store(struct bat *t, u64 i, u64 host)
{
    u8 e[4], *ones = malloc(t->prefix);
    int rc = ones ? 0 : -ENOMEM;

    if (ones)
        memset(ones, 0xff, t->prefix);
    if (!rc)
        rc = bfile_write(t->file, host - t->prefix, ones, t->prefix);
    free(ones);
    put_be32(e, (u32)((host - t->prefix) / 512));
    return rc ? rc : bfile_write(t->file, vpc_of(t)->table + 4 * i, e, 4);
}

/* The footer stays behind the last block. */
static int finish(struct bat *t)
{
    return bfile_write(t->file, align_up(t->end, 512), vpc_of(t)->footer, VPC_FOOTER);
}

static void dispose(struct bat *t)
{
    free(vpc_of(t));
}

/* Stored with the highest bit first. */
static int read_map(struct bat *t, u64 i, u8 *map)
{
    u64 bytes = (t->block / 512 + 7) / 8;
    int rc = bfile_read(t->file, t->host[i] - t->prefix, map, bytes);

    for (u64 at = 0; at < bytes && !rc; at++) {
        u8 b = 0;
        for (unsigned bit = 0; bit < 8; bit++)
            b |= (u8)((map[at] >> bit & 1) << (7 - bit));
        map[at] = b;
    }
    return rc;
}

static const struct bat_ops ops = {
    .store = store, .finish = finish, .dispose = dispose, .read_map = read_map};

/* The name that a locator leads to; NULL: none that is of use. */
static char *read_locator(struct vpc *v, const u8 *l)
{
    u8 path[2048];
    u32 len = be32(l + 8), code = be32(l);

    if ((code != VPC_RELATIVE && code != VPC_ABSOLUTE) || !len || len > sizeof(path) ||
        be64(l + 16) > INT64_MAX || bfile_read_whole(v->bat.file, be64(l + 16), path, len))
        return NULL;
    return utf16_text(path, len / 2, UTF16_LE);
}

static int read_parent(struct vpc *v, const u8 *h, struct err *err)
{
    struct block_node *n = &v->bat.node;

    for (unsigned i = 0; i < VPC_LOCATORS; i++) {
        const u8 *l = h + 576 + VPC_LOCATOR * i;
        if (n->backing_name && be32(l) != VPC_RELATIVE) /* which is of more use */
            continue;
        free(n->backing_name);
        n->backing_name = read_locator(v, l);
    }
    if (!n->backing_name || !*n->backing_name) {
        free(n->backing_name);
        n->backing_name = utf16_text(h + 64, 256, UTF16_BE);
    }
    if (n->backing_name)
        utf16_local_path(n->backing_name);
    n->backing_format = strdup("vpc");
    memcpy(n->backing_id, h + 40, BLOCK_ID);
    if (!n->backing_name || !*n->backing_name || !n->backing_format)
        return bat_refuse(v->bat.file, "vpc", err, "it does not name its parent", 0);
    return 0;
}

static int read_table(struct vpc *v, u32 entries, struct err *err)
{
    struct bat *t = &v->bat;
    u8 *e = malloc(4 * t->blocks + 1);
    u64 end = v->table + align_up(4 * (u64)entries, 512);
    int rc = e ? bfile_read_whole(t->file, v->table, e, 4 * t->blocks) : -ENOMEM;

    if (rc)
        err_set(err, -rc, "'%s': vpc: the table of blocks cannot be read", bfile_path(t->file));
    for (u64 i = 0; i < t->blocks && !rc; i++) {
        u32 sector = be32(e + 4 * i);
        if (sector == NONE)
            continue;
        t->host[i] = (u64)sector * 512 + t->prefix;
        if (t->partial)
            t->partial[i / 8] |= (u8)BIT(i % 8);
        rc = bat_check_host(t, i, t->host[i], VPC_FOOTER + VPC_HEADER, err);
        end = max_u64(end, t->host[i] + t->block);
    }
    free(e);
    t->end = end;
    return rc;
}

static u64 disk_size(const u8 *f)
{
    static const char exact[][5] = {"win ", "qem2", "d2v ", "dmus", "CTXS"};
    u64 size = be64(f + 48), chs = (u64)be16(f + 56) * f[58] * f[59] * 512;

    for (unsigned i = 0; i < ARRAY_SIZE(exact); i++)
        if (!memcmp(f + 28, exact[i], 4))
            return size;
    if (!memcmp(f + 28, "tap", 4))
        return size;
    return chs && chs < CHS_MAX && chs <= size + 16 * 63 * 512ull * 64 ? chs : size;
}

static int open_fixed(struct block_node **out, struct bfile *f, const u8 *footer, unsigned flags,
                      struct err *err)
{
    static const struct concat_hooks none;
    struct block_node *n, *raw;
    u64 size = disk_size(footer) & ~(u64)511;
    int rc;

    if (!size || size > bfile_size(f) - VPC_FOOTER)
        size = (bfile_size(f) - VPC_FOOTER) & ~(u64)511;
    if (!size) {
        bfile_close(f);
        return err_set(err, EINVAL, "'%s': vpc: an empty disk", "image");
    }
    rc = concat_new(&n, f, false, flags, &none, err);
    if (rc) {
        bfile_close(f);
        return rc;
    }
    rc = block_raw_new(&raw, f, false, err);
    if (!rc)
        rc = concat_add(n, raw, 0, size, err);
    if (rc) {
        concat_dispose(n);
        return rc;
    }
    memcpy(n->id, footer + VPC_ID, BLOCK_ID);
    *out = n;
    return 0;
}

static int check_dynamic(struct bfile *f, const u8 *footer, const u8 *h, struct err *err)
{
    u32 block = be32(h + 32), entries = be32(h + 28);

    if (memcmp(h, "cxsparse", 8))
        return bat_refuse(f, "vpc", err, "no dynamic header", be64(footer + 16));
    if (vpc_checksum(h, VPC_HEADER, 36) != be32(h + 36))
        return bat_refuse(f, "vpc", err, "the dynamic header's checksum is wrong", be32(h + 36));
    if (block < 512 || (block & (block - 1)) || block > 256 * MiB)
        return bat_refuse(f, "vpc", err, "the size of blocks is not possible", block);
    if (!disk_size(footer) || (disk_size(footer) + block - 1) / block > entries ||
        disk_size(footer) > BIT64(52))
        return bat_refuse(f, "vpc", err, "the table is too small for the disk", entries);
    return 0;
}

static int open_dynamic(struct block_node **out, struct bfile *f, const u8 *footer, unsigned flags,
                        struct err *err)
{
    struct vpc *v = calloc(1, sizeof(*v));
    bool diff = be32(footer + 60) == VPC_DIFF;
    u8 h[VPC_HEADER];
    int rc = v ? bfile_read(f, be64(footer + 16) & INT64_MAX, h, sizeof(h)) : -ENOMEM;

    if (rc)
        err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
    else
        rc = check_dynamic(f, footer, h, err);
    if (rc) {
        bfile_close(f);
        free(v);
        return rc;
    }
    memcpy(v->footer, footer, VPC_FOOTER);
    memcpy(v->bat.node.id, footer + VPC_ID, BLOCK_ID);
    v->table = be64(h + 16) & INT64_MAX;
    v->bat.prefix = align_up(be32(h + 32) / 512 / 8 + (be32(h + 32) < 4096), 512);
    rc = bat_init(&v->bat, &ops, f, flags, align_up(disk_size(footer), 512), be32(h + 32), err);
    if (rc)
        return rc;
    if (diff)
        rc = bat_allow_partial(&v->bat, err);
    if (!rc)
        rc = read_table(v, be32(h + 28), err);
    if (!rc && diff)
        rc = read_parent(v, h, err);
    return bat_opened(&v->bat, rc, flags, out, err);
}

static bool is_footer(const u8 *p)
{
    return !memcmp(p, "conectix", 8) && vpc_checksum(p, VPC_FOOTER, 64) == be32(p + 64);
}

/* Of a fixed disk the one at the end, where a guest cannot write; of the others its copy at the
   start, for the same reason: what is at the end of a device, or of a file that was not closed, may
   be a guest's. */
static int read_footer(struct bfile *f, u8 *footer)
{
    u64 size = bfile_size(f);
    u8 copy[VPC_FOOTER];
    int rc = size < 2 * VPC_FOOTER ? -EINVAL : bfile_read(f, size - VPC_FOOTER, footer, VPC_FOOTER);

    if (!rc && is_footer(footer) && be32(footer + 60) == VPC_FIXED)
        return 0;
    if (!rc)
        rc = bfile_read(f, 0, copy, VPC_FOOTER);
    if (!rc && is_footer(copy))
        memcpy(footer, copy, VPC_FOOTER);
    return rc || is_footer(footer) ? rc : -EINVAL;
}

static int vpc_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    u8 footer[VPC_FOOTER];
    u64 size = bfile_size(f);
    int rc = read_footer(f, footer);
    u32 type;

    if (rc) {
        rc = bat_refuse(f, "vpc", err, "no valid footer or copy of it", size);
        bfile_close(f);
        return rc;
    }
    type = be32(footer + 60);
    if (type == VPC_FIXED)
        return open_fixed(out, f, footer, flags, err);
    if (type == VPC_DYNAMIC || type == VPC_DIFF)
        return open_dynamic(out, f, footer, flags, err);
    rc = bat_refuse(f, "vpc", err, "unknown type of disk", type);
    bfile_close(f);
    return rc;
}

static bool probe(const u8 *head, const char *path)
{
    return !memcmp(head, "conectix", 8);
}

const struct block_format format_vpc = {
    .name = "vpc", .probe = probe, .open = vpc_open, .create = vpc_create, .keys = vpc_keys};
