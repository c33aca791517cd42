/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports CF8h-CFFh with a chipset and a function with all kinds of bars: what is read-only keeps its
   value, and nothing stays mapped after a reset. */
#include "dev/pcihost.h"
#include "base/le.h"
#include "dev/i440fx.h"
#include "dev/piix3.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 bar_read(void *opaque, u64 off, unsigned size)
{
    return 0;
}

static void bar_write(void *opaque, u64 off, unsigned size, u64 val)
{
}

static const struct bus_ops bar_ops = {.read = bar_read, .write = bar_write, .max_size = 4};

static void no_msi(void *opaque, u64 addr, u32 data)
{
}

static void check(const struct pci_device *dev)
{
    for (unsigned i = 0; i < sizeof(dev->config); i++)
        BUG_ON((dev->config[i] ^ dev->reset_config[i]) & ~(dev->wmask[i] | dev->w1c[i]));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const struct pci_ids ids = {.vendor = 0x1af4, .device = 0x10f0, .pin = 1};
    struct input in = {data, size};
    struct rig rig;
    struct wire reset = {0}, isa[16] = {0};
    struct irq lines[16];
    struct mem_window *bios, *window;
    struct pci_bus *pci;
    struct pcihost *host;
    struct i440fx *bridge;
    struct piix3 *piix3;
    struct pci_device dev = {0};
    struct mem *mem;
    struct err err;

    rig_open(&rig);
    BUG_ON(mem_new(&mem, 2 * MiB, &rig.mmio, &err));
    BUG_ON(mem_window_new(&bios, mem, 256 * KiB, true) || mem_window_new(&window, mem, MiB, false));
    BUG_ON(
        pci_bus_new(&pci, &(struct pci_bus_config){
                              .pio = &rig.pio, .mmio = &rig.mmio, .mem = mem, .send_msi = no_msi}));
    for (unsigned n = 0; n < 16; n++)
        lines[n] = (struct irq){wire_set, isa, n};
    BUG_ON(pcihost_new(&host, &rig.pio, pci, wire_irq(&reset)) || i440fx_new(&bridge, pci, bios) ||
           piix3_new(&piix3, pci, PCI_DEVFN(1, 0), lines));
    BUG_ON(pci_device_init(&dev, pci, PCI_DEVFN(2, 0), &ids, NULL, NULL));
    pci_add_bar_io(&dev, 0, 32, &bar_ops, &dev, "io");
    pci_add_bar_mem(&dev, 1, 4096, &bar_ops, &dev, "mem");
    pci_add_bar_window(&dev, 2, window);
    pci_add_msi(&dev);
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80) {
            bus_write(&rig.pio, 0xcf8, 4, 0x80000000u | (op & 0x60) << 6 | (op & 0x1f) << 3);
        } else if (op & 0x40) {
            pci_set_intx(&dev, op & 1);
            piix3_set_pirq(piix3, op >> 1 & 3, op & 1);
            pci_send_msi(&dev);
        } else {
            input_access(&in, &rig.pio, op, 0xcf6, 12);
        }
    }
    pci_set_intx(&dev, false);
    check(&dev);
    pci_device_reset(&dev);
    for (unsigned n = 0; n <= PCI_BARS; n++)
        BUG_ON(dev.bar[n].at != PCI_UNMAPPED);
    i440fx_reset(bridge);
    BUG_ON(mem_page_of(mem, 0xf0000) != bios->page + 48);
    pci_device_dispose(&dev);
    piix3_free(piix3);
    i440fx_free(bridge);
    pcihost_free(host);
    pci_bus_free(pci);
    mem_free(mem);
    rig_close(&rig);
    return 0;
}
