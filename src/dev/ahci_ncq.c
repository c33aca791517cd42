/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native command queuing (SATA 3.0, section 13.6): READ and WRITE FPDMA QUEUED, as many at once as
 * there are slots, between image and guest memory, in one request if that is in no more than
 * ATA_PIECES pieces. An error ends all that are outstanding; READ LOG EXT tells which one had it.
 * What is in flight then ends unseen.
 */
#include "dev/ahci_priv.h"

#include <errno.h>

static void go_on(struct ahci_ncq *q);

bool ahci_ncq_busy(const struct ahci_port *p)
{
    for (unsigned i = 0; i < AHCI_SLOTS; i++)
        if (p->ncq[i].in_flight && !p->ncq[i].dead)
            return true;
    return false;
}

void ahci_ncq_forget(struct ahci_port *p)
{
    for (unsigned i = 0; i < AHCI_SLOTS; i++)
        p->ncq[i].dead = p->ncq[i].in_flight;
}

void ahci_ncq_drain(struct ahci_port *p)
{
    bool any = false;

    for (unsigned i = 0; i < AHCI_SLOTS; i++)
        any |= p->ncq[i].in_flight;
    if (any)
        block_drain(p->drive.blk);
}

static void fail(struct ahci_ncq *q, u8 error)
{
    struct ahci_port *p = q->port;
    struct ata_drive *d = &p->drive;

    d->ncq_failed = true;
    d->ncq_tag = q->tag;
    d->ncq_error = error;
    d->ncq_lba = q->offset / ATA_SECTOR;
    d->r.status = ATA_DRDY | ATA_DSC | ATA_ERR;
    d->r.error = error;
    ahci_ncq_forget(p);
    ahci_post_sdb(p, 0, true);
}

static void finish(struct ahci_ncq *q)
{
    ahci_post_sdb(q->port, BIT(q->tag), false);
}

static void moved(struct ahci_ncq *q, int rc)
{
    if (q->req.op == BLOCK_READ) /* what failed may have come in part */
        mem_pieces_written(pci_bus_mem(q->port->hba->pci.bus), q->req.iov, q->req.niov);
    if (q->dead) {
        q->dead = false;
    } else if (rc) {
        fail(q, q->write ? ATA_ABRT : ATA_UNC);
    } else if (q->req.op == BLOCK_FLUSH) {
        finish(q);
    } else {
        q->offset += q->req.len;
        q->left -= (u32)q->req.len;
        go_on(q);
    }
}

static void done(struct block_req *req, int rc)
{
    struct ahci_ncq *q = req->opaque;

    q->in_flight = false;
    moved(q, rc);
    ahci_run(q->port);
}

static void submit(struct ahci_ncq *q, enum block_op op, const struct pci_pieces *data)
{
    struct block *blk = q->port->drive.blk;

    q->req = (struct block_req){.op = op,
                                .offset = q->offset,
                                .len = data->len,
                                .iov = data->iov,
                                .niov = data->n,
                                .done = done,
                                .opaque = q};
    if (op == BLOCK_READ && data->len == q->left && block_read_now(blk, &q->req)) {
        moved(q, 0);
        return;
    }
    q->in_flight = true;
    block_submit(blk, &q->req);
}

static void go_on(struct ahci_ncq *q)
{
    struct ahci_port *p = q->port;
    struct pci_pieces data = {.iov = q->iov, .max = ATA_PIECES};
    int rc;

    if (!q->left) {
        if (q->write && (q->fua || !p->drive.write_cache))
            submit(q, BLOCK_FLUSH, &data);
        else
            finish(q);
        return;
    }
    rc = ahci_sg_map(p->hba, &q->sg, &data, q->left, !q->write);
    if (!rc) {
        submit(q, q->write ? BLOCK_WRITE : BLOCK_READ, &data);
        return;
    }
    ahci_event(p, rc == -ENOSPC ? PIS_OFS : PIS_HBFS);
    fail(q, ATA_ABRT);
}

static u64 address(const u8 *fis)
{
    return fis[4] | (u64)fis[5] << 8 | (u64)fis[6] << 16 | (u64)fis[8] << 24 | (u64)fis[9] << 32 |
           (u64)fis[10] << 40;
}

void ahci_ncq_start(struct ahci_port *p, u8 slot, const u8 *fis, const struct ahci_sg *sg)
{
    struct ahci_ncq *q = &p->ncq[slot];
    struct ata_drive *d = &p->drive;
    u64 sectors = block_size(d->blk) / ATA_SECTOR, lba = address(fis);
    u32 count = fis[3] | (u32)fis[11] << 8, n = count ? count : 65536;

    BUG_ON(q->in_flight);
    q->sg = *sg;
    q->tag = slot;
    q->write = fis[2] == 0x61;
    q->fua = fis[7] & 0x80;
    q->offset = lba * ATA_SECTOR;
    q->left = n * ATA_SECTOR;
    d->r.status = ATA_DRDY | ATA_DSC;
    d->r.error = 0;
    p->ci &= ~BIT(slot); /* the drive has taken it */
    ahci_post_d2h(p, false);
    if (fis[12] >> 3 != slot)
        fail(q, ATA_ABRT);
    else if (lba >= sectors || n > sectors - lba)
        fail(q, ATA_IDNF);
    else if (q->write && block_read_only(d->blk))
        fail(q, ATA_ABRT);
    else
        go_on(q);
}
