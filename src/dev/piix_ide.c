/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE function of the Intel 82371SB (PIIX3) and 82371AB (PIIX4), data sheets 290550 and 290562:
 * two channels at their compatible ports and the bus-master registers at base address 4.
 * Timing registers are kept and change nothing. The channels answer whatever IDETIM's decode
 * bits and the command register's I/O bit say, so that a guest without firmware finds them.
 * All of it runs under the machine's lock.
 */
#include "dev/piix_ide.h"
#include "base/le.h"
#include "dev/ide.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VENDOR_INTEL 0x8086u
#define DEVICE_PIIX3 0x7010u
#define DEVICE_PIIX4 0x7111u
#define CLASS_IDE    0x0101u

#define IDETIM  0x40u /* two of 16 bits, then SIDETIM */
#define UDMACTL 0x48u
#define UDMATIM 0x4au
#define BM_LEN  16u

struct piix_ide {
    struct pci_device pci;
    struct ide_channel channel[2];
    struct bus *pio;
};

static u64 bm_read(void *dev, u64 off, unsigned size)
{
    struct piix_ide *ide = dev;

    return ide_bm_read(&ide->channel[off >> 3], off & 7);
}

static void bm_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct piix_ide *ide = dev;

    ide_bm_write(&ide->channel[off >> 3], off & 7, (u8)val);
}

static const struct bus_ops bm_ops = {.read = bm_read, .write = bm_write, .max_size = 1};

static void set_up_config(struct piix_ide *ide, bool piix4)
{
    struct pci_device *pci = &ide->pci;

    put_le16(pci->config + PCI_STATUS, 0x0280);
    memset(pci->wmask + IDETIM, 0xff, 5);
    put_le16(pci->config + IDETIM, 0x8000);
    put_le16(pci->config + IDETIM + 2, 0x8000);
    if (piix4) {
        pci->wmask[UDMACTL] = 0x0f;
        pci->wmask[UDMATIM] = pci->wmask[UDMATIM + 1] = 0x33;
    }
    pci_device_settled(pci);
    pci_add_bar_io(pci, 4, BM_LEN, &bm_ops, ide, "piix-ide-bm");
}

static int claim(struct piix_ide *ide, struct bus *pio)
{
    static const u16 command[2] = {0x1f0, 0x170}, control[2] = {0x3f6, 0x376};
    static const char *const name[2] = {"ide0", "ide1"};
    int rc = 0;

    ide->pio = pio;
    for (unsigned i = 0; i < 2 && !rc; i++) {
        rc = bus_claim(pio, command[i], command[i] + 7u, &ide_command_ops, &ide->channel[i],
                       name[i]);
        if (!rc)
            rc =
                bus_claim(pio, control[i], control[i], &ide_control_ops, &ide->channel[i], name[i]);
    }
    return rc;
}

int piix_ide_new(struct piix_ide **out, struct pci_bus *bus, u8 devfn, struct bus *pio,
                 struct irq irq14, struct irq irq15, const struct piix_ide_config *cfg)
{
    struct piix_ide *ide = calloc(1, sizeof(*ide));
    struct pci_ids ids = {.vendor = VENDOR_INTEL,
                          .device = cfg->piix4 ? DEVICE_PIIX4 : DEVICE_PIIX3,
                          .class = CLASS_IDE,
                          .prog_if = 0x80,
                          .revision = cfg->piix4 ? 1 : 0};
    int rc;

    if (!ide)
        return -ENOMEM;
    rc = pci_device_init(&ide->pci, bus, devfn, &ids, NULL, ide);
    if (!rc) {
        set_up_config(ide, cfg->piix4);
        ide_channel_init(&ide->channel[0], 0, &ide->pci, irq14, cfg->drive[0]);
        ide_channel_init(&ide->channel[1], 1, &ide->pci, irq15, cfg->drive[1]);
        rc = claim(ide, pio);
    }
    if (rc) {
        piix_ide_free(ide);
        return rc;
    }
    *out = ide;
    return 0;
}

void piix_ide_reset(struct piix_ide *ide)
{
    pci_device_reset(&ide->pci);
    for (unsigned i = 0; i < 2; i++)
        ide_channel_reset(&ide->channel[i]);
}

void piix_ide_free(struct piix_ide *ide)
{
    if (!ide)
        return;
    for (unsigned i = 0; i < 2 && ide->pio; i++)
        bus_release(ide->pio, &ide->channel[i]);
    pci_device_dispose(&ide->pci);
    free(ide);
}

struct ata_drive *piix_ide_drive(struct piix_ide *ide, unsigned channel, unsigned unit)
{
    struct ata_drive *d = &ide->channel[channel].drive[unit];

    return d->present ? d : NULL;
}

static const struct state_field piix_ide_fields[] = {
    STATE_STRUCTS(struct piix_ide, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct piix_ide, channel, 2, ide_channel_fields),
    STATE_END,
};

static int piix_ide_loaded(void *opaque)
{
    struct piix_ide *ide = opaque;
    int rc = pci_device_loaded(&ide->pci);

    for (unsigned i = 0; i < 2 && !rc; i++)
        rc = ide_channel_loaded(&ide->channel[i]);
    return rc;
}

const struct state_table piix_ide_state = {.name = "piix-ide",
                                           .version = 1,
                                           .oldest = 1,
                                           .fields = piix_ide_fields,
                                           .loaded = piix_ide_loaded};
