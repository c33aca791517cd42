/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats of floppy disks with 512-byte sectors, and a drive's mechanics. Machine's lock. */
#include "dev/floppy.h"

#include <errno.h>

#define RATE(r) BIT(FLOPPY_##r)

static const struct floppy_format formats[] = {
    {160, 40, 1, 8, RATE(250K) | RATE(300K), 1},
    {180, 40, 1, 9, RATE(250K) | RATE(300K), 1},
    {320, 40, 2, 8, RATE(250K) | RATE(300K), 1},
    {360, 40, 2, 9, RATE(250K) | RATE(300K), 1},
    {640, 80, 2, 8, RATE(250K), 3},
    {720, 80, 2, 9, RATE(250K), 3},
    {800, 80, 2, 10, RATE(250K), 3},
    {1200, 80, 2, 15, RATE(500K), 2},
    {1440, 80, 2, 18, RATE(500K), 4},
    {1600, 80, 2, 20, RATE(500K), 4},
    {1680, 80, 2, 21, RATE(500K), 4},
    {1722, 82, 2, 21, RATE(500K), 4},
    {2880, 80, 2, 36, RATE(1M), 5},
};

/* The one of that size, or else the first that is large enough. */
static const struct floppy_format *format_for(u64 bytes)
{
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (bytes <= formats[i].size * KiB)
            return &formats[i];
    return NULL;
}

int floppy_insert(struct floppy *f, struct block *blk)
{
    const struct floppy_format *format = blk ? format_for(block_size(blk)) : NULL;

    if (blk && !format)
        return -EINVAL;
    f->blk = blk;
    f->format = format;
    f->changed = true;
    f->next_sector = 0;
    return 0;
}

void floppy_step(struct floppy *f, bool inward)
{
    if (inward && f->track < FLOPPY_TRACKS)
        f->track++;
    else if (!inward && f->track)
        f->track--;
    if (f->blk)
        f->changed = false;
}

u8 floppy_cmos_type(const struct floppy *f)
{
    return f->format ? f->format->cmos_type : 4;
}

bool floppy_write_protected(const struct floppy *f)
{
    return f->blk && block_read_only(f->blk);
}

bool floppy_find(const struct floppy *f, u32 head, u32 sector, u64 *at)
{
    const struct floppy_format *fmt = f->format;

    if (!fmt || f->track >= fmt->tracks || head >= fmt->heads || !sector || sector > fmt->sectors)
        return false;
    *at = (((u64)f->track * fmt->heads + head) * fmt->sectors + sector - 1) * FLOPPY_SECTOR;
    return *at + FLOPPY_SECTOR <= block_size(f->blk);
}

const struct state_field floppy_fields[] = {
    STATE_UINT(struct floppy, track),
    STATE_BOOL(struct floppy, changed),
    STATE_UINT(struct floppy, next_sector),
    STATE_END,
};

int floppy_loaded(const struct floppy *f)
{
    return f->track > FLOPPY_TRACKS ? -EINVAL : 0;
}
