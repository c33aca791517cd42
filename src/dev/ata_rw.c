/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing of a hard disk by registers (ATA8-ACS): addresses in CHS, 28 and 48 bits;
 * transfers by PIO, in blocks of one sector or of SET MULTIPLE MODE, and by DMA. The image is read
 * and written a buffer at a time, whatever the size of the data phases; by DMA all at once, if the
 * transport has memory for all of it.
 */
#include "dev/ata_priv.h"

#include <errno.h>

#define BUF_SECTORS (ATA_BUF / ATA_SECTOR)

u64 ata_sectors(const struct ata_drive *d)
{
    return d->blk ? block_size(d->blk) / ATA_SECTOR : 0;
}

bool ata_is_ext(u8 command)
{
    switch (command) {
    case 0x06:
    case 0x24:
    case 0x25:
    case 0x27:
    case 0x29:
    case 0x2f:
    case 0x34:
    case 0x35:
    case 0x39:
    case 0x3d:
    case 0x42:
    case 0xce:
    case 0xea:
        return true;
    default:
        return false;
    }
}

static bool is_multiple(u8 command)
{
    return command == 0xc4 || command == 0xc5 || command == 0x29 || command == 0x39 ||
           command == 0xce;
}

static bool is_fua(u8 command)
{
    return command == 0x3d || command == 0xce;
}

static u64 chs_address(const struct ata_drive *d)
{
    u32 cylinder = d->r.lba_mid[0] | (u32)d->r.lba_high[0] << 8;
    u32 head = d->r.device & 15u, sector = d->r.lba_low[0];

    if (!sector || sector > d->spt || head >= d->heads || cylinder >= d->cylinders)
        return UINT64_MAX;
    return ((u64)cylinder * d->heads + head) * d->spt + sector - 1;
}

u64 ata_address(const struct ata_drive *d, bool ext)
{
    const struct ata_regs *r = &d->r;
    u64 low = r->lba_low[0] | (u32)r->lba_mid[0] << 8 | (u32)r->lba_high[0] << 16;

    if (ext)
        return low | (u64)r->lba_low[1] << 24 | (u64)r->lba_mid[1] << 32 |
               (u64)r->lba_high[1] << 40;
    return r->device & ATA_LBA ? low | (u64)(r->device & 15u) << 24 : chs_address(d);
}

void ata_put_address(struct ata_drive *d, u64 lba, bool ext)
{
    struct ata_regs *r = &d->r;
    u32 track = (u32)d->heads * d->spt;

    if (!ext && !(r->device & ATA_LBA)) {
        r->lba_low[0] = (u8)(lba % d->spt + 1);
        r->device = (u8)((r->device & 0xf0u) | (lba / d->spt % d->heads));
        r->lba_mid[0] = (u8)(lba / track);
        r->lba_high[0] = (u8)(lba / track >> 8);
        return;
    }
    r->lba_low[0] = (u8)lba;
    r->lba_mid[0] = (u8)(lba >> 8);
    r->lba_high[0] = (u8)(lba >> 16);
    if (ext) {
        r->lba_low[1] = (u8)(lba >> 24);
        r->lba_mid[1] = (u8)(lba >> 32);
        r->lba_high[1] = (u8)(lba >> 40);
    } else {
        r->device = (u8)((r->device & 0xf0u) | (lba >> 24 & 15u));
    }
}

static u32 count_of(const struct ata_drive *d, bool ext)
{
    u32 n = d->r.count[0] | (ext ? (u32)d->r.count[1] << 8 : 0);

    return n ? n : ext ? 65536 : 256;
}

/* Takes address and count from the registers. False: the command has failed. */
static bool begin(struct ata_drive *d)
{
    bool ext = ata_is_ext(d->command);
    u64 sectors = ata_sectors(d);

    d->lba = ata_address(d, ext);
    d->left = count_of(d, ext);
    d->filled = 0;
    d->per_drq = is_multiple(d->command) ? d->multiple : 1;
    if (!d->per_drq) {
        ata_abort(d);
        return false;
    }
    if (d->lba >= sectors || d->left > sectors - d->lba) {
        d->left = 0;
        ata_fail(d, ATA_IDNF);
        return false;
    }
    return true;
}

/* The image's error, as the drive tells it. */
static void image_failed(struct ata_drive *d, u8 error)
{
    ata_put_address(d, d->lba, ata_is_ext(d->command));
    d->left = 0;
    ata_fail(d, error);
}

static void load(struct ata_drive *d, void (*then)(struct ata_drive *d, int rc))
{
    d->filled = (u32)min_u64(d->left, BUF_SECTORS) * ATA_SECTOR;
    ata_submit(d, BLOCK_READ, d->lba * ATA_SECTOR, d->filled, then);
}

static void advance(struct ata_drive *d)
{
    d->lba += d->filled / ATA_SECTOR;
    d->left -= d->filled / ATA_SECTOR;
}

