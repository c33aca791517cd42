/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port of the AHCI controller at work: command list and tables, the FISes a device sends, data of
 * the commands that are not queued, resets (AHCI 1.3.1, sections 4.2, 5.3 and 10.4). Command
 * headers and FISes are copied before they are looked at.
 */
#include "base/le.h"
#include "dev/ahci_priv.h"

#include <errno.h>
#include <string.h>

#define HEADER_LEN    32u
#define CFIS_LEN      64u
#define ACMD_AT       0x40u
#define ACMD_LEN      16u
#define PRDT_AT       0x80u
#define FIS_H2D       0x27u
#define FIS_D2H       0x34u
#define FIS_SDB       0xa1u
#define FIS_PIO       0x5fu
#define FIS_COMMAND   0x80u /* the command register, not the control register, is written */
#define FIS_INTERRUPT 0x40u
#define RFIS_PIO      0x20u
#define RFIS_D2H      0x40u
#define RFIS_SDB      0x58u
#define CONTROL_SRST  0x04u
#define CMD_PACKET    0xa0u

#define SSTS_PRESENT 0x123u /* device, 3 Gb/s, active */
#define SERR_X       BIT(26)
#define TFD_NONE     0x7fu

static gpa_t list_base(const struct ahci_port *p)
{
    return (gpa_t)p->clbu << 32 | p->clb;
}

void ahci_fault(struct ahci_port *p)
{
    p->halted = true;
    ahci_event(p, PIS_HBFS);
}

static void put_fis(struct ahci_port *p, u32 at, const u8 *fis, u32 len)
{
    if (!(p->cmd & PCMD_FRE))
        return;
    if (pci_dma_write(&p->hba->pci, ((gpa_t)p->fbu << 32 | p->fb) + at, fis, len))
        ahci_fault(p);
}

static void update_tfd(struct ahci_port *p)
{
    p->tfd = p->drive.r.status | (u32)p->drive.r.error << 8;
}

/* The registers, as D2H and PIO setup FISes carry them. */
static void fill_fis(const struct ahci_port *p, u8 *fis)
{
    const struct ata_regs *r = &p->drive.r;

    fis[2] = r->status;
    fis[3] = r->error;
    fis[4] = r->lba_low[0];
    fis[5] = r->lba_mid[0];
    fis[6] = r->lba_high[0];
    fis[7] = r->device;
    fis[8] = r->lba_low[1];
    fis[9] = r->lba_mid[1];
    fis[10] = r->lba_high[1];
    fis[12] = r->count[0];
    fis[13] = r->count[1];
}

void ahci_post_d2h(struct ahci_port *p, bool interrupt)
{
    u8 fis[20] = {FIS_D2H, interrupt ? FIS_INTERRUPT : 0};

    fill_fis(p, fis);
    put_fis(p, RFIS_D2H, fis, sizeof(fis));
    update_tfd(p);
    if (p->tfd & ATA_ERR) {
        p->halted = true;
        ahci_event(p, PIS_TFES | (interrupt ? PIS_DHRS : 0));
    } else if (interrupt) {
        ahci_event(p, PIS_DHRS);
    }
}

static void post_pio(struct ahci_port *p, bool to_host, u32 len)
{
    u8 fis[20] = {FIS_PIO, (u8)((to_host ? 0x20u : 0) | (p->drive.intrq ? FIS_INTERRUPT : 0))};

    fill_fis(p, fis);
    fis[15] = p->drive.last && to_host ? ATA_DRDY | ATA_DSC : ATA_BSY | ATA_DRDY | ATA_DSC;
    put_le16(fis + 16, (u16)len);
    put_fis(p, RFIS_PIO, fis, sizeof(fis));
}

void ahci_post_sdb(struct ahci_port *p, u32 done, bool error)
{
    u8 fis[8] = {FIS_SDB, FIS_INTERRUPT};

    fis[2] = p->drive.r.status & 0x77;
    fis[3] = p->drive.r.error;
    put_le32(fis + 4, done);
    put_fis(p, RFIS_SDB, fis, sizeof(fis));
    p->sact &= ~done;
    update_tfd(p);
    if (error)
        p->halted = true;
    ahci_event(p, PIS_SDBS | (error ? PIS_TFES : 0));
}

/* PRDBC in the command header: before the FIS that tells of the data, since a guest may look at
   both in memory while this runs. */
