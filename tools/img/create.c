/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img create, measure. */
#include "img.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    const struct block_format *f = img_find_format(a, a->opt['f'] ? a->opt['f'] : "raw");
    const char *backing = a->opt['b'], *backing_format = a->opt['F'], *text = NULL;
    struct err err;
    u64 size = 0;
    int rc = 0;

    if (!f)
        return 1;
    if (a->help_o)
        return img_help_options(f);
    img_take_option(a, "backing_file", &backing);
    img_take_option(a, "backing_fmt", &backing_format);
    img_take_option(a, "size", &text);
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

/* What copies of the image's bitmaps take in one of qcow2: their bits, a table for each, a
 * directory. */
static int count_bitmaps(const struct img_args *a, struct block_node *n, u64 *bytes)
{
    u64 cluster = 64 * KiB, directory = 0;
    struct block_bitmap_info *list;
    unsigned count;
    struct err err;
    int rc = format_size(&a->o, "cluster_size", &cluster, &err);

    *bytes = 0;
    if (rc || !cluster || !n->ops->bitmap_list)
        return 0; /* what is wrong with the options is said later */
    rc = n->ops->bitmap_list(n, &list, &count);
    for (unsigned i = 0; i < count && !rc; i++) {
        u64 bits = align_up(n->size, list[i].granularity) / list[i].granularity;
        u64 data = align_up(align_up(bits, 8) / 8, cluster);
        *bytes += data + align_up(data / cluster * 8, cluster);
        directory += align_up(24 + strlen(list[i].name), 8);
    }
    if (rc)
        return rc;
    block_bitmaps_free(list, count);
    *bytes += align_up(directory, cluster);
    return 0;
}

int img_measure(struct img_args *a)
{
    const struct block_format *f = img_find_format(a, a->opt['O'] ? a->opt['O'] : "raw");
    u64 size = 0, data = 0, bitmaps = 0, required, full;
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
        rc = img_open_source(a, &n, a->argv[0]);
        if (rc)
            return 1;
        size = n->size;
        rc = count_data(n, &data);
        if (!rc && !strcmp(f->name, "qcow2"))
            rc = count_bitmaps(a, n, &bitmaps);
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
    printf(img_json(a) ? "{\n    \"required\": %" PRIu64 ",\n    \"fully-allocated\": %" PRIu64
                       : "required size: %" PRIu64 "\nfully allocated size: %" PRIu64,
           required, full);
    if (bitmaps)
        printf(img_json(a) ? ",\n    \"bitmaps\": %" PRIu64 : "\nbitmaps size: %" PRIu64, bitmaps);
    printf(img_json(a) ? "\n}\n" : "\n");
    return 0;
}
