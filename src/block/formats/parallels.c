/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parallels' expanding images ("WithoutFreeSpace" and "WithouFreSpacExt"). Left out: the format
 * extension with its dirty bitmaps, which is preserved only while the image is not written.
 */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 64u
#define IN_USE 0x746f6e59u
#define MAGIC  "WithoutFreeSpace"
#define EXT    "WithouFreSpacExt"

struct parallels {
    struct bat bat;
    u64 data;
    u64 unit; /* bytes that an entry counts */
};

static struct parallels *of(struct bat *t)
{
    return container_of(t, struct parallels, bat);
}

static int put_field(struct bat *t, u64 at, u32 value)
{
    u8 e[4];

    put_le32(e, value);
    return bfile_write(t->file, at, e, 4);
}

static int store(struct bat *t, u64 i, u64 host)
{
    return put_field(t, HEADER + 4 * i, (u32)(host / of(t)->unit));
}

/* Says that it is open; close says that it is not. */
static int mark_in_use(struct bat *t)
{
    u8 ext[8] = {0};
    int rc = put_field(t, 44, IN_USE);

    return rc ? rc : bfile_write(t->file, 56, ext, sizeof(ext)); /* bitmaps are stale now */
}

static int not_in_use(struct bat *t)
{
    return put_field(t, 44, 0);
}

static void dispose(struct bat *t)
{
    free(of(t));
}

static const struct bat_ops ops = {
    .store = store, .begin = mark_in_use, .end = not_in_use, .dispose = dispose};

static int read_table(struct parallels *p, u32 entries, struct err *err)
{
    struct bat *t = &p->bat;
    u8 *e = malloc(4 * (u64)entries + 1);
    int rc = e ? bfile_read_whole(t->file, HEADER, e, 4 * (u64)entries) : -ENOMEM;
    u64 end = p->data;

    if (rc)
        err_set(err, -rc, "'%s': parallels: the table cannot be read", bfile_path(t->file));
    for (u64 i = 0; i < t->blocks && !rc; i++) {
        t->host[i] = (u64)le32(e + 4 * i) * p->unit;
        if (!t->host[i])
            continue;
        rc = bat_check_host(t, i, t->host[i], HEADER + 4 * (u64)entries, err);
        end = max_u64(end, t->host[i] + t->block);
    }
    free(e);
    t->end = end;
    return rc;
}

static int check_header(struct bfile *f, const u8 *h, unsigned flags, struct err *err)
{
    bool ext = !memcmp(h, EXT, 16);
    u64 size = ext ? le64(h + 36) : le32(h + 36), tracks = le32(h + 28), entries = le32(h + 32);

    if (!ext && memcmp(h, MAGIC, 16))
        return bat_refuse(f, "parallels", err, "no signature", 0);
    if (le32(h + 16) != 2)
        return bat_refuse(f, "parallels", err, "unknown version", le32(h + 16));
    if (!tracks || tracks > 0x200000 || (ext && tracks > INT32_MAX / 513))
        return bat_refuse(f, "parallels", err, "the size of clusters is not possible", tracks);
    if (!size || size > BIT64(54) || (size + tracks - 1) / tracks > entries ||
        entries > BAT_ENTRIES)
        return bat_refuse(f, "parallels", err, "the disk's size is not possible", size);
    if (le32(h + 44) == IN_USE && !(flags & (OPEN_READ_ONLY | OPEN_FOR_REPAIR)))
        return err_set(err, EROFS,
                       "'%s': parallels: was not closed properly; 'domus img check -r all' looks "
                       "whether it is whole, and ends that",
                       bfile_path(f));
    return 0;
}

static int parallels_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct parallels *p = calloc(1, sizeof(*p));
    u8 h[HEADER];
    u64 size, block;
    bool ext;
    int rc = bat_read_header(f, p, h, sizeof(h), err);

    if (!rc)
        rc = check_header(f, h, flags, err);
    if (rc)
        return bat_give_up(f, p, rc);
    ext = !memcmp(h, EXT, 16);
    block = le32(h + 28) * 512ull;
    size = (ext ? le64(h + 36) : le32(h + 36)) * 512;
    p->unit = ext ? block : 512;
    p->data = le32(h + 48) ? le32(h + 48) * 512ull : align_up(HEADER + 4 * (u64)le32(h + 32), 512);
    p->bat.align = p->unit;
    p->bat.unclosed = le32(h + 44) == IN_USE;
    rc = bat_init(&p->bat, &ops, f, flags, size, block, err);
    if (rc)
        return rc;
    rc = read_table(p, le32(h + 32), err);
    return bat_opened(&p->bat, rc, flags, out, err);
}

static int create(const char *path, u64 size, const char *backing, const char *backing_format,
                  const struct format_options *options, struct err *err)
{
    u64 cluster = 1 * MiB, entries, data;
    struct bfile *f;
    u8 *h;
    int rc = format_size(options, "cluster_size", &cluster, err);

    if (!rc && backing)
        rc = err_set(err, ENOTSUP, "format parallels has no backing files");
    if (!rc && (!cluster || cluster % 512 || cluster > GiB))
        rc = err_set(err, EINVAL, "cluster_size: a multiple of 512, at most 1G");
    entries = rc ? 0 : (size + cluster - 1) / cluster;
    if (!rc && (!size || entries > BAT_ENTRIES))
        rc = err_set(err, EINVAL, "format parallels: too large, or empty");
    if (!rc)
        rc = bat_create(&f, path, err);
    if (rc)
        return rc;
    data = (HEADER + 4 * entries + cluster - 1) / cluster * cluster;
    h = calloc(1, HEADER);
    rc = h ? bat_clear(f, data) : -ENOMEM;
    if (!rc) {
        memcpy(h, EXT, 16);
        put_le32(h + 16, 2);
        put_le32(h + 20, 16);
        put_le32(h + 24, (u32)min_u64(UINT32_MAX, (size + 16 * 32 * 512 - 1) / (16 * 32 * 512)));
        put_le32(h + 28, (u32)(cluster / 512));
        put_le32(h + 32, (u32)entries);
        put_le64(h + 36, (size + 511) / 512);
        put_le32(h + 48, (u32)(data / 512));
        rc = bfile_write(f, 0, h, HEADER);
    }
    free(h);
    return bat_created(f, rc, err);
}

static bool probe(const u8 *head, const char *path)
{
    return (!memcmp(head, MAGIC, 16) || !memcmp(head, EXT, 16)) && le32(head + 16) == 2;
}

static const struct format_key keys[] = {{"cluster_size", "a multiple of 512; 1M if not given"},
                                         {NULL, NULL}};

const struct block_format format_parallels = {
    .name = "parallels", .probe = probe, .open = parallels_open, .create = create, .keys = keys};
