/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SATA controller of the Intel 82801IR (ICH9R, data sheet 316972) in AHCI mode (AHCI 1.3.1): PCI
 * function, registers of the controller and its ports, interrupts. Commands are in ahci_port.c and
 * ahci_ncq.c. Left out: port multipliers, power states, hot plug of disks, enclosure management,
 * the index/data pair of I/O ports, command completion coalescing.
 * All of it runs under the machine's lock.
 */
#include "dev/ahci_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VENDOR_INTEL 0x8086u
#define DEVICE_AHCI  0x2922u
#define CLASS_SATA   0x0106u
#define ABAR         5u
#define ABAR_LEN     4096u

#define CAP     0xc1241f05u /* 64 bits, NCQ, CLO, 3 Gb/s, AHCI only, 32 slots, 6 ports */
#define VERSION 0x00010300u
#define PORTS   0x3fu
#define GHC_AE  BIT(31)
#define GHC_IE  BIT(1)
#define GHC_HR  BIT(0)
#define SERR_X  BIT(26)

#define HBA_CAP   0x00u
#define HBA_GHC   0x04u
#define HBA_IS    0x08u
#define HBA_PI    0x0cu
#define HBA_VS    0x10u
#define PORT_BASE 0x100u
#define PORT_LEN  0x80u

enum {
    PX_CLB = 0x00,
    PX_CLBU = 0x04,
    PX_FB = 0x08,
    PX_FBU = 0x0c,
    PX_IS = 0x10,
    PX_IE = 0x14,
    PX_CMD = 0x18,
    PX_TFD = 0x20,
    PX_SIG = 0x24,
    PX_SSTS = 0x28,
    PX_SCTL = 0x2c,
    PX_SERR = 0x30,
    PX_SACT = 0x34,
    PX_CI = 0x38,
};

static u32 port_status(const struct ahci_port *p)
{
    return p->is | (p->serr & SERR_X ? PIS_PCS : 0);
}

static void drive_line(struct ahci *hba)
{
    pci_set_intx(&hba->pci, hba->ghc & GHC_IE && hba->is && !pci_msi_enabled(&hba->pci));
}

/* What ports tell reaches IS, and stays there until it is cleared. */
static void update(struct ahci *hba)
{
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        if (port_status(&hba->port[i]) & hba->port[i].ie)
            hba->is |= BIT(i);
    drive_line(hba);
}

void ahci_event(struct ahci_port *p, u32 is)
{
    struct ahci *hba = p->hba;

    p->is |= is;
    update(hba);
    if (port_status(p) & p->ie && hba->ghc & GHC_IE && pci_msi_enabled(&hba->pci))
        pci_send_msi(&hba->pci);
}

static u32 read_port(const struct ahci_port *p, unsigned reg)
{
    switch (reg) {
    case PX_CLB:
        return p->clb;
    case PX_CLBU:
        return p->clbu;
    case PX_FB:
        return p->fb;
    case PX_FBU:
        return p->fbu;
    case PX_IS:
        return port_status(p);
    case PX_IE:
        return p->ie;
    case PX_CMD:
        return p->cmd;
    case PX_TFD:
        return p->tfd;
    case PX_SIG:
        return p->sig;
    case PX_SSTS:
        return p->ssts;
    case PX_SCTL:
        return p->sctl;
    case PX_SERR:
        return p->serr;
    case PX_SACT:
        return p->sact;
    case PX_CI:
        return p->ci;
    default:
        return 0;
    }
}

static u32 read_reg(const struct ahci *hba, unsigned off)
{
    if (off >= PORT_BASE && (off - PORT_BASE) / PORT_LEN < AHCI_PORTS)
        return read_port(&hba->port[(off - PORT_BASE) / PORT_LEN], off % PORT_LEN);
    switch (off) {
    case HBA_CAP:
        return CAP;
    case HBA_GHC:
        return hba->ghc;
    case HBA_IS:
        return hba->is;
    case HBA_PI:
        return PORTS;
    case HBA_VS:
        return VERSION;
    default:
        return 0;
    }
}

