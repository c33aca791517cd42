/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/vga.h"

#include <errno.h>
#include <stdlib.h>

static int build(struct virtio_vga *v, struct pci_bus *bus, u8 devfn,
                 const struct vga_pci_config *cfg)
{
    struct virtio_gpu_config gpu = {
        .width = cfg->width, .height = cfg->height, .vga = &v->core.vga.display};
    struct virtio_pci_vga vga = {.regs = &bochsvga_regs_ops, .opaque = &v->core};
    struct virtio_pci_config pci = {.vga = &vga};
    struct mem *mem = pci_bus_mem(bus);
    int rc = bochsvga_init(&v->core, bus, cfg);

    if (!rc)
        rc = virtio_gpu_new(&v->gpu, mem, cfg->clk, &gpu);
    if (!rc)
        rc = vga_pci_rom_window(&pci.rom, mem, cfg);
    vga.memory = v->core.vga.window;
    return rc ? rc : virtio_pci_new(&v->pci, bus, devfn, virtio_gpu_dev(v->gpu), &pci);
}

int virtio_vga_new(struct virtio_vga **out, struct pci_bus *bus, u8 devfn,
                   const struct vga_pci_config *cfg)
{
    struct virtio_vga *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return -ENOMEM;
    rc = build(v, bus, devfn, cfg);
    if (rc) {
        virtio_vga_free(v);
        return rc;
    }
    *out = v;
    return 0;
}

void virtio_vga_reset(struct virtio_vga *v)
{
    virtio_pci_reset(v->pci);
    bochsvga_reset(&v->core);
}

void virtio_vga_free(struct virtio_vga *v)
{
    if (!v)
        return;
    virtio_pci_free(v->pci);
    virtio_gpu_free(v->gpu);
    bochsvga_dispose(&v->core);
    free(v);
}

struct display *virtio_vga_display(struct virtio_vga *v)
{
    return virtio_gpu_display(v->gpu);
}
