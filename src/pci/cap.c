/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of capabilities, and MSI (PCI Local Bus Specification 3.0, sections 6.7 and 6.8). */
#include "base/le.h"
#include "pci/bus.h"

#define CAP_MSI 0x05u

#define MSI_CONTROL 2u
#define MSI_ADDRESS 4u
#define MSI_DATA    12u
#define MSI_LEN     16u
#define MSI_ENABLE  0x0001u
#define MSI_64      0x0080u

unsigned pci_add_cap(struct pci_device *dev, u8 id, unsigned len)
{
    unsigned at = dev->cap_end;

    BUG_ON(len < 4 || len % 4 || at + len > sizeof(dev->config));
    dev->config[at] = id;
    dev->config[at + 1] = dev->config[PCI_CAP_LIST];
    dev->config[PCI_CAP_LIST] = (u8)at;
    dev->config[PCI_STATUS] |= PCI_STATUS_CAP;
    dev->cap_end = (u8)(at + len);
    pci_device_settled(dev);
    return at;
}

void pci_add_msi(struct pci_device *dev)
{
    unsigned at = pci_add_cap(dev, CAP_MSI, MSI_LEN);

    put_le16(dev->config + at + MSI_CONTROL, MSI_64);
    put_le16(dev->wmask + at + MSI_CONTROL, MSI_ENABLE);
    put_le32(dev->wmask + at + MSI_ADDRESS, ~3u);
    put_le32(dev->wmask + at + MSI_ADDRESS + 4, ~0u);
    put_le16(dev->wmask + at + MSI_DATA, 0xffff);
    dev->msi = (u8)at;
    pci_device_settled(dev);
}

bool pci_msi_enabled(const struct pci_device *dev)
{
    return dev->msi && dev->config[dev->msi + MSI_CONTROL] & MSI_ENABLE;
}

void pci_send_msi(struct pci_device *dev)
{
    const u8 *cap = dev->config + dev->msi;
    const struct pci_bus_config *bus = &dev->bus->cfg;

    if (pci_msi_enabled(dev) && le16(dev->config + PCI_COMMAND) & PCI_COMMAND_BME)
        bus->send_msi(bus->msi_opaque, le64(cap + MSI_ADDRESS), le16(cap + MSI_DATA));
}
