/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI graphics adapter with a Cirrus Logic CL-GD5446 (Technical Reference Manual, 1996): a VGA
 * with packed pixels of 8 to 32 bits, a blitter and a hardware cursor. BAR 0 is 32 MiB with
 * display memory at 0, as the drivers of QEMU's adapter know it; BAR 1 has the VGA's ports and the
 * blitter's registers.
 *
 * Left out: the video overlay, DDC, the clock synthesizer, blits to the CPU. Legacy ports and the
 * window at A0000h answer whatever the command register says. Under the machine's lock.
 */
#include "dev/cirrus_priv.h"

#include <errno.h>
#include <stdlib.h>

#define BAR_MEMORY   0u
#define BAR_REGS     1u
#define MEMORY_SIZE  (32 * MiB)
#define REGS_SIZE    0x1000u
#define PREFETCHABLE 0x08u

static void config_written(void *opaque, unsigned off, unsigned size)
{
    cirrus_map(opaque);
}

static const struct pci_device_ops pci_ops = {.config_written = config_written};

void cirrus_reset(struct cirrus *dev)
{
    pci_device_reset(&dev->pci);
    vga_reset(&dev->vga);
    cirrus_regs_reset(dev);
    cirrus_map(dev);
}

static int build(struct cirrus *dev, struct pci_bus *bus, u8 devfn,
                 const struct vga_pci_config *cfg)
{
    static const struct pci_ids ids = {.vendor = 0x1013,
                                       .device = 0x00b8,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0300};
    struct vga_config vga = {.pio = pci_bus_pio(bus),
                             .mmio = pci_bus_mmio(bus),
                             .clk = cfg->clk,
                             .chip = &cirrus_chip,
                             .opaque = dev,
                             .window_ops = &cirrus_window_ops};
    int rc;

    dev->pci.bar[BAR_MEMORY].at = PCI_UNMAPPED;
    rc = vga_pci_vram(&vga.window, pci_bus_mem(bus), cfg->vram ? cfg->vram : CIRRUS_VRAM_DEFAULT,
                      MiB, 4 * MiB);
    if (!rc)
        rc = vga_init(&dev->vga, &vga);
    if (rc)
        return rc;
    cirrus_regs_reset(dev);
    rc = pci_device_init(&dev->pci, bus, devfn, &ids, &pci_ops, dev);
    if (rc)
        return rc;
    pci_add_bar_mem(&dev->pci, BAR_MEMORY, MEMORY_SIZE, &cirrus_fb_ops, dev, "cirrus");
    dev->pci.config[PCI_BAR0] |= PREFETCHABLE;
    pci_device_settled(&dev->pci);
    pci_add_bar_mem(&dev->pci, BAR_REGS, REGS_SIZE, &cirrus_regs_ops, dev, "cirrus");
    return vga_pci_rom(&dev->pci, cfg);
}

int cirrus_new(struct cirrus **out, struct pci_bus *bus, u8 devfn, const struct vga_pci_config *cfg)
{
    struct cirrus *dev = calloc(1, sizeof(*dev));
    int rc;

    if (!dev)
        return -ENOMEM;
    rc = build(dev, bus, devfn, cfg);
    if (rc) {
        cirrus_free(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

void cirrus_free(struct cirrus *dev)
{
    if (!dev)
        return;
    if (dev->vga.window)
        mem_window_place(dev->vga.window, MEM_NOWHERE);
    pci_device_dispose(&dev->pci);
    vga_dispose(&dev->vga);
    free(dev);
}

struct display *cirrus_display(struct cirrus *dev)
{
    return &dev->vga.display;
}

static int loaded(void *obj)
{
    struct cirrus *dev = obj;
    int rc = pci_device_loaded(&dev->pci);

    if (!rc)
        rc = vga_loaded(&dev->vga);
    if (!rc)
        rc = cirrus_blt_loaded(dev);
    if (!rc && (dev->hidden_count > 4 || dev->cursor_index > 15 || dev->cursor_component > 2 ||
                dev->cursor_x > 0x7ff || dev->cursor_y > 0x7ff))
        rc = -EINVAL;
    if (!rc)
        cirrus_map(dev);
    return rc;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct cirrus, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct cirrus, vga, 1, vga_fields),
    STATE_UINT(struct cirrus, hidden_dac),
    STATE_UINT(struct cirrus, hidden_count),
    STATE_ARRAY(struct cirrus, cursor_dac),
    STATE_UINT(struct cirrus, cursor_index),
    STATE_UINT(struct cirrus, cursor_component),
    STATE_UINT(struct cirrus, cursor_x),
    STATE_UINT(struct cirrus, cursor_y),
    STATE_STRUCTS(struct cirrus, blt, 1, cirrus_blt_fields),
    STATE_END,
};

const struct state_table cirrus_state = {
    .name = "cirrus", .version = 2, .oldest = 1, .fields = fields, .loaded = loaded};
