/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images with one table of blocks: reading, writing in place, new blocks at the end. */
#include "block/formats/bat.h"
#include "block/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY (256 * KiB)

static struct bat *bat_of(struct block_node *n)
{
    return container_of(n, struct bat, node);
}

int bat_refuse(struct bfile *f, const char *format, struct err *err, const char *why, u64 value)
{
    return err_set(err, EINVAL, "'%s': %s: %s (%#llx)", bfile_path(f), format, why,
                   (unsigned long long)value);
}

int bat_read_header(struct bfile *f, const void *state, u8 *h, size_t n, struct err *err)
{
    int rc = state ? bfile_read(f, 0, h, n) : -ENOMEM;

    return rc ? err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc)) : 0;
}

int bat_only_read(struct bfile *f, const char *format, unsigned flags, struct err *err)
{
    if (flags & OPEN_READ_ONLY)
        return 0;
    return err_set(err, EROFS, "'%s': images of format %s can only be read: say ro, or convert it",
                   bfile_path(f), format);
}

int bat_give_up(struct bfile *f, void *state, int rc)
{
    bfile_close(f);
    free(state);
    return rc;
}

int bat_check_host(struct bat *t, u64 i, u64 host, u64 from, struct err *err)
{
    if (host >= from && host < bfile_size(t->file))
        return 0;
    return err_set(err, EINVAL, "'%s': block %llu is at %#llx, which is not in the file's data",
                   bfile_path(t->file), (unsigned long long)i, (unsigned long long)host);
}

void bat_set(struct bat *t, u64 i, u64 host)
{
    t->host[i] = host;
    t->dirty[i / 8] |= (u8)BIT(i % 8);
    if (t->dirty_from == t->dirty_to)
        t->dirty_from = t->dirty_to = i;
    t->dirty_from = min_u64(t->dirty_from, i);
    t->dirty_to = max_u64(t->dirty_to, i + 1);
}

u64 bat_room(struct bat *t, u64 n)
{
    u64 at = (t->end + t->align - 1) / t->align * t->align;

    t->end = at + n;
    return at;
}

static bool is_plain(u64 host)
{
    return host > BAT_ZERO && !(host & BAT_PACKED);
}

static u64 host_of(struct bat *t, u64 i)
{
    u64 host;

    pthread_mutex_lock(&t->lock);
    host = t->host[i];
    pthread_mutex_unlock(&t->lock);
    return host;
}

/* Packed data stays where it is for good: a change goes to another place. */
static int read_packed(struct bat *t, u64 i, u64 host, u64 skip, u8 *buf, u64 len)
{
    int rc = 0;

    pthread_mutex_lock(&t->unpacked_lock);
    if (!t->unpacked)
        t->unpacked = malloc(t->block);
    if (!t->unpacked)
        rc = -ENOMEM;
    else if (t->unpacked_host != host)
        rc = t->bat_ops->read_packed(t, i, host & ~BAT_PACKED, t->unpacked);
    t->unpacked_host = rc ? BAT_NONE : host;
    if (!rc)
        memcpy(buf, t->unpacked + skip, len);
    pthread_mutex_unlock(&t->unpacked_lock);
    return rc;
}

static bool has_bit(const u8 *map, u64 i)
{
    return map[i / 8] >> i % 8 & 1;
}

static bool is_partial(struct bat *t, u64 i)
{
    bool partial;

    pthread_mutex_lock(&t->lock);
    partial = t->partial && has_bit(t->partial, i);
    pthread_mutex_unlock(&t->lock);
    return partial;
}

/* The map of a partial block, freed by the caller. */
static int read_map(struct bat *t, u64 i, u8 **map)
{
    int rc;

    *map = calloc(1, t->block / BLOCK_SECTOR / 8 + 1);
    rc = *map ? t->bat_ops->read_map(t, i, *map) : -ENOMEM;
    if (rc) {
        free(*map);
        *map = NULL;
    }
    return rc;
}

/* Bytes from `at` in a block on, at most to `to`, that are all in the file (*here) or all not. */
static u64 map_run(const u8 *map, u64 at, u64 to, bool *here)
{
    u64 s = at / BLOCK_SECTOR;

    *here = has_bit(map, s);
    while (++s * BLOCK_SECTOR < to && has_bit(map, s) == *here)
        ;
    return min_u64(s * BLOCK_SECTOR, to) - at;
}

