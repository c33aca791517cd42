/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers in configuration space and memory, time, saved state with some bytes changed. */
#include "dev/i6300esb.h"
#include "dev_input.h"
#include "mangle.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define BASE  0xf0000000u
#define DEVFN PCI_DEVFN(3, 0)

static void on_bark(void *opaque)
{
}

static void map(struct pci_bus *pci)
{
    pci_config_write(pci, DEVFN, PCI_BAR0, 4, BASE);
    pci_config_write(pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM);
}

static void step(struct rig *rig, struct pci_bus *pci, struct i6300esb *w, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    switch (op >> 5) {
    case 0:
    case 1:
        bus_write(&rig->mmio, BASE + 12, 2, 0x80);
        bus_write(&rig->mmio, BASE + 12, 2, 0x86);
        input_access(in, &rig->mmio, op, BASE, 16);
        break;
    case 2:
        input_access(in, &rig->mmio, op, BASE - 2, 20);
        break;
    case 3:
        pci_config_write(pci, DEVFN, op & 16 ? 0x68 : 0x60, 1, op & 15);
        break;
    case 4:
        pci_config_write(pci, DEVFN, (u8)input_take(in, 1), 1, (u8)input_take(in, 1));
        map(pci);
        break;
    case 5:
        if (mangle(in, &i6300esb_state, w))
            i6300esb_reset(w);
        map(pci);
        break;
    case 6:
        /* The fast counter's periods go down to 2 us. */
        clock_advance(rig->clk, (u64)input_take(in, 1)
                                    << (pci_config_read(pci, DEVFN, 0x60, 2) & 4 ? 14 : 26));
        break;
    default:
        input_advance(in, rig->clk);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire irq = {0};
    struct pci_bus_config cfg = {.pio = &rig.pio, .mmio = &rig.mmio};
    struct i6300esb_config wcfg = {.irq = wire_irq(&irq), .bark = on_bark};
    struct pci_bus *pci;
    struct i6300esb *w;

    rig_open(&rig);
    BUG_ON(pci_bus_new(&pci, &cfg) || i6300esb_new(&w, pci, DEVFN, rig.clk, &wcfg));
    map(pci);
    while (input_left(&in))
        step(&rig, pci, w, &in);
    i6300esb_reset(w);
    BUG_ON(irq.level);
    i6300esb_free(w);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    pci_bus_free(pci);
    rig_close(&rig);
    return 0;
}
