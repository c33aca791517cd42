/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions of one PCI bus: registration, configuration accesses, INTx (PCI Local Bus Specification
 * 3.0, chapters 2 and 6). What base address registers map is bar.c's; capabilities are cap.c's.
 */
#include "pci/pci.h"
#include "base/le.h"
#include "pci/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MULTI 0x80u

int pci_bus_new(struct pci_bus **out, const struct pci_bus_config *cfg)
{
    struct pci_bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return -ENOMEM;
    bus->cfg = *cfg;
    *out = bus;
    return 0;
}

void pci_bus_free(struct pci_bus *bus)
{
    free(bus);
}

struct bus *pci_bus_pio(struct pci_bus *bus)
{
    return bus->cfg.pio;
}

struct bus *pci_bus_mmio(struct pci_bus *bus)
{
    return bus->cfg.mmio;
}

struct mem *pci_bus_mem(struct pci_bus *bus)
{
    return bus->cfg.mem;
}

/* By what the device is: a saved state that is refused may have left anything in config. */
static u8 line_of(const struct pci_device *dev)
{
    return (u8)(((dev->devfn >> 3) + dev->reset_config[PCI_INT_PIN] - 2u) % PCI_PIRQS);
}

/* The line is high while any function raises it. */
static void raise_or_lower(struct pci_device *dev)
{
    struct pci_bus *bus = dev->bus;
    bool raised = dev->intx && !(le16(dev->config + PCI_COMMAND) & PCI_COMMAND_INTX);
    u8 line = line_of(dev);

    if (raised == dev->raised)
        return;
    dev->raised = raised;
    bus->raisers[line] += raised ? 1u : -1u;
    if (bus->raisers[line] == raised)
        irq_set(&bus->cfg.pirq[line], raised);
}

void pci_set_intx(struct pci_device *dev, bool level)
{
    if (!dev->reset_config[PCI_INT_PIN])
        return;
    dev->intx = level;
    dev->config[PCI_STATUS] &= (u8)~PCI_STATUS_INTX;
    dev->config[PCI_STATUS] |= level ? PCI_STATUS_INTX : 0;
    raise_or_lower(dev);
}

u32 pci_config_read(struct pci_bus *bus, u8 devfn, unsigned off, unsigned size)
{
    struct pci_device *dev = bus->device[devfn];
    u32 val = 0;

    if (!dev)
        return (u32)size_mask(size);
    if (dev->ops && dev->ops->config_read)
        dev->ops->config_read(dev->opaque, off, size);
    memcpy(&val, dev->config + off, size);
    return val;
}

static bool touches(unsigned off, unsigned size, unsigned reg, unsigned len)
{
    return off < reg + len && reg < off + size;
}

void pci_config_write(struct pci_bus *bus, u8 devfn, unsigned off, unsigned size, u32 val)
{
    struct pci_device *dev = bus->device[devfn];
    bool was_master;

    if (!dev)
        return;
    was_master = pci_is_master(dev);
    for (unsigned i = 0; i < size; i++) {
        u8 *reg = &dev->config[off + i], byte = (u8)(val >> 8 * i), mask = dev->wmask[off + i];
        *reg = (u8)(((*reg & ~mask) | (byte & mask)) & ~(dev->w1c[off + i] & byte));
    }
    if (touches(off, size, PCI_COMMAND, 2))
        raise_or_lower(dev);
    if (touches(off, size, PCI_COMMAND, 2) || touches(off, size, PCI_BAR0, 4 * PCI_BARS) ||
        touches(off, size, PCI_ROM_BAR, 4))
        pci_bus_remap(bus);
    if (dev->msix)
        pci_msix_config_written(dev);
    if (dev->ops && dev->ops->config_written)
        dev->ops->config_written(dev->opaque, off, size);
    if (!was_master && pci_is_master(dev) && dev->ops && dev->ops->mastering)
        dev->ops->mastering(dev->opaque);
}

