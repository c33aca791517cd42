/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports CF8h-CFFh with a function present. Read-only bits must keep their values. */
#include "dev/pcihost.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void on_written(void *opaque, unsigned off, unsigned size)
{
    BUG_ON(off + size > 256 || !size);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const u8 wmask[256] = {[4] = 0x07, [0x11] = 0xf0, [0x12] = 0xff, [0xff] = 0x0f};
    static const u8 w1c[256] = {[7] = 0xf9};
    struct pci_function fn = {.config = {0xf4, 0x1a},
                              .wmask = wmask,
                              .w1c = w1c,
                              .written = on_written,
                              .before_read = on_written};
    struct input in = {data, size};
    struct rig rig;
    struct wire reset = {0};
    struct pcihost *host;

    rig_open(&rig);
    BUG_ON(pcihost_new(&host, &rig.pio, wire_irq(&reset)));
    BUG_ON(pcihost_add(host, PCI_DEVFN(1, 0), &fn));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op & 0x80)
            bus_write(&rig.pio, 0xcf8, 4, 0x80000000u | (op & 0x40 ? 0x800 : 0) | (op & 0x3f) << 2);
        else
            input_access(&in, &rig.pio, op, 0xcf6, 12);
    }
    for (unsigned i = 0; i < 256; i++)
        BUG_ON(fn.config[i] & ~wmask[i] & ~w1c[i] && i > 1);
    bus_write(&rig.pio, 0xcf8, 4, 0x80000000u);
    BUG_ON(bus_read(&rig.pio, 0xcfc, 4) != 0x12378086);
    pcihost_reset(host);
    pcihost_free(host);
    rig_close(&rig);
    return 0;
}