static void put_count(struct ahci_port *p)
{
    u8 count[4];

    put_le32(count, p->sg.moved - p->direct);
    if (pci_dma_write(&p->hba->pci, list_base(p) + p->slot * HEADER_LEN + 4, count, sizeof(count)))
        ahci_fault(p);
}

/* The command in `slot` is over. */
static void complete(struct ahci_port *p)
{
    struct ata_drive *d = &p->drive;
    u8 slot = p->slot;

    if (!(d->r.status & ATA_ERR))
        p->direct = 0;
    put_count(p);
    p->slot = AHCI_NONE;
    if (!(d->r.status & ATA_ERR))
        p->ci &= ~BIT(slot);
    if (d->intrq)
        ahci_post_d2h(p, true);
    else
        update_tfd(p); /* the last PIO setup FIS told */
    d->intrq = false;
}

/* Has a disk work on the guest's memory. False: the list has not enough, or wrong memory, which
   shows when the buffer's bytes are moved. */
static bool move_direct(struct ahci_port *p)
{
    struct ata_drive *d = &p->drive;
    struct pci_pieces to = {.iov = d->iov, .max = ATA_PIECES};
    struct ahci_sg sg = p->sg;
    u64 len = ata_direct_len(d);

    if (!len || ahci_sg_map(p->hba, &sg, &to, len, d->phase == ATA_DMA_IN) || to.len < len)
        return false;
    p->sg = sg;
    p->direct = (u32)len;
    ata_move_direct(d, to.n);
    return true;
}

/* Moves what the drive has in its buffer, or wants there. */
static void move(struct ahci_port *p)
{
    struct ata_drive *d = &p->drive;
    bool to_guest = d->phase == ATA_PIO_IN || d->phase == ATA_DMA_IN;
    bool pio = d->phase == ATA_PIO_IN || d->phase == ATA_PIO_OUT, tell = d->intrq;
    int rc;

    if (ata_wants_packet(d)) {
        memcpy(d->buf, p->packet, sizeof(p->packet));
        ata_data_done(d);
        return;
    }
    if (move_direct(p))
        return;
    rc = ahci_sg_move(p->hba, &p->sg, d->buf + d->at, d->end - d->at, to_guest);
    if (pio) {
        put_count(p);
        post_pio(p, to_guest, d->end - d->at);
        d->intrq = false;
        if (tell && !rc)
            ahci_event(p, PIS_PSS);
    }
    if (rc == -ENOSPC) {
        ahci_event(p, PIS_OFS);
        rc = to_guest ? 0 : rc; /* there is no room for the rest: it is lost */
    } else if (rc) {
        ahci_fault(p);
    }
    if (rc)
        ata_data_failed(d);
    else
        ata_data_done(d);
}

static void signature(struct ahci_port *p)
{
    const struct ata_regs *r = &p->drive.r;

    p->await_signature = false;
    p->sig = (u32)r->lba_high[0] << 24 | (u32)r->lba_mid[0] << 16 | (u32)r->lba_low[0] << 8 |
             r->count[0];
    ahci_post_d2h(p, false);
}

/* Goes on with the drive's command as far as it goes without waiting. Data phases have a bound: a
   command's sectors. */
static void service(struct ahci_port *p)
{
    struct ata_drive *d = &p->drive;

    if (p->slot == AHCI_NONE) { /* nobody waits for what it does */
        if (d->phase != ATA_IDLE && d->phase != ATA_BUSY)
            ata_data_failed(d);
        d->intrq = false;
        if (p->await_signature && d->phase == ATA_IDLE)
            signature(p);
        return;
    }
    while (d->phase != ATA_IDLE && d->phase != ATA_BUSY)
        move(p);
    if (d->phase == ATA_IDLE)
        complete(p);
}

void ahci_drive_ready(void *port)
{
    service(port);
    ahci_run(port);
}

static void load_registers(struct ata_drive *d, const u8 *fis)
{
    struct ata_regs *r = &d->r;

    r->feature[0] = fis[3];
    r->lba_low[0] = fis[4];
    r->lba_mid[0] = fis[5];
    r->lba_high[0] = fis[6];
    r->device = fis[7];
    r->lba_low[1] = fis[8];
    r->lba_mid[1] = fis[9];
    r->lba_high[1] = fis[10];
    r->feature[1] = fis[11];
    r->count[0] = fis[12];
    r->count[1] = fis[13];
}

