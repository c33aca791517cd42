/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IRET in every mode: SDM 2 IRET (operation section), 3A 20.2.7 and 20.3 (virtual-8086, VME).
 * Own thread.
 */
#include "cpu/access.h"
#include "cpu/transfer.h"

#define FLAGS_LOW  (EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT) /* anyone's, 16-bit image */
#define FLAGS_HIGH (EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)                /* 32-bit image too */

static void set_flags(struct vcpu *c, u32 image, u32 mask)
{
    vcpu_set_eflags(c, (vcpu_eflags(c) & ~(mask | EFLAGS_RF)) | (image & mask));
}

/* Real mode and virtual-8086 mode: CS:IP and the flags of `mask`. */
static void iret_plain(struct vcpu *c, unsigned opsize, u32 image, u32 mask)
{
    u64 rip = cpu_peek(c, 0, opsize);
    u16 sel = (u16)cpu_peek(c, opsize, opsize);

    code_check_rip(c, &c->seg[SEG_CS], rip);
    cpu_stack_add(c, 3 * (s64)opsize);
    seg_load_real(c, SEG_CS, sel);
    c->rip = rip;
    set_flags(c, image, mask);
}

static void iret_real(struct vcpu *c, unsigned opsize)
{
    u32 mask = FLAGS_LOW | EFLAGS_IF | EFLAGS_IOPL | (opsize == 2 ? 0 : FLAGS_HIGH);

    iret_plain(c, opsize, (u32)cpu_peek(c, 2 * opsize, opsize), mask);
}

static void iret_v86(struct vcpu *c, unsigned opsize)
{
    u32 mask = FLAGS_LOW, image;

    if (iopl(c) < 3 && (!(c->cr4 & CR4_VME) || opsize != 2))
        cpu_raise_gp0(c);
    image = (u32)cpu_peek(c, 2 * opsize, opsize);
    if (iopl(c) == 3) {
        mask |= EFLAGS_IF | (opsize == 2 ? 0 : FLAGS_HIGH);
    } else {
        if ((image & EFLAGS_TF) || ((image & EFLAGS_IF) && (c->eflags & EFLAGS_VIP)))
            cpu_raise_gp0(c);
        image = image & EFLAGS_IF ? image | EFLAGS_VIF : image & ~EFLAGS_VIF;
        mask |= EFLAGS_VIF;
    }
    iret_plain(c, opsize, image, mask);
}

/* Nested task: back to the one that the link field of the TSS names. */
static void iret_task(struct vcpu *c)
{
    cpu_task_switch(c, lin_ld16(c, sys_linear(c, c->tr.base), mmu_system(c)), TASK_IRET);
}

static void iret_to_v86(struct vcpu *c, u32 eflags)
{
    static const u8 order[] = {SEG_CS, SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    static const u8 depth[] = {4, 16, 20, 24, 28, 32};
    u16 sel[ARRAY_SIZE(order)];
    u64 esp = cpu_peek(c, 12, 4);
    u32 eip = (u32)cpu_peek(c, 0, 4);

    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        sel[n] = (u16)cpu_peek(c, depth[n], 4);
    if (eip > 0xffff)
        cpu_raise_gp0(c);
    vcpu_set_eflags(c, eflags);
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        seg_load_real(c, order[n], sel[n]);
    c->gpr[RSP] = esp;
    c->rip = eip;
    c->cpl = 3;
    vcpu_update_mode(c);
}

/* Which flags the image may change, at the privilege before the return. */
static u32 flags_mask(const struct vcpu *c, unsigned opsize)
{
    u32 mask = FLAGS_LOW | (opsize == 2 ? 0 : FLAGS_HIGH);

    if (c->cpl <= iopl(c))
        mask |= EFLAGS_IF;
    if (c->cpl == 0)
        mask |= EFLAGS_IOPL | (opsize == 2 ? 0 : EFLAGS_VIF | EFLAGS_VIP);
    return mask;
}

static void iret_protected(struct vcpu *c, unsigned opsize)
{
    u64 rip = cpu_peek(c, 0, opsize);
    u16 sel = (u16)cpu_peek(c, opsize, opsize), ss_sel;
    u32 image = (u32)cpu_peek(c, 2 * opsize, opsize), mask = flags_mask(c, opsize);
    struct desc cs;
    struct seg ss;
    u64 sp;

    if ((image & EFLAGS_VM) && opsize == 4 && c->cpl == 0 && !c->long_mode) {
        iret_to_v86(c, image);
        return;
    }
    return_code(c, sel, &cs);
    if (sel_rpl(sel) > c->cpl || c->mode == MODE_64) {
        sp = cpu_peek(c, 3 * opsize, opsize);
        ss_sel = (u16)cpu_peek(c, 4 * opsize, opsize);
        return_stack(c, ss_sel, sel_rpl(sel), &cs.seg, &ss);
        code_check_rip(c, &cs.seg, rip);
        return_commit(c, &cs.seg, rip, &ss, sp);
    } else {
        code_check_rip(c, &cs.seg, rip);
        cpu_stack_add(c, 3 * (s64)opsize);
        code_commit(c, &cs.seg, c->cpl, rip);
    }
    set_flags(c, image, mask);
}

void cpu_iret(struct vcpu *c, unsigned opsize)
{
    c->nmi_blocked = false; /* even if the instruction faults: SDM 3A 6.7.1 */
    if (!(c->cr0 & CR0_PE)) {
        iret_real(c, opsize);
    } else if (is_v86(c)) {
        iret_v86(c, opsize);
    } else if (c->eflags & EFLAGS_NT) {
        if (c->long_mode)
            cpu_raise_gp0(c);
        iret_task(c);
    } else {
        iret_protected(c, opsize);
    }
}