/* A PIO data phase of what is in the buffer from `at` on. */
static void show(struct ata_drive *d, u32 at)
{
    u32 end = (u32)min_u64(at + d->per_drq * ATA_SECTOR, d->filled);
    bool last = end == d->filled && !d->left;

    ata_phase(d, ATA_PIO_IN, at, end, last ? NEXT_END : NEXT_READ, last);
    d->intrq = true;
}

static void loaded_pio(struct ata_drive *d, int rc)
{
    if (rc) {
        image_failed(d, ATA_UNC);
        return;
    }
    advance(d);
    show(d, 0);
}

static void loaded_dma(struct ata_drive *d, int rc)
{
    if (rc) {
        image_failed(d, ATA_UNC);
        return;
    }
    advance(d);
    ata_phase(d, ATA_DMA_IN, 0, d->filled, NEXT_READ, !d->left);
}

void ata_read_pio(struct ata_drive *d)
{
    if (begin(d))
        load(d, loaded_pio);
}

/* Nothing is in the buffer yet: the transport may have memory for all of it. */
void ata_read_dma(struct ata_drive *d)
{
    if (begin(d))
        ata_phase(d, ATA_DMA_IN, 0, 0, NEXT_READ, false);
}

void ata_read_next(struct ata_drive *d)
{
    if (d->phase == ATA_PIO_IN && d->end < d->filled)
        show(d, d->end);
    else if (d->left)
        load(d, d->phase == ATA_DMA_IN ? loaded_dma : loaded_pio);
    else
        ata_end(d);
}

/* A data phase of what comes next from the host. */
static void expect(struct ata_drive *d, bool dma)
{
    u32 room = (u32)min_u64(d->left, BUF_SECTORS) * ATA_SECTOR;
    u32 end = dma ? room : (u32)min_u64(d->filled + d->per_drq * ATA_SECTOR, room);

    ata_phase(d, dma ? ATA_DMA_OUT : ATA_PIO_OUT, d->filled, end, NEXT_WRITE,
              end / ATA_SECTOR == d->left);
}

static void write_begin(struct ata_drive *d, bool dma)
{
    if (!begin(d))
        return;
    if (block_read_only(d->blk)) {
        d->left = 0;
        ata_fail(d, ATA_ABRT | ATA_WP);
        return;
    }
    expect(d, dma);
}

void ata_write_pio(struct ata_drive *d)
{
    write_begin(d, false);
}

void ata_write_dma(struct ata_drive *d)
{
    write_begin(d, true);
}

static void flushed(struct ata_drive *d, int rc)
{
    if (rc)
        ata_abort(d);
    else
        ata_end(d);
}

void ata_flush(struct ata_drive *d)
{
    ata_submit(d, BLOCK_FLUSH, 0, 0, flushed);
}

static void finish_write(struct ata_drive *d)
{
    if (is_fua(d->command) || !d->write_cache)
        ata_flush(d);
    else
        ata_end(d);
}

static void written(struct ata_drive *d, int rc, bool dma)
{
    if (rc) {
        image_failed(d, ATA_ABRT);
        return;
    }
    advance(d);
    d->filled = 0;
    if (d->left) {
        expect(d, dma);
        d->intrq = !dma;
    } else {
        finish_write(d);
    }
}

static void written_pio(struct ata_drive *d, int rc)
{
    written(d, rc, false);
}

static void written_dma(struct ata_drive *d, int rc)
{
    written(d, rc, true);
}

void ata_write_next(struct ata_drive *d)
{
    bool dma = d->phase == ATA_DMA_OUT;

    d->filled = d->end;
    if (d->filled < (u32)min_u64(d->left, BUF_SECTORS) * ATA_SECTOR) {
        expect(d, false);
        d->intrq = true;
        return;
    }
    ata_submit(d, BLOCK_WRITE, d->lba * ATA_SECTOR, d->filled, dma ? written_dma : written_pio);
}

static void moved_direct(struct ata_drive *d, int rc)
{
    bool read = d->req.op == BLOCK_READ;

    if (rc) {
        image_failed(d, read ? ATA_UNC : ATA_ABRT);
        return;
    }
    d->lba += d->left;
    d->left = 0;
    if (read)
        ata_end(d);
    else
        finish_write(d);
}

void ata_move_direct(struct ata_drive *d, unsigned n)
{
    enum block_op op = d->phase == ATA_DMA_IN ? BLOCK_READ : BLOCK_WRITE;

    if (ata_submit_direct(d, op, d->lba * ATA_SECTOR, (u64)d->left * ATA_SECTOR, n, moved_direct))
        moved_direct(d, 0);
}

static void verified(struct ata_drive *d, int rc)
{
    if (rc) {
        image_failed(d, ATA_UNC);
        return;
    }
    advance(d);
    if (d->left)
        load(d, verified);
    else
        ata_end(d);
}

void ata_verify(struct ata_drive *d)
{
    if (begin(d))
        load(d, verified);
}
