/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img create, convert, dd, compare, measure. */
#include "img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4u /* at least: while one waits for the disk, another goes on */
#define SPARSE  (4 * KiB)

static const struct block_format *find_format(const struct img_args *a, const char *name)
{
    const struct block_format *f = format_find(name);
    char names[256];

    if (!f || !f->create) {
        img_complain(a, "format '%.40s' %s; there are %s", name,
                     f ? "can be read only" : "is not known", format_names(names, sizeof(names)));
        return NULL;
    }
    return f;
}

/* Takes what all formats have out of -o. */
static void take_option(struct img_args *a, const char *key, const char **to)
{
    for (unsigned i = 0; i < a->o.n; i++)
        if (!strcmp(a->o.pair[i].key, key) && !*to) {
            *to = a->o.pair[i].value;
            free(a->o.pair[i].key);
            a->o.pair[i] = a->o.pair[--a->o.n]; /* the value lives on to the end */
            return;
        }
}

/* The size of a backing file; also checks that it is there. */
static int backing_size(struct img_args *a, const char *path, const char *backing,
                        const char *format, u64 *size)
{
    struct block_node *n;
    char *where = path_beside(path, backing);
    int rc = where ? img_open(a, &n, where, format, OPEN_READ_ONLY) : -ENOMEM;

    free(where);
    if (rc)
        return rc;
    *size = n->size;
    node_close(n);
    return 0;
}

int img_create(struct img_args *a)
{
    const struct block_format *f = find_format(a, a->opt['f'] ? a->opt['f'] : "raw");
    const char *backing = a->opt['b'], *backing_format = a->opt['F'], *text = NULL;
    struct err err;
    u64 size = 0;
    int rc = 0;

    if (!f)
        return 1;
    if (a->help_o)
        return img_help_options(f);
    take_option(a, "backing_file", &backing);
    take_option(a, "backing_fmt", &backing_format);
    take_option(a, "size", &text);
    if (a->argc == 2)
        text = a->argv[1];
    if (a->argc < 1 || a->argc > 2 || (!text && !backing)) {
        img_complain(a, "give a file and a size, or a backing file with -b");
        return 1;
    }
    if (backing && !backing_format) {
        img_complain(a, "say the backing file's format with -F, so that it need not be guessed");
        return 1;
    }
    if (backing && !a->opt['u'])
        rc = backing_size(a, a->argv[0], backing, backing_format, &size);
    if (!rc && text) {
        rc = parse_size(text, &size, &err);
        if (rc)
            img_error(a, &err);
    }
    if (rc)
        return 1;
    rc = format_check_keys(f, &a->o, &err);
    if (!rc)
        rc = f->create(a->argv[0], size, backing, backing_format, &a->o, &err);
    if (rc) {
        img_error(a, &err);
        return 1;
    }
    if (!a->opt['q'])
        printf("Formatting '%s', fmt=%s size=%llu%s%s\n", a->argv[0], f->name,
               (unsigned long long)size, backing ? " backing_file=" : "", backing ? backing : "");
    return 0;
}

/* The node of the chain that is the file `name`. */
static struct block_node *in_chain(struct block_node *n, const char *out, const char *name)
{
    char *where = path_beside(out, name), *real = where ? realpath(where, NULL) : NULL;
    struct block_node *found = NULL;

    for (; real && n && !found; n = n->backing) {
        char *other = n->file ? realpath(bfile_path(n->file), NULL) : NULL;
        if (other && !strcmp(other, real))
            found = n;
        free(other);
    }
    free(where);
    free(real);
    return found;
}

static int open_source(struct img_args *a, struct block_node **out, const char *path)
{
    const char *snapshot = a->opt['l'];
    struct err err;
    int rc = img_open(a, out, path, a->opt['f'], OPEN_READ_ONLY);

    if (rc || !snapshot)
        return rc;
    if (!strncmp(snapshot, "snapshot.", 9) && strchr(snapshot, '='))
        snapshot = strchr(snapshot, '=') + 1;
    rc = (*out)->ops->snapshot_view
             ? (*out)->ops->snapshot_view(*out, snapshot, &err)
             : err_set(&err, ENOTSUP, "'%s': its format has no snapshots", path);
    if (rc) {
        img_error(a, &err);
        node_close(*out);
    }
    return rc;
}

static unsigned threads(const struct img_args *a)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (a->opt['m'])
        return (unsigned)atoi(a->opt['m']);
    return a->opt['c'] && cpus > (long)THREADS ? (unsigned)cpus : THREADS;
}

struct conversion {
    struct block_node *src[64], *dst;
    unsigned n;
    u64 size;
    const char *out, *backing, *backing_format;
    const struct block_format *format;
};

