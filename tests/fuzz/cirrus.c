/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A GD5446: registers, banks, blits, pictures with a cursor, hostile state. */
#include "dev/cirrus.h"
#include "vga_fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void reset(void *dev)
{
    cirrus_reset(dev);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct vga_target t = {.table = &cirrus_state, .reset = reset, .vram = MiB, .regs_bar = 1};
    struct cirrus *dev;

    vga_rig_open_with(&t.rig, guest_memory(VGA_RIG_RAM));
    BUG_ON(cirrus_new(&dev, t.rig.pci, FUZZ_DEVFN,
                      &(struct vga_pci_config){.clk = t.rig.rig.clk, .vram = MiB}));
    t.dev = dev;
    t.display = cirrus_display(dev);
    fuzz_map_bars(&t);
    for (unsigned n = 0; input_left(&in) && n < 2000; n++)
        fuzz_one(&t, &in);
    fuzz_draw(&t);
    cirrus_free(dev);
    vga_rig_close(&t.rig);
    return 0;
}
