/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packet commands of a CD-ROM (ATA/ATAPI-6 PACKET): the phases in which a command and its data
   move through the drive's buffer. What commands do is in scsi.h. */
#include "dev/ata_priv.h"

#include <errno.h>
#include <string.h>

#define PACKET_LEN 12u

/* Interrupt reason, in the count register. */
#define REASON_COMMAND 0x01u
#define REASON_IN      0x02u

void atapi_packet(struct ata_drive *d)
{
    u32 limit = d->r.lba_mid[0] | (u32)d->r.lba_high[0] << 8;

    if (d->r.feature[0] & 1)
        limit = 0; /* by DMA */
    else if (limit < 2 || limit == 0xffff)
        limit = 0xfffe;
    d->cd.limit = limit;
    d->r.count[0] = REASON_COMMAND;
    ata_phase(d, ATA_PIO_OUT, 0, PACKET_LEN, NEXT_PACKET, false);
}

/* A data phase of [at, total) of the buffer, or what the host takes of it at once. */
static void move(struct ata_drive *d, u32 at, u32 total)
{
    bool in = d->cd.cmd.dir == SCSI_IN;
    u8 next = in ? NEXT_CD_IN : NEXT_CD_OUT;
    u32 left = total - at, n = (u32)min_u64(left, d->cd.limit);
    bool more = in && d->cd.cmd.left;

    d->filled = total;
    d->r.count[0] = in ? REASON_IN : 0;
    if (!d->cd.limit) {
        ata_phase(d, in ? ATA_DMA_IN : ATA_DMA_OUT, 0, total, next, !more);
        return;
    }
    if (n < left)
        n &= ~1u;
    d->r.lba_mid[0] = (u8)n;
    d->r.lba_high[0] = (u8)(n >> 8);
    ata_phase(d, in ? ATA_PIO_IN : ATA_PIO_OUT, at, at + n, next, n == left && !more);
    d->intrq = true;
}

static void over(struct ata_drive *d)
{
    d->r.count[0] = REASON_IN | REASON_COMMAND;
    if (d->cd.cmd.status == SCSI_GOOD)
        ata_end(d);
    else
        ata_fail(d, (u8)(d->cd.cmd.sense >> 16 << 4));
}

static void busy(struct ata_drive *d)
{
    d->phase = ATA_BUSY;
    d->r.status = ATA_BSY;
}

/* Moves n bytes between buffer and command. */
static void exchange(struct ata_drive *d, u32 n)
{
    busy(d);
    d->filled = n;
    scsi_move(&d->cd.cmd, d->buf, n);
}

/* The command has come to rest: it is over, has filled the buffer, or waits for data. */
static void go_on(struct ata_drive *d)
{
    struct scsi_command *cmd = &d->cd.cmd;
    u32 n = (u32)min_u64(cmd->left, ATA_BUF);

    if (cmd->status == SCSI_GOOD && cmd->dir == SCSI_IN && d->filled)
        move(d, 0, d->filled);
    else if (!n)
        over(d);
    else if (cmd->dir == SCSI_IN)
        exchange(d, n);
    else
        move(d, 0, n);
}

static void command_ready(struct scsi_command *cmd)
{
    struct ata_drive *d = container_of(cmd, struct ata_drive, cd.cmd);
    bool called = d->cd.called;

    if (d->reset_waits)
        ata_finish_reset(d);
    else
        go_on(d);
    if (!called)
        d->ready(d->opaque);
}

void atapi_next(struct ata_drive *d)
{
    d->cd.called = true;
    if (d->end < d->filled && d->cd.limit) {
        move(d, d->end, d->filled);
    } else if (d->cd.cmd.dir == SCSI_OUT) {
        exchange(d, d->filled);
    } else {
        d->filled = 0;
        go_on(d);
    }
    d->cd.called = false;
}

void atapi_command(struct ata_drive *d)
{
    u8 cdb[PACKET_LEN];

    memcpy(cdb, d->buf, sizeof(cdb));
    busy(d);
    d->filled = 0;
    d->cd.called = true;
    scsi_start(&d->cd.cmd, cdb, sizeof(cdb));
    d->cd.called = false;
}

void atapi_init(struct ata_drive *d, const struct ata_drive_config *cfg)
{
    struct scsi_unit_config unit = {.block = cfg->blk,
                                    .cdrom = true,
                                    .removable = true,
                                    .atapi = true,
                                    .vendor = "DOMUS",
                                    .product = "CD-ROM",
                                    .revision = "1.0",
                                    .serial = d->serial,
                                    .on_tray = cfg->on_tray,
                                    .tray_opaque = cfg->tray_opaque};

    scsi_unit_init(&d->cd.unit, &unit);
    d->cd.cmd = (struct scsi_command){.unit = &d->cd.unit, .ready = command_ready};
}

/* A hard reset closes the tray, and lets go of it. */
void atapi_reset(struct ata_drive *d, bool hard)
{
    struct scsi_unit *unit = &d->cd.unit;

    scsi_truncate(&d->cd.cmd, 0);
    if (!hard)
        return;
    unit->tray_open = unit->locked = false;
    unit->event = 0;
    unit->sense = unit->attention = 0;
}

/* What the data phase moves is what the command has, or wants. */
static bool bad_phase(const struct ata_drive *d)
{
    const struct scsi_command *cmd = &d->cd.cmd;
    bool dma = d->phase == ATA_DMA_IN || d->phase == ATA_DMA_OUT;
    bool in = d->phase == ATA_PIO_IN || d->phase == ATA_DMA_IN;

    switch (d->next) {
    case NEXT_END:
        return d->phase != ATA_PIO_IN;
    case NEXT_PACKET:
        return d->phase != ATA_PIO_OUT;
    case NEXT_CD_IN:
        return !in || dma != !d->cd.limit || d->end > d->filled || cmd->dir != SCSI_IN;
    case NEXT_CD_OUT:
        return in || dma != !d->cd.limit || d->end > d->filled || cmd->dir != SCSI_OUT ||
               !d->filled || d->filled != cmd->left;
    default:
        return true;
    }
}

int atapi_loaded(struct ata_drive *d)
{
    if (d->cd.limit > 0xfffe || d->cd.limit == 1 || scsi_unit_loaded(&d->cd.unit))
        return -EINVAL;
    if (d->phase != ATA_IDLE && bad_phase(d))
        return -EINVAL;
    return scsi_command_loaded(&d->cd.cmd);
}

const struct state_field atapi_fields[] = {
    STATE_STRUCTS(struct atapi, unit, 1, scsi_unit_fields),
    STATE_STRUCTS(struct atapi, cmd, 1, scsi_command_fields),
    STATE_UINT(struct atapi, limit),
    STATE_END,
};
