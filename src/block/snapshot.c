/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A layer over an image that is only read: what is written goes to a temporary file that has no
 * name, in clusters, with a bitmap of those that are there. It ends with the process.
 */
#include "block/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER (4 * KiB)

struct snapshot {
    struct block_node node;
    struct block_node *base;
    struct block_node *file;
    pthread_mutex_t lock;
    u64 *there; /* a bit for each cluster; lock */
};

static struct snapshot *snapshot_of(struct block_node *n)
{
    return container_of(n, struct snapshot, node);
}

static u64 bitmap_bytes(u64 size)
{
    return (size / CLUSTER / 64 + 1) * sizeof(u64);
}

static bool is_there(const struct snapshot *s, u64 cluster)
{
    return s->there[cluster / 64] >> cluster % 64 & 1;
}

static void set_there(struct snapshot *s, u64 first, u64 end)
{
    for (; first < end; first++)
        s->there[first / 64] |= BIT64(first % 64);
}

/* Bytes from off on, at most len, that come from the same place; which one in *there. */
static u64 run_at(struct snapshot *s, u64 off, u64 len, bool *there)
{
    u64 end = off + len, at = off;

    pthread_mutex_lock(&s->lock);
    *there = is_there(s, off / CLUSTER);
    while (at < end && is_there(s, at / CLUSTER) == *there)
        at = (at / CLUSTER + 1) * CLUSTER;
    pthread_mutex_unlock(&s->lock);
    return min_u64(at, end) - off;
}

/* Of the base, which may be shorter now. */
static int base_read(struct snapshot *s, u64 off, u8 *buf, u64 len)
{
    u64 there = off < s->base->size ? min_u64(len, s->base->size - off) : 0;

    memset(buf + there, 0, len - there);
    return there ? s->base->ops->read(s->base, off, buf, there) : 0;
}

static int snapshot_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct snapshot *s = snapshot_of(n);
    int rc = 0;

    while (len && !rc) {
        bool there;
        u64 part = run_at(s, off, len, &there);
        rc = there ? s->file->ops->read(s->file, off, buf, part) : base_read(s, off, buf, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

/* A part of one cluster. Lock held, so that two parts of one do not lose each other. */
static int write_part(struct snapshot *s, u64 off, const u8 *buf, u64 len)
{
    u64 cluster = off / CLUSTER, start = cluster * CLUSTER;
    u64 whole = min_u64(CLUSTER, s->node.size - start);
    u8 copy[CLUSTER];
    int rc;

    if (is_there(s, cluster))
        return s->file->ops->write(s->file, off, buf, len);
    rc = base_read(s, start, copy, whole);
    if (rc)
        return rc;
    memcpy(copy + (off - start), buf, len);
    rc = s->file->ops->write(s->file, start, copy, whole);
    if (!rc)
        set_there(s, cluster, cluster + 1);
    return rc;
}

static int write_whole(struct snapshot *s, u64 off, const u8 *buf, u64 len)
{
    int rc = s->file->ops->write(s->file, off, buf, len);

    if (rc)
        return rc;
    pthread_mutex_lock(&s->lock);
    set_there(s, off / CLUSTER, (off + len) / CLUSTER);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* Of the range, what comes first: part of a cluster, or whole ones. */
static u64 first_piece(u64 off, u64 len, bool *whole)
{
    u64 skew = off % CLUSTER;

    *whole = !skew && len >= CLUSTER;
    return *whole ? len - len % CLUSTER : min_u64(len, CLUSTER - skew);
}

static int snapshot_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct snapshot *s = snapshot_of(n);
    int rc = 0;

    while (len && !rc) {
        bool whole;
        u64 part = first_piece(off, len, &whole);
        if (whole) {
            rc = write_whole(s, off, buf, part);
        } else {
            pthread_mutex_lock(&s->lock);
            rc = write_part(s, off, buf, part);
            pthread_mutex_unlock(&s->lock);
        }
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int snapshot_zero(struct block_node *n, u64 off, u64 len)
{
    static const u8 zeros[CLUSTER];
    struct snapshot *s = snapshot_of(n);
    int rc = 0;

    while (len && !rc) {
        bool whole;
        u64 part = first_piece(off, len, &whole);
        if (whole) {
            rc = s->file->ops->zero(s->file, off, part);
            pthread_mutex_lock(&s->lock);
            if (!rc)
                set_there(s, off / CLUSTER, (off + part) / CLUSTER);
        } else {
            pthread_mutex_lock(&s->lock);
            rc = write_part(s, off, zeros, part);
        }
        pthread_mutex_unlock(&s->lock);
        off += part;
        len -= part;
    }
    return rc;
}

static int snapshot_nothing(struct block_node *n)
{
    return 0;
}

static int snapshot_discard(struct block_node *n, u64 off, u64 len)
{
    return 0;
}

/* Alone. What is new is zeros of this layer, also where the base goes on. */
static int snapshot_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err)
{
    struct snapshot *s = snapshot_of(n);
    u64 was = n->size, *there = realloc(s->there, bitmap_bytes(max_u64(size, was)));
    int rc;

    if (!there)
        return err_set(err, ENOMEM, "snapshot: %s", strerror(ENOMEM));
    s->there = there;
    rc = s->file->ops->resize(s->file, size, PREALLOC_OFF, err);
    if (rc)
        return rc;
    n->size = size;
    if (size <= was)
        return 0;
    memset((u8 *)there + bitmap_bytes(was), 0, bitmap_bytes(size) - bitmap_bytes(was));
    rc = snapshot_zero(n, was, size - was);
    if (!rc)
        return 0;
    n->size = was;
    return err_set(err, -rc, "snapshot: %s", strerror(-rc));
}

static void snapshot_close(struct block_node *n)
{
    struct snapshot *s = snapshot_of(n);

    node_close(s->base);
    if (s->file)
        node_close(s->file);
    pthread_mutex_destroy(&s->lock);
    free(s->there);
    free(s);
}

static const struct block_driver snapshot_driver = {
    .name = "snapshot",
    .read = snapshot_read,
    .write = snapshot_write,
    .flush = snapshot_nothing,
    .discard = snapshot_discard,
    .zero = snapshot_zero,
    .close = snapshot_close,
    .resize = snapshot_resize,
};

int block_snapshot_open(struct block_node **out, struct block_node *base, struct err *err)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    int rc;

    if (!s) {
        node_close(base);
        return err_set(err, ENOMEM, "snapshot: %s", strerror(ENOMEM));
    }
    *s = (struct snapshot){.node = {.ops = &snapshot_driver, .size = base->size}, .base = base};
    base->above = &s->node;
    pthread_mutex_init(&s->lock, NULL);
    s->there = calloc(1, bitmap_bytes(base->size));
    rc = s->there ? block_raw_temporary(&s->file, base->size, err)
                  : err_set(err, ENOMEM, "snapshot: %s", strerror(ENOMEM));
    if (rc) {
        snapshot_close(&s->node);
        return rc;
    }
    *out = &s->node;
    return 0;
}
