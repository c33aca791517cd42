/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large the disk is, and where files and folders lie on it: in a row, each in one piece. */
#include "block/fat/fat.h"

#include <errno.h>
#include <stdlib.h>

#define FAT12_CLUSTERS 4085u /* at least so many are FAT16 … */
#define FAT16_CLUSTERS 65525u
#define FREE_ROOM      (512 * MiB) /* on a disk as large as it needs to be */
#define SECTORS_MAX    UINT32_MAX

/* QEMU's disks, and for what does not fit there a FAT32 as large as it takes. */
static const struct kind {
    bool floppy, asked; /* asked: only if the user names the type */
    struct fat_shape shape;
} kinds[] = {
    {true, true, {12, 0, 2880, 2, 18, 1, 1, 224, 0, 0}},
    {true, false, {12, 0, 5760, 2, 36, 2, 1, 240, 0, 0}},
    {true, true, {16, 0, 5760, 2, 36, 1, 1, 240, 0, 0}},
    {false, true, {12, 63, 64 * 16 * 63, 16, 63, 16, 1, 512, 0, 0}},
    {false, false, {16, 63, 1024 * 16 * 63, 16, 63, 16, 1, 512, 0, 0}},
    {false, false, {32, 63, 1024 * 16 * 63, 16, 63, 8, 32, 0, 0, 0}},
};

u64 fat_root_sectors(const struct fat_shape *s)
{
    return s->root_entries * FAT_ENTRY / FAT_SECTOR;
}

u64 fat_data_start(const struct fat_shape *s)
{
    return s->reserved + 2ull * s->per_fat + fat_root_sectors(s);
}

/* Sectors of a table and the number of clusters, of the disk's size. The table is not too short,
   and may be longer than it need be. */
static void measure(struct fat_shape *s)
{
    u64 rest = s->sectors - s->start - s->reserved - fat_root_sectors(s);
    u64 most = rest / s->per_cluster + 2;

    s->per_fat = (u32)((most * s->type + 8 * FAT_SECTOR - 1) / (8 * FAT_SECTOR));
    s->clusters = (u32)((rest - 2ull * s->per_fat) / s->per_cluster);
}

static u64 bytes_per_cluster(const struct fat_shape *s)
{
    return (u64)s->per_cluster * FAT_SECTOR;
}

static bool takes_clusters(const struct fat_shape *s, u32 entry)
{
    return entry || s->type == 32;
}

static u64 clusters_of(const struct fat_shape *s, const struct fat_entry *e)
{
    u64 n = (e->size + bytes_per_cluster(s) - 1) / bytes_per_cluster(s);

    return n || !e->folder ? n : 1;
}

static u64 clusters_needed(const struct fat *f, const struct fat_shape *s)
{
    u64 n = 0;

    for (u32 i = 0; i < f->entries; i++)
        if (takes_clusters(s, i))
            n += clusters_of(s, &f->entry[i]);
    return n;
}

/* Larger clusters on larger disks, as Windows makes them. */
static void set_cluster_size(struct fat_shape *s, u64 bytes)
{
    s->per_cluster = bytes < 8 * GiB ? 8 : bytes < 16 * GiB ? 16 : bytes < 32 * GiB ? 32 : 64;
}

/* As large as it takes for all files; false: no disk is so large. */
static bool enlarge(const struct fat *f, struct fat_shape *s)
{
    u64 sectors, tables;

    for (unsigned round = 0; round < 2; round++) { /* the second knows the size of clusters */
        sectors = clusters_needed(f, s) * s->per_cluster + FREE_ROOM / FAT_SECTOR;
        tables = 2 * (sectors / s->per_cluster / 128 + 2);
        set_cluster_size(s, sectors * FAT_SECTOR);
    }
    sectors += s->start + s->reserved + tables;
    if (sectors <= s->sectors)
        return true;
    s->heads = 255;
    sectors = (sectors / (255 * 63) + 1) * 255 * 63;
    s->sectors = (u32)sectors;
    return sectors <= SECTORS_MAX;
}

static bool fits(const struct fat *f, struct fat_shape *s)
{
    if (s->type == 32 && !enlarge(f, s))
        return false;
    measure(s);
    if (s->type != 32 && f->entry[0].size > s->root_entries * FAT_ENTRY)
        return false;
    return clusters_needed(f, s) <= s->clusters;
}

static int choose(struct fat *f, unsigned type, bool floppy, struct err *err)
{
    bool any = false;

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct kind *k = &kinds[i];
        if (k->floppy != floppy || (type ? k->shape.type != type : k->asked))
            continue;
        any = true;
        f->shape = k->shape;
        if (fits(f, &f->shape))
            return 0;
    }
    if (!any)
        return err_set(err, EINVAL, "'%s': there are no floppy disks with FAT%u", f->path, type);
    return err_set(err, EFBIG, "'%s': what is in the folder does not fit on such a disk", f->path);
}

static void give_clusters(struct fat *f)
{
    f->next = 2;
    for (u32 i = 0; i < f->entries; i++) {
        struct fat_entry *e = &f->entry[i];
        if (!takes_clusters(&f->shape, i) || !clusters_of(&f->shape, e))
            continue;
        e->first = f->next;
        e->clusters = (u32)clusters_of(&f->shape, e);
        f->next += e->clusters;
        f->placed[f->nplaced++] = i;
        if (i)
            fat_put_cluster(f->entry[e->parent].table + e->slot, e->first);
    }
}

/* "." and ".." of each folder; that of the root is 0. */
static void link_folders(struct fat *f)
{
    for (u32 i = 1; i < f->entries; i++) {
        const struct fat_entry *e = &f->entry[i];
        if (!e->folder)
            continue;
        fat_put_cluster(e->table, e->first);
        fat_put_cluster(e->table + FAT_ENTRY, e->parent ? f->entry[e->parent].first : 0);
    }
}

int fat_place(struct fat *f, unsigned type, bool floppy, struct err *err)
{
    int rc = choose(f, type, floppy, err);

    BUG_ON(!rc && f->shape.type != (f->shape.clusters < FAT12_CLUSTERS   ? 12
                                    : f->shape.clusters < FAT16_CLUSTERS ? 16
                                                                         : 32));
    if (rc)
        return rc;
    f->placed = malloc(f->entries * sizeof(*f->placed));
    if (!f->placed)
        return err_set(err, ENOMEM, "'%s': no memory", f->path);
    give_clusters(f);
    link_folders(f);
    return 0;
}
