/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PCI graphics adapters share: display memory and the option ROM as windows. */
#pragma once
#include "pci/pci.h"

/* `vram` bytes, a power of two from least to most. -EINVAL, -ENOSPC. */
must_check int vga_pci_vram(struct mem_window **out, struct mem *mem, u64 vram, u64 least,
                            u64 most);
/* A window with the option ROM's `size` bytes. -EINVAL, -ENOSPC. */
must_check int vga_pci_rom_window(struct mem_window **out, struct mem *mem, const void *rom,
                                  size_t size);
/* Puts `size` bytes (none if NULL) behind the expansion ROM register. -EINVAL, -ENOSPC. */
must_check int vga_pci_rom(struct pci_device *pci, struct mem *mem, const void *rom, size_t size);