static void write_cmd(struct ahci_port *p, u32 val)
{
    u32 was = p->cmd, keep = PCMD_ST | PCMD_FRE | PCMD_ATAPI;

    p->cmd = (was & ~keep) | (val & keep);
    p->cmd = p->cmd & PCMD_FRE ? p->cmd | PCMD_FR : p->cmd & ~PCMD_FR;
    p->cmd = p->cmd & PCMD_ST ? p->cmd | PCMD_CR : p->cmd & ~PCMD_CR;
    if (was & PCMD_ST && !(val & PCMD_ST))
        ahci_stop(p);
    if (val & PCMD_CLO && !(val & was & PCMD_ST))
        p->tfd &= ~(u32)(ATA_BSY | ATA_DRQ);
    if (!(was & PCMD_ST) && val & PCMD_ST)
        ahci_run(p);
}

static void write_sctl(struct ahci_port *p, u32 val)
{
    u32 was = p->sctl & 15, now = val & 15;

    p->sctl = val & 0xfff;
    if (now == 1 || now == 4)
        p->ssts = now == 4 ? 4 : 0;
    else if (was == 1 || was == 4)
        ahci_comreset(p);
}

static void write_port(struct ahci_port *p, unsigned reg, u32 val)
{
    switch (reg) {
    case PX_CLB:
        p->clb = val & ~0x3ffu;
        break;
    case PX_CLBU:
        p->clbu = val;
        break;
    case PX_FB:
        p->fb = val & ~0xffu;
        break;
    case PX_FBU:
        p->fbu = val;
        break;
    case PX_IS:
        p->is &= ~val;
        break;
    case PX_IE:
        p->ie = val & 0xfdc000ff;
        break;
    case PX_CMD:
        write_cmd(p, val);
        break;
    case PX_SCTL:
        write_sctl(p, val);
        break;
    case PX_SERR:
        p->serr &= ~val;
        break;
    case PX_SACT:
        if (p->cmd & PCMD_ST)
            p->sact |= val;
        break;
    case PX_CI:
        if (p->cmd & PCMD_ST)
            p->ci |= val;
        ahci_run(p);
        break;
    }
}

static void reset_port(struct ahci_port *p)
{
    p->clb = p->clbu = p->fb = p->fbu = p->is = p->ie = p->serr = p->sctl = 0;
    p->cmd = PCMD_SUD | PCMD_POD;
    ahci_comreset(p);
}

static void reset_hba(struct ahci *hba)
{
    hba->ghc = GHC_AE;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        reset_port(&hba->port[i]);
    hba->is = 0;
    update(hba);
}

static void write_reg(struct ahci *hba, unsigned off, u32 val)
{
    if (off >= PORT_BASE && (off - PORT_BASE) / PORT_LEN < AHCI_PORTS) {
        write_port(&hba->port[(off - PORT_BASE) / PORT_LEN], off % PORT_LEN, val);
    } else if (off == HBA_GHC) {
        if (val & GHC_HR)
            reset_hba(hba);
        else
            hba->ghc = GHC_AE | (val & GHC_IE);
    } else if (off == HBA_IS) {
        hba->is &= ~val;
    }
    update(hba);
}

/* Registers in which writing ones acts, and zeros do nothing. */
static bool acts_on_ones(unsigned off)
{
    unsigned reg = off % PORT_LEN;

    if (off < PORT_BASE)
        return off == HBA_IS;
    return reg == PX_IS || reg == PX_SERR || reg == PX_SACT || reg == PX_CI;
}

static u64 abar_read(void *dev, u64 off, unsigned size)
{
    return read_reg(dev, (unsigned)off & ~3u) >> 8 * (off & 3);
}

static void abar_write(void *dev, u64 off, unsigned size, u64 val)
{
    unsigned reg = (unsigned)off & ~3u, shift = 8 * (off & 3);
    u32 mask = (u32)size_mask(size) << shift, old = acts_on_ones(reg) ? 0 : read_reg(dev, reg);

    write_reg(dev, reg, (old & ~mask) | ((u32)val << shift & mask));
}

static const struct bus_ops abar_ops = {.read = abar_read, .write = abar_write, .max_size = 4};

/* MSI may have been switched on. */
static void config_written(void *opaque, unsigned off, unsigned size)
{
    drive_line(opaque);
}

