/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img dd. */
#include "img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    const struct block_format *f = img_find_format(a, a->opt['O'] ? a->opt['O'] : "raw");
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
