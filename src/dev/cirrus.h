/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PCI graphics adapter with a Cirrus Logic CL-GD5446; see cirrus.c. */
#pragma once
#include "base/state.h"
#include "dev/vga_pci.h"
#include "ui/surface.h"

#define CIRRUS_VRAM_DEFAULT (4 * MiB)

struct cirrus;

/* vram is 1, 2 or 4 MiB; 0: CIRRUS_VRAM_DEFAULT. -EINVAL for sizes that cannot be, -ENOMEM,
 * -ENOSPC, -EEXIST where another VGA is. */
must_check int cirrus_new(struct cirrus **out, struct pci_bus *bus, u8 devfn,
                          const struct vga_pci_config *cfg);
void cirrus_reset(struct cirrus *dev);
void cirrus_free(struct cirrus *dev);
struct display *cirrus_display(struct cirrus *dev);

extern const struct state_table cirrus_state;
