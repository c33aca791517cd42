/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI graphics adapter 1234:1111 with the Bochs display interface; see stdvga.c. */
#pragma once
#include "base/state.h"
#include "bus/clock.h"
#include "pci/pci.h"
#include "ui/surface.h"

struct stdvga;

struct stdvga_config {
    struct bus *pio, *mmio;
    struct mem *mem;
    struct clock *clk;
    u64 vram;          /* bytes, a power of two of 1 MiB to 64 MiB; 0: 16 MiB */
    u32 width, height; /* the monitor's own size; 0: 1024x768 */
    const void *rom;   /* the option ROM's bytes, copied; NULL: none */
    size_t rom_size;
};

/* -EINVAL for sizes that cannot be, -ENOMEM, -ENOSPC, -EEXIST where another VGA is. */
must_check int stdvga_new(struct stdvga **out, struct pci_bus *bus, u8 devfn,
                          const struct stdvga_config *cfg);
void stdvga_reset(struct stdvga *dev);
void stdvga_free(struct stdvga *dev);
struct display *stdvga_display(struct stdvga *dev);

extern const struct state_table stdvga_state;
