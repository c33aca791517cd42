/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371SB (PIIX3; order number 290550), function 0. What does something here: PIRQRC[A:D]
 * (60h-63h), which lead PCI interrupts to those of the ISA bus. The other registers (bus timing,
 * DMA routing, top of memory) keep what is written. Port CF9h is dev/pcihost.c's, ELCR that of the
 * 8259s. Under the machine's lock.
 */
#include "dev/piix3.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define ROUTE_OFF  0x80u
#define ROUTE_MASK 0x0fu
#define ROUTABLE   0xdef8u /* ISA interrupts 3-7, 9-12, 14, 15 */

struct piix3 {
    struct pci_device pci;
    struct irq isa[16];
    u8 raised;     /* PIRQs that are high, a bit each */
    u16 isa_level; /* what `isa` is driven to */
};

static void route(struct piix3 *d)
{
    u16 level = 0, changed;

    for (unsigned n = 0; n < PCI_PIRQS; n++) {
        u8 reg = d->pci.config[PIIX3_PIRQRC + n];
        if (d->raised & BIT(n) && !(reg & ROUTE_OFF))
            level |= (u16)BIT(reg & ROUTE_MASK);
    }
    level &= ROUTABLE;
    changed = level ^ d->isa_level;
    d->isa_level = level;
    for (unsigned n = 0; n < ARRAY_SIZE(d->isa); n++)
        if (changed & BIT(n))
            irq_set(&d->isa[n], level & BIT(n));
}

void piix3_set_pirq(void *piix3, unsigned n, bool level)
{
    struct piix3 *d = piix3;

    d->raised = (u8)(level ? d->raised | BIT(n) : d->raised & ~BIT(n));
    route(d);
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    if (off < PIIX3_PIRQRC + PCI_PIRQS && off + size > PIIX3_PIRQRC)
        route(opaque);
}

static const struct pci_device_ops ops = {.config_written = config_written};

void piix3_reset(struct piix3 *d)
{
    pci_device_reset(&d->pci);
    route(d);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct piix3, pci, 1, pci_device_fields),
    STATE_END,
};

/* Which PIRQs are high follows from the devices on the bus, as they are loaded. */
static int loaded(void *obj)
{
    struct piix3 *d = obj;
    int rc = pci_device_loaded(&d->pci);

    if (!rc)
        route(d);
    return rc;
}

const struct state_table piix3_state = {"piix3", 1, 1, fields, NULL, loaded};

static void fill_config(struct piix3 *d)
{
    static const struct {
        u8 off, reset, wmask;
    } regs[] = {
        {0x4c, 0x4d, 0xff},                     /* IORT */
        {0x4e, 0x03, 0xff},                     /* XBCS */
        {0x4f, 0x00, 0x01}, {0x60, 0x80, 0x8f}, /* PIRQRCA … */
        {0x61, 0x80, 0x8f}, {0x62, 0x80, 0x8f}, {0x63, 0x80, 0x8f}, {0x69, 0x02, 0xfe}, /* TOM */
        {0x6a, 0x00, 0xff},                                                             /* MSTAT */
        {0x70, 0x80, 0xff},                                                             /* MBIRQ0 */
        {0x76, 0x0c, 0xff},                     /* MBDMA0, MBDMA1 */
        {0x77, 0x0c, 0xff}, {0x78, 0x00, 0xff}, /* PCSC */
        {0x79, 0x00, 0xff}, {0x80, 0x00, 0x7f}, /* APICBASE */
        {0x82, 0x00, 0xff},                     /* DLC */
        {0xa0, 0x08, 0xff},                     /* SMICNTL */
        {0xa2, 0x00, 0xff}, {0xa3, 0x00, 0xff},
    };
    u8 *config = d->pci.config;

    put_le16(config + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME);
    put_le16(config + PCI_STATUS, 0x0200);        /* medium DEVSEL# */
    put_le16(d->pci.wmask + PCI_COMMAND, 0x0108); /* special cycles and SERR# */
    for (unsigned n = 0; n < ARRAY_SIZE(regs); n++) {
        config[regs[n].off] = regs[n].reset;
        d->pci.wmask[regs[n].off] = regs[n].wmask;
    }
    config[PCI_HEADER_TYPE] = 0x80;
    pci_device_settled(&d->pci);
}

int piix3_new(struct piix3 **out, struct pci_bus *pci, u8 devfn, const struct irq isa[16])
{
    static const struct pci_ids ids = {.vendor = 0x8086, .device = 0x7000, .class = 0x0601};
    struct piix3 *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    memcpy(d->isa, isa, sizeof(d->isa));
    rc = pci_device_init(&d->pci, pci, devfn, &ids, &ops, d);
    if (rc) {
        piix3_free(d);
        return rc;
    }
    fill_config(d);
    *out = d;
    return 0;
}

void piix3_free(struct piix3 *d)
{
    if (!d)
        return;
    pci_device_dispose(&d->pci);
    free(d);
}
