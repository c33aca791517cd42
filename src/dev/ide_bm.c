/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bus-master IDE ("Programming Interface for Bus Master IDE Controller", revision 1.0): a list of
 * regions of memory, each a descriptor of address, length and an end mark. A descriptor is copied,
 * then used. The direction is the drive's, whatever the command register says.
 * Where a list has memory for all that a disk moves, the image works on that memory. All else goes
 * through the drive's buffer, and there shows what is wrong with it.
 */
#include "base/le.h"
#include "dev/ide.h"

#define COMMAND_START 0x01u
#define COMMAND_BITS  0x09u
#define STATUS_CAPS   0x60u /* that a BIOS has set the drives up for DMA */
#define PRD_END       BIT(31)
#define PRD_LEN       8u
#define PRDS_MAX      8192u /* a list is in one block of 64 KiB */

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

/* Once it is stopped, the memory is the guest's again. */
static void write_command(struct ide_channel *c, u8 val)
{
    bool on = val & COMMAND_START, was;

    if (!on && c->direct)
        ata_drain(c->direct);
    was = c->bm.command & COMMAND_START;
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
static int fetch(struct ide_channel *c, struct ide_bm *bm)
{
    u8 prd[PRD_LEN];
    int rc = pci_dma_read(c->pci, bm->next, prd, sizeof(prd));

    if (rc)
        return rc;
    bm->next += PRD_LEN;
    bm->at = le32(prd) & ~1u;
    bm->left = le32(prd + 4) & 0xfffe;
    if (!bm->left)
        bm->left = 65536;
    bm->last = le32(prd + 4) & PRD_END;
    return 0;
}

static void advance(struct ide_bm *bm, u32 n)
{
    bm->at += n;
    bm->left -= n;
}

/* Whether the list has memory for `len` bytes from where `bm` stands, which moves. */
static bool map(struct ide_channel *c, struct ide_bm *bm, struct pci_pieces *to, u64 len,
                enum mem_access how)
{
    for (unsigned i = 0; i < PRDS_MAX && to->len < len; i++) {
        u64 had = to->len;
        u32 n;
        if (!bm->left && (bm->last || fetch(c, bm)))
            return false;
        n = (u32)min_u64(bm->left, len - had);
        if (pci_dma_map(c->pci, to, bm->at, n, how) || to->len != had + n)
            return false;
        advance(bm, n);
    }
    return to->len == len;
}

static bool move_direct(struct ide_channel *c, struct ata_drive *d)
{
    struct pci_pieces to = {.iov = d->iov, .max = ATA_PIECES};
    struct ide_bm after = c->bm;
    u64 len = ata_direct_len(d);

    if (!len || !map(c, &after, &to, len, d->phase == ATA_DMA_IN ? MEM_WRITE : MEM_READ))
        return false;
    c->direct = d;
    c->after = after;
    ata_move_direct(d, to.n);
    ide_bm_settle(c);
    return true;
}

/* With an error, nobody knows how far it came. */
void ide_bm_settle(struct ide_channel *c)
{
    struct ide_bm *bm = &c->bm;
    const struct ata_drive *d = c->direct;

    if (!d || d->phase == ATA_BUSY)
        return;
    c->direct = NULL;
    if (!(bm->status & IDE_BM_ACTIVE) || d->r.status & ATA_ERR)
        return;
    bm->next = c->after.next;
    bm->at = c->after.at;
    bm->left = c->after.left;
    bm->last = c->after.last;
    if (!bm->left && bm->last)
        bm->status &= (u8)~IDE_BM_ACTIVE;
}

bool ide_bm_move(struct ide_channel *c, struct ata_drive *d)
{
    struct ide_bm *bm = &c->bm;

    if (move_direct(c, d))
        return true;
    while (d->at < d->end) { /* at least two bytes each time */
        u32 n;
        int rc;
        if (!bm->left && bm->last)
            return stop(c, d, false); /* the list is too short: the drive waits */
        if (!bm->left && fetch(c, bm))
            return stop(c, d, true);
        n = (u32)min_u64(bm->left, d->end - d->at);
        if (d->phase == ATA_DMA_IN)
            rc = pci_dma_write(c->pci, bm->at, d->buf + d->at, n);
        else
            rc = pci_dma_read(c->pci, bm->at, d->buf + d->at, n);
        if (rc)
            return stop(c, d, true);
        d->at += n;
        advance(bm, n);
    }
    if (!bm->left && bm->last)
        stop(c, d, false);
    ata_data_done(d);
    return true;
}