/* Sectors that are not in the file are the backing's. */
static int read_partial(struct bat *t, u64 i, u64 host, u64 skip, u8 *buf, u64 len)
{
    u8 *map;
    int rc = read_map(t, i, &map);

    for (u64 at = skip; at < skip + len && !rc;) {
        bool here;
        u64 run = map_run(map, at, skip + len, &here);
        rc = here ? bfile_read(t->file, host + at, buf + (at - skip), run)
                  : node_read_backing(&t->node, i * t->block + at, buf + (at - skip), run);
        at += run;
    }
    free(map);
    return rc;
}

/* Takes what block i lacks from the backing. Lock held. */
static int complete(struct bat *t, u64 i)
{
    u8 *map = NULL, *buf;
    bool here;
    int rc;

    if (!t->partial || !has_bit(t->partial, i))
        return 0;
    buf = malloc(COPY);
    rc = buf ? read_map(t, i, &map) : -ENOMEM;
    for (u64 at = 0, run; at < t->block && !rc; at += run) {
        run = map_run(map, at, min_u64(at + COPY, t->block), &here);
        if (here)
            continue;
        rc = node_read_backing(&t->node, i * t->block + at, buf, run);
        if (!rc)
            rc = bfile_write(t->file, t->host[i] + at, buf, run);
    }
    if (!rc) {
        t->partial[i / 8] &= (u8)~BIT(i % 8);
        bat_set(t, i, t->host[i]);
    }
    free(map);
    free(buf);
    return rc;
}

/* Within one block. */
static int read_one(struct bat *t, u64 off, u8 *buf, u64 len)
{
    u64 i = off / t->block, skip = off % t->block, host = host_of(t, i);

    if (host == BAT_NONE)
        return node_read_backing(&t->node, off, buf, len);
    if (host == BAT_ZERO) {
        memset(buf, 0, len);
        return 0;
    }
    if (host & BAT_PACKED)
        return read_packed(t, i, host, skip, buf, len);
    if (is_partial(t, i))
        return read_partial(t, i, host, skip, buf, len);
    return bfile_read(t->file, host + skip, buf, len);
}

