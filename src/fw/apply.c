/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the bootstrap CPU at a kernel's entry point: Linux Documentation/x86/boot.rst
 * ("32-bit" and "64-bit boot protocol"), Xen docs/misc/pvh, Multiboot 0.6.96 section 3.2. All
 * three want flat segments, interrupts off, and in 32-bit mode CR0 with only PE set.
 */
#include "cpu/vcpu.h"
#include "fw/boot.h"

#define AR_CODE_FLAT                                                                               \
    (AR_ACCESSED | AR_READABLE | AR_CODE | AR_S | AR_P | AR_G) /* with AR_DB or AR_L */
#define AR_DATA_FLAT (AR_ACCESSED | AR_WRITABLE | AR_S | AR_P | AR_DB | AR_G)

static void apply_segments(const struct boot_state *state, struct vcpu *bsp)
{
    u16 code = (u16)(AR_CODE_FLAT | (state->mode == 64 ? AR_L : AR_DB));

    for (unsigned i = 0; i < ARRAY_SIZE(bsp->seg); i++)
        bsp->seg[i] = (struct seg){state->ds, AR_DATA_FLAT, UINT32_MAX, 0};
    bsp->seg[SEG_CS] = (struct seg){state->cs, code, UINT32_MAX, 0};
    bsp->ldtr = (struct seg){0};
    bsp->tr = (struct seg){state->tr, AR_P | SYS_TSS32_BUSY, 0x67, 0};
    bsp->gdtr = (struct dtr){state->gdt_base, state->gdt_limit};
    bsp->idtr = (struct dtr){state->idt_base, state->idt_limit};
}

void boot_apply(const struct boot_state *state, struct vcpu *bsp)
{
    bool wide = state->mode == 64;

    for (unsigned i = 0; i < 16; i++)
        bsp->gpr[i] = state->gpr[i];
    bsp->gpr[RSP] = state->rsp;
    bsp->rip = state->rip;
    bsp->ip = state->rip;
    bsp->cr0 = CR0_PE | CR0_ET | (wide ? CR0_PG : 0);
    bsp->cr3 = state->cr3;
    bsp->cr4 = wide ? CR4_PAE : 0;
    bsp->efer = wide ? EFER_LME | EFER_LMA : 0;
    bsp->cpl = 0;
    apply_segments(state, bsp);
    vcpu_set_eflags(bsp, EFLAGS_FIXED);
    vcpu_update_mode(bsp);
}
