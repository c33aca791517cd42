/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The register page, time, and the PIT's and RTC's lines. */
#include "dev/hpet.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void on_msi(void *opaque, u64 addr, u32 data)
{
    BUG_ON(addr > UINT32_MAX);
}

/* Favours the registers that exist. */
static void access_register(struct input *in, struct rig *rig, u8 op)
{
    static const u16 regs[16] = {0x00,  0x10,  0x14,  0x20,  0xf0,  0xf4,  0x100, 0x104,
                                 0x108, 0x10c, 0x110, 0x114, 0x120, 0x128, 0x140, 0x148};
    u64 addr = HPET_BASE + regs[op & 15];
    unsigned size = op & 0x10 ? 8 : 4;

    if (op & 0x20)
        bus_write(&rig->mmio, addr, size, input_take(in, op & 0x10 ? 8 : 3));
    else
        bus_read(&rig->mmio, addr, size);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire wires[24] = {0};
    struct irq irqs[24];
    struct hpet *h;

    rig_open(&rig);
    for (unsigned i = 0; i < 24; i++)
        irqs[i] = (struct irq){.set = wire_set, .opaque = wires, .n = i};
    BUG_ON(hpet_new(&h, &rig.mmio, HPET_BASE, rig.clk, irqs, on_msi, NULL));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if ((op & 0xc0) == 0xc0) {
            input_advance(&in, rig.clk);
        } else if ((op & 0xc0) == 0x80) {
            hpet_pit_irq(h, 0, op & 1);
            hpet_rtc_irq(h, 0, op & 2);
        } else if (op & 0x40) {
            input_access(&in, &rig.mmio, op, HPET_BASE - 4, HPET_SIZE + 8);
        } else {
            access_register(&in, &rig, op);
        }
    }
    hpet_pit_irq(h, 0, false);
    hpet_rtc_irq(h, 0, false);
    hpet_reset(h);
    for (unsigned i = 0; i < 24; i++)
        BUG_ON(wires[i].level);
    hpet_free(h);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    rig_close(&rig);
    return 0;
}
