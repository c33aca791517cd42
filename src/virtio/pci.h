/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio over PCI (VIRTIO 1.2, section 4.1); see pci.c. */
#pragma once
#include "pci/pci.h"
#include "virtio/virtio.h"

struct virtio_pci;

struct virtio_pci_vga {
    struct mem_window *memory; /* display memory, behind BAR 0, where a legacy interface would be */
    const struct bus_ops *regs; /* in the first page of BAR 2, in accesses of up to 4 bytes */
    void *opaque;               /* of regs */
};

struct virtio_pci_config {
    bool no_legacy, no_modern;        /* not both */
    struct mem_window *rom;           /* to boot from it; NULL: none */
    const struct virtio_pci_vga *vga; /* which the function is as well; NULL: it is none */
};

/* Puts `dev`, which stays the caller's, on the bus; free this first. Types that never had a legacy
   interface have none. -ENOMEM, -EEXIST, -EINVAL: no interface is left. */
must_check int virtio_pci_new(struct virtio_pci **out, struct pci_bus *bus, u8 devfn,
                              struct virtio *dev, const struct virtio_pci_config *cfg);
/* Resets the device too. */
void virtio_pci_reset(struct virtio_pci *v);
void virtio_pci_free(struct virtio_pci *v);

/* Loaded before the device's own table. */
extern const struct state_table virtio_pci_state;
