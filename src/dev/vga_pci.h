/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PCI graphics adapters share: their configuration, display memory and the option ROM as
 * windows.
 */
#pragma once
#include "bus/clock.h"
#include "pci/pci.h"

struct vga_pci_config {
    struct clock *clk;
    u64 vram;          /* bytes, a power of two; 0: as much as the adapter has */
    u32 width, height; /* the monitor's own size, where it can tell; 0: 1024x768 */
    const void *rom;   /* the option ROM's bytes, copied; NULL: none */
    size_t rom_size;
};

/* `vram` bytes, a power of two from least to most. -EINVAL, -ENOSPC. */
must_check int vga_pci_vram(struct mem_window **out, struct mem *mem, u64 vram, u64 least,
                            u64 most);
/* A window with the option ROM; NULL: there is none. -EINVAL, -ENOSPC. */
must_check int vga_pci_rom_window(struct mem_window **out, struct mem *mem,
                                  const struct vga_pci_config *cfg);
/* Puts the option ROM behind the expansion ROM register. -EINVAL, -ENOSPC. */
must_check int vga_pci_rom(struct pci_device *pci, const struct vga_pci_config *cfg);