static const struct pci_device_ops pci_ops = {.config_written = config_written};

/* Only disks queue commands. */
static int init_port(struct ahci *hba, unsigned n, const struct ata_drive_config *cfg)
{
    struct ahci_port *p = &hba->port[n];
    struct ata_drive_config drive = *cfg;

    p->hba = hba;
    p->slot = AHCI_NONE;
    drive.sata = true;
    ata_init(&p->drive, &drive, n, pci_bus_mem(hba->pci.bus), ahci_drive_ready, p);
    if (p->drive.present && !p->drive.cdrom) {
        p->ncq_iov = calloc((size_t)AHCI_SLOTS * ATA_PIECES, sizeof(*p->ncq_iov));
        if (!p->ncq_iov)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        p->ncq[i].port = p;
        p->ncq[i].iov = p->ncq_iov ? p->ncq_iov + (size_t)i * ATA_PIECES : NULL;
    }
    return 0;
}

int ahci_new(struct ahci **out, struct pci_bus *bus, u8 devfn, const struct ahci_config *cfg)
{
    static const struct pci_ids ids = {.vendor = VENDOR_INTEL,
                                       .device = DEVICE_AHCI,
                                       .class = CLASS_SATA,
                                       .prog_if = 0x01,
                                       .revision = 0x02,
                                       .pin = 1};
    struct ahci *hba = calloc(1, sizeof(*hba));
    int rc;

    if (!hba)
        return -ENOMEM;
    rc = pci_device_init(&hba->pci, bus, devfn, &ids, &pci_ops, hba);
    for (unsigned i = 0; i < AHCI_PORTS && !rc; i++)
        rc = init_port(hba, i, &cfg->drive[i]);
    if (rc) {
        ahci_free(hba);
        return rc;
    }
    pci_add_msi(&hba->pci);
    pci_add_bar_mem(&hba->pci, ABAR, ABAR_LEN, &abar_ops, hba, "ahci");
    reset_hba(hba);
    *out = hba;
    return 0;
}

void ahci_reset(struct ahci *hba)
{
    pci_device_reset(&hba->pci);
    reset_hba(hba);
}

void ahci_free(struct ahci *hba)
{
    if (!hba)
        return;
    pci_device_dispose(&hba->pci);
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        free(hba->port[i].ncq_iov);
    free(hba);
}

struct ata_drive *ahci_drive(struct ahci *hba, unsigned port)
{
    return hba->port[port].drive.present ? &hba->port[port].drive : NULL;
}

#define U(field) STATE_UINT(struct ahci_port, field)
static const struct state_field port_fields[] = {
    STATE_STRUCTS(struct ahci_port, drive, 1, ata_drive_fields),
    U(clb),
    U(clbu),
    U(fb),
    U(fbu),
    U(is),
    U(ie),
    U(cmd),
    U(tfd),
    U(sig),
    U(ssts),
    U(sctl),
    U(serr),
    U(sact),
    U(ci),
    U(last),
    STATE_BOOL(struct ahci_port, halted),
    STATE_BOOL(struct ahci_port, await_signature),
    STATE_BOOL(struct ahci_port, in_srst),
    STATE_END,
};
#undef U

static const struct state_field ahci_fields[] = {
    STATE_STRUCTS(struct ahci, pci, 1, pci_device_fields),
    STATE_UINT(struct ahci, ghc),
    STATE_UINT(struct ahci, is),
    STATE_STRUCTS(struct ahci, port, AHCI_PORTS, port_fields),
    STATE_END,
};

static int ahci_loaded(void *opaque)
{
    struct ahci *hba = opaque;
    int rc = pci_device_loaded(&hba->pci);

    for (unsigned i = 0; i < AHCI_PORTS && !rc; i++) {
        struct ahci_port *p = &hba->port[i];
        rc = ata_loaded(&p->drive);
        if (p->drive.phase != ATA_IDLE || p->last >= AHCI_SLOTS)
            rc = -EINVAL;
    }
    if (!rc)
        update(hba);
    return rc;
}

const struct state_table ahci_state = {
    .name = "ahci", .version = 1, .oldest = 1, .fields = ahci_fields, .loaded = ahci_loaded};
