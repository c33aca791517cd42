/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bus-master IDE ("Programming Interface for Bus Master IDE Controller", revision 1.0): a list of
 * regions of memory, each a descriptor of address, length and an end mark. A descriptor is copied,
 * then used. The direction is the drive's, whatever the command register says.
 */
#include "base/le.h"
#include "dev/ide.h"

#define COMMAND_START 0x01u
#define COMMAND_BITS  0x09u
#define STATUS_CAPS   0x60u /* that a BIOS has set the drives up for DMA */
#define PRD_END       BIT(31)
#define PRD_LEN       8u

enum { REG_COMMAND, REG_STATUS = 2, REG_TABLE = 4 };

u8 ide_bm_read(struct ide_channel *c, unsigned off)
{
    switch (off) {
    case REG_COMMAND:
        return c->bm.command;
    case REG_STATUS:
        return c->bm.status;
    case REG_TABLE ... REG_TABLE + 3:
        return (u8)(c->bm.table >> 8 * (off - REG_TABLE));
    default:
        return 0xff;
    }
}

static void start(struct ide_bm *bm)
{
    bm->status |= IDE_BM_ACTIVE;
    bm->next = bm->table;
    bm->left = 0;
    bm->last = false;
}

static void write_command(struct ide_channel *c, u8 val)
{
    bool on = val & COMMAND_START, was = c->bm.command & COMMAND_START;

    c->bm.command = val & COMMAND_BITS;
    if (on && !was)
        start(&c->bm);
    else if (!on)
        c->bm.status &= (u8)~IDE_BM_ACTIVE;
    ide_service(c);
}

void ide_bm_write(struct ide_channel *c, unsigned off, u8 val)
{
    unsigned shift = 8 * (off & 3);

    switch (off) {
    case REG_COMMAND:
        write_command(c, val);
        break;
    case REG_STATUS:
        c->bm.status = (u8)((c->bm.status & ~STATUS_CAPS & ~(val & (IDE_BM_ERROR | IDE_BM_INTR))) |
                            (val & STATUS_CAPS));
        break;
    case REG_TABLE ... REG_TABLE + 3:
        c->bm.table = ((c->bm.table & ~(0xffu << shift)) | (u32)val << shift) & ~3u;
        break;
    }
}

/* Stops; the drive's command fails if it is a bus error. */
static bool stop(struct ide_channel *c, struct ata_drive *d, bool error)
{
    c->bm.status &= (u8)~IDE_BM_ACTIVE;
    if (error) {
        c->bm.status |= IDE_BM_ERROR;
        ata_data_failed(d);
    }
    return false;
}

/* Takes the next descriptor. */
static int fetch(struct ide_channel *c)
{
    u8 prd[PRD_LEN];
    int rc = pci_dma_read(c->pci, c->bm.next, prd, sizeof(prd));

    if (rc)
        return rc;
    c->bm.next += PRD_LEN;
    c->bm.at = le32(prd) & ~1u;
    c->bm.left = le32(prd + 4) & 0xfffe;
    if (!c->bm.left)
        c->bm.left = 65536;
    c->bm.last = le32(prd + 4) & PRD_END;
    return 0;
}

bool ide_bm_move(struct ide_channel *c, struct ata_drive *d)
{
    struct ide_bm *bm = &c->bm;

    while (d->at < d->end) { /* at least two bytes each time */
        u32 n;
        int rc;
        if (!bm->left && bm->last)
            return stop(c, d, false); /* the list is too short: the drive waits */
        if (!bm->left && fetch(c))
            return stop(c, d, true);
        n = (u32)min_u64(bm->left, d->end - d->at);
        if (d->phase == ATA_DMA_IN)
            rc = pci_dma_write(c->pci, bm->at, d->buf + d->at, n);
        else
            rc = pci_dma_read(c->pci, bm->at, d->buf + d->at, n);
        if (rc)
            return stop(c, d, true);
        d->at += n;
        bm->at += n;
        bm->left -= n;
    }
    if (!bm->left && bm->last)
        stop(c, d, false);
    ata_data_done(d);
    return true;
}
