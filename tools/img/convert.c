/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img convert. */
#include "img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4u /* at least: while one waits for the disk, another goes on */
#define SPARSE  (4 * KiB)

/* The same of a name that is beside the file `out`. */
static struct block_node *in_chain(struct block_node *n, const char *out, const char *name)
{
    char *where = path_beside(out, name);
    struct block_node *found = where ? img_find_file(n, where) : NULL;

    free(where);
    return found;
}

struct conversion {
    struct block_node *src[64], *dst;
    unsigned n;
    u64 size, sparse, rate;
    unsigned threads;
    const char *out, *backing, *backing_format;
    const struct block_format *format;
};

/* By the password that it was made with. */
static int open_target(struct img_args *a, struct conversion *v, unsigned flags)
{
    const char *key_file = format_option(&a->o, "key-file");

    if (!key_file)
        key_file = format_option(&a->o, "encrypt.key-file");
    return img_open_by(a, &v->dst, v->out, v->format->name, flags | img_target_flags(a, "unsafe"),
                       key_file ? key_file : a->opt[OPT_KEY_FILE]);
}

static int read_numbers(const struct img_args *a, struct conversion *v)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    u64 n = a->opt['c'] && cpus > (long)THREADS ? min_u64((u64)cpus, COPY_THREADS) : THREADS;
    int rc = img_number(a, 'm', &n);

    v->sparse = SPARSE;
    if (!rc)
        rc = img_number(a, 'S', &v->sparse);
    if (!rc)
        rc = img_number(a, 'r', &v->rate);
    if (!rc && (!n || n > COPY_THREADS)) {
        img_complain(a, "-m: 1 to %u threads", COPY_THREADS);
        rc = -EINVAL;
    }
    v->threads = (unsigned)n;
    return rc;
}

static int make_target(struct img_args *a, struct conversion *v)
{
    struct err err;
    int rc = 0;

    for (unsigned i = 0; i < v->n; i++)
        if (img_find_file(v->src[i], v->out)) {
            img_complain(a, "'%s' is source and target", v->out);
            return -EINVAL;
        }
    if (!a->opt['n']) {
        rc = format_check_keys(v->format, &a->o, &err);
        if (!rc)
            rc = v->format->create(v->out, v->size, v->backing, v->backing_format, &a->o, &err);
        if (rc) {
            img_error(a, &err);
            return rc;
        }
    }
    rc = open_target(a, v, v->backing ? OPEN_ANY_BACKING : OPEN_NO_BACKING);
    if (!rc && v->dst->size < v->size) {
        img_complain(a, "'%s' is smaller than the source: %llu bytes of %llu", v->out,
                     (unsigned long long)v->dst->size, (unsigned long long)v->size);
        rc = -ENOSPC;
    }
    return rc;
}

static bool starts_as_zeros(const struct img_args *a, const struct conversion *v,
                            const struct block_info *info)
{
    return (!a->opt['n'] && !bfile_is_device(v->dst->file) && !info->noise) ||
           a->opt[OPT_TARGET_ZERO];
}

static int copy_all(struct img_args *a, struct conversion *v)
{
    struct progress progress;
    struct block_info info = {0};
    u64 base = 0;
    struct err err;
    int rc = 0;

    if (v->dst->ops->info)
        v->dst->ops->info(v->dst, &info);
    if (info.whole)
        v->sparse = max_u64(v->sparse, info.cluster);
    progress_start(&progress, a, v->size);
    for (unsigned i = 0; i < v->n && !rc; base += v->src[i]->size, i++) {
        struct copy c = {.src = v->src[i],
                         .dst = v->dst,
                         .base = base,
                         .len = v->src[i]->size,
                         .sparse = v->sparse,
                         .rate = v->rate,
                         .dst_zero = starts_as_zeros(a, v, &info),
                         .compress = a->opt['c'],
                         .salvage = a->opt[OPT_SALVAGE],
                         .threads = v->threads,
                         .progress = &progress};
        if (v->backing)
            c.stop = in_chain(v->src[i], v->out, v->backing);
        if (v->backing && !c.stop)
            c.dst_zero = false;
        if (c.compress && (v->dst->encrypted || !v->dst->ops->write_compressed))
            rc = err_set(&err, ENOTSUP, "format %s cannot compress%s", v->format->name,
                         v->dst->encrypted ? " what it encrypts" : "");
        if (!rc)
            rc = copy_run(&c, &err);
    }
    if (!rc) {
        rc = v->dst->ops->flush(v->dst);
        if (rc)
            err_set(&err, -rc, "'%s': %s", v->out, strerror(-rc));
    }
    if (rc)
        img_error(a, &err);
    else
        progress_end(&progress);
    return rc;
}