/* A FIS that writes the control register: SRST goes on with one, and off with the next. */
static void control(struct ahci_port *p, u8 slot, u8 val)
{
    bool srst = val & CONTROL_SRST;

    p->ci &= ~BIT(slot);
    if (srst) {
        p->tfd = ATA_BSY;
    } else if (p->in_srst) {
        p->drive.r.device = 0;
        ata_reset(&p->drive, false);
        p->await_signature = true;
        service(p);
    }
    p->in_srst = srst;
}

static void start(struct ahci_port *p, u8 slot, const u8 *fis, const u8 *acmd, struct ahci_sg sg)
{
    struct ata_drive *d = &p->drive;

    load_registers(d, fis);
    if ((fis[2] == 0x60 || fis[2] == 0x61) && !d->cdrom) {
        ahci_ncq_start(p, slot, fis, &sg);
        return;
    }
    p->slot = slot;
    p->sg = sg;
    p->direct = 0;
    memcpy(p->packet, acmd, sizeof(p->packet));
    p->tfd = ATA_BSY;
    ata_execute(d, fis[2]);
    if (fis[2] == 0x08 && d->cdrom) { /* DEVICE RESET answers with the signature */
        p->slot = AHCI_NONE;
        p->ci &= ~BIT(slot);
        p->await_signature = true;
    }
    service(p);
}

/* Copies the command in `slot` and starts it. */
static void fetch(struct ahci_port *p, u8 slot)
{
    u8 header[HEADER_LEN], table[ACMD_AT + ACMD_LEN];
    struct ahci_sg sg = {0};
    gpa_t at;

    if (pci_dma_read(&p->hba->pci, list_base(p) + slot * HEADER_LEN, header, sizeof(header))) {
        ahci_fault(p);
        return;
    }
    at = le64(header + 8) & ~(u64)0x7f;
    if (pci_dma_read(&p->hba->pci, at, table, sizeof(table))) {
        ahci_fault(p);
        return;
    }
    sg.table = at + PRDT_AT;
    sg.entries = le16(header + 2);
    if (table[0] != FIS_H2D || (header[0] & 0x1f) < 4) {
        p->ci &= ~BIT(slot); /* no device understands it */
        return;
    }
    if (table[1] & FIS_COMMAND)
        start(p, slot, table, table + ACMD_AT, sg);
    else
        control(p, slot, table[15]);
}

/* Slots are taken in turn. */
static u8 next_slot(const struct ahci_port *p)
{
    for (unsigned i = 1; i <= AHCI_SLOTS; i++) {
        u8 slot = (u8)((p->last + i) % AHCI_SLOTS);
        if (p->ci & BIT(slot))
            return slot;
    }
    return AHCI_NONE;
}

/* A queued command waits for one that is not, and the other way round; an old one with the same
   tag must be over. */
static bool must_wait(const struct ahci_port *p, u8 slot)
{
    return p->drive.phase != ATA_IDLE || p->slot != AHCI_NONE || p->ncq[slot].in_flight ||
           (ahci_ncq_busy(p) && !(p->sact & BIT(slot)));
}

void ahci_run(struct ahci_port *p)
{
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        u8 slot = next_slot(p);
        if (!(p->cmd & PCMD_ST) || p->halted || slot == AHCI_NONE || !p->drive.present ||
            must_wait(p, slot))
            return;
        p->last = slot;
        p->cmd = (p->cmd & ~0x1f00u) | (u32)slot << 8;
        fetch(p, slot);
    }
}

/* What is in flight ends unseen, but first: then the memory is the guest's again. */
void ahci_stop(struct ahci_port *p)
{
    p->ci = p->sact = 0;
    p->slot = AHCI_NONE;
    p->halted = false;
    p->last = AHCI_SLOTS - 1;
    ahci_ncq_forget(p);
    service(p);
    ata_drain(&p->drive);
    ahci_ncq_drain(p);
}

void ahci_comreset(struct ahci_port *p)
{
    ahci_stop(p);
    p->in_srst = false;
    if (!p->drive.present) {
        p->ssts = 0;
        p->sig = 0xffffffff;
        p->tfd = TFD_NONE;
        return;
    }
    p->ssts = SSTS_PRESENT;
    p->serr |= SERR_X;
    p->tfd = ATA_BSY;
    p->drive.r.device = 0;
    ata_reset(&p->drive, true);
    p->await_signature = true;
    service(p);
    ahci_event(p, 0);
}
