/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file allocation table, made when it is read: each file is one row of clusters. */
#include "base/le.h"
#include "block/fat/fat.h"

#include <string.h>

#define END 0x0fffffffu /* of a file, in as many bits as there are */

const struct fat_entry *fat_at_cluster(const struct fat *f, u32 cluster)
{
    u32 from = 0, to = f->nplaced;

    if (cluster < 2 || cluster >= f->next)
        return NULL;
    while (to - from > 1) {
        u32 mid = from + (to - from) / 2;
        if (f->entry[f->placed[mid]].first <= cluster)
            from = mid;
        else
            to = mid;
    }
    return &f->entry[f->placed[from]];
}

/* What the table says of a cluster; the first two say what the disk is. */
static u32 value_of(const struct fat *f, u32 cluster)
{
    const struct fat_entry *e;

    if (cluster < 2)
        return cluster ? END : 0x0fffff00 | (f->shape.start ? 0xf8 : 0xf0);
    e = fat_at_cluster(f, cluster);
    if (!e)
        return 0;
    return cluster == e->first + e->clusters - 1 ? END : cluster + 1;
}

/* Byte `off` of a table of 12 bits each: two in three bytes. */
static u8 byte_of_12(const struct fat *f, u64 off)
{
    u32 pair = (u32)(off / 3) * 2, low = value_of(f, pair), high = value_of(f, pair + 1);

    return (u8)(off % 3 == 0 ? low : off % 3 == 1 ? (low >> 8 & 0xf) | high << 4 : high >> 4);
}

void fat_read_table(const struct fat *f, u64 off, u8 *buf, u64 len)
{
    unsigned width = f->shape.type / 8;
    u8 e[4];

    for (u64 part; len; off += part, buf += part, len -= part) {
        if (f->shape.type == 12) {
            part = 1;
            *buf = byte_of_12(f, off);
            continue;
        }
        part = min_u64(len, width - off % width);
        put_le32(e, value_of(f, (u32)(off / width)));
        memcpy(buf, e + off % width, part);
    }
}
