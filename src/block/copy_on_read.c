/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A layer over an image with backing files: what is read from those is written into the image, so
 * that it is near the next time, and in the end the backing files are not needed. Such a write
 * changes no contents, so it may be lost at any instant.
 *
 * A copy and a change of the same bytes exclude each other, or the copy could put old bytes over
 * new ones. What cannot be copied (the host's disk is full) is read all the same.
 */
#include "block/driver.h"
#include "block/file.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_MAX (1 * MiB) /* bytes at once */

/* Bytes [from, to) that are being copied or changed. */
struct busy {
    u64 from, to;
    bool copy;
    struct busy *next;
};

struct copying {
    struct block_node node;
    struct block_node *top;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct busy *busy;     /* lock */
    _Atomic bool given_up; /* the image could not be written to */
};

static struct copying *copying_of(struct block_node *n)
{
    return container_of(n, struct copying, node);
}

/* Changes of the same bytes by two requests are the guest's affair. */
static bool must_wait(const struct copying *c, const struct busy *me)
{
    for (const struct busy *b = c->busy; b; b = b->next)
        if (b->from < me->to && me->from < b->to && (b->copy || me->copy))
            return true;
    return false;
}

static void begin(struct copying *c, struct busy *me)
{
    pthread_mutex_lock(&c->lock);
    while (must_wait(c, me))
        pthread_cond_wait(&c->ended, &c->lock);
    me->next = c->busy;
    c->busy = me;
    pthread_mutex_unlock(&c->lock);
}

static void end(struct copying *c, struct busy *me)
{
    struct busy **at = &c->busy;

    pthread_mutex_lock(&c->lock);
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    pthread_cond_broadcast(&c->ended);
    pthread_mutex_unlock(&c->lock);
}

static void give_up(struct copying *c, int rc)
{
    if (!atomic_exchange(&c->given_up, true))
        fprintf(stderr, "domus: '%s': what is read is not copied into it any more: %s\r\n",
                bfile_path(c->top->file), strerror(-rc));
}

/* From the image into buf, and from there into the image. buf is not the guest's, which may write
   to its own meanwhile. */
static int copy_busy(struct copying *c, u64 off, u8 *buf, u64 len)
{
    struct block_node *top = c->top;
    int rc = top->ops->read(top, off, buf, len), wrote;

    if (rc)
        return rc;
    wrote =
        is_all_zero(buf, len) ? top->ops->zero(top, off, len) : top->ops->write(top, off, buf, len);
    if (wrote)
        give_up(c, wrote);
    return 0;
}

/* Of bytes that the image did not have; it may have some now. Reads *part of them, at least 1. */
static int read_and_copy(struct copying *c, u64 off, u8 *buf, u64 *part)
{
    struct busy me = {.from = off, .to = off + *part, .copy = true};
    u8 *own = malloc(*part);
    struct block_extent e;
    int rc;

    begin(c, &me);
    rc = node_status(c->top, off, *part, &e);
    if (!rc)
        *part = e.len;
    if (!rc && own && !(e.flags & EXTENT_ALLOCATED)) {
        rc = copy_busy(c, off, own, *part);
        if (!rc)
            memcpy(buf, own, *part);
    } else {
        rc = c->top->ops->read(c->top, off, buf, *part);
    }
    end(c, &me);
    free(own);
    return rc;
}

static int copying_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct copying *c = copying_of(n);
    int rc = 0;

    while (len && !rc) {
        struct block_extent e = {.len = len, .flags = EXTENT_ALLOCATED};
        u64 part;
        if (!c->given_up && node_status(c->top, off, len, &e))
            e = (struct block_extent){.len = len, .flags = EXTENT_ALLOCATED}; /* read says why */
        part = e.flags & EXTENT_ALLOCATED ? e.len : min_u64(e.len, COPY_MAX);
        rc = e.flags & EXTENT_ALLOCATED ? c->top->ops->read(c->top, off, buf, part)
                                        : read_and_copy(c, off, buf, &part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int copying_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct copying *c = copying_of(n);
    struct busy me = {.from = off, .to = off + len};
    int rc;

    begin(c, &me);
    rc = c->top->ops->write(c->top, off, buf, len);
    end(c, &me);
    return rc;
}

static int change(struct block_node *n, u64 off, u64 len,
                  int (*op)(struct block_node *top, u64 off, u64 len))
{
    struct copying *c = copying_of(n);
    struct busy me = {.from = off, .to = off + len};
    int rc;

    begin(c, &me);
    rc = op(c->top, off, len);
    end(c, &me);
    return rc;
}

static int copying_discard(struct block_node *n, u64 off, u64 len)
{
    return change(n, off, len, copying_of(n)->top->ops->discard);
}

static int copying_zero(struct block_node *n, u64 off, u64 len)
{
    return change(n, off, len, copying_of(n)->top->ops->zero);
}

static int copying_flush(struct block_node *n)
{
    struct block_node *top = copying_of(n)->top;

    return top->ops->flush(top);
}

static int copying_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    return node_status(copying_of(n)->top, off, len, out);
}

static int copying_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err)
{
    struct block_node *top = copying_of(n)->top;
    int rc = top->ops->resize
                 ? top->ops->resize(top, size, how, err)
                 : err_set(err, ENOTSUP, "a disk in format %s cannot be resized", top->ops->name);

    n->size = top->size;
    return rc;
}

static void copying_close(struct block_node *n)
{
    struct copying *c = copying_of(n);

    node_close(c->top);
    pthread_cond_destroy(&c->ended);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static const struct block_driver copying_driver = {
    .name = "copy-on-read",
    .read = copying_read,
    .write = copying_write,
    .flush = copying_flush,
    .discard = copying_discard,
    .zero = copying_zero,
    .close = copying_close,
    .status = copying_status,
    .resize = copying_resize,
};

int block_copy_on_read_open(struct block_node **out, struct block_node *top, struct err *err)
{
    struct copying *c;

    if (!top->backing) { /* nothing is behind it */
        *out = top;
        return 0;
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        node_close(top);
        return err_set(err, ENOMEM, "copy-on-read: %s", strerror(ENOMEM));
    }
    c->node = (struct block_node){.ops = &copying_driver, .size = top->size};
    c->top = top;
    top->above = &c->node;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->ended, NULL);
    *out = &c->node;
    return 0;
}
