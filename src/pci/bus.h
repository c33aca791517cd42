/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#pragma once
#include "pci/pci.h"

struct pci_bus {
    struct pci_bus_config cfg;
    struct pci_device *device[256];
    unsigned raisers[PCI_PIRQS]; /* functions that raise each line */
};

/* Maps every bar where its register says, if there is room: a bar that meets another claim is
   not mapped until that one goes. */
void pci_bus_remap(struct pci_bus *bus);

/* Of a device with MSI-X: after its capability or command register may have changed; after RST#. */
void pci_msix_config_written(struct pci_device *dev);
void pci_msix_reset(struct pci_device *dev);
