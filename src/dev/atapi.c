/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet commands of a CD-ROM (ATA/ATAPI-6 PACKET; MMC-3): their phases, the disc, the tray, and
 * the commands that read. A disc is one data track of 2,048-byte blocks. Left out: audio and
 * raw sectors.
 */
#include "dev/ata_priv.h"

#include <errno.h>
#include <string.h>

#define CD_BLOCK   2048u
#define BUF_BLOCKS (ATA_BUF / CD_BLOCK)

/* Interrupt reason, in the count register. */
#define REASON_COMMAND 0x01u
#define REASON_IN      0x02u

/* Events of the media. */
#define EVENT_EJECT   1u
#define EVENT_NEW     2u
#define EVENT_REMOVED 3u

bool atapi_has_disc(const struct ata_drive *d)
{
    return d->blk && !d->cd.tray_open;
}

u32 atapi_blocks(const struct ata_drive *d)
{
    return d->blk ? (u32)min_u64(block_size(d->blk) / CD_BLOCK, UINT32_MAX) : 0;
}

void atapi_reset(struct ata_drive *d, bool hard)
{
    d->cd.blocks = d->cd.total = 0;
    if (!hard)
        return;
    d->cd = (struct atapi){.event = 0};
}

void atapi_good(struct ata_drive *d)
{
    if (d->next == NEXT_CD_OUT && d->phase == ATA_PIO_OUT && d->end < d->cd.total) {
        u32 n = (u32)min_u64(d->cd.total - d->end, d->cd.limit);
        d->r.lba_mid[0] = (u8)n;
        d->r.lba_high[0] = (u8)(n >> 8);
        ata_phase(d, ATA_PIO_OUT, d->end, d->end + n, NEXT_CD_OUT, false);
        d->intrq = true;
        return;
    }
    d->r.count[0] = REASON_IN | REASON_COMMAND;
    ata_end(d);
}

void atapi_sense(struct ata_drive *d, u8 key, u8 asc, u8 ascq)
{
    d->cd.sense_key = key;
    d->cd.asc = asc;
    d->cd.ascq = ascq;
    d->cd.blocks = 0;
    d->r.count[0] = REASON_IN | REASON_COMMAND;
    ata_fail(d, (u8)(key << 4));
}

/* PACKET: twelve bytes of command follow. */
void atapi_packet(struct ata_drive *d)
{
    u32 limit = d->r.lba_mid[0] | (u32)d->r.lba_high[0] << 8;

    if (d->r.feature[0] & 1)
        limit = 0; /* by DMA */
    else if (limit < 2 || limit == 0xffff)
        limit = 0xfffe;
    d->cd.limit = limit;
    d->cd.blocks = d->cd.total = 0;
    d->r.count[0] = REASON_COMMAND;
    ata_phase(d, ATA_PIO_OUT, 0, sizeof(d->cd.cdb), NEXT_PACKET, false);
}

/* A data phase of what is in the buffer from `at` on. */
static void show(struct ata_drive *d, u32 at)
{
    u32 left = d->cd.total - at, n = (u32)min_u64(left, d->cd.limit);

    d->filled = d->cd.total;
    d->r.count[0] = REASON_IN;
    if (!d->cd.limit) {
        ata_phase(d, ATA_DMA_IN, 0, d->cd.total, NEXT_CD_IN, !d->cd.blocks);
        return;
    }
    if (n < left)
        n &= ~1u;
    d->r.lba_mid[0] = (u8)n;
    d->r.lba_high[0] = (u8)(n >> 8);
    ata_phase(d, ATA_PIO_IN, at, at + n, NEXT_CD_IN, n == left && !d->cd.blocks);
    d->intrq = true;
}

void atapi_answer(struct ata_drive *d, u32 len, u32 room)
{
    d->cd.sense_key = d->cd.asc = d->cd.ascq = 0;
    d->cd.blocks = 0;
    d->cd.total = (u32)min_u64(len, room);
    if (d->cd.total)
        show(d, 0);
    else
        atapi_good(d);
}

static void loaded(struct ata_drive *d, int rc)
{
    u32 n = d->filled / CD_BLOCK;

    if (rc) {
        atapi_sense(d, SENSE_MEDIUM, ASC_READ_ERROR, 0);
        return;
    }
    d->cd.total = d->filled;
    d->cd.block += n;
    d->cd.blocks -= n;
    show(d, 0);
}

