/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The graphics adapter 1234:1111 as drivers for Bochs' and QEMU's know it: a VGA with the Bochs
 * display interface, display memory behind BAR 0, its registers (bochsvga.h) behind BAR 2. Under
 * the machine's lock.
 */
#include "dev/stdvga.h"
#include "dev/bochsvga.h"

#include <errno.h>
#include <stdlib.h>

#define BAR_MEMORY 0u
#define BAR_REGS   2u

struct stdvga {
    struct pci_device pci;
    struct bochsvga core;
};

void stdvga_reset(struct stdvga *dev)
{
    pci_device_reset(&dev->pci);
    bochsvga_reset(&dev->core);
}

static int build(struct stdvga *dev, struct pci_bus *bus, u8 devfn,
                 const struct vga_pci_config *cfg)
{
    static const struct pci_ids ids = {.vendor = 0x1234,
                                       .device = 0x1111,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0300,
                                       .revision = 2};
    int rc = bochsvga_init(&dev->core, bus, cfg);

    if (rc)
        return rc;
    rc = pci_device_init(&dev->pci, bus, devfn, &ids, NULL, dev);
    if (rc)
        return rc;
    pci_add_bar_window(&dev->pci, BAR_MEMORY, dev->core.vga.window);
    pci_add_bar_mem(&dev->pci, BAR_REGS, BOCHSVGA_REGS_SIZE, &bochsvga_regs_ops, &dev->core,
                    "stdvga");
    return vga_pci_rom(&dev->pci, cfg);
}

int stdvga_new(struct stdvga **out, struct pci_bus *bus, u8 devfn, const struct vga_pci_config *cfg)
{
    struct stdvga *dev = calloc(1, sizeof(*dev));
    int rc;

    if (!dev)
        return -ENOMEM;
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
