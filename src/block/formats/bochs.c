/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bochs' growing images ("Redolog", "Growing"), versions 1 and 2, to be read: extents, each behind
 * a map of its sectors. Source: Bochs' user manual, "Disk image modes", and bximage's images.
 * Left out: undoable and volatile ones, which are layers over another image. Little-endian.
 */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 512u
#define MAGIC  "Bochs Virtual HD Image"
#define V1     0x10000u
#define V2     0x20000u
#define NONE   0xffffffffu

struct bochs {
    struct bat bat;
    u64 data; /* where extent 0 of the file starts */
};

static struct bochs *of(struct bat *t)
{
    return container_of(t, struct bochs, bat);
}

static int read_map(struct bat *t, u64 i, u8 *map)
{
    return bfile_read(t->file, t->host[i] - t->prefix, map, t->block / 512 / 8);
}

static void dispose(struct bat *t)
{
    free(of(t));
}

static const struct bat_ops ops = {.read_map = read_map, .dispose = dispose};

static u64 disk_size(const u8 *h)
{
    return le32(h + 64) == V1 ? le64(h + 84) : le64(h + 88);
}

static int check_header(struct bfile *f, const u8 *h, struct err *err)
{
    u64 size = disk_size(h), entries = le32(h + 72), bitmap = le32(h + 76), extent = le32(h + 80);

    if (memcmp(h, MAGIC, sizeof(MAGIC)) || memcmp(h + 32, "Redolog", 8))
        return bat_refuse(f, "bochs", err, "no signature", le32(h));
    if (memcmp(h + 48, "Growing", 8))
        return err_set(err, ENOTSUP, "'%s': bochs: only growing images are supported",
                       bfile_path(f));
    if (le32(h + 64) != V1 && le32(h + 64) != V2)
        return bat_refuse(f, "bochs", err, "unknown version", le32(h + 64));
    if (le32(h + 68) < HEADER || le32(h + 68) > MiB)
        return bat_refuse(f, "bochs", err, "the size of the header is not possible", le32(h + 68));
    if (extent < 4096 || extent > 64 * MiB || (extent & (extent - 1)) ||
        bitmap < extent / 512 / 8 || bitmap > MiB)
        return bat_refuse(f, "bochs", err, "the size of extents is not possible", extent);
    if (!size || size > BIT64(56) || (size + extent - 1) / extent > entries)
        return bat_refuse(f, "bochs", err, "the catalog is too small for the disk", entries);
    return 0;
}

static int read_catalog(struct bochs *b, u64 at, struct err *err)
{
    struct bat *t = &b->bat;
    u8 *catalog = malloc(4 * t->blocks + 1);
    int rc = catalog ? bfile_read_whole(t->file, at, catalog, 4 * t->blocks) : -ENOMEM;

    if (rc)
        err_set(err, -rc, "'%s': bochs: the catalog cannot be read", bfile_path(t->file));
    for (u64 i = 0; i < t->blocks && !rc; i++) {
        u64 e = le32(catalog + 4 * i);
        if (e == NONE)
            continue;
        t->host[i] = b->data + e * (t->prefix + t->block) + t->prefix;
        t->partial[i / 8] |= (u8)BIT(i % 8);
        rc = bat_check_host(t, i, t->host[i], b->data, err);
    }
    free(catalog);
    return rc;
}

static int bochs_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct bochs *b = calloc(1, sizeof(*b));
    u8 h[HEADER];
    int rc = bat_read_header(f, b, h, sizeof(h), err);

    if (!rc)
        rc = bat_only_read(f, "bochs", flags, err);
    if (!rc)
        rc = check_header(f, h, err);
    if (rc)
        return bat_give_up(f, b, rc);
    b->data = le32(h + 68) + 4ull * le32(h + 72);
    b->bat.prefix = align_up(le32(h + 76), 512);
    rc = bat_init(&b->bat, &ops, f, flags, align_up(disk_size(h), 512), le32(h + 80), err);
    if (rc)
        return rc;
    rc = bat_allow_partial(&b->bat, err);
    if (!rc)
        rc = read_catalog(b, le32(h + 68), err);
    return bat_opened(&b->bat, rc, flags, out, err);
}

static bool bochs_probe(const u8 *head, const char *path)
{
    return !memcmp(head, MAGIC, sizeof(MAGIC)) && !memcmp(head + 32, "Redolog", 8);
}

const struct block_format format_bochs = {
    .name = "bochs", .probe = bochs_probe, .open = bochs_open};