static void load(struct ata_drive *d)
{
    u32 n = (u32)min_u64(d->cd.blocks, BUF_BLOCKS);

    if (!d->blk) { /* taken away between two buffers */
        atapi_sense(d, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
        return;
    }
    d->filled = n * CD_BLOCK;
    ata_submit(d, BLOCK_READ, (u64)d->cd.block * CD_BLOCK, d->filled, loaded);
}

void atapi_next(struct ata_drive *d)
{
    if (d->phase == ATA_PIO_IN && d->end < d->cd.total)
        show(d, d->end);
    else if (d->cd.blocks)
        load(d);
    else
        atapi_good(d);
}

static u32 be16(const u8 *p)
{
    return (u32)p[0] << 8 | p[1];
}

static u32 be32(const u8 *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static void read_blocks(struct ata_drive *d, u32 block, u32 n)
{
    u32 blocks = atapi_blocks(d);

    d->cd.sense_key = d->cd.asc = d->cd.ascq = 0;
    if (block > blocks || n > blocks - block) {
        atapi_sense(d, SENSE_ILLEGAL, ASC_OUT_OF_RANGE, 0);
        return;
    }
    d->cd.block = block;
    d->cd.blocks = n;
    if (n)
        load(d);
    else
        atapi_good(d);
}

static void read_10(struct ata_drive *d)
{
    read_blocks(d, be32(d->cd.cdb + 2), be16(d->cd.cdb + 7));
}

static void read_12(struct ata_drive *d)
{
    read_blocks(d, be32(d->cd.cdb + 2), be32(d->cd.cdb + 6));
}

/* READ CD, in blocks: the sector's data, or nothing. */
static void read_sectors(struct ata_drive *d, u32 block, u32 n)
{
    const u8 *cdb = d->cd.cdb;
    u8 type = cdb[1] >> 2 & 7, what = cdb[9] & 0xf8;

    if (type > 2 || type == 1)
        atapi_sense(d, SENSE_ILLEGAL, ASC_BAD_MODE, 0);
    else if (!what || !n)
        atapi_good(d);
    else if (what != 0x10 || cdb[10] & 7)
        atapi_sense(d, SENSE_ILLEGAL, ASC_BAD_FIELD, 0);
    else
        read_blocks(d, block, n);
}

static void read_cd(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;

    read_sectors(d, be32(cdb + 2), (u32)cdb[6] << 16 | be16(cdb + 7));
}

static u32 msf(const u8 *p)
{
    return (p[0] * 60u + p[1]) * 75u + p[2];
}

static void read_cd_msf(struct ata_drive *d)
{
    u32 from = msf(d->cd.cdb + 3), to = msf(d->cd.cdb + 6);

    if (from < 150 || to < from)
        atapi_sense(d, SENSE_ILLEGAL, ASC_OUT_OF_RANGE, 0);
    else
        read_sectors(d, from - 150, to - from);
}

static void seek(struct ata_drive *d)
{
    if (be32(d->cd.cdb + 2) >= atapi_blocks(d))
        atapi_sense(d, SENSE_ILLEGAL, ASC_OUT_OF_RANGE, 0);
    else
        atapi_good(d);
}

static void good(struct ata_drive *d)
{
    d->cd.sense_key = d->cd.asc = d->cd.ascq = 0;
    atapi_good(d);
}

static void move_tray(struct ata_drive *d, bool open)
{
    if (d->cd.tray_open == open)
        return;
    d->cd.tray_open = open;
    if (d->blk) {
        d->cd.event = open ? EVENT_REMOVED : EVENT_NEW;
        d->cd.changed = !open;
    }
    if (d->cfg.on_tray)
        d->cfg.on_tray(d->cfg.tray_opaque, open);
}

static void start_stop(struct ata_drive *d)
{
    bool start = d->cd.cdb[4] & 1, load_eject = d->cd.cdb[4] & 2;

    if (d->cd.cdb[4] & 0xf0 || !load_eject) { /* power conditions, spinning up and down */
        good(d);
        return;
    }
    if (!start && d->cd.locked) {
        atapi_sense(d, SENSE_ILLEGAL, ASC_NO_REMOVAL, 2);
        return;
    }
    move_tray(d, !start);
    good(d);
}

static void prevent_allow(struct ata_drive *d)
{
    d->cd.locked = d->cd.cdb[4] & 1;
    good(d);
}

static void mode_select(struct ata_drive *d)
{
    u32 len = be16(d->cd.cdb + 7), n = (u32)min_u64(len, d->cd.limit);

    d->cd.total = len;
    if (!len) {
        good(d);
    } else if (!d->cd.limit) {
        d->r.count[0] = 0;
        ata_phase(d, ATA_DMA_OUT, 0, len, NEXT_CD_OUT, true);
    } else {
        d->r.count[0] = 0;
        d->r.lba_mid[0] = (u8)n;
        d->r.lba_high[0] = (u8)(n >> 8);
        ata_phase(d, ATA_PIO_OUT, 0, n, NEXT_CD_OUT, n == len);
        d->intrq = true;
    }
}

/* What a command needs. */
#define DISC    1u /* a disc; also, it reports that the disc has changed */
#define ANYTIME 2u /* also works before a change of disc was reported */

struct packet_command {
    void (*run)(struct ata_drive *d);
    u8 needs;
};

static const struct packet_command commands[256] = {
    [0x00] = {good, DISC}, /* TEST UNIT READY */
    [0x03] = {mmc_request_sense, ANYTIME},
    [0x12] = {mmc_inquiry, ANYTIME},
    [0x1b] = {start_stop, ANYTIME},
    [0x1e] = {prevent_allow, ANYTIME},
    [0x25] = {mmc_read_capacity, DISC},
    [0x28] = {read_10, DISC},
    [0x2b] = {seek, DISC},
    [0x2f] = {good, DISC}, /* VERIFY */
    [0x35] = {good, 0},    /* SYNCHRONIZE CACHE */
    [0x42] = {mmc_sub_channel, DISC},
    [0x43] = {mmc_read_toc, DISC},
    [0x46] = {mmc_get_configuration, ANYTIME},
    [0x4a] = {mmc_event_status, ANYTIME},
    [0x4b] = {good, DISC}, /* PAUSE/RESUME */
    [0x4e] = {good, DISC}, /* STOP PLAY */
    [0x51] = {mmc_disc_information, DISC},
    [0x52] = {mmc_track_information, DISC},
    [0x55] = {mode_select, 0},
    [0x5a] = {mmc_mode_sense, 0},
    [0xa8] = {read_12, DISC},
    [0xad] = {mmc_dvd_structure, DISC},
    [0xb9] = {read_cd_msf, DISC},
    [0xbb] = {good, 0}, /* SET CD SPEED */
    [0xbd] = {mmc_mechanism_status, ANYTIME},
    [0xbe] = {read_cd, DISC},
};

void atapi_command(struct ata_drive *d)
{
    const struct packet_command *c;

    memcpy(d->cd.cdb, d->buf, sizeof(d->cd.cdb));
    c = &commands[d->cd.cdb[0]];
    if (!c->run) {
        atapi_sense(d, SENSE_ILLEGAL, ASC_BAD_OPCODE, 0);
    } else if (d->cd.changed && !(c->needs & ANYTIME)) {
        d->cd.changed = false;
        atapi_sense(d, SENSE_ATTENTION, ASC_CHANGED, 0);
    } else if (c->needs & DISC && !atapi_has_disc(d)) {
        atapi_sense(d, SENSE_NOT_READY, ASC_NO_MEDIUM, d->cd.tray_open ? 2 : 1);
    } else {
        c->run(d);
    }
}

void ata_cd_change(struct ata_drive *d, struct block *blk)
{
    BUG_ON(!d->cdrom);
    d->blk = blk;
    d->cd.changed = blk && !d->cd.tray_open;
    d->cd.event = blk ? EVENT_NEW : EVENT_REMOVED;
    if (!blk)
        d->cd.locked = false;
}

void ata_cd_tray(struct ata_drive *d, bool open)
{
    move_tray(d, open);
}

bool ata_cd_locked(const struct ata_drive *d)
{
    return d->cd.locked;
}

void ata_cd_eject(struct ata_drive *d)
{
    if (d->cd.locked) {
        d->cd.event = EVENT_EJECT;
    } else {
        move_tray(d, true);
    }
}
