/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VGA with the Bochs display interface at ports 1CEh-1D0h and display memory, which an adapter on
 * PCI embeds and shows. Legacy ports and the window at A0000h answer whatever the adapter's command
 * register says. Under the machine's lock.
 */
#pragma once
#include "dev/edid.h"
#include "dev/vbe.h"
#include "dev/vga.h"
#include "dev/vga_pci.h"

#define BOCHSVGA_VRAM_DEFAULT (16 * MiB)

#define BOCHSVGA_REGS_SIZE 0x1000u

struct bochsvga {
    struct vga vga;
    struct vbe vbe;
    u8 edid[EDID_SIZE];
};

/* vram is 1 MiB to 64 MiB; 0: BOCHSVGA_VRAM_DEFAULT. -EINVAL, -ENOMEM, -ENOSPC, -EEXIST where
   another VGA is. `b`, zeros before, is then disposed of by bochsvga_dispose, also if this failed.
 */
must_check int bochsvga_init(struct bochsvga *b, struct pci_bus *bus,
                             const struct vga_pci_config *cfg);
/* BOCHSVGA_REGS_SIZE bytes of registers, of a struct bochsvga: the monitor's EDID at 0, ports
   3C0h-3DFh at 400h, the display interface at 500h (16 bits each), the byte order of pixels at 604h
   (only little-endian is drawn). */
extern const struct bus_ops bochsvga_regs_ops;
void bochsvga_dispose(struct bochsvga *b);
void bochsvga_reset(struct bochsvga *b);

extern const struct state_field bochsvga_fields[];
must_check int bochsvga_loaded(struct bochsvga *b);
/* Where it is no part of another device's. */
extern const struct state_table bochsvga_state;
