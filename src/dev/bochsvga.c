/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/bochsvga.h"

#include <errno.h>

#define REG_EDID_END   0x0400u
#define REG_VGA        0x0400u
#define REG_VGA_END    0x0420u
#define REG_VBE        0x0500u
#define REG_VBE_END    0x0516u
#define REG_EXT_SIZE   0x0600u
#define REG_BYTE_ORDER 0x0604u
#define EXT_SIZE       8u
#define LITTLE_ENDIAN_ 0x1eu /* in each of four bytes */

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

static u8 regs_read_byte(struct bochsvga *b, u32 off)
{
    if (off < REG_EDID_END)
        return off < EDID_SIZE ? b->edid[off] : 0;
    if (off < REG_VGA_END)
        return vga_port_read(&b->vga, (u16)(0x3c0 + off - REG_VGA));
    if (off >= REG_VBE && off < REG_VBE_END)
        return (u8)(vbe_read(&b->vbe, (u16)((off - REG_VBE) / 2)) >> 8 * (off & 1));
    if (off >= REG_EXT_SIZE && off < REG_EXT_SIZE + 4)
        return off == REG_EXT_SIZE ? EXT_SIZE : 0;
    return off >= REG_BYTE_ORDER && off < REG_BYTE_ORDER + 4 ? LITTLE_ENDIAN_ : 0;
}

static u64 regs_read(void *opaque, u64 off, unsigned size)
{
    u64 val = 0;

    for (unsigned i = 0; i < size; i++)
        val |= (u64)regs_read_byte(opaque, (u32)off + i) << 8 * i;
    return val;
}

/* The display interface takes whole registers. */
static void regs_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct bochsvga *b = opaque;

    if (off >= REG_VBE && off < REG_VBE_END) {
        for (unsigned i = 0; i + 2 <= size && !(off & 1); i += 2)
            vbe_write(&b->vbe, (u16)((off + i - REG_VBE) / 2), (u16)(val >> 8 * i));
        return;
    }
    for (unsigned i = 0; i < size; i++)
        if (off + i >= REG_VGA && off + i < REG_VGA_END)
            vga_port_write(&b->vga, (u16)(0x3c0 + off + i - REG_VGA), (u8)(val >> 8 * i));
}

const struct bus_ops bochsvga_regs_ops = {.read = regs_read, .write = regs_write, .max_size = 4};

int bochsvga_init(struct bochsvga *b, struct pci_bus *bus, const struct vga_pci_config *cfg)
{
    u32 width = cfg->width ? cfg->width : 1024, height = cfg->height ? cfg->height : 768;
    struct vga_config vga = {.pio = pci_bus_pio(bus),
                             .mmio = pci_bus_mmio(bus),
                             .clk = cfg->clk,
                             .chip = &chip,
                             .opaque = b};
    int rc;

    if (width < 640 || width > 4088 || height < 480 || height > 4095)
        return -EINVAL;
    rc = vga_pci_vram(&vga.window, pci_bus_mem(bus), cfg->vram ? cfg->vram : BOCHSVGA_VRAM_DEFAULT,
                      MiB, 64 * MiB);
    if (rc)
        return rc;
    edid_make(b->edid, width, height);
    b->vbe.vga = &b->vga; /* asked by vga_init */
    rc = vga_init(&b->vga, &vga);
    if (rc)
        return rc;
    vbe_init(&b->vbe, &b->vga);
    return bus_claim(vga.pio, 0x1ce, 0x1d0, &vbe_port_ops, &b->vbe, "vbe");
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
