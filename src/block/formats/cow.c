/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "cow", to be read: a header, a bit for each sector that is the image's own, the sectors.
 * Layouts: that of QEMU up to 2.1, which calls itself version 2, by 64-bit and 32-bit programs; and
 * user-mode Linux' versions 2 and 3, the latter also as 64-bit programs wrote it until 2005.
 * Sources: the headers in arch/um/drivers/cow_user.c and in QEMU's former block/cow.c. Left out:
 * version 1, which is in its host's byte order. Whether the backing file is as old as the image
 * says is not checked: copies are not. Big-endian.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER    4136u /* the longest */
#define MAGIC     0x4f4f4f4du
#define PATH_QEMU 1024u
#define PATH_UML  4096u
#define MAP_PIECE 512u /* bytes that are looked at at once */

struct cow {
    struct block_node node;
    struct bfile *file;
    u64 map, data; /* file offsets */
};

struct layout {
    u32 size, sector, path, path_max; /* where fields are */
    u32 align;                        /* where that is; 0: a sector */
    u32 bytes;
    const char *backing_format; /* NULL: it is guessed */
};

static const struct layout qemu = {1040, 1048, 8, PATH_QEMU, 0, 1056, NULL};
static const struct layout qemu_32 = {1036, 1044, 8, PATH_QEMU, 0, 1048, NULL};
static const struct layout uml2 = {4108, 4116, 8, PATH_UML, 0, 4120, "raw"};
static const struct layout uml3 = {12, 20, 32, PATH_UML, 24, 4128, "raw"};
static const struct layout uml3_64 = {16, 24, 36, PATH_UML, 28, 4136, "raw"};

static struct cow *cow_of(struct block_node *n)
{
    return container_of(n, struct cow, node);
}

/* Bytes from off on, at most len, that are all the image's own or all not. */
static int run_at(struct cow *c, u64 off, u64 len, u64 *run, bool *own)
{
    u64 s = off / BLOCK_SECTOR, last = (off + len - 1) / BLOCK_SECTOR, first = s / 8;
    u64 bytes = min_u64(MAP_PIECE, last / 8 - first + 1);
    u8 map[MAP_PIECE];
    int rc = bfile_read(c->file, c->map + first, map, bytes);

    if (rc)
        return rc;
    *own = map[0] >> s % 8 & 1;
    last = min_u64(last, (first + bytes) * 8 - 1);
    while (s <= last && (map[s / 8 - first] >> s % 8 & 1) == *own)
        s++;
    *run = min_u64(len, s * BLOCK_SECTOR - off);
    return 0;
}

/* A sector that is the image's own is in the file; the disk's last one may be short. */
static int read_own(struct cow *c, u64 off, u8 *buf, u64 len)
{
    if (c->data + off + len > align_up(bfile_size(c->file), BLOCK_SECTOR))
        return node_fault(&c->node, "what it has at %#llx is not in the file",
                          (unsigned long long)off);
    return bfile_read(c->file, c->data + off, buf, len);
}

static int cow_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct cow *c = cow_of(n);
    int rc = 0;

    while (len && !rc) {
        bool own = false;
        u64 part = 0;
        rc = run_at(c, off, len, &part, &own);
        if (!rc)
            rc = own ? read_own(c, off, buf, part) : node_read_backing(n, off, buf, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int cow_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    struct cow *c = cow_of(n);
    bool own;
    int rc = run_at(c, off, len, &out->len, &own);

    if (rc)
        return rc;
    out->flags = own ? EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_OFFSET
                     : (n->backing || n->backing_name ? 0 : EXTENT_ZERO);
    out->host = c->data + off;
    return 0;
}

static int cow_flush(struct block_node *n)
{
    return 0;
}

static void cow_close(struct block_node *n)
{
    bfile_close(cow_of(n)->file);
    free(cow_of(n));
}

static const struct block_driver cow_driver = {
    .name = "cow",
    .read = cow_read,
    .flush = cow_flush,
    .close = cow_close,
    .status = cow_status,
};

/* Where the fields are. QEMU's version 2 is told from the other by its sector size, where the
   other has the end of a path. */
static int find_layout(struct bfile *f, const u8 *h, const struct layout **out, struct err *err)
{
    u32 version = be32(h + 4);

    if (be32(h) != MAGIC)
        return bat_refuse(f, "cow", err, "no signature", be32(h));
    if (version != 2 && version != 3)
        return bat_refuse(f, "cow", err, "unknown version", version);
    if (version == 2)
        *out = be32(h + qemu.sector) == BLOCK_SECTOR      ? &qemu
               : be32(h + qemu_32.sector) == BLOCK_SECTOR ? &qemu_32
                                                          : &uml2;
    else /* what comes ahead of the path is 0, and the path is not */
        *out = be32(h + uml3.path) ? &uml3 : &uml3_64;
    return 0;
}

static int read_fields(struct cow *c, const u8 *h, const struct layout *l, struct err *err)
{
    u64 size = be64(h + l->size), align = l->align ? be32(h + l->align) : BLOCK_SECTOR, bytes;
    u32 unit = be32(h + l->sector);

    if (unit != BLOCK_SECTOR)
        return bat_refuse(c->file, "cow", err, "only sectors of 512 bytes are supported", unit);
    if (!size || size > BIT64(56))
        return bat_refuse(c->file, "cow", err, "the disk's size is not possible", size);
    if (!align || align > GiB || (align & (align - 1)))
        return bat_refuse(c->file, "cow", err, "the alignment is not possible", align);
    if (l->align && be32(h + l->align + 4))
        return bat_refuse(c->file, "cow", err, "unknown kind of map", be32(h + l->align + 4));
    c->node.size = align_up(size, BLOCK_SECTOR);
    bytes = (c->node.size / BLOCK_SECTOR + 7) / 8;
    c->map = l->align ? align_up(l->bytes, align) : l->bytes;
    if (l == &uml2) /* which rounds down, and has the rest of the map where data begins */
        bytes = (size + BLOCK_SECTOR - 1) / (8 * BLOCK_SECTOR);
    c->data = align_up(c->map + bytes, align);
    if (c->map + bytes > bfile_size(c->file))
        return bat_refuse(c->file, "cow", err, "the map is not in the file", c->map);
    return 0;
}

static int read_backing(struct block_node *n, const u8 *h, const struct layout *l, struct err *err)
{
    const char *name = (const char *)h + l->path;

    if (!*name)
        return 0;
    n->backing_name = strndup(name, l->path_max);
    n->backing_format = l->backing_format ? strdup(l->backing_format) : NULL;
    if (n->backing_name && (n->backing_format || !l->backing_format))
        return 0;
    return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
}

static int cow_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct cow *c = calloc(1, sizeof(*c));
    const struct layout *l = NULL;
    u8 h[HEADER];
    int rc = bat_read_header(f, c, h, sizeof(h), err);

    if (!rc)
        rc = bat_only_read(f, "cow", flags, err);
    if (!rc)
        rc = find_layout(f, h, &l, err);
    if (rc)
        return bat_give_up(f, c, rc);
    c->node.ops = &cow_driver;
    c->node.read_only = true;
    c->node.file = c->file = f;
    rc = read_fields(c, h, l, err);
    if (!rc)
        rc = read_backing(&c->node, h, l, err);
    if (rc) {
        node_close(&c->node);
        return rc;
    }
    *out = &c->node;
    return 0;
}

static bool cow_probe(const u8 *head, const char *path)
{
    return be32(head) == MAGIC && (be32(head + 4) == 2 || be32(head + 4) == 3);
}

const struct block_format format_cow = {.name = "cow", .probe = cow_probe, .open = cow_open};