/* By the password that it was made with. */
static int open_target(struct img_args *a, struct conversion *v, unsigned flags)
{
    const char *key_file = format_option(&a->o, "key-file");

    return img_open_by(a, &v->dst, v->out, v->format->name, flags,
                       key_file ? key_file : a->opt[OPT_KEY_FILE]);
}

static int make_target(struct img_args *a, struct conversion *v)
{
    struct err err;
    int rc = 0;

    for (unsigned i = 0; i < v->n; i++)
        for (struct block_node *n = v->src[i]; n; n = n->backing) {
            char *x = realpath(bfile_path(n->file), NULL), *y = realpath(v->out, NULL);
            bool same = x && y && !strcmp(x, y);
            free(x);
            free(y);
            if (same) {
                img_complain(a, "'%s' is source and target", v->out);
                return -EINVAL;
            }
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
    u64 sparse = SPARSE, base = 0;
    struct err err;
    int rc = img_number(a, 'S', &sparse);

    if (rc)
        return rc;
    if (v->dst->ops->info)
        v->dst->ops->info(v->dst, &info);
    if (info.whole)
        sparse = max_u64(sparse, info.cluster);
    progress_start(&progress, a, v->size);
    for (unsigned i = 0; i < v->n && !rc; base += v->src[i]->size, i++) {
        struct copy c = {.src = v->src[i],
                         .dst = v->dst,
                         .base = base,
                         .len = v->src[i]->size,
                         .sparse = sparse,
                         .dst_zero = starts_as_zeros(a, v, &info),
                         .compress = a->opt['c'],
                         .salvage = a->opt[OPT_SALVAGE],
                         .threads = threads(a),
                         .progress = &progress};
        if (v->backing)
            c.stop = in_chain(v->src[i], v->out, v->backing);
        if (v->backing && !c.stop)
            c.dst_zero = false;
        if (c.compress && !v->dst->ops->write_compressed)
            rc = err_set(&err, ENOTSUP, "format %s cannot compress", v->format->name);
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
    int rc = 0;

    for (int i = 0; i < a->argc - 1 && !rc; i++) {
        rc = open_source(a, &v->src[v->n], a->argv[i]);
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

    v.format = find_format(a, a->opt['O'] ? a->opt['O'] : "raw");
    if (!v.format)
        return 1;
    if (a->help_o)
        return img_help_options(v.format);
    take_option(a, "backing_file", &v.backing);
    take_option(a, "backing_fmt", &v.backing_format);
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

int img_compare(struct img_args *a)
{
    struct block_node *x = NULL, *y = NULL;
    struct progress progress;
    u64 at = 0;
    int rc;

    if (a->argc != 2) {
        img_complain(a, "give two files");
        return 2;
    }
    rc = img_open(a, &x, a->argv[0], a->opt['f'], OPEN_READ_ONLY);
    if (!rc)
        rc = img_open(a, &y, a->argv[1], a->opt['F'], OPEN_READ_ONLY);
    if (rc) {
        node_close(x);
        return 2;
    }
    progress_start(&progress, a, max_u64(x->size, y->size));
    if (x->size != y->size && !a->opt['q'])
        printf(a->opt['s'] ? "Strict mode: Image size mismatch!\n"
                           : "Warning: Image size mismatch!\n");
    rc = a->opt['s'] && x->size != y->size ? 1 : compare_nodes(x, y, a->opt['s'], &at, &progress);
    if (rc < 0)
        img_complain(a, "cannot read at offset %llu: %s", (unsigned long long)at, strerror(-rc));
    else if (rc && x->size == y->size && !a->opt['q'])
        printf("Content mismatch at offset %llu!\n", (unsigned long long)at);
    else if (rc && !a->opt['s'] && !a->opt['q'])
        printf("Content mismatch at offset %llu!\n", (unsigned long long)at);
    else if (!rc && !a->opt['q'])
        printf("Images are identical.\n");
    node_close(x);
    node_close(y);
    return rc < 0 ? 3 : rc;
}

/* Bytes of data in units of 64 KiB. */
static int count_data(struct block_node *n, u64 *data)
{
    u64 unit = 64 * KiB, counted = 0;

    *data = 0;
    for (u64 off = 0; off < n->size;) {
        struct block_extent e;
        struct block_node *in;
        unsigned depth;
        int rc = node_chain_status(n, NULL, off, n->size - off, &e, &in, &depth);
        if (rc)
            return rc;
        if (!(e.flags & EXTENT_ZERO)) {
            u64 from = max_u64(counted, off & ~(unit - 1)), to = align_up(off + e.len, unit);
            *data += to > from ? to - from : 0;
            counted = max_u64(counted, to);
        }
        off += e.len;
    }
    *data = min_u64(*data, n->size);
    return 0;
}

int img_measure(struct img_args *a)
{
    const struct block_format *f = find_format(a, a->opt['O'] ? a->opt['O'] : "raw");
    u64 size = 0, data = 0, required, full;
    struct block_node *n;
    struct err err;
    int rc = f ? img_number(a, OPT_SIZE, &size) : -EINVAL;

    if (rc)
        return 1;
    if (!f->measure || (!a->opt[OPT_SIZE] && a->argc != 1)) {
        img_complain(a, f->measure ? "give --size or a file" : "format %s cannot be measured",
                     f->name);
        return 1;
    }
    if (!a->opt[OPT_SIZE]) {
        rc = open_source(a, &n, a->argv[0]);
        if (rc)
            return 1;
        size = n->size;
        rc = count_data(n, &data);
        node_close(n);
        if (rc)
            err_set(&err, -rc, "'%s': %s", a->argv[0], strerror(-rc));
    }
    if (!rc)
        rc = format_check_keys(f, &a->o, &err);
    if (!rc)
        rc = f->measure(size, data, &a->o, &required, &full, &err);
    if (rc) {
        img_error(a, &err);
        return 1;
    }
    printf(img_json(a) ? "{\n    \"required\": %llu,\n    \"fully-allocated\": %llu\n}\n"
                       : "required size: %llu\nfully allocated size: %llu\n",
           (unsigned long long)required, (unsigned long long)full);
    return 0;
}

struct dd {
    const char *in, *out;
    u64 bs, count, skip;
};

static int dd_operand(const struct img_args *a, struct dd *d, const char *text)
{
    const char *value = strchr(text, '=');
    struct err err;
    u64 *number = !strncmp(text, "bs=", 3)      ? &d->bs
                  : !strncmp(text, "count=", 6) ? &d->count
                  : !strncmp(text, "skip=", 5)  ? &d->skip
                                                : NULL;

    if (number) {
        int rc = parse_size(value + 1, number, &err);
        if (rc)
            img_error(a, &err);
        return rc;
    }
    if (!strncmp(text, "if=", 3))
        d->in = value + 1;
    else if (!strncmp(text, "of=", 3))
        d->out = value + 1;
    else {
        img_complain(a, "'%.40s': there are if=, of=, bs=, count= and skip=", text);
        return -EINVAL;
    }
    return 0;
}

static int dd_copy(struct img_args *a, const struct dd *d, struct block_node *src,
                   struct block_node *dst, u64 size)
{
    bool sparse = !bfile_is_device(dst->file); /* what is not written is zeros */
    u8 *buf = malloc(d->bs);
    int rc = buf ? 0 : -ENOMEM;

    for (u64 at = 0; at < size && !rc; at += d->bs) {
        u64 len = min_u64(d->bs, size - at);
        rc = src->ops->read(src, d->skip * d->bs + at, buf, len);
        if (!rc && !(sparse && is_all_zero(buf, len)))
            rc = dst->ops->write(dst, at, buf, len);
    }
    free(buf);
    if (!rc)
        rc = dst->ops->flush(dst);
    if (rc)
        img_complain(a, "%s", strerror(-rc));
    return rc;
}

int img_dd(struct img_args *a)
{
    struct dd d = {.bs = 512, .count = UINT64_MAX};
    const struct block_format *f = find_format(a, a->opt['O'] ? a->opt['O'] : "raw");
    struct block_node *src = NULL, *dst = NULL;
    struct err err;
    u64 size;
    int rc = f ? 0 : -EINVAL;

    for (int i = 0; i < a->argc && !rc; i++)
        rc = dd_operand(a, &d, a->argv[i]);
    if (rc || !d.in || !d.out || !d.bs || d.bs > GiB) {
        if (!rc)
            img_complain(a, "give if=, of= and a block size of 1 to 1G");
        return 1;
    }
    rc = img_open(a, &src, d.in, a->opt['f'], OPEN_READ_ONLY);
    if (rc)
        return 1;
    d.skip = min_u64(d.skip, src->size / d.bs + 1);
    size = d.skip * d.bs < src->size ? src->size - d.skip * d.bs : 0;
    size = d.count < size / d.bs ? d.count * d.bs : size;
    rc = f->create(d.out, size, NULL, NULL, &a->o, &err);
    if (rc)
        img_error(a, &err);
    if (!rc)
        rc = img_open(a, &dst, d.out, f->name, 0);
    if (!rc)
        rc = dd_copy(a, &d, src, dst, size);
    node_close(src);
    node_close(dst);
    return rc ? 1 : 0;
}
