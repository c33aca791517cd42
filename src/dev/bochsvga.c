/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/bochsvga.h"

#include "dev/vga_pci.h"

static bool chip_linear(void *opaque, struct vga_linear *out)
{
    struct bochsvga *b = opaque;

    return vbe_linear(&b->vbe, out);
}

static bool chip_bank(void *opaque, u32 *base)
{
    struct bochsvga *b = opaque;

    return vbe_bank(&b->vbe, base);
}

static const struct vga_chip chip = {.linear = chip_linear, .bank = chip_bank};

int bochsvga_init(struct bochsvga *b, const struct bochsvga_config *cfg)
{
    struct vga_config vga = {
        .pio = cfg->pio, .mmio = cfg->mmio, .clk = cfg->clk, .chip = &chip, .opaque = b};
    int rc = vga_pci_vram(&vga.window, cfg->mem, cfg->vram ? cfg->vram : BOCHSVGA_VRAM_DEFAULT, MiB,
                          64 * MiB);

    if (rc)
        return rc;
    b->vbe.vga = &b->vga; /* asked by vga_init */
    rc = vga_init(&b->vga, &vga);
    if (rc)
        return rc;
    vbe_init(&b->vbe, &b->vga);
    return bus_claim(cfg->pio, 0x1ce, 0x1d0, &vbe_port_ops, &b->vbe, "vbe");
}

void bochsvga_dispose(struct bochsvga *b)
{
    if (b->vga.pio)
        bus_release(b->vga.pio, &b->vbe);
    vga_dispose(&b->vga);
}

void bochsvga_reset(struct bochsvga *b)
{
    vbe_reset(&b->vbe);
    vga_reset(&b->vga);
}

const struct state_field bochsvga_fields[] = {
    STATE_STRUCTS(struct bochsvga, vga, 1, vga_fields),
    STATE_STRUCTS(struct bochsvga, vbe, 1, vbe_fields),
    STATE_END,
};

int bochsvga_loaded(struct bochsvga *b)
{
    int rc = vbe_loaded(&b->vbe);

    return rc ? rc : vga_loaded(&b->vga);
}

static int loaded(void *obj)
{
    return bochsvga_loaded(obj);
}

const struct state_table bochsvga_state = {
    .name = "bochsvga", .version = 1, .oldest = 1, .fields = bochsvga_fields, .loaded = loaded};
