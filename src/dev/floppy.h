/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A floppy drive: the disk in it and its format, where its heads are, the disk-change line. */
#pragma once
#include "base/state.h"
#include "block/block.h"

#define FLOPPY_SECTOR 512u
#define FLOPPY_TRACKS 83u /* the heads go no further */

/* Data rates, as DSR and CCR select them. */
enum { FLOPPY_500K, FLOPPY_300K, FLOPPY_250K, FLOPPY_1M };

struct floppy_format {
    u32 size; /* KiB */
    u8 tracks, heads, sectors;
    u8 rates;     /* bits of the rates that read it */
    u8 cmos_type; /* of the drive that is made for it */
};

struct floppy {
    struct block *blk; /* NULL: no disk */
    const struct floppy_format *format;
    u8 track; /* under the heads */
    bool changed;
    u8 next_sector; /* READ ID's */
};

/* A disk goes in, or out (NULL); its format follows from its size. -EINVAL if it is larger than any
   floppy disk; then nothing changes. */
must_check int floppy_insert(struct floppy *f, struct block *blk);
/* One step pulse. */
void floppy_step(struct floppy *f, bool inward);
/* The type of drive for CMOS register 10h: 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
u8 floppy_cmos_type(const struct floppy *f);
bool floppy_write_protected(const struct floppy *f);
/* Byte offset of a sector in the image; false if the disk has no such sector. */
bool floppy_find(const struct floppy *f, u32 head, u32 sector, u64 *at);

extern const struct state_field floppy_fields[];
must_check int floppy_loaded(const struct floppy *f);