static int bat_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct bat *t = bat_of(n);
    int rc = 0;

    while (len && !rc) {
        u64 part = min_u64(len, t->block - off % t->block);
        rc = read_one(t, off, buf, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

/* What the rest of a new block reads as, written around the request. Lock held. */
static int fill_new(struct bat *t, u64 i, u64 host)
{
    u64 start = i * t->block, old = t->host[i];
    bool zeros = old == BAT_ZERO || (old == BAT_NONE && !t->node.backing);
    u8 *whole;
    int rc = 0;

    if (zeros) /* the file's end; a device or what others left may hold anything */
        return host < bfile_size(t->file) || bfile_is_device(t->file)
                   ? bfile_zero(t->file, host, t->block)
                   : bfile_truncate(t->file, host + t->block);
    whole = malloc(t->block);
    if (!whole)
        return -ENOMEM;
    if (old & BAT_PACKED)
        rc = t->bat_ops->read_packed(t, i, old & ~BAT_PACKED, whole);
    else
        rc = node_read_backing(&t->node, start, whole, t->block);
    if (!rc)
        rc = bfile_write(t->file, host, whole, t->block);
    free(whole);
    return rc;
}

/* Lock held. */
static int write_new(struct bat *t, u64 i, u64 skip, const u8 *buf, u64 len)
{
    u64 host = bat_room(t, t->prefix + t->block) + t->prefix;
    int rc = len < t->block ? fill_new(t, i, host) : 0;

    if (!rc)
        rc = bfile_write(t->file, host + skip, buf, len);
    if (!rc)
        bat_set(t, i, host);
    return rc;
}

static int begin(struct bat *t)
{
    int rc = t->begun || !t->bat_ops->begin ? 0 : t->bat_ops->begin(t);

    t->begun = t->begun || !rc;
    return rc;
}

/* All of the block with the change in it, compressed anew. Lock held. */
static int write_packed(struct bat *t, u64 i, u64 skip, const u8 *buf, u64 len)
{
    u64 old = t->host[i], host;
    u8 *whole = calloc(1, t->block);
    int rc = whole ? 0 : -ENOMEM;

    if (!rc && (old & BAT_PACKED) && len < t->block)
        rc = t->bat_ops->read_packed(t, i, old & ~BAT_PACKED, whole);
    else if (!rc && old == BAT_NONE && len < t->block)
        rc = node_read_backing(&t->node, i * t->block, whole, t->block);
    if (!rc) {
        memcpy(whole + skip, buf, len);
        rc = t->bat_ops->write_packed(t, i, whole, &host);
    }
    if (!rc)
        bat_set(t, i, host | BAT_PACKED);
    free(whole);
    return rc;
}

static int write_one(struct bat *t, u64 off, const u8 *buf, u64 len)
{
    u64 i = off / t->block, skip = off % t->block, host;
    int rc;

    pthread_mutex_lock(&t->lock);
    rc = begin(t);
    host = t->host[i];
    if (!rc && t->bat_ops->write_packed) {
        rc = write_packed(t, i, skip, buf, len);
        pthread_mutex_unlock(&t->lock);
        return rc;
    }
    if (!rc && is_plain(host))
        rc = complete(t, i);
    if (!rc && !is_plain(host))
        rc = write_new(t, i, skip, buf, len);
    pthread_mutex_unlock(&t->lock);
    if (!rc && is_plain(host))
        rc = bfile_write(t->file, host + skip, buf, len);
    return rc;
}

static int bat_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct bat *t = bat_of(n);
    int rc = 0;

    while (len && !rc) {
        u64 part = min_u64(len, t->block - off % t->block);
        rc = write_one(t, off, buf, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int store_dirty(struct bat *t)
{
    int rc = 0;

    for (u64 i = t->dirty_from; i < t->dirty_to && !rc; i++) {
        if (!has_bit(t->dirty, i))
            continue;
        rc = t->bat_ops->store(t, i, t->host[i]);
        if (!rc)
            t->dirty[i / 8] &= (u8)~BIT(i % 8);
    }
    if (!rc)
        t->dirty_from = t->dirty_to = 0;
    return rc;
}

static int bat_flush(struct block_node *n)
{
    struct bat *t = bat_of(n);
    int rc = bfile_flush(t->file);

    pthread_mutex_lock(&t->lock);
    if (!rc && t->dirty_to) {
        rc = bfile_flush(t->file); /* what was written since */
        if (!rc)
            rc = store_dirty(t);
        if (!rc && t->bat_ops->finish)
            rc = t->bat_ops->finish(t);
        if (!rc)
            rc = bfile_flush(t->file);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static int zero_one(struct bat *t, u64 off, u64 len)
{
    u64 host = host_of(t, off / t->block);
    u8 *zeros;
    int rc;

    if (host == BAT_ZERO || (host == BAT_NONE && !t->node.backing))
        return 0;
    if (is_plain(host)) {
        pthread_mutex_lock(&t->lock);
        rc = begin(t);
        if (!rc)
            rc = complete(t, off / t->block);
        pthread_mutex_unlock(&t->lock);
        return rc ? rc : bfile_zero(t->file, host + off % t->block, len);
    }
    zeros = calloc(1, len);
    rc = zeros ? write_one(t, off, zeros, len) : -ENOMEM;
    free(zeros);
    return rc;
}

static int bat_zero(struct block_node *n, u64 off, u64 len)
{
    struct bat *t = bat_of(n);
    int rc = 0;

    while (len && !rc) {
        u64 part = min_u64(len, t->block - off % t->block);
        rc = zero_one(t, off, part);
        off += part;
        len -= part;
    }
    return rc;
}

static int bat_discard(struct block_node *n, u64 off, u64 len)
{
    return 0;
}

/* Of block i; lock held. */
static unsigned kind_of(const struct bat *t, u64 i)
{
    u64 host = t->host[i];

    if (host == BAT_NONE)
        return t->node.backing || t->node.backing_name ? 0 : EXTENT_ZERO;
    if (host == BAT_ZERO)
        return EXTENT_ALLOCATED | EXTENT_ZERO;
    if (host & BAT_PACKED)
        return EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_COMPRESSED;
    return EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_OFFSET;
}

/* Of a block that its map tells about. */
static int partial_status(struct bat *t, u64 off, u64 len, struct block_extent *out)
{
    u64 i = off / t->block, skip = off % t->block;
    u8 *map;
    bool here;
    int rc = read_map(t, i, &map);

    if (rc)
        return rc;
    out->len = map_run(map, skip, min_u64(skip + len, t->block), &here);
    out->host = host_of(t, i) + skip;
    out->flags = here ? EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_OFFSET : 0;
    free(map);
    return 0;
}

static int bat_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    struct bat *t = bat_of(n);
    u64 i = off / t->block, end = off + len, at;

    if (is_partial(t, i))
        return partial_status(t, off, len, out);
    pthread_mutex_lock(&t->lock);
    out->flags = kind_of(t, i);
    out->host = (t->host[i] & ~BAT_PACKED) + off % t->block;
    for (at = (i + 1) * t->block; at < end; at += t->block) {
        u64 next = at / t->block;
        if (kind_of(t, next) != out->flags || (t->partial && has_bit(t->partial, next)) ||
            ((out->flags & EXTENT_OFFSET) && t->host[next] != out->host + (at - off)))
            break;
    }
    pthread_mutex_unlock(&t->lock);
    out->len = min_u64(at, end) - off;
    return 0;
}

static void bat_info(struct block_node *n, struct block_info *info)
{
    struct bat *t = bat_of(n);

    info->cluster = t->block;
    info->whole = t->bat_ops->write_packed;
    if (t->bat_ops->info)
        t->bat_ops->info(t, info);
}

static int bat_adopt(struct block_node *n, const u8 id[BLOCK_ID])
{
    struct bat *t = bat_of(n);

    return t->bat_ops->adopt ? t->bat_ops->adopt(t, id) : 0;
}

static void bat_close(struct block_node *n)
{
    struct bat *t = bat_of(n);

    if (!n->read_only) {
        int rc = bat_flush(n);
        if (!rc && t->begun && t->bat_ops->end)
            rc = t->bat_ops->end(t);
        if (rc)
            fprintf(stderr, "domus: '%s': not closed properly: %s\r\n", bfile_path(t->file),
                    strerror(-rc));
    }
    bat_fail(t, 0);
}

int bat_fail(struct bat *t, int rc)
{
    if (rc) {
        free(t->node.backing_name);
        free(t->node.backing_format);
    }
    free(t->host);
    free(t->dirty);
    free(t->partial);
    bfile_close(t->file);
    free(t->unpacked);
    pthread_mutex_destroy(&t->unpacked_lock);
    pthread_mutex_destroy(&t->lock);
    t->bat_ops->dispose(t);
    return rc;
}

const struct block_driver bat_driver = {
    .name = "table of blocks",
    .read = bat_read,
    .write = bat_write,
    .flush = bat_flush,
    .discard = bat_discard,
    .zero = bat_zero,
    .close = bat_close,
    .status = bat_status,
    .info = bat_info,
    .check = bat_check,
    .adopt = bat_adopt,
};

int bat_init(struct bat *t, const struct bat_ops *ops, struct bfile *file, unsigned flags, u64 size,
             u64 block, struct err *err)
{
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->unpacked_lock, NULL);
    t->bat_ops = ops;
    t->file = t->node.file = file;
    t->node.ops = &bat_driver;
    t->node.size = size;
    t->node.read_only = flags & OPEN_READ_ONLY;
    t->block = block;
    t->align = t->align ? t->align : BLOCK_SECTOR;
    t->blocks = size / block + !!(size % block);
    if (t->blocks > BAT_ENTRIES || size % BLOCK_SECTOR)
        return bat_fail(t, err_set(err, EFBIG, "'%s': a disk of %llu bytes is not possible",
                                   bfile_path(file), (unsigned long long)size));
    t->host = calloc(t->blocks + 1, sizeof(*t->host));
    t->dirty = calloc(1, t->blocks / 8 + 1);
    if (!t->host || !t->dirty)
        return bat_fail(t, err_set(err, ENOMEM, "'%s': %s", bfile_path(file), strerror(ENOMEM)));
    t->end = bfile_size(file);
    return 0;
}

int bat_allow_partial(struct bat *t, struct err *err)
{
    t->partial = calloc(1, t->blocks / 8 + 1);
    return t->partial ? 0 : err_set(err, ENOMEM, "'%s': %s", bfile_path(t->file), strerror(ENOMEM));
}

int bat_create(struct bfile **out, const char *path, struct err *err)
{
    return bfile_open(out, path, BFILE_CREATE, err);
}

int bat_clear(struct bfile *f, u64 bytes)
{
    int rc = bfile_truncate(f, bytes);

    return rc || !bfile_is_device(f) ? rc : bfile_zero(f, 0, bytes);
}

int bat_created(struct bfile *f, int rc, struct err *err)
{
    if (rc)
        err_set(err, -rc, "'%s' cannot be written: %s", bfile_path(f), strerror(-rc));
    bfile_close(f);
    return rc;
}

int bat_parent_id(const char *path, const char *backing, const char *given, const char *format,
                  u8 id[BLOCK_ID], struct err *err)
{
    char *where = path_beside(path, backing);
    struct block_node *n;
    int rc;

    if (given && strcmp(given, format))
        rc = err_set(err, EINVAL, "format %s: the backing file must be of that format, not %.20s",
                     format, given);
    else if (!where)
        rc = err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    else
        rc = block_chain_open(&n, where, format, NULL, OPEN_READ_ONLY | OPEN_NO_BACKING, err);
    free(where);
    if (rc)
        return rc;
    memcpy(id, n->id, BLOCK_ID);
    node_close(n);
    return 0;
}
