/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder of the host as a disk with a FAT file system, to be read; private to its files. Source:
 * Microsoft's "FAT: General Overview of On-Disk Format", version 1.03.
 *
 * Names, sizes and times are those of the moment it was opened. Contents are read when the guest
 * reads them; a file that is not what it was by then is -EIO. Links and special files are left out.
 */
#pragma once
#include "block/remote.h"

#include <pthread.h>
#include <sys/types.h>

#define FAT_SECTOR      512u
#define FAT_ENTRY       32u   /* bytes of a folder's entry */
#define FAT_ENTRIES_MAX 65536 /* files and folders */
#define FAT_DEPTH_MAX   32u   /* of folders in each other */
#define FAT_FOLDER_MAX  (2 * MiB)
#define FAT_OPEN_FILES  8u

/* A file or folder; entry 0 is the folder that is shown, its own parent. */
struct fat_entry {
    char *name; /* on the host */
    u32 parent, depth;
    bool folder;
    u32 child, children; /* of a folder: which one is its first, how many */
    u64 size;            /* bytes */
    struct timespec modified;
    dev_t dev;
    ino_t ino;
    u8 *table;           /* of a folder: `size` bytes, whole entries */
    u32 slot;            /* where its own entry is in its parent's table, bytes */
    u32 first, clusters; /* none: 0, 0 */
};

/* What kind of disk it is. Sectors. */
struct fat_shape {
    unsigned type; /* 12, 16, 32 */
    u32 start;     /* of the volume: 0 on a floppy disk */
    u32 sectors;   /* of the disk */
    u32 heads, per_track, per_cluster;
    u32 reserved, root_entries, per_fat;
    u32 clusters;
};

struct fat_file {
    int fd; /* -1: none */
    u32 entry;
    u64 used; /* when: the least goes first */
};

struct fat {
    struct remote remote;
    char *path;
    int root; /* descriptor of the folder */
    struct fat_entry *entry;
    u32 entries, room;
    struct fat_shape shape;
    u32 *placed;       /* entries with clusters, by the first of them */
    u32 nplaced, next; /* next: cluster behind all that are used */
    u8 *reserved;      /* the volume's reserved sectors */
    pthread_mutex_t lock;
    struct fat_file file[FAT_OPEN_FILES]; /* lock */
    u64 uses;                             /* lock */
    bool told;                            /* that a file has changed; lock */
};

/* fat_scan.c: all that is in the folder. */
must_check int fat_scan(struct fat *f, struct err *err);
/* An entry of the host, opened from the root on without following a link; -errno. */
must_check int fat_open_entry(const struct fat *f, u32 entry, int flags);

/* fat_names.c: the folder's table; clusters are put in later. */
must_check int fat_make_table(struct fat *f, u32 folder, struct err *err);
void fat_put_cluster(u8 *entry, u32 cluster);

/* fat_shape.c: a shape that everything has room in, and where it all is. type 0: any. */
must_check int fat_place(struct fat *f, unsigned type, bool floppy, struct err *err);
u64 fat_data_start(const struct fat_shape *s); /* sectors from the volume's start on */
u64 fat_root_sectors(const struct fat_shape *s);
/* fat_boot.c: sector 0 of a hard disk; and `reserved` of the volume. */
void fat_put_mbr(const struct fat_shape *s, u8 *sector);
must_check int fat_make_reserved(struct fat *f);
/* fat_table.c: bytes [off, off + len) of a file allocation table. */
void fat_read_table(const struct fat *f, u64 off, u8 *buf, u64 len);
/* Which entry a cluster is of; NULL: it is free. */
const struct fat_entry *fat_at_cluster(const struct fat *f, u32 cluster);
