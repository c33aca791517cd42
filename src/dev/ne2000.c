/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two buses around a DP8390 with NE2000 memory (dp8390.c): Realtek RTL8029AS (data sheet 1.0)
 * on PCI, without its EEPROM interface, and ISA. Under the machine's lock.
 */
#include "dev/ne2000.h"
#include "dev/dp8390.h"

#include <errno.h>
#include <stdlib.h>

struct ne2000 {
    struct pci_device pci;
    struct dp8390 chip;
};

struct ne2000_isa {
    struct bus *pio;
    struct dp8390 chip;
};

static u64 chip_read(void *dev, u64 off, unsigned size)
{
    return dp8390_read(dev, off, size);
}

static void chip_write(void *dev, u64 off, unsigned size, u64 val)
{
    dp8390_write(dev, off, size, val);
}

static const struct bus_ops pci_ops = {.read = chip_read, .write = chip_write, .max_size = 4};
static const struct bus_ops isa_ops = {.read = chip_read, .write = chip_write, .max_size = 2};

static void set_intx(void *opaque, unsigned n, bool level)
{
    struct ne2000 *card = opaque;

    pci_set_intx(&card->pci, level);
}

int ne2000_new(struct ne2000 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
               const u8 mac[6], struct mem_window *rom)
{
    static const struct pci_ids ids = {.vendor = 0x10ec,
                                       .device = 0x8029,
                                       .subsys_vendor = 0x10ec,
                                       .subsys = 0x8029,
                                       .class = 0x0200,
                                       .pin = 1};
    struct ne2000 *n = calloc(1, sizeof(*n));
    int rc;

    (void)clk;
    if (!n)
        return -ENOMEM;
    rc = pci_device_init(&n->pci, bus, devfn, &ids, NULL, n);
    if (rc) {
        free(n);
        return rc;
    }
    pci_add_bar_io(&n->pci, 0, DP8390_PORTS, &pci_ops, &n->chip, "ne2000");
    if (rom)
        pci_add_rom(&n->pci, rom);
    dp8390_init(&n->chip, (struct irq){.set = set_intx, .opaque = n}, mac, true);
    *out = n;
    return 0;
}

void ne2000_reset(struct ne2000 *n)
{
    pci_device_reset(&n->pci);
    dp8390_reset(&n->chip);
}

void ne2000_free(struct ne2000 *n)
{
    if (!n)
        return;
    net_unplug(&n->chip.end);
    pci_device_dispose(&n->pci);
    free(n);
}

struct net_end *ne2000_net_end(struct ne2000 *n)
{
    return &n->chip.end;
}

int ne2000_isa_new(struct ne2000_isa **out, struct bus *pio, u16 port, struct irq irq,
                   const u8 mac[6])
{
    struct ne2000_isa *n = calloc(1, sizeof(*n));
    int rc;

    if (!n)
        return -ENOMEM;
    n->pio = pio;
    rc = bus_claim(pio, port, port + DP8390_PORTS - 1, &isa_ops, &n->chip, "ne2000");
    if (rc) {
        free(n);
        return rc;
    }
    dp8390_init(&n->chip, irq, mac, false);
    *out = n;
    return 0;
}

void ne2000_isa_reset(struct ne2000_isa *n)
{
    dp8390_reset(&n->chip);
}

void ne2000_isa_free(struct ne2000_isa *n)
{
    if (!n)
        return;
    net_unplug(&n->chip.end);
    bus_release(n->pio, &n->chip);
    free(n);
}

struct net_end *ne2000_isa_net_end(struct ne2000_isa *n)
{
    return &n->chip.end;
}

static const struct state_field pci_fields[] = {
    STATE_STRUCTS(struct ne2000, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct ne2000, chip, 1, dp8390_fields),
    STATE_END,
};

static const struct state_field isa_fields[] = {
    STATE_STRUCTS(struct ne2000_isa, chip, 1, dp8390_fields),
    STATE_END,
};

static int pci_loaded(void *obj)
{
    struct ne2000 *n = obj;
    int rc = pci_device_loaded(&n->pci);

    if (rc)
        return rc;
    dp8390_loaded(&n->chip);
    return 0;
}

static int isa_loaded(void *obj)
{
    struct ne2000_isa *n = obj;

    dp8390_loaded(&n->chip);
    return 0;
}

const struct state_table ne2000_state = {
    .name = "ne2000", .version = 1, .oldest = 1, .fields = pci_fields, .loaded = pci_loaded};
const struct state_table ne2000_isa_state = {
    .name = "ne2000-isa", .version = 1, .oldest = 1, .fields = isa_fields, .loaded = isa_loaded};
