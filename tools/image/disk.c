/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk around the file system: a GUID partition table, GRUB in a BIOS boot partition, the root
 * partition at the end, where it can grow; then all of it in the image's format.
 */
#include "../img/img.h"
#include "block/gpt.h"
#include "fw/grub.h"
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ALIGN     (1 * MiB)
#define GRUB_ROOM (1 * MiB)
#define SIZE_MIN  (1 * GiB)
#define THREADS   4u
#define SPARSE    (4 * KiB)
#define TYPE_BIOS "21686148-6449-6E6F-744E-656564454649"
#define TYPE_ROOT "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" /* of x86-64, as systemd knows it */

/* A random UUID (RFC 4122, version 4) as text. */
static int make_uuid(char *to)
{
    u8 b[16];

    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        return -EIO;
    b[6] = (u8)((b[6] & 0x0f) | 0x40);
    b[8] = (u8)((b[8] & 0x3f) | 0x80);
    for (unsigned i = 0; i < sizeof(b); i++)
        to += sprintf(to, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    return 0;
}

int image_layout_make(struct image_layout *l, u64 size, struct err *err)
{
    u64 end = size / ALIGN * ALIGN;

    if (size < SIZE_MIN)
        return err_set(err, EINVAL, "Debian needs a disk of 1G or more");
    *l = (struct image_layout){.size = end, .grub_at = ALIGN, .root_at = ALIGN + GRUB_ROOM};
    l->root_size = end - ALIGN - l->root_at; /* the table's copy is in the last piece */
    if (make_uuid(l->disk_id) || make_uuid(l->grub_id) || make_uuid(l->root_id))
        return err_set(err, EIO, "the host has no random numbers");
    return 0;
}

/* The script has put GRUB's images where they belong; now they are told so. boot: a sector. */
static int place_grub(const struct image_layout *l, struct block_node *disk, u8 *boot,
                      struct err *err)
{
    u8 *core = malloc(GRUB_ROOM);
    size_t size;
    int rc = core ? 0 : err_set(err, ENOMEM, "out of memory");

    if (!rc)
        rc = disk->ops->read(disk, 0, boot, GRUB_SECTOR);
    if (!rc)
        rc = disk->ops->read(disk, l->grub_at, core, GRUB_ROOM);
    if (rc && core)
        err_set(err, -rc, "cannot read back what was built: %s", strerror(-rc));
    size = rc ? 0 : grub_core_size(core);
    if (!rc && size > GRUB_ROOM)
        rc = err_set(err, EFBIG, "GRUB's core.img has %zu bytes, more than its partition", size);
    if (!rc)
        rc = grub_place(boot, core, size, l->grub_at / GRUB_SECTOR, err);
    if (!rc && (rc = disk->ops->write(disk, l->grub_at, core, size)))
        err_set(err, -rc, "cannot write GRUB: %s", strerror(-rc));
    free(core);
    return rc;
}

static int finish_disk(const struct image_layout *l, struct block_node *disk, struct err *err)
{
    struct gpt_partition list[] = {
        {TYPE_BIOS, l->grub_id, "bios", l->grub_at / BLOCK_SECTOR, l->root_at / BLOCK_SECTOR - 1},
        {TYPE_ROOT, l->root_id, "root", l->root_at / BLOCK_SECTOR,
         (l->root_at + l->root_size) / BLOCK_SECTOR - 1},
    };
    u8 boot[GRUB_SECTOR];
    int rc = place_grub(l, disk, boot, err);

    return rc ? rc : gpt_write(disk, l->disk_id, list, ARRAY_SIZE(list), boot, err);
}

static int copy_disk(struct block_node *from, struct block_node *to, struct err *err)
{
    struct progress progress = {0};
    struct copy c = {
        .src = from,
        .dst = to,
        .len = from->size,
        .sparse = SPARSE,
        .dst_zero = true,
        .threads = THREADS,
        .progress = &progress,
    };
    int rc = copy_run(&c, err);

    if (!rc && (rc = to->ops->flush(to)))
        err_set(err, -rc, "cannot write the image: %s", strerror(-rc));
    return rc;
}

int image_disk_write(const struct image_layout *l, const char *raw, const char *path,
                     const char *format, struct err *err)
{
    const struct block_format *f = format_find(format);
    struct format_options none = {0};
    struct block_node *from = NULL, *to = NULL;
    int rc = block_chain_open(&from, raw, "raw", NULL, 0, err);

    if (!rc)
        rc = finish_disk(l, from, err);
    if (!rc)
        rc = f->create(path, l->size, NULL, NULL, &none, err);
    if (!rc)
        rc = block_chain_open(&to, path, format, NULL, 0, err);
    if (!rc)
        rc = copy_disk(from, to, err);
    node_close(to);
    node_close(from);
    return rc;
}
