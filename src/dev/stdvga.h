/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI graphics adapter 1234:1111 with the Bochs display interface; see stdvga.c. */
#pragma once
#include "base/state.h"
#include "dev/vga_pci.h"
#include "ui/surface.h"

struct stdvga;

/* vram is 1 MiB to 64 MiB; 0: 16 MiB. -EINVAL for sizes that cannot be, -ENOMEM, -ENOSPC, -EEXIST
 * where another VGA is. */
must_check int stdvga_new(struct stdvga **out, struct pci_bus *bus, u8 devfn,
                          const struct vga_pci_config *cfg);
void stdvga_reset(struct stdvga *dev);
void stdvga_free(struct stdvga *dev);
struct display *stdvga_display(struct stdvga *dev);

extern const struct state_table stdvga_state;
