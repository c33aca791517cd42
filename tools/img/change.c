/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img resize, snapshot, bitmap, commit, rebase. */
#include "img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int need(const struct img_args *a, const struct block_node *n, bool can, const char *what)
{
    if (can)
        return 0;
    img_complain(a, "'%s': its format, %s, cannot %s", bfile_path(n->file), n->format->name, what);
    return -ENOTSUP;
}

static int new_size(struct img_args *a, const struct block_node *n, u64 *size)
{
    const char *text = a->argv[1];
    char sign = *text == '+' || *text == '-' ? *text++ : 0;
    struct err err;
    int rc = parse_size(text, size, &err);

    if (!rc && sign == '-' && *size > n->size)
        rc = err_set(&err, EINVAL, "the image is smaller than what is to be taken off");
    if (rc) {
        img_error(a, &err);
        return rc;
    }
    if (sign)
        *size = sign == '+' ? n->size + *size : n->size - *size;
    if (*size < n->size && !a->opt[OPT_SHRINK]) {
        img_complain(a,
                     "'%s' would get smaller, and what is at its end is lost; say --shrink if "
                     "that is meant",
                     a->argv[0]);
        return -EINVAL;
    }
    return 0;
}

int img_resize(struct img_args *a)
{
    enum block_prealloc how = PREALLOC_OFF;
    struct block_node *n;
    struct err err;
    u64 size = 0;
    int rc;

    if (a->argc == 2 && a->argv[1][0] != '+' && a->argv[1][0] != '-' && a->argc < 2)
        return 1;
    if (a->argc != 2) {
        img_complain(a, "give a file and a size");
        return 1;
    }
    if (a->opt[OPT_PREALLOC] &&
        (format_options_add(&a->o, "preallocation", a->opt[OPT_PREALLOC], &err) ||
         format_prealloc(&a->o, &how, &err))) {
        img_error(a, &err);
        return 1;
    }
    if (img_open(a, &n, a->argv[0], a->opt['f'], 0))
        return 1;
    rc = need(a, n, n->ops->resize, "be resized");
    if (!rc)
        rc = new_size(a, n, &size);
    if (!rc) {
        rc = n->ops->resize(n, size, how, &err);
        if (rc)
            img_error(a, &err);
        else if (!a->opt['q'])
            printf("Image resized.\n");
    }
    node_close(n);
    return rc ? 1 : 0;
}

static int list_snapshots(struct block_node *n)
{
    struct block_snapshot *list;
    unsigned count;
    int rc = n->ops->snapshot_list(n, &list, &count);

    if (!rc && count)
        img_print_snapshots(list, count);
    if (!rc)
        block_snapshots_free(list, count);
    return rc;
}

int img_snapshot(struct img_args *a)
{
    bool change = a->opt['a'] || a->opt['c'] || a->opt['d'];
    struct block_node *n;
    struct err err;
    int rc;

    if (a->argc != 1) {
        img_complain(a, "give one file");
        return 1;
    }
    if (img_open(a, &n, a->argv[0], a->opt['f'], OPEN_NO_BACKING | (change ? 0 : OPEN_READ_ONLY)))
        return 1;
    rc = need(a, n, n->ops->snapshot_list, "have snapshots");
    if (!rc && !change)
        rc = list_snapshots(n);
    else if (!rc) {
        rc = a->opt['a']   ? n->ops->snapshot_apply(n, a->opt['a'], &err)
             : a->opt['c'] ? n->ops->snapshot_create(n, a->opt['c'], &err)
                           : n->ops->snapshot_delete(n, a->opt['d'], &err);
        if (rc)
            img_error(a, &err);
    }
    node_close(n);
    return rc ? 1 : 0;
}

static int merge(struct img_args *a, struct block_node *n, const char *to)
{
    const char *from = a->opt[OPT_MERGE];
    struct block_node *other = n;
    struct err err = {"bitmaps cannot be read"};
    u64 granularity;
    u8 *dirty = NULL;
    int rc = 0;

    if (a->opt['b'])
        rc = img_open(a, &other, a->opt['b'], a->opt['F'], OPEN_READ_ONLY | OPEN_NO_BACKING);
    if (rc)
        return rc;
    rc = other->ops->bitmap_read ? other->ops->bitmap_read(other, from, &granularity, &dirty, &err)
                                 : -ENOTSUP;
    if (!rc && other->size != n->size)
        rc = err_set(&err, EINVAL, "the images are not of the same size");
    if (!rc)
        rc = n->ops->bitmap_merge(n, to, granularity, dirty, &err);
    if (rc)
        img_error(a, &err);
    free(dirty);
    if (other != n)
        node_close(other);
    return rc;
}

