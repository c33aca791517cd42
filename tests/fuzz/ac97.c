/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both register spaces, descriptors in memory, time, saved state with some bytes changed. */
#include "dev/ac97.h"
#include "base/le.h"
#include "dev_input.h"
#include "mangle.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define DEVFN PCI_DEVFN(4, 0)
#define NAM   0xd000u
#define BM    0xd200u
#define RING  0x1000u

static void play(void *opaque, u32 rate, const s16 *samples, size_t frames)
{
    volatile s16 *sink = opaque;

    BUG_ON(rate < 8000 || rate > 48000);
    for (size_t i = 0; i < 2 * frames; i++)
        *sink = samples[i];
}

static void map(struct pci_bus *pci)
{
    pci_config_write(pci, DEVFN, PCI_BAR0, 4, NAM);
    pci_config_write(pci, DEVFN, PCI_BAR0 + 4, 4, BM);
    pci_config_write(pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BME);
}

static void put_descriptor(struct mem *mem, struct input *in, unsigned n)
{
    u8 raw[8];

    put_le32(raw, (u32)input_take(in, 3));
    put_le32(raw + 4, (u32)input_take(in, 2));
    raw[7] = (u8)input_take(in, 1);
    BUG_ON(mem_write(mem, RING + 8 * n, raw, sizeof(raw)));
}

static void start(struct rig *rig, struct input *in, unsigned n)
{
    u16 engine = (u16)(BM + 16 * (n % 3));

    bus_write(&rig->pio, engine, 4, RING);
    bus_write(&rig->pio, engine + 5u, 1, input_take(in, 1));
    bus_write(&rig->pio, engine + 11u, 1, 0x1d);
}

static void step(struct rig *rig, struct pci_bus *pci, struct mem *mem, struct ac97 *a,
                 struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    switch (op >> 5) {
    case 0:
        input_access(in, &rig->pio, op, NAM, 130);
        break;
    case 1:
    case 2:
        input_access(in, &rig->pio, op, BM - 2, 68);
        break;
    case 3:
        put_descriptor(mem, in, op & 31);
        break;
    case 4:
        start(rig, in, op & 31);
        break;
    case 5:
        if (mangle(in, &ac97_state, a))
            ac97_reset(a);
        map(pci);
        break;
    case 6:
        pci_config_write(pci, DEVFN, PCI_COMMAND, 2, op & 7);
        break;
    default:
        input_advance(in, rig->clk);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire wires[PCI_PIRQS] = {0};
    struct pci_bus_config cfg = {.pio = &rig.pio, .mmio = &rig.mmio};
    struct pci_bus *pci;
    struct ac97 *a;
    struct err err;
    s16 sink;

    rig_open(&rig);
    BUG_ON(mem_new(&cfg.mem, 128 * KiB, &rig.mmio, &err));
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        cfg.pirq[i] = (struct irq){.set = wire_set, .opaque = wires, .n = i};
    BUG_ON(pci_bus_new(&pci, &cfg));
    BUG_ON(ac97_new(&a, pci, DEVFN, rig.clk, (struct sound_out){play, &sink}));
    map(pci);
    for (unsigned i = 0; i < 256 && input_left(&in); i++)
        step(&rig, pci, cfg.mem, a, &in);
    ac97_reset(a);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        BUG_ON(wires[i].level);
    ac97_free(a);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    pci_bus_free(pci);
    mem_free(cfg.mem);
    rig_close(&rig);
    return 0;
}
