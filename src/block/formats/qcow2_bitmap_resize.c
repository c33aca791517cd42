/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps of a disk that gets another size: what is new in it is not dirty. All are in memory
 * meanwhile; those that follow writes are stored at the end, as ever, the others at once.
 */
#include "block/file.h"
#include "block/formats/qcow2_bitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct qcow2 *q, const struct q2_bitmap *b, const char *why, struct err *err)
{
    return err_set(err, EINVAL, "'%s' cannot be resized: bitmap '%.60s' %s; remove it first",
                   bfile_path(q->file), b->name, why);
}

static int take(struct qcow2 *q, struct q2_bitmap *b, u64 size, struct err *err)
{
    u64 g = BIT64(b->granularity_bits);

    if ((b->flags & Q2_BITMAP_IN_USE) && !b->dirty)
        return refuse(q, b, "is inconsistent", err);
    if (b->extra_size && !(b->flags & Q2_BITMAP_COMPATIBLE))
        return refuse(q, b, "has unknown data", err);
    if (size / g / 8 >= Q2_BITMAP_MAX)
        return refuse(q, b, "would get too large", err);
    return q2_bitmap_load(q, b) ? refuse(q, b, "cannot be read", err) : 0;
}

int q2_bitmaps_before_resize(struct qcow2 *q, u64 size, struct err *err)
{
    int rc = 0;

    for (unsigned i = 0; i < q->bitmaps && !rc; i++)
        rc = take(q, &q->bitmap[i], size, err);
    if (rc || !q->bitmaps)
        return rc;
    for (unsigned i = 0; i < q->bitmaps; i++)
        q->bitmap[i].flags |= Q2_BITMAP_IN_USE;
    pthread_mutex_lock(&q->meta);
    q->tracking = false; /* what is made of zeros on the way is behind the old end or the new one */
    rc = q2_bitmaps_write(q);
    pthread_mutex_unlock(&q->meta);
    return rc ? err_set(err, -rc, "'%s': its bitmaps: %s", bfile_path(q->file), strerror(-rc)) : 0;
}

/* As many bits as the disk has now; what was behind its end is not dirty. */
static int fit(struct qcow2 *q, struct q2_bitmap *b, u64 was)
{
    u64 g = BIT64(b->granularity_bits), bits = (min_u64(was, q->node.size) + g - 1) / g;
    u64 bytes = q2_bitmap_bytes(q, b);
    u8 *dirty = calloc(1, bytes + 1);

    if (!dirty)
        return -ENOMEM;
    memcpy(dirty, b->dirty, (bits + 7) / 8);
    if (bits % 8)
        dirty[bits / 8] &= (u8)(BIT(bits % 8) - 1);
    free(b->dirty);
    b->dirty = dirty;
    b->changed = true;
    return 0;
}

int q2_bitmaps_after_resize(struct qcow2 *q, u64 was)
{
    int rc = 0;

    if (!q->bitmaps)
        return 0;
    for (unsigned i = 0; i < q->bitmaps && !rc; i++)
        rc = fit(q, &q->bitmap[i], was);
    pthread_mutex_lock(&q->meta);
    if (!rc)
        rc = q2_bitmaps_put(q, false); /* the others once writes have ended */
    q->tracking = !rc;
    pthread_mutex_unlock(&q->meta);
    return rc;
}
