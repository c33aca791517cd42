/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371AB (PIIX4; order number 290562), function 3. PMBA (40h) with PMREGMISC (80h) places
 * the ACPI registers, which are dev/acpipm.c's; DEVACTB (58h) lets port B2h raise an SMI; SMBBA
 * (90h) with SMBHSTCFG (D2h) places an SMBus host controller to which nothing is connected: each
 * transaction ends in DEV_ERR, as with no device there. The other registers (device monitors)
 * keep what is written. The interrupt is the SCI, IRQ 9. Under the machine's lock.
 */
#include "dev/piix4pm.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define PMBA         0x40u
#define DEVACTB      0x58u
#define DEVACTB_APMC BIT(25)
#define PMREGMISC    0x80u
#define SMBBA        0x90u
#define SMBHSTCFG    0xd2u

#define SMB_LEN     16u
#define SMBHSTSTS   0u
#define SMBHSTCNT   2u
#define SMB_DEV_ERR 0x04u
#define SMB_STATUS  0x1fu
#define SMB_START   0x40u

#define SCI_IRQ 9u

struct piix4pm {
    struct pci_device pci;
    struct acpipm *pm;
    struct irq smi;
    u8 smb[SMB_LEN];
    u16 smb_at; /* 0: nowhere */
};

static u64 smb_read(void *dev, u64 off, unsigned size)
{
    return ((struct piix4pm *)dev)->smb[off];
}

static void smb_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct piix4pm *d = dev;

    if (off == SMBHSTSTS) {
        d->smb[SMBHSTSTS] &= (u8) ~(val & SMB_STATUS);
        return;
    }
    d->smb[off] = (u8)val;
    if (off == SMBHSTCNT && val & SMB_START) {
        d->smb[SMBHSTCNT] &= (u8)~SMB_START;
        d->smb[SMBHSTSTS] |= SMB_DEV_ERR;
    }
}

static const struct bus_ops smb_ops = {.read = smb_read, .write = smb_write, .max_size = 1};

u16 piix4pm_base(const struct piix4pm *d)
{
    return d->pci.config[PMREGMISC] & 1 ? le16(d->pci.config + PMBA) & 0xffc0 : 0;
}

static void place_smbus(struct piix4pm *d)
{
    struct bus *pio = pci_bus_pio(d->pci.bus);
    u16 at = d->pci.config[SMBHSTCFG] & 1 ? le16(d->pci.config + SMBBA) & 0xfff0 : 0;

    if (at == d->smb_at)
        return;
    if (d->smb_at)
        bus_unclaim(pio, d->smb_at);
    d->smb_at = at && !bus_claim(pio, at, at + SMB_LEN - 1, &smb_ops, d, "piix4smb") ? at : 0;
}

static void place(struct piix4pm *d)
{
    acpipm_place(d->pm, piix4pm_base(d));
    place_smbus(d);
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    place(opaque);
}

static const struct pci_device_ops ops = {.config_written = config_written};

static void apm_written(void *opaque)
{
    struct piix4pm *d = opaque;

    if (le32(d->pci.config + DEVACTB) & DEVACTB_APMC)
        irq_pulse(&d->smi);
}

void piix4pm_reset(struct piix4pm *d)
{
    pci_device_reset(&d->pci);
    memset(d->smb, 0, sizeof(d->smb));
    place(d);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct piix4pm, pci, 1, pci_device_fields),
    STATE_ARRAY(struct piix4pm, smb),
    STATE_END,
};

static int loaded(void *obj)
{
    struct piix4pm *d = obj;
    int rc = pci_device_loaded(&d->pci);

    if (!rc)
        place(d);
    return rc;
}

const struct state_table piix4pm_state = {"piix4pm", 1, 1, fields, NULL, loaded};

static void fill_config(struct piix4pm *d)
{
    static const struct {
        u8 first, last, wmask;
    } writable[] = {
        {PMBA, PMBA, 0xc0},           {PMBA + 1, PMBA + 1, 0xff}, {0x44, 0x7f, 0xff},
        {PMREGMISC, PMREGMISC, 0x01}, {SMBBA, SMBBA, 0xf0},       {SMBBA + 1, SMBBA + 1, 0xff},
        {SMBHSTCFG, SMBHSTCFG, 0x0f}, {0xd3, 0xd6, 0xff},
    };
    u8 *config = d->pci.config;

    put_le16(config + PCI_STATUS, 0x0280);
    put_le16(d->pci.wmask + PCI_COMMAND, PCI_COMMAND_IO);
    config[PCI_INT_LINE] = SCI_IRQ;
    config[PMBA] = config[SMBBA] = 1; /* in I/O space */
    for (unsigned n = 0; n < ARRAY_SIZE(writable); n++)
        for (unsigned off = writable[n].first; off <= writable[n].last; off++)
            d->pci.wmask[off] = writable[n].wmask;
    pci_device_settled(&d->pci);
}

int piix4pm_new(struct piix4pm **out, struct pci_bus *pci, u8 devfn, struct acpipm *pm,
                struct irq smi)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086, .device = 0x7113, .class = 0x0680, .revision = 3, .pin = 1};
    struct piix4pm *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    d->pm = pm;
    d->smi = smi;
    rc = pci_device_init(&d->pci, pci, devfn, &ids, &ops, d);
    if (rc) {
        piix4pm_free(d);
        return rc;
    }
    fill_config(d);
    acpipm_on_command(pm, apm_written, d);
    place(d);
    *out = d;
    return 0;
}

void piix4pm_free(struct piix4pm *d)
{
    if (!d)
        return;
    if (d->pci.bus) {
        if (d->smb_at)
            bus_unclaim(pci_bus_pio(d->pci.bus), d->smb_at);
        acpipm_on_command(d->pm, NULL, NULL);
        pci_device_dispose(&d->pci);
    }
    free(d);
}
