/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The graphics adapter 1234:1111 as drivers for Bochs' and QEMU's know it: a VGA, the Bochs
 * display interface at ports 1CEh-1D0h, display memory behind BAR 0. BAR 2 has 4 KiB of
 * registers: the monitor's EDID at 0, ports 3C0h-3DFh at 400h, the display interface at 500h (16
 * bits each), the byte order of pixels at 604h (only little-endian is drawn).
 *
 * Under the machine's lock.
 */
#include "dev/stdvga.h"
#include "dev/bochsvga.h"
#include "dev/edid.h"
#include "dev/vga_pci.h"

#include <errno.h>
#include <stdlib.h>

#define BAR_MEMORY 0u
#define BAR_REGS   2u
#define REGS_SIZE  0x1000u

#define REG_EDID_END   0x0400u
#define REG_VGA        0x0400u
#define REG_VGA_END    0x0420u
#define REG_VBE        0x0500u
#define REG_VBE_END    0x0516u
#define REG_EXT_SIZE   0x0600u
#define REG_BYTE_ORDER 0x0604u
#define EXT_SIZE       8u
#define LITTLE_ENDIAN_ 0x1e1e1e1eu

struct stdvga {
    struct pci_device pci;
    struct bochsvga core;
    u8 edid[EDID_SIZE];
};

static u8 regs_read_byte(struct stdvga *dev, u32 off)
{
    u32 order = LITTLE_ENDIAN_;

    if (off < REG_EDID_END)
        return off < EDID_SIZE ? dev->edid[off] : 0;
    if (off < REG_VGA_END)
        return vga_port_read(&dev->core.vga, (u16)(0x3c0 + off - REG_VGA));
    if (off >= REG_VBE && off < REG_VBE_END)
        return (u8)(vbe_read(&dev->core.vbe, (u16)((off - REG_VBE) / 2)) >> 8 * (off & 1));
    if (off >= REG_EXT_SIZE && off < REG_EXT_SIZE + 4)
        return off == REG_EXT_SIZE ? EXT_SIZE : 0;
    return off >= REG_BYTE_ORDER && off < REG_BYTE_ORDER + 4 ? (u8)order : 0;
}

static u64 regs_read(void *opaque, u64 off, unsigned size)
{
    struct stdvga *dev = opaque;
    u64 val = 0;

    for (unsigned i = 0; i < size; i++)
        val |= (u64)regs_read_byte(dev, (u32)off + i) << 8 * i;
    return val;
}

/* The display interface takes whole registers. */
static void regs_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct stdvga *dev = opaque;

    if (off >= REG_VBE && off < REG_VBE_END) {
        if (size == 2 && !(off & 1))
            vbe_write(&dev->core.vbe, (u16)((off - REG_VBE) / 2), (u16)val);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        if (off + i >= REG_VGA && off + i < REG_VGA_END)
            vga_port_write(&dev->core.vga, (u16)(0x3c0 + off + i - REG_VGA), (u8)(val >> 8 * i));
}

static const struct bus_ops regs_ops = {.read = regs_read, .write = regs_write, .max_size = 2};

void stdvga_reset(struct stdvga *dev)
{
    pci_device_reset(&dev->pci);
    bochsvga_reset(&dev->core);
}

static int build(struct stdvga *dev, struct pci_bus *bus, u8 devfn, const struct stdvga_config *cfg)
{
    static const struct pci_ids ids = {.vendor = 0x1234,
                                       .device = 0x1111,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0300,
                                       .revision = 2};
    struct bochsvga_config core = {
        .pio = cfg->pio, .mmio = cfg->mmio, .mem = cfg->mem, .clk = cfg->clk, .vram = cfg->vram};
    int rc = bochsvga_init(&dev->core, &core);

    if (rc)
        return rc;
    rc = pci_device_init(&dev->pci, bus, devfn, &ids, NULL, dev);
    if (rc)
        return rc;
    pci_add_bar_window(&dev->pci, BAR_MEMORY, dev->core.vga.window);
    pci_add_bar_mem(&dev->pci, BAR_REGS, REGS_SIZE, &regs_ops, dev, "stdvga");
    return vga_pci_rom(&dev->pci, cfg->mem, cfg->rom, cfg->rom_size);
}

int stdvga_new(struct stdvga **out, struct pci_bus *bus, u8 devfn, const struct stdvga_config *cfg)
{
    u32 width = cfg->width ? cfg->width : 1024, height = cfg->height ? cfg->height : 768;
    struct stdvga *dev;
    int rc;

    if (width < 640 || width > 4088 || height < 480 || height > 4095)
        return -EINVAL;
    dev = calloc(1, sizeof(*dev));
    if (!dev)
        return -ENOMEM;
    edid_make(dev->edid, width, height);
    rc = build(dev, bus, devfn, cfg);
    if (rc) {
        stdvga_free(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

void stdvga_free(struct stdvga *dev)
{
    if (!dev)
        return;
    pci_device_dispose(&dev->pci);
    bochsvga_dispose(&dev->core);
    free(dev);
}

struct display *stdvga_display(struct stdvga *dev)
{
    return &dev->core.vga.display;
}

static int loaded(void *obj)
{
    struct stdvga *dev = obj;
    int rc = pci_device_loaded(&dev->pci);

    return rc ? rc : bochsvga_loaded(&dev->core);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct stdvga, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct stdvga, core, 1, bochsvga_fields),
    STATE_END,
};

const struct state_table stdvga_state = {
    .name = "stdvga", .version = 2, .oldest = 1, .fields = fields, .loaded = loaded};