static int copy_bitmaps(struct img_args *a, struct block_node *from, struct block_node *to)
{
    struct block_bitmap_info *list;
    unsigned n;
    struct err err;
    int rc = from->ops->bitmap_list && to->ops->bitmap_change
                 ? from->ops->bitmap_list(from, &list, &n)
                 : err_set(&err, ENOTSUP, "--bitmaps: both formats must have bitmaps");

    if (rc) {
        img_error(a, &err);
        return rc;
    }
    for (unsigned i = 0; i < n && !rc; i++) {
        u64 granularity;
        u8 *dirty = NULL;
        rc = from->ops->bitmap_read(from, list[i].name, &granularity, &dirty, &err);
        if (!rc)
            rc = to->ops->bitmap_change(to, BITMAP_ADD, list[i].name, granularity, &err);
        if (!rc)
            rc = to->ops->bitmap_merge(to, list[i].name, granularity, dirty, &err);
        if (!rc && !list[i].enabled)
            rc = to->ops->bitmap_change(to, BITMAP_DISABLE, list[i].name, 0, &err);
        free(dirty);
    }
    block_bitmaps_free(list, n);
    if (rc)
        img_error(a, &err);
    return rc;
}

static int verify(struct img_args *a, struct conversion *v)
{
    struct progress none = {0};
    u64 at;
    int rc;

    if (v->n != 1) {
        img_complain(a, "--verify needs a single source");
        return -EINVAL;
    }
    node_close(v->dst);
    v->dst = NULL;
    rc = open_target(a, v, OPEN_READ_ONLY | OPEN_ANY_BACKING);
    if (!rc)
        rc = compare_nodes(v->src[0], v->dst, false, &at, &none);
    if (rc)
        img_complain(a, "'%s' is not what was copied, from offset %llu on", v->out,
                     (unsigned long long)at);
    return rc;
}

static int convert(struct img_args *a, struct conversion *v)
{
    int rc = read_numbers(a, v);

    for (int i = 0; i < a->argc - 1 && !rc; i++) {
        rc = img_open_source(a, &v->src[v->n], a->argv[i]);
        if (!rc)
            v->size += v->src[v->n++]->size;
    }
    if (!rc)
        rc = make_target(a, v);
    if (!rc)
        rc = copy_all(a, v);
    if (!rc && a->opt[OPT_BITMAPS])
        rc = copy_bitmaps(a, v->src[0], v->dst);
    return !rc && a->opt[OPT_VERIFY] ? verify(a, v) : rc;
}

int img_convert(struct img_args *a)
{
    struct conversion v = {.backing = a->opt['B'], .backing_format = a->opt['F']};
    int rc;

    v.format = img_find_format(a, a->opt['O'] ? a->opt['O'] : "raw");
    if (!v.format)
        return 1;
    if (a->help_o)
        return img_help_options(v.format);
    img_take_option(a, "backing_file", &v.backing);
    img_take_option(a, "backing_fmt", &v.backing_format);
    if (a->argc < 2 || (size_t)a->argc > ARRAY_SIZE(v.src)) {
        img_complain(a, "give one or more sources and a target");
        return 1;
    }
    v.out = a->argv[a->argc - 1];
    rc = convert(a, &v);
    node_close(v.dst);
    while (v.n)
        node_close(v.src[--v.n]);
    return rc ? 1 : 0;
}
