/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base address registers (PCI Local Bus Specification 3.0, section 6.2.5) and the expansion ROM. */
#include "base/le.h"
#include "pci/bus.h"

#define BAR_IO       0x1u
#define BAR_PREFETCH 0x8u
#define ROM_ENABLE   0x1u
#define IO_END       0x10000u

static unsigned reg_of(unsigned n)
{
    return n == PCI_ROM ? PCI_ROM_BAR : PCI_BAR0 + 4 * n;
}

static struct pci_bar *add_bar(struct pci_device *dev, unsigned n, u64 size, u32 flags)
{
    struct pci_bar *bar = &dev->bar[n];
    unsigned reg = reg_of(n);

    BUG_ON(n > PCI_ROM || bar->size || !size || size & (size - 1));
    *bar = (struct pci_bar){.size = size, .io = flags & BAR_IO, .at = PCI_UNMAPPED};
    put_le32(dev->config + reg, flags);
    put_le32(dev->wmask + reg, ~(u32)(size - 1));
    pci_device_settled(dev);
    return bar;
}

static void use_ops(struct pci_bar *bar, const struct bus_ops *ops, void *opaque, const char *name)
{
    bar->ops = ops;
    bar->opaque = opaque;
    bar->name = name;
}

void pci_add_bar_io(struct pci_device *dev, unsigned n, u32 size, const struct bus_ops *ops,
                    void *opaque, const char *name)
{
    BUG_ON(size < 4);
    use_ops(add_bar(dev, n, size, BAR_IO), ops, opaque, name);
}

void pci_add_bar_mem(struct pci_device *dev, unsigned n, u32 size, const struct bus_ops *ops,
                     void *opaque, const char *name)
{
    BUG_ON(size < 16);
    use_ops(add_bar(dev, n, size, 0), ops, opaque, name);
}

static u64 power_of_two(u64 size)
{
    u64 p = PAGE_SIZE;

    while (p < size)
        p *= 2;
    return p;
}

void pci_add_bar_window(struct pci_device *dev, unsigned n, struct mem_window *window)
{
    add_bar(dev, n, power_of_two(window->size), BAR_PREFETCH)->window = window;
}

void pci_add_rom(struct pci_device *dev, struct mem_window *window)
{
    add_bar(dev, PCI_ROM, power_of_two(window->size), 0)->window = window;
    dev->wmask[PCI_ROM_BAR] |= ROM_ENABLE;
    pci_device_settled(dev);
}

/* Where the guest wants it, or PCI_UNMAPPED. An address of 0 is one that nobody has set. */
static u64 wanted(const struct pci_device *dev, unsigned n)
{
    const struct pci_bar *bar = &dev->bar[n];
    u32 reg = le32(dev->config + reg_of(n)), at = reg & ~(u32)(bar->size - 1);
    u16 command = le16(dev->config + PCI_COMMAND);
    u64 end = bar->io ? IO_END : BIT64(32);

    if (!(command & (bar->io ? PCI_COMMAND_IO : PCI_COMMAND_MEM)) || !at || at + bar->size > end)
        return PCI_UNMAPPED;
    return n == PCI_ROM && !(reg & ROM_ENABLE) ? PCI_UNMAPPED : at;
}

static struct bus *space(const struct pci_bus *bus, const struct pci_bar *bar)
{
    return bar->io ? bus->cfg.pio : bus->cfg.mmio;
}

static void unmap(struct pci_bus *bus, struct pci_bar *bar)
{
    if (bar->window)
        mem_window_place(bar->window, MEM_NOWHERE);
    else
        bus_unclaim(space(bus, bar), bar->at);
    bar->at = PCI_UNMAPPED;
}

static void map(struct pci_bus *bus, struct pci_bar *bar, u64 at)
{
    if (bar->window)
        mem_window_place(bar->window, at);
    else if (bus_claim(space(bus, bar), at, at + bar->size - 1, bar->ops, bar->opaque, bar->name))
        return;
    bar->at = at;
}

void pci_bus_remap(struct pci_bus *bus)
{
    for (unsigned pass = 0; pass < 2; pass++) /* what leaves makes room for what comes */
        for (unsigned i = 0; i < ARRAY_SIZE(bus->device); i++)
            for (unsigned n = 0; bus->device[i] && n <= PCI_BARS; n++) {
                struct pci_bar *bar = &bus->device[i]->bar[n];
                u64 at = bar->size ? wanted(bus->device[i], n) : PCI_UNMAPPED;
                if (at == bar->at)
                    continue;
                if (pass == 0 && bar->at != PCI_UNMAPPED)
                    unmap(bus, bar);
                else if (pass == 1 && at != PCI_UNMAPPED)
                    map(bus, bar, at);
            }
}
