/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD: new images, fixed, dynamic and differencing. */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/utf16.h"
#include "block/formats/vpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define BLOCK          (2 * MiB)
#define EPOCH          946684800 /* times are seconds since 2000 */
#define PATH_MAX_BYTES 1024u     /* kept for the parent's path */

static void put_geometry(u8 *f, u64 sectors)
{
    u32 heads = 16, per = 255, cyl;

    if (sectors < 65535ull * 16 * 63) {
        per = 17;
        heads = (u32)max_u64(4, (sectors / 17 + 1023) / 1024);
        if (sectors / 17 >= heads * 1024ull || heads > 16) {
            per = 31;
            heads = 16;
        }
        if (sectors / 31 >= 16 * 1024ull && per == 31)
            per = 63;
    }
    cyl = (u32)min_u64(65535, sectors / (heads * per));
    put_be16(f + 56, (u16)cyl);
    f[58] = (u8)heads;
    f[59] = (u8)per;
}

static u32 now(void)
{
    return (u32)(time(NULL) - EPOCH);
}

static void make_footer(u8 *f, u64 size, u32 type)
{
    memset(f, 0, VPC_FOOTER);
    memcpy(f, "conectix", 8);
    put_be32(f + 8, 2);
    put_be32(f + 12, 0x10000);
    put_be64(f + 16, type == VPC_FIXED ? ~(u64)0 : VPC_FOOTER);
    put_be32(f + 24, now());
    memcpy(f + 28, "qem2", 4); /* readers take the size from bytes 48 to 55 then */
    put_be32(f + 32, 0x50003);
    memcpy(f + 36, "Wi2k", 4);
    put_be64(f + 40, size);
    put_be64(f + 48, size);
    put_geometry(f, size / 512);
    put_be32(f + 60, type);
    if (getrandom(f + 68, 16, 0) != 16)
        put_be64(f + 68, size);
    put_be32(f + 64, vpc_checksum(f, VPC_FOOTER, 64));
}

/* Of a differencing disk. */
struct parent {
    u8 id[BLOCK_ID];
    const char *name; /* as the user has it */
    u8 path[PATH_MAX_BYTES];
    u64 path_len; /* bytes */
};

static int find_parent(struct parent *p, const char *path, const char *backing, const char *format,
                       struct err *err)
{
    char *windows;
    u64 units = 0;
    int rc = bat_parent_id(path, backing, format, "vpc", p->id, err);

    if (rc)
        return rc;
    p->name = backing;
    windows = utf16_windows_path(backing);
    rc = windows ? utf16_put(p->path, sizeof(p->path) / 2, windows, UTF16_LE, &units) : -EINVAL;
    free(windows);
    p->path_len = 2 * units;
    return rc ? err_set(err, EINVAL,
                        "format vpc: the backing file's name must be text of at most %u units "
                        "and without '\\'",
                        PATH_MAX_BYTES / 2)
              : 0;
}

/* Into the header: its identity, its name, and where its path is. */
static int put_parent(const struct parent *p, u8 *h)
{
    const char *base = strrchr(p->name, '/');
    u8 *l = h + 576;
    u64 units = 0;

    memcpy(h + 40, p->id, BLOCK_ID);
    put_be32(h + 56, now());
    put_be32(l, p->name[0] == '/' ? VPC_ABSOLUTE : VPC_RELATIVE);
    put_be32(l + 4, PATH_MAX_BYTES); /* bytes, as Windows has it */
    put_be32(l + 8, (u32)p->path_len);
    put_be64(l + 16, VPC_FOOTER + VPC_HEADER);
    return utf16_put(h + 64, 256, base ? base + 1 : p->name, UTF16_BE, &units);
}

static int put_header(u8 *h, u64 table, u64 entries, const struct parent *parent)
{
    int rc;

    memcpy(h, "cxsparse", 8);
    put_be64(h + 8, ~(u64)0);
    put_be64(h + 16, table);
    put_be32(h + 24, 0x10000);
    put_be32(h + 28, (u32)entries);
    put_be32(h + 32, (u32)BLOCK);
    rc = parent ? put_parent(parent, h) : 0;
    put_be32(h + 36, vpc_checksum(h, VPC_HEADER, 36));
    return rc;
}

/* Copy of the footer, header, the parent's path if there is one, table, footer. */
static int write_dynamic(struct bfile *f, const u8 *footer, u64 size, const struct parent *parent)
{
    u64 entries = (size + BLOCK - 1) / BLOCK, bytes = align_up(4 * entries, 512);
    u64 at = VPC_FOOTER + VPC_HEADER + (parent ? PATH_MAX_BYTES : 0);
    u8 h[VPC_HEADER] = {0}, *table = malloc(bytes);
    int rc = table ? put_header(h, at, entries, parent) : -ENOMEM;

    if (!rc)
        rc = bat_clear(f, at + bytes + VPC_FOOTER);
    if (!rc)
        rc = bfile_write(f, 0, footer, VPC_FOOTER);
    if (!rc)
        rc = bfile_write(f, VPC_FOOTER, h, VPC_HEADER);
    if (!rc && parent)
        rc = bfile_write(f, VPC_FOOTER + VPC_HEADER, parent->path, sizeof(parent->path));
    if (!rc) {
        memset(table, 0xff, bytes);
        rc = bfile_write(f, at, table, bytes);
    }
    if (!rc) /* on a device, so that none is found there of what it was before */
        rc = bfile_write(f, bfile_size(f) - VPC_FOOTER, footer, VPC_FOOTER);
    free(table);
    return rc;
}

/* At the end of the file, or of a device that is larger, the footer is found. */
static int write_fixed(struct bfile *f, const u8 *footer, u64 size)
{
    int rc = bat_clear(f, size + VPC_FOOTER);

    return rc ? rc : bfile_write(f, bfile_size(f) - VPC_FOOTER, footer, VPC_FOOTER);
}

int vpc_create(const char *path, u64 size, const char *backing, const char *backing_format,
               const struct format_options *options, struct err *err)
{
    const char *sub = format_option(options, "subformat");
    bool fixed = sub && !strcmp(sub, "fixed"), force;
    struct parent parent = {.path_len = 0};
    u8 footer[VPC_FOOTER];
    struct bfile *f;
    int rc = format_bool(options, "force_size", &force, err); /* always so */

    if (!rc && sub && !fixed && strcmp(sub, "dynamic"))
        rc = err_set(err, EINVAL, "subformat=%.20s: there are dynamic and fixed", sub);
    if (!rc && fixed && backing)
        rc = err_set(err, EINVAL, "a fixed image has no backing file");
    if (!rc && (!size || size > 2040 * GiB))
        rc = err_set(err, EINVAL, "format vpc: from 1 byte to 2040G");
    if (!rc && backing)
        rc = find_parent(&parent, path, backing, backing_format, err);
    if (!rc)
        rc = bat_create(&f, path, err);
    if (rc)
        return rc;
    size = align_up(size, 512);
    make_footer(footer, size, fixed ? VPC_FIXED : backing ? VPC_DIFF : VPC_DYNAMIC);
    rc = fixed ? write_fixed(f, footer, size)
               : write_dynamic(f, footer, size, backing ? &parent : NULL);
    return bat_created(f, rc, err);
}

const struct format_key vpc_keys[] = {
    {"subformat", "dynamic or fixed"},
    {"force_size", "accepted; the size is always exact"},
    {NULL, NULL},
};