int img_bitmap(struct img_args *a)
{
    static const struct {
        int opt;
        enum bitmap_action action;
    } actions[] = {{OPT_ADD, BITMAP_ADD},
                   {OPT_CLEAR, BITMAP_CLEAR},
                   {OPT_ENABLE, BITMAP_ENABLE},
                   {OPT_DISABLE, BITMAP_DISABLE},
                   {OPT_REMOVE, BITMAP_REMOVE}};
    struct block_node *n;
    struct err err;
    u64 granularity = 0;
    bool any = a->opt[OPT_MERGE];
    int rc;

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        any |= a->opt[actions[i].opt] != NULL;
    if (a->argc != 2 || !any || img_number(a, 'g', &granularity)) {
        img_complain(a, "give what to do (--add, --remove, --clear, --enable, --disable, --merge), "
                        "a file and a bitmap's name");
        return 1;
    }
    if (img_open(a, &n, a->argv[0], a->opt['f'], OPEN_NO_BACKING))
        return 1;
    rc = need(a, n, n->ops->bitmap_change, "have bitmaps");
    for (size_t i = 0; i < ARRAY_SIZE(actions) && !rc; i++) {
        if (!a->opt[actions[i].opt])
            continue;
        rc = n->ops->bitmap_change(n, actions[i].action, a->argv[1], granularity, &err);
        if (rc)
            img_error(a, &err);
    }
    if (!rc && a->opt[OPT_MERGE])
        rc = merge(a, n, a->argv[1]);
    node_close(n);
    return rc ? 1 : 0;
}

/* The node to commit into: -b, or the first behind. */
static struct block_node *find_base(struct img_args *a, struct block_node *top)
{
    struct block_node *n = a->opt['b'] ? img_find_file(top->backing, a->opt['b']) : top->backing;

    if (!n)
        img_complain(a, "'%s' has no %sbacking file", bfile_path(top->file),
                     a->opt['b'] ? "such " : "");
    return n;
}

/* *id: what the base is afterwards. */
static int commit_into(struct img_args *a, struct block_node *top, struct block_node *stop,
                       u8 id[BLOCK_ID])
{
    struct progress progress;
    struct block_node *base;
    struct err err;
    u64 rate = 0;
    int rc = img_number(a, 'r', &rate);

    if (!rc)
        rc = img_open(a, &base, bfile_path(stop->file), stop->format->name,
                      img_target_flags(a, "writeback"));
    if (rc)
        return rc;
    progress_start(&progress, a, top->size);
    if (base->size < top->size)
        rc = base->ops->resize ? base->ops->resize(base, top->size, PREALLOC_OFF, &err)
                               : err_set(&err, ENOTSUP, "'%s' is smaller and cannot be resized",
                                         bfile_path(base->file));
    if (!rc) {
        struct copy c = {.src = top,
                         .dst = base,
                         .stop = stop,
                         .len = top->size,
                         .rate = rate,
                         .threads = 4,
                         .progress = &progress};
        rc = copy_run(&c, &err);
    }
    if (!rc && (rc = base->ops->flush(base)))
        err_set(&err, -rc, "'%s': %s", bfile_path(base->file), strerror(-rc));
    if (rc)
        img_error(a, &err);
    else
        progress_end(&progress);
    memcpy(id, base->id, BLOCK_ID);
    node_close(base);
    return rc;
}

/* The image that was committed goes on over its changed backing file, and has nothing of its own
   if it can be emptied and `empty`. */
static int after_commit(struct img_args *a, const u8 id[BLOCK_ID], bool empty)
{
    struct block_node *top;
    struct err err;
    int rc = img_open(a, &top, a->argv[0], a->opt['f'],
                      OPEN_NO_BACKING | img_target_flags(a, "writeback"));

    if (rc)
        return rc;
    if (empty && top->ops->make_empty)
        rc = top->ops->make_empty(top, &err);
    if (!rc && top->ops->adopt && (rc = top->ops->adopt(top, id)))
        err_set(&err, -rc, "'%s': %s", a->argv[0], strerror(-rc));
    if (rc)
        img_error(a, &err);
    node_close(top);
    return rc;
}

