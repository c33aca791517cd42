/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Level 2 tables and refcount blocks that are in memory, the oldest clean one making room. */
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES (16 * MiB)
#define CACHE_MIN   16u
#define CACHE_MAX   8192u

int q2_cache_init(struct q2_cache *c, u64 cluster)
{
    c->max = (unsigned)min_u64(max_u64(CACHE_BYTES / cluster, CACHE_MIN), CACHE_MAX);
    c->buckets = 1024;
    c->bucket = calloc(c->buckets, sizeof(struct q2_table *));
    return c->bucket ? 0 : -ENOMEM;
}

static struct q2_table **bucket_of(struct q2_cache *c, u64 off)
{
    return &c->bucket[(off * 0x9e3779b97f4a7c15ull >> 40) % c->buckets];
}

static void list_out(struct q2_cache *c, struct q2_table *t)
{
    *(t->newer ? &t->newer->older : &c->newest) = t->older;
    *(t->older ? &t->older->newer : &c->oldest) = t->newer;
}

static void list_in(struct q2_cache *c, struct q2_table *t)
{
    t->newer = NULL;
    t->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = t;
    c->newest = t;
}

static void hash_out(struct q2_cache *c, struct q2_table *t)
{
    struct q2_table **at = bucket_of(c, t->off);

    while (*at != t)
        at = &(*at)->hash_next;
    *at = t->hash_next;
}

static void hash_in(struct q2_cache *c, struct q2_table *t, u64 off)
{
    struct q2_table **at = bucket_of(c, off);

    t->off = off;
    t->hash_next = *at;
    *at = t;
}

static struct q2_table *lookup(struct q2_cache *c, u64 off)
{
    struct q2_table *t = *bucket_of(c, off);

    while (t && t->off != off)
        t = t->hash_next;
    return t;
}

static void remove_table(struct q2_cache *c, struct q2_table *t)
{
    hash_out(c, t);
    list_out(c, t);
    c->dirty -= t->dirty;
    c->count--;
    free(t->data);
    free(t);
}

/* Makes room for one more. What is dirty goes only in the order of a flush. */
static int make_room(struct qcow2 *q, struct q2_cache *c)
{
    if (c->count < c->max)
        return 0;
    if (c->dirty == c->count || (c->oldest->dirty && c->dirty > c->count / 2)) {
        int rc = q2_flush_locked(q);
        if (rc)
            return rc;
    }
    for (struct q2_table *t = c->oldest; t; t = t->newer)
        if (!t->dirty) {
            remove_table(c, t);
            return 0;
        }
    return 0; /* one more than wanted */
}

/* An empty table in the cache, at the front, with no offset in the hash yet. */
static int add_table(struct qcow2 *q, struct q2_cache *c, u64 off, struct q2_table **out)
{
    struct q2_table *t;
    int rc = make_room(q, c);

    if (rc)
        return rc;
    t = calloc(1, sizeof(*t));
    if (t)
        t->data = calloc(1, q->cluster);
    if (!t || !t->data) {
        free(t);
        return -ENOMEM;
    }
    list_in(c, t);
    hash_in(c, t, off);
    c->count++;
    *out = t;
    return 0;
}

int q2_cache_get(struct qcow2 *q, struct q2_cache *c, u64 off, struct q2_table **out)
{
    struct q2_table *t = lookup(c, off);
    int rc;

    if (t) {
        if (t != c->newest) {
            list_out(c, t);
            list_in(c, t);
        }
        *out = t;
        return 0;
    }
    rc = add_table(q, c, off, &t);
    if (rc)
        return rc;
    rc = bfile_read_whole(q->file, off, t->data, q->cluster);
    if (rc == -EIO && off < bfile_size(q->file) && off + q->cluster > bfile_size(q->file))
        rc = bfile_read(q->file, off, t->data, q->cluster); /* the last one may be cut short */
    if (rc) {
        remove_table(c, t);
        return rc;
    }
    *out = t;
    return 0;
}

bool q2_cache_has(struct q2_cache *c, u64 off)
{
    return lookup(c, off);
}

int q2_cache_new(struct qcow2 *q, struct q2_cache *c, u64 off, struct q2_table **out)
{
    struct q2_table *t = lookup(c, off);
    int rc = 0;

    if (t)
        memset(t->data, 0, q->cluster);
    else
        rc = add_table(q, c, off, &t);
    if (rc)
        return rc;
    q2_cache_dirty(c, t);
    *out = t;
    return 0;
}

void q2_cache_dirty(struct q2_cache *c, struct q2_table *t)
{
    c->dirty += !t->dirty;
    t->dirty = true;
}

void q2_cache_drop(struct q2_cache *c, u64 off)
{
    struct q2_table *t = lookup(c, off);

    if (t)
        remove_table(c, t);
}

int q2_cache_write(struct qcow2 *q, struct q2_cache *c)
{
    for (struct q2_table *t = c->oldest; t && c->dirty; t = t->newer) {
        int rc;
        if (!t->dirty)
            continue;
        rc = bfile_write(q->file, t->off, t->data, q->cluster);
        if (rc)
            return rc;
        t->dirty = false;
        c->dirty--;
    }
    return 0;
}

void q2_cache_clean(struct q2_cache *c)
{
    struct q2_table *t = c->oldest;

    while (t) {
        struct q2_table *next = t->newer;
        if (!t->dirty)
            remove_table(c, t);
        t = next;
    }
}

void q2_cache_dispose(struct q2_cache *c)
{
    while (c->oldest)
        remove_table(c, c->oldest);
    free(c->bucket);
    c->bucket = NULL;
}
