/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native command queuing (SATA 3.0, section 13.6): READ and WRITE FPDMA QUEUED, as many at once as
 * there are slots, each with a buffer of its own. An error ends all that are outstanding; READ LOG
 * EXT tells which one had it. What is in flight then ends unseen.
 */
#include "dev/ahci_priv.h"

#include <errno.h>

#define BUF_SECTORS (AHCI_NCQ_BUF / ATA_SECTOR)

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

static void fail(struct ahci_ncq *q, u8 error)
{
    struct ahci_port *p = q->port;
    struct ata_drive *d = &p->drive;

    d->ncq_failed = true;
    d->ncq_tag = q->tag;
    d->ncq_error = error;
    d->ncq_lba = q->lba;
    d->r.status = ATA_DRDY | ATA_DSC | ATA_ERR;
    d->r.error = error;
    ahci_ncq_forget(p);
    ahci_post_sdb(p, 0, true);
}

static void finish(struct ahci_ncq *q)
{
    ahci_post_sdb(q->port, BIT(q->tag), false);
}

static void done(struct block_req *req, int rc)
{
    struct ahci_ncq *q = req->opaque;
    struct ahci_port *p = q->port;

    q->in_flight = false;
    if (q->dead) {
        q->dead = false;
    } else if (rc) {
        fail(q, q->write ? ATA_ABRT : ATA_UNC);
    } else if (req->op == BLOCK_FLUSH) {
        finish(q);
    } else {
        if (!q->write)
            rc = ahci_sg_move(p->hba, &q->sg, q->buf, q->n * ATA_SECTOR, true);
        if (rc) {
            ahci_event(p, rc == -ENOSPC ? PIS_OFS : PIS_HBFS);
            fail(q, ATA_ABRT);
        } else {
            q->lba += q->n;
            q->left -= q->n;
            go_on(q);
        }
    }
    ahci_run(p);
}

static void submit(struct ahci_ncq *q, enum block_op op)
{
    q->in_flight = true;
    q->req = (struct block_req){.op = op,
                                .offset = q->lba * ATA_SECTOR,
                                .len = op == BLOCK_FLUSH ? 0 : q->n * ATA_SECTOR,
                                .buf = q->buf,
                                .done = done,
                                .opaque = q};
    block_submit(q->port->drive.blk, &q->req);
}

static void go_on(struct ahci_ncq *q)
{
    struct ahci_port *p = q->port;
    int rc;

    q->n = (u32)min_u64(q->left, BUF_SECTORS);
    if (!q->n) {
        if (q->write && (q->fua || !p->drive.write_cache))
            submit(q, BLOCK_FLUSH);
        else
            finish(q);
        return;
    }
    if (!q->write) {
        submit(q, BLOCK_READ);
        return;
    }
    rc = ahci_sg_move(p->hba, &q->sg, q->buf, q->n * ATA_SECTOR, false);
    if (!rc) {
        submit(q, BLOCK_WRITE);
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
    u64 sectors = block_size(d->blk) / ATA_SECTOR;
    u32 n = fis[3] | (u32)fis[11] << 8;

    BUG_ON(q->in_flight);
    q->sg = *sg;
    q->tag = slot;
    q->write = fis[2] == 0x61;
    q->fua = fis[7] & 0x80;
    q->lba = address(fis);
    q->left = n ? n : 65536;
    d->r.status = ATA_DRDY | ATA_DSC;
    d->r.error = 0;
    p->ci &= ~BIT(slot); /* the drive has taken it */
    ahci_post_d2h(p, false);
    if (fis[12] >> 3 != slot)
        fail(q, ATA_ABRT);
    else if (q->lba >= sectors || q->left > sectors - q->lba)
        fail(q, ATA_IDNF);
    else if (q->write && block_read_only(d->blk))
        fail(q, ATA_ABRT);
    else
        go_on(q);
}
