/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a loader that takes the place of firmware must also do: the 8259s at vectors 08h and 70h
 * with only the cascade and the inputs that firmware serves unmasked, the bootstrap processor's
 * local APIC in virtual-wire mode (MP specification 1.4, 3.6.2.2), all memory write-back by the
 * MTRRs on every CPU (SDM 3A 11.11.2).
 */
#include "fw/chipset.h"

#include "cpu/vcpu.h"
#include "dev/lapic.h"

#define PIC1_COMMAND   0x20u
#define PIC2_COMMAND   0xa0u
#define ICW1_INIT_ICW4 0x11u
#define ICW4_8086      0x01u
#define PIC1_BASE      0x08u
#define PIC2_BASE      0x70u
#define PIC1_MASK      0xb8u /* timer, keyboard, cascade and floppy open */
#define PIC2_MASK      0x83u /* PCI (10, 11), mouse, coprocessor and ATA open */

#define LAPIC_SVR   0x0f0u
#define LAPIC_LINT0 0x350u
#define LAPIC_LINT1 0x360u
#define SVR_ENABLED 0x1ffu
#define LVT_EXTINT  0x700u
#define LVT_NMI     0x400u

#define MTRR_ENABLED_WB 0xc06u /* fixed ranges and all of it on, default write-back */
#define MTRR_FIX_WB     0x0606060606060606ull

static void init_pic(struct bus *pio, u16 command, u8 base, u8 cascade, u8 mask)
{
    bus_write(pio, command, 1, ICW1_INIT_ICW4);
    bus_write(pio, command + 1u, 1, base);
    bus_write(pio, command + 1u, 1, cascade);
    bus_write(pio, command + 1u, 1, ICW4_8086);
    bus_write(pio, command + 1u, 1, mask);
}

static void init_virtual_wire(struct lapic *lapic)
{
    lapic_mmio_write(lapic, LAPIC_SVR, 4, SVR_ENABLED);
    lapic_mmio_write(lapic, LAPIC_LINT0, 4, LVT_EXTINT);
    lapic_mmio_write(lapic, LAPIC_LINT1, 4, LVT_NMI);
}

static void init_mtrrs(struct vcpu *c)
{
    if (!vcpu_has(c, X86_MTRR))
        return;
    for (size_t n = 0; n < ARRAY_SIZE(c->mtrr_fix); n++)
        c->mtrr_fix[n] = MTRR_FIX_WB;
    c->mtrr_def_type = MTRR_ENABLED_WB;
}

void fw_init_chipset(struct vm *vm)
{
    init_pic(&vm->pio, PIC1_COMMAND, PIC1_BASE, 4, PIC1_MASK);
    init_pic(&vm->pio, PIC2_COMMAND, PIC2_BASE, 2, PIC2_MASK);
    if (cpu_model_has(&vm->model, X86_APIC))
        init_virtual_wire(vm->cpu[0]->lapic);
    for (unsigned n = 0; n < vm->ncpus; n++)
        init_mtrrs(vm->cpu[n]);
}
