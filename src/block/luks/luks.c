/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An encrypted disk in a file. It is opened without a password, for its size; what is on it is read
 * and written once it is unlocked. Never guessed: a guest's own encrypted disk is raw to the host.
 */
#include "block/luks/luks.h"
#include "block/file.h"
#include "block/format.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BOUNCE (256 * KiB)

struct luks {
    struct block_node node;
    struct bfile *file;
    struct luks_header header;
    struct crypt_cipher *cipher; /* NULL: locked */
    pthread_mutex_t parts;       /* held while part of a sector is written */
};

static struct luks *luks_of(struct block_node *n)
{
    return container_of(n, struct luks, node);
}

static u64 place_of(const struct luks *l, u64 off)
{
    return l->header.payload * 512ull + off;
}

/* Whole sectors. */
static int read_whole(struct luks *l, u64 off, u8 *buf, u64 len)
{
    int rc = bfile_read(l->file, place_of(l, off), buf, len);

    if (!rc)
        crypt_decrypt(l->cipher, off / CRYPT_UNIT, buf, len);
    return rc;
}

/* Bytes of the range that come first: of a part of one sector, or whole sectors, at most `most`. */
static u64 first_piece(u64 off, u64 len, u64 most, bool *whole)
{
    u64 skew = off % CRYPT_UNIT;

    *whole = !skew && len >= CRYPT_UNIT;
    return *whole ? min_u64(len - len % CRYPT_UNIT, most) : min_u64(len, CRYPT_UNIT - skew);
}

static int luks_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct luks *l = luks_of(n);
    int rc = l->cipher ? 0 : -EACCES;

    while (len && !rc) {
        bool whole;
        u64 part = first_piece(off, len, UINT64_MAX, &whole);
        u8 sector[CRYPT_UNIT];
        rc = whole ? read_whole(l, off, buf, part)
                   : read_whole(l, off / CRYPT_UNIT * CRYPT_UNIT, sector, CRYPT_UNIT);
        if (!whole && !rc)
            memcpy(buf, sector + off % CRYPT_UNIT, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

/* buf has what is to be there, and something else afterwards. */
static int write_whole(struct luks *l, u64 off, u8 *buf, u64 len)
{
    crypt_encrypt(l->cipher, off / CRYPT_UNIT, buf, len);
    return bfile_write(l->file, place_of(l, off), buf, len);
}

/* from NULL: zeros. */
static void put(u8 *to, const u8 *from, u64 len)
{
    if (from)
        memcpy(to, from, len);
    else
        memset(to, 0, len);
}

static int write_part(struct luks *l, u64 off, const u8 *buf, u64 len)
{
    u64 start = off / CRYPT_UNIT * CRYPT_UNIT;
    u8 sector[CRYPT_UNIT];
    int rc;

    pthread_mutex_lock(&l->parts);
    rc = read_whole(l, start, sector, CRYPT_UNIT);
    if (!rc) {
        put(sector + (off - start), buf, len);
        rc = write_whole(l, start, sector, CRYPT_UNIT);
    }
    pthread_mutex_unlock(&l->parts);
    return rc;
}

static int luks_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct luks *l = luks_of(n);
    u8 *bounce = malloc(min_u64(align_up(len, CRYPT_UNIT), BOUNCE));
    int rc = !bounce ? -ENOMEM : l->cipher ? 0 : -EACCES;

    while (len && !rc) {
        bool whole;
        u64 part = first_piece(off, len, BOUNCE, &whole);
        if (whole) {
            put(bounce, buf, part);
            rc = write_whole(l, off, bounce, part);
        } else {
            rc = write_part(l, off, buf, part);
        }
        off += part;
        buf = buf ? buf + part : NULL;
        len -= part;
    }
    free(bounce);
    return rc;
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
    const struct luks_header *h = &luks_of(n)->header;
    unsigned slots = 0;

    for (unsigned i = 0; i < LUKS_SLOTS; i++)
        slots += h->slot[i].active;
    info->noise = true;
    info_text(info, "cipher-alg", h->key_bytes == 64 ? "aes-256" : "aes-128");
    info_text(info, "cipher-mode", "xts");
    info_text(info, "ivgen-alg", "plain64");
    info_text(info, "hash-alg", crypt_hash_name(h->hash));
    info_text(info, "uuid", h->uuid);
    info_number(info, "payload-offset", h->payload * 512ull);
    info_number(info, "active-slots", slots);
}

static int luks_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err)
{
    struct luks *l = luks_of(n);
    u64 was = n->size;
    int rc = how == PREALLOC_OFF ? bfile_truncate(l->file, place_of(l, size)) : -EOPNOTSUPP;

    if (!rc) {
        n->size = size;
        if (size > was && l->cipher)
            rc = luks_zero(n, was, size - was);
    }
    if (!rc)
        return 0;
    n->size = was;
    return err_set(err, -rc, "'%s' cannot be resized: %s", bfile_path(l->file), strerror(-rc));
}

static int luks_unlock(struct block_node *n, const u8 *pass, size_t len, struct err *err)
{
    struct luks *l = luks_of(n);
    u8 *key = crypt_secret_new(CRYPT_KEY_MAX);
    int rc = key ? luks_find_key(l->file, &l->header, pass, len, key, err) : -ENOMEM;

    if (!rc && !(l->cipher = crypt_cipher_new(key, l->header.key_bytes)))
        rc = -ENOMEM;
    if (rc == -ENOMEM)
        err_set(err, ENOMEM, "'%s': %s", bfile_path(l->file), strerror(ENOMEM));
    crypt_secret_free(key, CRYPT_KEY_MAX);
    return rc;
}

static void luks_close(struct block_node *n)
{
    struct luks *l = luks_of(n);

    crypt_cipher_free(l->cipher);
    pthread_mutex_destroy(&l->parts);
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
    .unlock = luks_unlock,
};

static int luks_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct luks *l = calloc(1, sizeof(*l));
    int rc = l ? luks_read_header(f, &l->header, err)
               : err_set(err, ENOMEM, "'%s': %s", bfile_path(f), strerror(ENOMEM));

    if (rc) {
        bfile_close(f);
        free(l);
        return rc;
    }
    pthread_mutex_init(&l->parts, NULL);
    l->node.ops = &luks_driver;
    l->node.read_only = bfile_read_only(f);
    l->node.size = (bfile_size(f) - place_of(l, 0)) / BLOCK_SECTOR * BLOCK_SECTOR;
    l->node.file = l->file = f;
    *out = &l->node;
    return 0;
}

const struct block_format format_luks = {
    .name = "luks", .open = luks_open, .create = luks_create, .keys = luks_keys};
