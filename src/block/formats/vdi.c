/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VirtualBox' VDI, version 1.1: dynamic and fixed images. Not read: differencing images (type 4)
 * and undo images. Little-endian.
 */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HEADER    512u
#define SIGNATURE 0xbeda107fu
#define DYNAMIC   1u
#define FIXED     2u
#define BLOCK     (1 * MiB)
#define NONE      0xffffffffu
#define ZERO      0xfffffffeu

struct vdi {
    struct bat bat;
    u64 map, data;
};

static struct vdi *vdi_of(struct bat *t)
{
    return container_of(t, struct vdi, bat);
}

static int vdi_store(struct bat *t, u64 i, u64 host)
{
    struct vdi *v = vdi_of(t);
    u8 e[4];

    put_le32(e, (u32)((host - v->data) / t->block));
    return bfile_write(t->file, v->map + 4 * i, e, 4);
}

static int vdi_finish(struct bat *t)
{
    u8 used[4];

    put_le32(used, (u32)((t->end - vdi_of(t)->data) / t->block));
    return bfile_write(t->file, 0x184, used, 4);
}

static void vdi_dispose(struct bat *t)
{
    free(vdi_of(t));
}

static const struct bat_ops vdi_ops = {
    .store = vdi_store, .finish = vdi_finish, .dispose = vdi_dispose};

static int read_map(struct vdi *v, u32 entries, struct err *err)
{
    struct bat *t = &v->bat;
    u8 *map = malloc(4 * (u64)entries + 1);
    int rc = map ? bfile_read_whole(t->file, v->map, map, 4 * (u64)entries) : -ENOMEM;
    u64 last = 0;

    if (rc)
        err_set(err, -rc, "'%s': vdi: the block map cannot be read", bfile_path(t->file));
    for (u64 i = 0; i < t->blocks && !rc; i++) {
        u32 e = le32(map + 4 * i);
        if (e == NONE)
            continue;
        if (e == ZERO) {
            t->host[i] = BAT_ZERO;
            continue;
        }
        t->host[i] = v->data + (u64)e * t->block;
        rc = bat_check_host(t, i, t->host[i], v->data, err);
        last = max_u64(last, (u64)e + 1);
    }
    free(map);
    t->end = v->data + last * t->block;
    return rc;
}

static int check_header(struct bfile *f, const u8 *h, struct err *err)
{
    u64 size = le64(h + 0x170), map = le32(h + 0x154), data = le32(h + 0x158);

    if (le32(h + 0x40) != SIGNATURE)
        return bat_refuse(f, "vdi", err, "no signature", le32(h + 0x40));
    if (le32(h + 0x44) != 0x10001)
        return bat_refuse(f, "vdi", err, "unknown version", le32(h + 0x44));
    if (le32(h + 0x4c) != DYNAMIC && le32(h + 0x4c) != FIXED)
        return bat_refuse(f, "vdi", err, "only dynamic and fixed images are supported",
                          le32(h + 0x4c));
    if (le32(h + 0x178) != BLOCK)
        return bat_refuse(f, "vdi", err, "only blocks of 1 MiB are supported", le32(h + 0x178));
    if (!size || size > (u64)le32(h + 0x180) * BLOCK || le32(h + 0x180) > BAT_ENTRIES)
        return bat_refuse(f, "vdi", err, "the disk's size is not possible", size);
    if (map % 512 || data % 512 || map < HEADER || map + 4 * (u64)le32(h + 0x180) > data)
        return bat_refuse(f, "vdi", err, "map and data are not where they can be", map);
    return 0;
}

static int vdi_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct vdi *v = calloc(1, sizeof(*v));
    u8 h[HEADER];
    int rc = bat_read_header(f, v, h, sizeof(h), err);

    if (!rc)
        rc = check_header(f, h, err);
    if (rc)
        return bat_give_up(f, v, rc);
    v->map = le32(h + 0x154);
    v->data = le32(h + 0x158);
    v->bat.align = 1; /* they follow each other */
    rc = bat_init(&v->bat, &vdi_ops, f, flags, align_up(le64(h + 0x170), 512), BLOCK, err);
    if (rc)
        return rc;
    rc = read_map(v, le32(h + 0x180), err);
    return bat_opened(&v->bat, rc, flags, out, err);
}

static int write_header(struct bfile *f, u64 size, u64 blocks, bool fixed)
{
    u64 data = align_up(512 + 4 * blocks, 512);
    u8 *h = calloc(1, data);
    int rc = h ? bat_clear(f, data + (fixed ? blocks * BLOCK : 0)) : -ENOMEM;

    if (rc) {
        free(h);
        return rc;
    }
    strcpy((char *)h, "<<< Domus VirtualBox Disk Image >>>\n");
    put_le32(h + 0x40, SIGNATURE);
    put_le32(h + 0x44, 0x10001);
    put_le32(h + 0x48, 0x180);
    put_le32(h + 0x4c, fixed ? FIXED : DYNAMIC);
    put_le32(h + 0x154, 512);
    put_le32(h + 0x158, (u32)data);
    put_le32(h + 0x168, 512);
    put_le64(h + 0x170, size);
    put_le32(h + 0x178, (u32)BLOCK);
    put_le32(h + 0x180, (u32)blocks);
    put_le32(h + 0x184, fixed ? (u32)blocks : 0);
    if (getrandom(h + 0x188, 32, 0) != 32)
        put_le64(h + 0x188, size); /* identities only need to differ */
    h[0x18e] = h[0x19e] = (u8)((h[0x18e] & 0x0f) | 0x40);
    for (u64 i = 0; i < blocks; i++)
        put_le32(h + 512 + 4 * i, fixed ? (u32)i : NONE);
    rc = bfile_write(f, 0, h, data);
    free(h);
    return rc;
}

static int vdi_create(const char *path, u64 size, const char *backing, const char *backing_format,
                      const struct format_options *options, struct err *err)
{
    u64 blocks = (size + BLOCK - 1) / BLOCK;
    bool fixed = false;
    struct bfile *f;
    int rc = format_bool(options, "static", &fixed, err);

    if (!rc && backing)
        rc = err_set(err, ENOTSUP, "format vdi has no backing files here");
    if (!rc && (!size || blocks > BAT_ENTRIES))
        rc = err_set(err, EINVAL, "format vdi: from 1 byte to 128 TiB");
    if (!rc)
        rc = bat_create(&f, path, err);
    return rc ? rc : bat_created(f, write_header(f, align_up(size, 512), blocks, fixed), err);
}

static bool vdi_probe(const u8 *head, const char *path)
{
    return le32(head + 0x40) == SIGNATURE;
}

static const struct format_key vdi_keys[] = {{"static", "all blocks are there: on or off"},
                                             {NULL, NULL}};

const struct block_format format_vdi = {
    .name = "vdi", .probe = vdi_probe, .open = vdi_open, .create = vdi_create, .keys = vdi_keys};
