/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X (PCI Local Bus Specification 3.0, section 6.8.2): the capability, its table and pending
 * bits in a base address register of their own. A vector that is masked stays pending until it is
 * not. Its own lock guards table and pending bits, since vectors are sent by any thread.
 */
#include "base/le.h"
#include "pci/bus.h"

#include <errno.h>
#include <string.h>

#define CAP_MSIX 0x11u
#define CAP_LEN  12u

#define MSIX_CONTROL 2u
#define MSIX_TABLE   4u
#define MSIX_PBA     8u
#define MSIX_MASKALL 0x4000u
#define MSIX_ENABLE  0x8000u

#define BAR_LEN    4096u
#define PBA_OFFSET 2048u

#define ENTRY_DATA    8u
#define ENTRY_CONTROL 12u
#define ENTRY_MASKED  1u

static u16 control(const struct pci_device *dev)
{
    return le16(dev->config + dev->msix_cap + MSIX_CONTROL);
}

bool pci_msix_enabled(const struct pci_device *dev)
{
    return dev->msix && control(dev) & MSIX_ENABLE;
}

static bool is_masked(const struct pci_msix *x, unsigned vector)
{
    return x->function_masked || x->table[vector * PCI_MSIX_ENTRY + ENTRY_CONTROL] & ENTRY_MASKED;
}

/* Those that wait and no longer have to. Lock of the table held. */
static void send_pending(struct pci_device *dev)
{
    struct pci_msix *x = dev->msix;
    const struct pci_bus_config *bus = &dev->bus->cfg;

    if (!x->can_send)
        return;
    for (unsigned v = 0; v < x->vectors; v++) {
        const u8 *entry = x->table + v * PCI_MSIX_ENTRY;
        if (!(x->pending[v / 8] & BIT(v % 8)) || is_masked(x, v))
            continue;
        x->pending[v / 8] &= (u8)~BIT(v % 8);
        bus->send_msi(bus->msi_opaque, le64(entry), le32(entry + ENTRY_DATA));
    }
}

bool pci_msix_send(struct pci_device *dev, unsigned vector)
{
    struct pci_msix *x = dev->msix;
    bool enabled;

    if (!x)
        return false;
    pthread_mutex_lock(&x->lock);
    enabled = x->enabled;
    if (enabled && vector < x->vectors) {
        x->pending[vector / 8] |= (u8)BIT(vector % 8);
        send_pending(dev);
    }
    pthread_mutex_unlock(&x->lock);
    return enabled;
}

void pci_msix_config_written(struct pci_device *dev)
{
    struct pci_msix *x = dev->msix;

    pthread_mutex_lock(&x->lock);
    x->enabled = control(dev) & MSIX_ENABLE;
    x->function_masked = control(dev) & MSIX_MASKALL;
    x->can_send = x->enabled && le16(dev->config + PCI_COMMAND) & PCI_COMMAND_BME;
    send_pending(dev);
    pthread_mutex_unlock(&x->lock);
}

static u64 bar_read(void *opaque, u64 off, unsigned size)
{
    struct pci_device *dev = opaque;
    struct pci_msix *x = dev->msix;
    u32 val = 0;

    pthread_mutex_lock(&x->lock);
    if (off < (u64)x->vectors * PCI_MSIX_ENTRY)
        memcpy(&val, x->table + off, size);
    else if (off >= PBA_OFFSET && off - PBA_OFFSET < sizeof(x->pending))
        memcpy(&val, x->pending + (off - PBA_OFFSET), size);
    pthread_mutex_unlock(&x->lock);
    return val;
}

static void bar_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct pci_device *dev = opaque;
    struct pci_msix *x = dev->msix;

    if (off >= (u64)x->vectors * PCI_MSIX_ENTRY)
        return;
    pthread_mutex_lock(&x->lock);
    memcpy(x->table + off, &val, size);
    x->table[off / PCI_MSIX_ENTRY * PCI_MSIX_ENTRY] &= (u8)~3u;
    memset(x->table + off / PCI_MSIX_ENTRY * PCI_MSIX_ENTRY + ENTRY_CONTROL + 1, 0, 3);
    x->table[off / PCI_MSIX_ENTRY * PCI_MSIX_ENTRY + ENTRY_CONTROL] &= ENTRY_MASKED;
    send_pending(dev);
    pthread_mutex_unlock(&x->lock);
}

static const struct bus_ops bar_ops = {.read = bar_read, .write = bar_write, .max_size = 4};

void pci_msix_reset(struct pci_device *dev)
{
    struct pci_msix *x = dev->msix;

    pthread_mutex_lock(&x->lock);
    memset(x->table, 0, sizeof(x->table));
    memset(x->pending, 0, sizeof(x->pending));
    for (unsigned v = 0; v < x->vectors; v++)
        x->table[v * PCI_MSIX_ENTRY + ENTRY_CONTROL] = ENTRY_MASKED;
    x->enabled = x->function_masked = x->can_send = false;
    pthread_mutex_unlock(&x->lock);
}

void pci_add_msix(struct pci_device *dev, struct pci_msix *msix, unsigned bar, unsigned vectors)
{
    unsigned at = pci_add_cap(dev, CAP_MSIX, CAP_LEN);

    BUG_ON(!vectors || vectors > PCI_MSIX_VECTORS);
    msix->vectors = vectors;
    pthread_mutex_init(&msix->lock, NULL);
    dev->msix = msix;
    dev->msix_cap = (u8)at;
    put_le16(dev->config + at + MSIX_CONTROL, (u16)(vectors - 1));
    put_le16(dev->wmask + at + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASKALL);
    put_le32(dev->config + at + MSIX_TABLE, bar);
    put_le32(dev->config + at + MSIX_PBA, PBA_OFFSET | bar);
    pci_device_settled(dev);
    pci_msix_reset(dev);
    pci_add_bar_mem(dev, bar, BAR_LEN, &bar_ops, dev, "msix");
}

const struct state_field pci_msix_fields[] = {
    STATE_ARRAY(struct pci_msix, table),
    STATE_ARRAY(struct pci_msix, pending),
    STATE_END,
};

int pci_msix_loaded(struct pci_device *dev)
{
    struct pci_msix *x = dev->msix;

    for (unsigned v = x->vectors; v < PCI_MSIX_VECTORS; v++)
        if (x->pending[v / 8] & BIT(v % 8))
            return -EINVAL;
    for (unsigned v = 0; v < PCI_MSIX_VECTORS; v++) {
        const u8 *entry = x->table + v * PCI_MSIX_ENTRY;
        if (le32(entry + ENTRY_CONTROL) > ENTRY_MASKED || entry[0] & 3)
            return -EINVAL;
    }
    pci_msix_config_written(dev);
    return 0;
}
