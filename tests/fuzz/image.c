/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images of one format, IMAGE_FORMAT, each with a program of its own: the first byte says how it is
 * opened, the second what is done, the rest is the file. Whatever is in it, nothing may be touched
 * out of range, and nothing may take more than the file's limits.
 *
 * Of the first byte 80h: read only; 40h: to be repaired; 20h: 3 MiB long, with zeros at its end,
 * where LUKS' keys may be; 10h: checksums are left as they are.
 */
#include "block/file.h"
#include "block/format.h"
#include "block/formats/qcow2.h"
#include "image_vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_MAX (64 * MiB)
#define STEPS    64u
#define LONG     (3 * MiB)
#define QUICK    4000u /* iterations of a password that are tried */

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The file does not grow without end. */
static int limit(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len)
{
    if (op == BFILE_TRUNCATE)
        return off > FILE_MAX ? -ENOSPC : 0;
    if (op == BFILE_WRITE || op == BFILE_ZERO)
        return off > FILE_MAX || len > FILE_MAX - off ? -ENOSPC : 0;
    return 0;
}

static void ignore(void *opaque, const char *line)
{
}

static void look(struct block_node *n)
{
    static u8 buf[64 * KiB];
    struct block_check check = {.report = ignore};
    struct block_info info = {0};
    struct block_snapshot *snap;
    struct block_bitmap_info *bitmap;
    unsigned count;
    struct err err;
    u64 off = 0;

    for (unsigned i = 0; i < STEPS && off < n->size; i++) {
        struct block_extent e;
        if (node_status(n, off, n->size - off, &e))
            break;
        BUG_ON(!e.len || e.len > n->size - off);
        (void)!n->ops->read(n, off, buf, min_u64(e.len, sizeof(buf)));
        off += e.len;
    }
    if (n->ops->info)
        n->ops->info(n, &info);
    if (n->ops->check)
        (void)!n->ops->check(n, 0, &check, &err);
    if (n->ops->snapshot_list && !n->ops->snapshot_list(n, &snap, &count))
        block_snapshots_free(snap, count);
    if (n->ops->bitmap_list && !n->ops->bitmap_list(n, &bitmap, &count))
        block_bitmaps_free(bitmap, count);
}

static void change(struct block_node *n, u8 what)
{
    static u8 buf[100000];
    struct err err;

    memset(buf, what, sizeof(buf));
    for (unsigned i = 0; i < 8; i++) {
        u64 off = (what * 7919ull + i * 0x123456789ull) % n->size & ~(u64)511;
        u64 len = min_u64(n->size - off, 512 + i * 9000);
        if (what & BIT(i))
            (void)!n->ops->write(n, off, buf, len);
        else if (i % 3 == 0)
            (void)!n->ops->zero(n, off, len);
        else if (i % 3 == 1)
            (void)!n->ops->discard(n, off, len);
        else
            (void)!n->ops->flush(n);
    }
    if (n->ops->snapshot_create && (what & 1) && !n->ops->snapshot_create(n, "s", &err)) {
        (void)!n->ops->write(n, 0, buf, min_u64(n->size, 4096));
        (void)!n->ops->snapshot_apply(n, "s", &err);
        (void)!n->ops->snapshot_delete(n, "s", &err);
    }
    if (n->ops->bitmap_change && (what & 2))
        (void)!n->ops->bitmap_change(n, BITMAP_ADD, "b", 0, &err);
    if (n->ops->resize && (what & 4) && n->format != format_find("raw"))
        (void)!n->ops->resize(n, n->size + 512, PREALLOC_OFF, &err);
    if (n->ops->write_compressed && (what & 8))
        (void)!n->ops->write_compressed(n, 0, buf, min_u64(n->size, 512));
}

/* Whether trying a password takes no second. */
static bool is_quick(const struct luks_header *h)
{
    unsigned active = 0;

    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        active += h->slot[i].active;
        if (h->slot[i].active && h->slot[i].iterations > QUICK)
            return false;
    }
    return active <= 2 && h->iterations <= QUICK;
}

/* A password, which only a fuzzer that looks on makes the right one; and else a key of its own for
   qcow2. */
static void open_lock(struct block_node *n)
{
    static const u8 key[64] = {1};
    bool qcow2 = !strcmp(IMAGE_FORMAT, "qcow2");
    struct luks_header h;
    struct err err;

    if (qcow2)
        h = q2_of(n)->luks;
    else if (luks_read_header(n->file, 0, bfile_size(n->file), &h, &err))
        return;
    if (is_quick(&h))
        (void)!n->ops->unlock(n, key, 1, &err);
    if (qcow2 && !q2_of(n)->cipher)
        q2_of(n)->cipher = crypt_cipher_new(key, h.key_bytes);
}

static int make_file(const u8 *data, size_t size, u8 how)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    BUG_ON(fd < 0);
    if (!strcmp(IMAGE_FORMAT, "vhdx"))
        lay_out_vhdx(fd, data, size, !(how & 0x10));
    else
        BUG_ON(write(fd, data, size) != (ssize_t)size);
    BUG_ON((how & 0x20) && size < LONG && ftruncate(fd, LONG));
    return fd;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    unsigned flags = OPEN_NO_BACKING;
    struct block_node *n;
    struct bfile *f;
    struct err err;

    if (size < 2 || size > 4 * MiB)
        return 0;
    flags |= data[0] & 0x80 ? OPEN_READ_ONLY : data[0] & 0x40 ? OPEN_FOR_REPAIR : 0;
    if (bfile_from_fd(&f, make_file(data + 2, size - 2, data[0]), "/nowhere/image",
                      flags & OPEN_READ_ONLY, &err))
        return 0;
    bfile_set_hook(f, limit, NULL);
    if (block_node_open(&n, f, IMAGE_FORMAT, flags, &err))
        return 0;
    look(n);
    if (n->encrypted)
        open_lock(n);
    if (n->ops->check && (flags & OPEN_FOR_REPAIR)) {
        struct block_check check = {.report = ignore};
        (void)!n->ops->check(n, CHECK_FIX_LEAKS | CHECK_FIX_ERRORS, &check, &err);
    } else if (!n->read_only && n->size) {
        change(n, data[1]);
        look(n);
    }
    node_close(n);
    return 0;
}
