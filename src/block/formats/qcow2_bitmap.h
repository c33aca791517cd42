/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about bitmaps share. */
#pragma once
#include "block/formats/qcow2.h"

/* Flags of a bitmap in the directory. */
#define Q2_BITMAP_IN_USE     BIT(0)
#define Q2_BITMAP_AUTO       BIT(1) /* follows writes */
#define Q2_BITMAP_COMPATIBLE BIT(2)

#define Q2_BITMAP_MAX (512 * MiB) /* of one in memory */

/* Bytes of it in memory, for the disk's size now. */
u64 q2_bitmap_bytes(const struct qcow2 *q, const struct q2_bitmap *b);
/* Into memory, unless it is there. -EINVAL if it does not fit the disk. */
must_check int q2_bitmap_load(struct qcow2 *q, struct q2_bitmap *b);
/* To new clusters; the directory does not have them yet. meta */
must_check int q2_bitmap_store(struct qcow2 *q, struct q2_bitmap *b);
/* Those in memory that follow writes, or those that do not, to the file, with the directory: they
   are not in use any more. meta */
must_check int q2_bitmaps_put(struct qcow2 *q, bool following);
/* Its clusters in the file. meta */
void q2_bitmap_free(struct qcow2 *q, const struct q2_bitmap *b);
/* A new directory, on disk when it returns. meta */
must_check int q2_bitmaps_write(struct qcow2 *q);
/* qcow2_bitmap_resize.c: around a change of the disk's size to `size`, successful or not. Between
   the two all bitmaps are in use in the file: if the process dies they are inconsistent. */
must_check int q2_bitmaps_before_resize(struct qcow2 *q, u64 size, struct err *err);
must_check int q2_bitmaps_after_resize(struct qcow2 *q, u64 was);
