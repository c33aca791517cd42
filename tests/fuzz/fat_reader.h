/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reader of FAT disks that trusts nothing, written from Microsoft's specification and not from
 * src/block/fat: what is not as it must be ends the program.
 */
#pragma once
#include "base/le.h"
#include "block/file.h"

#include <stdlib.h>
#include <string.h>

#define DISK_SECTOR 512u
#define DISK_ENTRY  32u

struct disk {
    struct bfile *f;
    u64 volume, data; /* bytes */
    u64 cluster;      /* bytes of one */
    u32 clusters, root_entries, root_cluster;
    u32 per_fat; /* bytes */
    unsigned type;
    u64 fats; /* where the first table is, bytes */
    u8 *fat;
    u8 *used; /* for each cluster, whether a chain has come by */
    u32 nused;
};

static void disk_read(const struct disk *d, u64 at, void *to, u64 len)
{
    BUG_ON(at > bfile_size(d->f) || len > bfile_size(d->f) - at);
    BUG_ON(bfile_read(d->f, at, to, len));
}

/* Two tables, which are the same; the first two entries are not clusters. */
static void disk_read_tables(struct disk *d)
{
    u8 *second = malloc(d->per_fat);

    d->fat = malloc(d->per_fat);
    d->used = calloc(d->clusters + 2, 1);
    BUG_ON(!second || !d->fat || !d->used);
    disk_read(d, d->fats, d->fat, d->per_fat);
    disk_read(d, d->fats + d->per_fat, second, d->per_fat);
    BUG_ON(memcmp(d->fat, second, d->per_fat));
    BUG_ON((u64)d->per_fat * 8 < (d->clusters + 2ull) * d->type);
    free(second);
}

static void disk_open(struct disk *d, struct bfile *f, bool floppy)
{
    u8 b[DISK_SECTOR];
    u64 sectors, reserved, root, per_fat;

    *d = (struct disk){.f = f};
    disk_read(d, 0, b, sizeof(b));
    BUG_ON(le16(b + 510) != 0xaa55);
    if (!floppy) {
        d->volume = le32(b + 446 + 8) * (u64)DISK_SECTOR;
        BUG_ON(d->volume + le32(b + 446 + 12) * (u64)DISK_SECTOR != bfile_size(f));
        disk_read(d, d->volume, b, sizeof(b));
    }
    BUG_ON(le16(b + 510) != 0xaa55 || le16(b + 11) != DISK_SECTOR || b[16] != 2);
    BUG_ON(!b[13] || (b[13] & (b[13] - 1)));
    sectors = le16(b + 19) ? le16(b + 19) : le32(b + 32);
    BUG_ON(d->volume + sectors * DISK_SECTOR != bfile_size(f));
    reserved = le16(b + 14);
    d->root_entries = le16(b + 17);
    root = d->root_entries * DISK_ENTRY / DISK_SECTOR;
    per_fat = le16(b + 22) ? le16(b + 22) : le32(b + 36);
    d->per_fat = (u32)(per_fat * DISK_SECTOR);
    d->fats = d->volume + reserved * DISK_SECTOR;
    d->cluster = b[13] * (u64)DISK_SECTOR;
    d->data = d->fats + 2 * per_fat * DISK_SECTOR + root * DISK_SECTOR;
    BUG_ON(d->data >= bfile_size(f));
    d->clusters = (u32)((bfile_size(f) - d->data) / d->cluster);
    d->type = d->clusters < 4085 ? 12 : d->clusters < 65525 ? 16 : 32;
    d->root_cluster = d->type == 32 ? le32(b + 44) : 0;
    disk_read_tables(d);
}

static void disk_close(struct disk *d)
{
    free(d->fat);
    free(d->used);
}

static u32 disk_entry(const struct disk *d, u32 cluster)
{
    u32 pair;

    if (d->type == 32)
        return le32(d->fat + 4ull * cluster) & 0x0fffffff;
    if (d->type == 16)
        return le16(d->fat + 2ull * cluster);
    pair = le16(d->fat + cluster + cluster / 2);
    return cluster % 2 ? pair >> 4 : pair & 0xfff;
}

/* The one behind it; 0: it is the last. No other chain has come by. */
static u32 disk_next(struct disk *d, u32 cluster)
{
    u32 end = d->type == 32 ? 0x0ffffff8 : d->type == 16 ? 0xfff8 : 0xff8, next;

    BUG_ON(cluster < 2 || cluster - 2 >= d->clusters || d->used[cluster]);
    d->used[cluster] = 1;
    d->nused++;
    next = disk_entry(d, cluster);
    BUG_ON(next < end && (next < 2 || next - 2 >= d->clusters));
    return next >= end ? 0 : next;
}

static u64 disk_place(const struct disk *d, u32 cluster)
{
    return d->data + (cluster - 2) * d->cluster;
}

/* The table of a folder, freed by the caller; 0: that of the root where it has a place of its own.
 */
static u8 *disk_folder(struct disk *d, u32 first, u64 *bytes)
{
    u8 *table;

    *bytes = first ? 0 : (u64)d->root_entries * DISK_ENTRY;
    table = malloc(*bytes + 1);
    BUG_ON(!table);
    if (!first)
        disk_read(d, d->data - *bytes, table, *bytes);
    for (u32 c = first; c; c = disk_next(d, c)) {
        BUG_ON(c - 2 >= d->clusters);
        table = realloc(table, *bytes + d->cluster);
        BUG_ON(!table);
        disk_read(d, disk_place(d, c), table + *bytes, d->cluster);
        *bytes += d->cluster;
    }
    return table;
}

/* Once all chains were followed: what none has come by is free, and counted as such. */
static void disk_check_free(const struct disk *d)
{
    u8 info[DISK_SECTOR];

    for (u32 c = 2; c < d->clusters + 2; c++)
        BUG_ON((disk_entry(d, c) != 0) != d->used[c]);
    if (d->type != 32)
        return;
    disk_read(d, d->volume + DISK_SECTOR, info, sizeof(info));
    BUG_ON(le32(info) != 0x41615252 || le32(info + 488) != d->clusters - d->nused);
}
