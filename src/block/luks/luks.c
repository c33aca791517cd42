/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An encrypted disk in a file. It is opened without a password, for its size; what is on it is read
 * and written once it is unlocked. Never guessed: a guest's own encrypted disk is raw to the host.
 */
#include "block/luks/luks.h"
#include "block/file.h"
#include "block/format.h"
#include "block/formats/formats.h"
#include "block/luks/sectors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct luks {
    struct block_node node;
    struct bfile *file;
    struct luks_header header;
    struct crypt_cipher *cipher; /* NULL: locked */
    struct sectors sectors;
};

static struct luks *luks_of(struct block_node *n)
{
    return container_of(n, struct luks, node);
}

static u64 place_of(const struct luks *l, u64 off)
{
    return l->header.payload * 512ull + off;
}

static int read_whole(struct sectors *s, u64 off, u8 *buf, u64 len)
{
    struct luks *l = container_of(s, struct luks, sectors);

    return cipher_read(l->cipher, off / CRYPT_UNIT, l->file, place_of(l, off), buf, len);
}

static int write_whole(struct sectors *s, u64 off, const u8 *buf, u64 len)
{
    struct luks *l = container_of(s, struct luks, sectors);

    return cipher_write(l->cipher, off / CRYPT_UNIT, l->file, place_of(l, off), buf, len);
}

static int luks_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct luks *l = luks_of(n);

    return l->cipher ? sectors_read(&l->sectors, off, buf, len) : -EACCES;
}

static int luks_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct luks *l = luks_of(n);

    return l->cipher ? sectors_write(&l->sectors, off, buf, len) : -EACCES;
}

static int luks_zero(struct block_node *n, u64 off, u64 len)
{
    return luks_write(n, off, NULL, len);
}

/* What is discarded would not read as zeros. */
static int luks_discard(struct block_node *n, u64 off, u64 len)
{
    return 0;
}

static int luks_flush(struct block_node *n)
{
    return bfile_flush(luks_of(n)->file);
}

static void luks_info(struct block_node *n, struct block_info *info)
{
    info->noise = true;
    luks_describe(&luks_of(n)->header, "", info);
}

static int luks_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err)
{
    struct luks *l = luks_of(n);
    u64 was = n->size;
    int rc = how != PREALLOC_OFF ? -EOPNOTSUPP : l->cipher ? 0 : -EACCES;

    if (!rc)
        rc = bfile_truncate(l->file, place_of(l, size));
    if (!rc && size > was) {
        rc = luks_zero(n, was, size - was);
        if (rc)
            (void)!bfile_truncate(l->file, place_of(l, was));
    }
    if (!rc) {
        n->size = size;
        return 0;
    }
    return err_set(err, -rc, "'%s' cannot be resized: %s", bfile_path(l->file), strerror(-rc));
}

static int unlock(struct block_node *n, const u8 *pass, size_t len, struct err *err)
{
    struct luks *l = luks_of(n);

    return luks_unlock(l->file, &l->header, pass, len, &l->cipher, err);
}

static void luks_close(struct block_node *n)
{
    struct luks *l = luks_of(n);

    crypt_cipher_free(l->cipher);
    pthread_mutex_destroy(&l->sectors.parts);
    bfile_close(l->file);
    free(l);
}

static const struct block_driver luks_driver = {
    .name = "luks",
    .read = luks_read,
    .write = luks_write,
    .flush = luks_flush,
    .discard = luks_discard,
    .zero = luks_zero,
    .close = luks_close,
    .info = luks_info,
    .resize = luks_resize,
    .unlock = unlock,
};

static int luks_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct luks *l = calloc(1, sizeof(*l));
    int rc = l ? luks_read_header(f, 0, bfile_size(f), &l->header, err)
               : err_set(err, ENOMEM, "'%s': %s", bfile_path(f), strerror(ENOMEM));

    if (rc) {
        bfile_close(f);
        free(l);
        return rc;
    }
    l->sectors = (struct sectors){.read = read_whole, .write = write_whole};
    pthread_mutex_init(&l->sectors.parts, NULL);
    l->node.encrypted = true;
    l->node.ops = &luks_driver;
    l->node.read_only = bfile_read_only(f);
    l->node.size = (bfile_size(f) - place_of(l, 0)) / BLOCK_SECTOR * BLOCK_SECTOR;
    l->node.file = l->file = f;
    *out = &l->node;
    return 0;
}

const struct block_format format_luks = {
    .name = "luks", .open = luks_open, .create = luks_create, .keys = luks_keys};
