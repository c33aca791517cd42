/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extents: what is asked for goes to the part that has it. A part's backing is the whole's. */
#include "block/formats/concat.h"
#include "block/file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 4096u

struct part {
    struct block_node *n;
    struct block_node behind; /* what its backing is: the whole's, moved */
    struct concat *whole;
    u64 start, len, skip;
};

struct concat {
    struct block_node node;
    struct bfile *main;
    bool owns_main;
    const struct concat_hooks *hooks;
    pthread_mutex_t lock;
    bool changed; /* lock */
    struct part **part;
    unsigned parts;
};

static struct concat *of(struct block_node *n)
{
    return container_of(n, struct concat, node);
}

static struct part *find(struct concat *c, u64 off)
{
    unsigned from = 0, to = c->parts;

    while (to - from > 1) {
        unsigned mid = from + (to - from) / 2;
        if (c->part[mid]->start <= off)
            from = mid;
        else
            to = mid;
    }
    return c->part[from];
}

/* Backing of one part. */
static int behind_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct part *p = container_of(n, struct part, behind);

    return node_read_backing(&p->whole->node, p->start + off - p->skip, buf, len);
}

static void behind_close(struct block_node *n)
{
}

static const struct block_driver behind_driver = {
    .name = "behind an extent", .read = behind_read, .close = behind_close};

enum what { READ, WRITE, ZERO, DISCARD };

static int part_io(struct part *p, enum what what, u64 off, u8 *buf, u64 len)
{
    const struct block_driver *ops = p->n->ops;

    p->n->backing = p->whole->node.backing ? &p->behind : NULL;
    switch (what) {
    case READ:
        return ops->read(p->n, off, buf, len);
    case WRITE:
        return ops->write(p->n, off, buf, len);
    case ZERO:
        return ops->zero(p->n, off, len);
    default:
        return ops->discard(p->n, off, len);
    }
}

static int all_io(struct block_node *n, enum what what, u64 off, u8 *buf, u64 len)
{
    int rc = 0;

    while (len && !rc) {
        struct part *p = find(of(n), off);
        u64 some = min_u64(len, p->start + p->len - off);
        rc = part_io(p, what, off - p->start + p->skip, buf, some);
        off += some;
        buf = buf ? buf + some : NULL;
        len -= some;
    }
    return rc;
}

static int concat_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    return all_io(n, READ, off, buf, len);
}

static int begin(struct block_node *n)
{
    struct concat *c = of(n);
    int rc = 0;

    pthread_mutex_lock(&c->lock);
    if (!c->changed && c->hooks->on_change)
        rc = c->hooks->on_change(n);
    c->changed = c->changed || !rc;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static int concat_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    int rc = begin(n);

    return rc ? rc : all_io(n, WRITE, off, (u8 *)(uintptr_t)buf, len);
}

static int concat_zero(struct block_node *n, u64 off, u64 len)
{
    int rc = begin(n);

    return rc ? rc : all_io(n, ZERO, off, NULL, len);
}

static int concat_discard(struct block_node *n, u64 off, u64 len)
{
    return all_io(n, DISCARD, off, NULL, len);
}

static int concat_flush(struct block_node *n)
{
    struct concat *c = of(n);
    int rc = 0;

    for (unsigned i = 0; i < c->parts; i++) {
        int r = c->part[i]->n->ops->flush(c->part[i]->n);
        rc = rc ? rc : r;
    }
    return rc;
}

static int concat_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    struct part *p = find(of(n), off);
    int rc =
        node_status(p->n, off - p->start + p->skip, min_u64(len, p->start + p->len - off), out);

    if (!out->path && p->n->file)
        out->path = bfile_path(p->n->file);
    if (!rc && !(out->flags & EXTENT_ALLOCATED) && (n->backing || n->backing_name))
        out->flags &= ~EXTENT_ZERO;
    return rc;
}

static int concat_check(struct block_node *n, unsigned fix, struct block_check *r, struct err *err)
{
    struct concat *c = of(n);
    int rc = 0;

    for (unsigned i = 0; i < c->parts && !rc; i++) {
        struct block_node *part = c->part[i]->n;
        if (part->ops->check)
            rc = part->ops->check(part, fix, r, err);
    }
    return rc;
}

static int concat_adopt(struct block_node *n, const u8 id[BLOCK_ID])
{
    return of(n)->hooks->adopt ? of(n)->hooks->adopt(n, id) : 0;
}

void concat_dispose(struct block_node *n)
{
    struct concat *c = of(n);

    for (unsigned i = 0; i < c->parts; i++) {
        c->part[i]->n->backing = NULL;
        node_close(c->part[i]->n);
        free(c->part[i]);
    }
    free(c->part);
    pthread_mutex_destroy(&c->lock);
    if (c->owns_main)
        bfile_close(c->main);
    free(c);
}

static const struct block_driver concat_driver = {
    .name = "extents",
    .read = concat_read,
    .write = concat_write,
    .flush = concat_flush,
    .discard = concat_discard,
    .zero = concat_zero,
    .close = concat_dispose,
    .status = concat_status,
    .check = concat_check,
    .adopt = concat_adopt,
};

int concat_new(struct block_node **out, struct bfile *main, bool owns_main, unsigned flags,
               const struct concat_hooks *hooks, struct err *err)
{
    struct concat *c = calloc(1, sizeof(*c));

    if (!c) {
        if (owns_main)
            bfile_close(main);
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    }
    pthread_mutex_init(&c->lock, NULL);
    c->hooks = hooks;
    c->node.ops = &concat_driver;
    c->node.read_only = flags & OPEN_READ_ONLY;
    c->node.file = c->main = main;
    c->owns_main = owns_main;
    *out = &c->node;
    return 0;
}

int concat_add(struct block_node *n, struct block_node *part, u64 skip, u64 len, struct err *err)
{
    struct concat *c = of(n);
    struct part **more = realloc(c->part, (c->parts + 1u) * sizeof(struct part *));
    struct part *p = calloc(1, sizeof(*p));

    if (more)
        c->part = more;
    if (!more || !p || c->parts == PARTS_MAX || !len || len % BLOCK_SECTOR || skip > part->size ||
        len > part->size - skip || n->size + len > BIT64(62)) {
        free(p);
        node_close(part);
        return err_set(err, EINVAL, "'%s': extent %u is not possible: it is longer than its file",
                       bfile_path(c->main), c->parts);
    }
    *p = (struct part){.n = part, .whole = c, .start = n->size, .len = len, .skip = skip};
    part->above = n;
    p->behind.ops = &behind_driver;
    p->behind.size = skip + len;
    p->behind.read_only = true;
    c->part[c->parts++] = p;
    n->size += len;
    return 0;
}

unsigned concat_parts(struct block_node *n)
{
    return of(n)->parts;
}

struct block_node *concat_part(struct block_node *n, unsigned i)
{
    return of(n)->part[i]->n;
}