int img_commit(struct img_args *a)
{
    struct block_node *top, *base;
    u8 id[BLOCK_ID];
    bool direct;
    int rc;

    if (a->argc != 1) {
        img_complain(a, "give one file");
        return 1;
    }
    /* The chain is only read; what it is committed into is locked by its own opening. */
    if (img_open(a, &top, a->argv[0], a->opt['f'], OPEN_READ_ONLY | OPEN_UNLOCKED))
        return 1;
    base = find_base(a, top);
    direct = base == top->backing;
    rc = base ? commit_into(a, top, base, id) : -ENOENT;
    node_close(top);
    if (!rc && direct)
        rc = after_commit(a, id, !a->opt['d']);
    if (!rc && !a->opt['q'])
        printf("Image committed.\n");
    return rc ? 1 : 0;
}

static int read_zeroed(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    u64 there = n && off < n->size ? min_u64(len, n->size - off) : 0;

    memset(buf + there, 0, len - there);
    return there ? n->ops->read(n, off, buf, there) : 0;
}

/* One unit that the image does not have itself: what it reads as must stay. */
static int keep_unit(struct block_node *top, struct block_node *other, u64 off, u64 len, u8 *buf)
{
    int rc = read_zeroed(top->backing, off, buf, len);

    if (!rc)
        rc = read_zeroed(other, off, buf + len, len);
    if (!rc && memcmp(buf, buf + len, len))
        rc = top->ops->write(top, off, buf, len);
    return rc;
}

static int keep_contents(struct img_args *a, struct block_node *top, struct block_node *other)
{
    struct block_info info = {0};
    struct progress progress;
    u64 unit;
    u8 *buf;
    int rc = 0;

    if (top->ops->info)
        top->ops->info(top, &info);
    unit = info.cluster ? info.cluster : 64 * KiB;
    buf = malloc(2 * unit);
    progress_start(&progress, a, top->size);
    for (u64 off = 0; off < top->size && !rc;) {
        struct block_extent e;
        u64 len = min_u64(unit, top->size - off);
        rc = buf ? node_status(top, off, top->size - off, &e) : -ENOMEM;
        if (rc)
            break;
        if (e.flags & EXTENT_ALLOCATED)
            len = e.len;
        else
            rc = keep_unit(top, other, off, min_u64(len, e.len), buf);
        len = min_u64(len, e.len);
        progress_add(&progress, len);
        off += len;
    }
    free(buf);
    if (!rc)
        rc = top->ops->flush(top);
    if (rc)
        img_complain(a, "'%s': %s", bfile_path(top->file), strerror(-rc));
    else
        progress_end(&progress);
    return rc;
}

int img_rebase(struct img_args *a)
{
    const char *backing = a->opt['b'], *format = a->opt['F'];
    struct block_node *top, *other = NULL;
    struct err err;
    int rc;

    if (a->argc != 1 || !backing) {
        img_complain(a, "give one file, and with -b its new backing file ('' for none)");
        return 1;
    }
    if (img_open(a, &top, a->argv[0], a->opt['f'],
                 (a->opt['u'] ? OPEN_NO_BACKING : 0) | img_target_flags(a, "writeback")))
        return 1;
    rc = need(a, top, top->ops->set_backing, "have a backing file");
    if (!rc && *backing && !format && !a->opt['u']) {
        img_complain(a, "say the backing file's format with -F, so that it need not be guessed");
        rc = -EINVAL;
    }
    if (!rc && *backing && !a->opt['u']) {
        char *where = path_beside(a->argv[0], backing);
        rc = where ? img_open(a, &other, where, format, OPEN_READ_ONLY) : -ENOMEM;
        free(where);
    }
    if (!rc && !a->opt['u'])
        rc = keep_contents(a, top, other);
    if (!rc && (rc = top->ops->set_backing(top, backing, format, &err)))
        img_error(a, &err);
    node_close(other);
    node_close(top);
    return rc ? 1 : 0;
}
