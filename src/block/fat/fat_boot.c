/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sectors that say what the disk is: partition table, boot sector, FSInfo. */
#include "base/le.h"
#include "block/fat/fat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INFO_SECTOR   1u
#define BACKUP_SECTOR 6u
#define SERIAL        0x20260405u

static void put_signature(u8 *sector)
{
    put_le16(sector + 510, 0xaa55);
}

/* INT 18h, the BIOS' "boot from the next one", and a loop if that comes back. */
static void put_code(u8 *at)
{
    static const u8 code[] = {0xcd, 0x18, 0xf4, 0xeb, 0xfd};

    memcpy(at, code, sizeof(code));
}

static void put_chs(u8 *at, const struct fat_shape *s, u32 sector)
{
    u32 cyl = sector / s->per_track / s->heads, head = sector / s->per_track % s->heads;
    u32 in_track = sector % s->per_track + 1;

    if (cyl > 1023) {
        cyl = 1023;
        head = s->heads - 1;
        in_track = s->per_track;
    }
    at[0] = (u8)head;
    at[1] = (u8)(in_track | (cyl >> 8 << 6));
    at[2] = (u8)cyl;
}

void fat_put_mbr(const struct fat_shape *s, u8 *sector)
{
    u8 *p = sector + 446;
    bool far = (s->sectors - 1) / s->per_track / s->heads > 1023; /* CHS does not get there */

    memset(sector, 0, FAT_SECTOR);
    put_code(sector);
    put_le32(sector + 440, SERIAL);
    p[0] = 0x80;
    put_chs(p + 1, s, s->start);
    p[4] = s->type == 12 ? 0x01 : s->type == 16 ? (far ? 0x0e : 0x06) : far ? 0x0c : 0x0b;
    put_chs(p + 5, s, s->sectors - 1);
    put_le32(p + 8, s->start);
    put_le32(p + 12, s->sectors - s->start);
    put_signature(sector);
}

/* What all types have behind their own fields. */
static void put_end(u8 *at, const struct fat_shape *s)
{
    at[0] = s->start ? 0x80 : 0;
    at[2] = 0x29;
    put_le32(at + 3, SERIAL);
    memcpy(at + 7, "DOMUS VVFAT", 11);
    memcpy(at + 18, s->type == 12 ? "FAT12   " : s->type == 16 ? "FAT16   " : "FAT32   ", 8);
}

static void put_boot_sector(const struct fat *f, u8 *b)
{
    const struct fat_shape *s = &f->shape;
    u32 volume = s->sectors - s->start;
    bool wide = s->type == 32;

    b[0] = 0xeb;
    b[1] = wide ? 0x58 : 0x3c;
    b[2] = 0x90;
    memcpy(b + 3, "MSWIN4.1", 8);
    put_le16(b + 11, FAT_SECTOR);
    b[13] = (u8)s->per_cluster;
    put_le16(b + 14, (u16)s->reserved);
    b[16] = 2;
    put_le16(b + 17, (u16)s->root_entries);
    put_le16(b + 19, volume < 65536 && !wide ? (u16)volume : 0);
    b[21] = s->start ? 0xf8 : 0xf0;
    put_le16(b + 22, wide ? 0 : (u16)s->per_fat);
    put_le16(b + 24, (u16)s->per_track);
    put_le16(b + 26, (u16)s->heads);
    put_le32(b + 28, s->start);
    put_le32(b + 32, volume < 65536 && !wide ? 0 : volume);
    if (wide) {
        put_le32(b + 36, s->per_fat);
        put_le32(b + 44, f->entry[0].first);
        put_le16(b + 48, INFO_SECTOR);
        put_le16(b + 50, BACKUP_SECTOR);
    }
    put_end(b + (wide ? 64 : 36), s);
    put_code(b + (wide ? 90 : 62));
    put_signature(b);
}

static void put_info(const struct fat *f, u8 *b)
{
    put_le32(b, 0x41615252);
    put_le32(b + 484, 0x61417272);
    put_le32(b + 488, f->shape.clusters - (f->next - 2));
    put_le32(b + 492, f->next);
    put_signature(b);
}

int fat_make_reserved(struct fat *f)
{
    f->reserved = calloc(f->shape.reserved, FAT_SECTOR);
    if (!f->reserved)
        return -ENOMEM;
    put_boot_sector(f, f->reserved);
    if (f->shape.type == 32) {
        put_info(f, f->reserved + INFO_SECTOR * FAT_SECTOR);
        memcpy(f->reserved + BACKUP_SECTOR * FAT_SECTOR, f->reserved,
               (INFO_SECTOR + 1) * FAT_SECTOR);
    }
    return 0;
}
