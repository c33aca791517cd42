/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDENTIFY DEVICE and IDENTIFY PACKET DEVICE (ATA8-ACS 7.16, 7.17), and a disk's geometry. */
#include "base/le.h"
#include "dev/ata_priv.h"

#include <string.h>

#define FIRMWARE    "1.0     "
#define TRIM_BLOCKS 8u

struct ata_geometry ata_geometry(u64 sectors)
{
    struct ata_geometry g = {1, 16, 63};
    u64 cylinders = sectors / (g.heads * g.sectors);

    if (cylinders)
        g.cylinders = (u32)min_u64(cylinders, 16383);
    return g;
}

static void put(struct ata_drive *d, unsigned word, u32 val)
{
    put_le16(d->buf + 2 * (size_t)word, (u16)val);
}

static void put32(struct ata_drive *d, unsigned word, u64 val)
{
    put_le32(d->buf + 2 * (size_t)word, (u32)val);
}

/* Two characters to a word, the first one in its high byte. */
static void put_text(struct ata_drive *d, unsigned word, const char *text)
{
    u8 *to = d->buf + 2 * (size_t)word;

    for (size_t i = 0; text[i]; i++)
        to[i ^ 1] = (u8)text[i];
}

static void finish(struct ata_drive *d)
{
    u8 sum = 0xa5;

    d->buf[510] = 0xa5;
    for (unsigned i = 0; i < 511; i++)
        sum = (u8)(i == 510 ? sum : sum + d->buf[i]);
    d->buf[511] = (u8)-sum;
    d->filled = ATA_SECTOR;
    d->left = 0;
    ata_phase(d, ATA_PIO_IN, 0, ATA_SECTOR, NEXT_END, true);
    d->intrq = true;
}

/* Words that disks and CD-ROMs share. */
static void common(struct ata_drive *d)
{
    memset(d->buf, 0, ATA_SECTOR);
    put_text(d, 10, d->serial);
    put_text(d, 23, FIRMWARE);
    put_text(d, 27, d->model);
    put(d, 49, 0x0b00); /* IORDY, LBA, DMA */
    put(d, 50, 0x4000);
    put(d, 51, 0x0200);
    put(d, 52, 0x0200);
    put(d, 53, 0x0007);
    put(d, 63, 0x07u | (d->mdma_mode <= 2 ? 0x100u << d->mdma_mode : 0));
    put(d, 64, 0x0003);
    put(d, 80, 0x01f0); /* ATA/ATAPI-4 to ATA8-ACS */
    put(d, 88, 0x3fu | (d->udma_mode <= 5 ? 0x100u << d->udma_mode : 0));
    if (d->cfg.sata) {
        put(d, 76, 0x0006 | (d->cdrom ? 0 : 0x0100)); /* 1.5 and 3 Gb/s, NCQ */
        put(d, 75, d->cdrom ? 0 : 31);
        put(d, 222, 0x1020);
    } else {
        put(d, 93, 0x6001 | (d->r.device & ATA_DEV ? 0x0a00 : 0x000a)); /* 80 conductors */
        put(d, 222, 0x0020);
    }
}

void ata_identify(struct ata_drive *d)
{
    u64 sectors = ata_sectors(d), chs = (u64)d->cylinders * d->heads * d->spt;
    struct ata_geometry g = ata_geometry(sectors);

    common(d);
    put(d, 0, 0x0040);
    put(d, 1, g.cylinders);
    put(d, 3, g.heads);
    put(d, 6, g.sectors);
    put(d, 20, 3);
    put(d, 21, 512);
    put(d, 22, 4);
    put(d, 47, 0x8010);
    put(d, 48, 0x4000); /* nothing of Trusted Computing: before ATA8 it was 32-bit transfers */
    put(d, 54, d->cylinders);
    put(d, 55, d->heads);
    put(d, 56, d->spt);
    put32(d, 57, chs);
    put(d, 59, d->multiple ? 0x0100u | d->multiple : 0);
    put32(d, 60, min_u64(sectors, 0x0fffffff));
    for (unsigned word = 65; word <= 68; word++)
        put(d, word, 120);
    put(d, 82, 0x7069); /* NOP, READ and WRITE BUFFER, look-ahead, write cache, power, SMART */
    put(d, 83, 0x7400); /* FLUSH CACHE (EXT), 48 bits */
    put(d, 84, 0x4060); /* FUA, logs */
    put(d, 85, 0x7008u | d->read_ahead << 6 | d->write_cache << 5 | d->smart);
    put(d, 86, 0x3400);
    put(d, 87, 0x4060);
    put32(d, 100, sectors);
    put32(d, 102, sectors >> 32);
    put(d, 105, TRIM_BLOCKS);
    put(d, 106, 0x4000);
    put(d, 169, 1); /* TRIM */
    put(d, 217, 1); /* nothing rotates */
    finish(d);
}

void atapi_identify(struct ata_drive *d)
{
    common(d);
    put(d, 0, 0x85c0); /* packet device, CD-ROM, removable, DRQ within 50 us, 12 bytes */
    put(d, 65, 0x00b4);
    put(d, 66, 0x00b4);
    put(d, 67, 0x012c);
    put(d, 68, 0x00b4);
    put(d, 71, 30);
    put(d, 72, 30);
    put(d, 82, 0x4218); /* NOP, DEVICE RESET, PACKET, power */
    put(d, 83, 0x4000);
    put(d, 84, 0x4000);
    put(d, 85, 0x4218);
    put(d, 87, 0x4000);
    finish(d);
}