int pci_device_init(struct pci_device *dev, struct pci_bus *bus, u8 devfn,
                    const struct pci_ids *ids, const struct pci_device_ops *ops, void *opaque)
{
    struct pci_device *first = bus->device[devfn & ~7u];

    if (bus->device[devfn])
        return -EEXIST;
    *dev = (struct pci_device){
        .bus = bus, .ops = ops, .opaque = opaque, .devfn = devfn, .cap_end = 0x40};
    put_le16(dev->config + PCI_VENDOR_ID, ids->vendor);
    put_le16(dev->config + PCI_DEVICE_ID, ids->device);
    put_le16(dev->config + PCI_CLASS, ids->class);
    put_le16(dev->config + PCI_SUBSYS_VENDOR, ids->subsys_vendor);
    put_le16(dev->config + PCI_SUBSYS_ID, ids->subsys);
    dev->config[PCI_PROG_IF] = ids->prog_if;
    dev->config[PCI_REVISION] = ids->revision;
    dev->config[PCI_INT_PIN] = ids->pin;
    put_le16(dev->wmask + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME |
                                           (ids->pin ? PCI_COMMAND_INTX : 0));
    dev->wmask[PCI_CACHE_LINE] = dev->wmask[PCI_LATENCY] = 0xff;
    dev->wmask[PCI_INT_LINE] = ids->pin ? 0xff : 0;
    for (unsigned n = 0; n <= PCI_BARS; n++)
        dev->bar[n].at = PCI_UNMAPPED;
    bus->device[devfn] = dev;
    if (first && first != dev) {
        first->config[PCI_HEADER_TYPE] |= HEADER_MULTI;
        first->reset_config[PCI_HEADER_TYPE] |= HEADER_MULTI;
    }
    pci_device_settled(dev);
    return 0;
}

void pci_device_settled(struct pci_device *dev)
{
    memcpy(dev->reset_config, dev->config, sizeof(dev->config));
}

void pci_device_dispose(struct pci_device *dev)
{
    if (!dev->bus)
        return;
    pci_device_reset(dev);
    if (dev->msix)
        pthread_mutex_destroy(&dev->msix->lock);
    dev->bus->device[dev->devfn] = NULL;
    dev->bus = NULL;
}

void pci_device_reset(struct pci_device *dev)
{
    pci_set_intx(dev, false);
    memcpy(dev->config, dev->reset_config, sizeof(dev->config));
    if (dev->msix)
        pci_msix_reset(dev);
    pci_bus_remap(dev->bus);
}

bool pci_is_master(const struct pci_device *dev)
{
    return le16(dev->config + PCI_COMMAND) & PCI_COMMAND_BME;
}

int pci_dma_read(struct pci_device *dev, gpa_t gpa, void *to, u64 len)
{
    if (!pci_is_master(dev))
        return -EACCES;
    return mem_read(dev->bus->cfg.mem, gpa, to, len);
}

int pci_dma_write(struct pci_device *dev, gpa_t gpa, const void *from, u64 len)
{
    if (!pci_is_master(dev))
        return -EACCES;
    return mem_write(dev->bus->cfg.mem, gpa, from, len);
}

static bool append(struct pci_pieces *to, u8 *host, u64 len)
{
    struct iovec *last = &to->iov[to->n - (to->n > 0)];

    if (to->n && (u8 *)last->iov_base + last->iov_len == host)
        last->iov_len += len;
    else if (to->n < to->max)
        to->iov[to->n++] = (struct iovec){host, len};
    else
        return false;
    to->len += len;
    return true;
}

int pci_dma_map(struct pci_device *dev, struct pci_pieces *to, gpa_t gpa, u64 len,
                enum mem_access how)
{
    if (!pci_is_master(dev))
        return -EACCES;
    for (u64 done = 0, n; done < len; done += n) {
        u8 *host = mem_stretch(dev->bus->cfg.mem, gpa + done, len - done, how, &n);
        if (!host)
            return -EFAULT;
        if (!append(to, host, n))
            return 0;
    }
    return 0;
}

const struct state_field pci_device_fields[] = {
    STATE_ARRAY(struct pci_device, config),
    STATE_BOOL(struct pci_device, intx),
    STATE_END,
};

/* Registers that tell what the device is, and bits of a BAR that no write changes. */
static bool is_fixed(unsigned off)
{
    return off < PCI_COMMAND || (off >= PCI_REVISION && off < PCI_CACHE_LINE) ||
           (off >= PCI_HEADER_TYPE && off < PCI_CAP_LIST + 1) || off == PCI_INT_PIN;
}

int pci_device_loaded(struct pci_device *dev)
{
    bool intx = dev->intx;

    for (unsigned off = 0; off < sizeof(dev->config); off++)
        if (is_fixed(off) &&
            ((dev->config[off] ^ dev->reset_config[off]) & ~(dev->wmask[off] | dev->w1c[off])))
            return -EINVAL;
    pci_bus_remap(dev->bus);
    pci_set_intx(dev, intx);
    return 0;
}
