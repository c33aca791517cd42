/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the PCI transport share. */
#pragma once
#include "virtio/pci.h"

#define MODERN_COMMON  0x0000u
#define MODERN_ISR     0x1000u
#define MODERN_DEVICE  0x2000u
#define MODERN_NOTIFY  0x3000u
#define MODERN_LEN     0x4000u
#define NOTIFY_STRIDE  4u
#define COMMON_CFG_LEN 0x3cu
#define VGA_REGS_LEN   0x1000u

struct virtio_pci {
    struct pci_device pci;
    struct pci_msix msix;
    struct virtio *dev;
    struct virtio_pci_vga vga; /* all 0: it is none */
    u8 modern_bar;
    u32 modern_at; /* in that bar */
    u8 access_cap; /* offset of the configuration access capability; 0: none */
    u32 device_select, driver_select;
    u16 queue_select, config_vector;
    u8 isr;
    struct timer line; /* to drive INTx under the machine's lock */
};

/* pci.c */
u8 virtio_pci_take_isr(struct virtio_pci *v); /* what reading it does */
u16 virtio_pci_vector(const struct virtio_pci *v, u16 wanted);
void virtio_pci_set_status(struct virtio_pci *v, u8 status, bool legacy);
static inline struct virtq *virtio_pci_queue(struct virtio_pci *v)
{
    return virtio_queue(v->dev, v->queue_select);
}

extern const struct bus_ops virtio_pci_modern_ops, virtio_pci_legacy_ops;
