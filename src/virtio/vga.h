/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The adapter 1af4:1050 as QEMU has it by the name of virtio-vga: one PCI function that is a VGA
 * with the Bochs display interface, display memory behind BAR 0, registers in front of BAR 2, and a
 * virtio graphics adapter, which takes the screen over when its driver sets a scanout, until it is
 * reset. Under the machine's lock.
 */
#pragma once
#include "dev/bochsvga.h"
#include "virtio/gpu.h"
#include "virtio/pci.h"

struct virtio_vga { /* each with a saved state of its own */
    struct bochsvga core;
    struct virtio_gpu *gpu;
    struct virtio_pci *pci;
};

/* vram as of bochsvga_init. -ENOMEM, -ENOSPC, -EINVAL for a ROM that cannot be, -EEXIST where
 * another VGA is. */
must_check int virtio_vga_new(struct virtio_vga **out, struct pci_bus *bus, u8 devfn,
                              const struct vga_pci_config *cfg);
void virtio_vga_reset(struct virtio_vga *v);
void virtio_vga_free(struct virtio_vga *v);
struct display *virtio_vga_display(struct virtio_vga *v);
