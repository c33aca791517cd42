/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VGA with the Bochs display interface at ports 1CEh-1D0h and display memory, which an adapter on
 * PCI embeds and shows. Legacy ports and the window at A0000h answer whatever the adapter's command
 * register says. Under the machine's lock.
 */
#pragma once
#include "dev/vbe.h"
#include "dev/vga.h"

#define BOCHSVGA_VRAM_DEFAULT (16 * MiB)

struct bochsvga {
    struct vga vga;
    struct vbe vbe;
};

struct bochsvga_config {
    struct bus *pio, *mmio;
    struct mem *mem;
    struct clock *clk;
    u64 vram; /* bytes, a power of two of 1 MiB to 64 MiB; 0: BOCHSVGA_VRAM_DEFAULT */
};

/* -EINVAL, -ENOMEM, -ENOSPC, -EEXIST where another VGA is. `b`, zeros before, is then disposed of
   by bochsvga_dispose, also if this failed. */
must_check int bochsvga_init(struct bochsvga *b, const struct bochsvga_config *cfg);
void bochsvga_dispose(struct bochsvga *b);
void bochsvga_reset(struct bochsvga *b);

extern const struct state_field bochsvga_fields[];
must_check int bochsvga_loaded(struct bochsvga *b);
/* Where it is no part of another device's. */
extern const struct state_table bochsvga_state;
