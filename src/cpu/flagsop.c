/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PUSHF, POPF, CLI and STI: SDM 2, with the virtual interrupt flag of VME and PVI (SDM 3A 20.3,
 * 20.4). Own thread.
 */
#include "cpu/excp.h"
#include "cpu/far.h"

/* VIF stands for IF: virtual-8086 mode with VME, or CPL 3 with PVI, without the IOPL. */
static bool has_virtual_if(const struct vcpu *c)
{
    return is_v86(c) ? (c->cr4 & CR4_VME) != 0 : c->cpl == 3 && (c->cr4 & CR4_PVI);
}

static bool may_change_if(const struct vcpu *c)
{
    return !(c->cr0 & CR0_PE) || c->cpl <= iopl(c);
}

u32 cpu_pushf_image(struct vcpu *c, unsigned opsize)
{
    u32 image = vcpu_eflags(c) & ~(EFLAGS_VM | EFLAGS_RF);

    if (!is_v86(c) || iopl(c) == 3)
        return image;
    if (!(c->cr4 & CR4_VME) || opsize != 2)
        cpu_raise_gp0(c);
    image |= EFLAGS_IOPL;
    return image & EFLAGS_VIF ? image | EFLAGS_IF : image & ~EFLAGS_IF;
}

/* The image with VIF in place of IF. */
static u32 popf_vme(struct vcpu *c, u32 image, unsigned opsize)
{
    if (!(c->cr4 & CR4_VME) || opsize != 2)
        cpu_raise_gp0(c);
    if ((image & EFLAGS_TF) || ((image & EFLAGS_IF) && (c->eflags & EFLAGS_VIP)))
        cpu_raise_gp0(c);
    return image & EFLAGS_IF ? image | EFLAGS_VIF : image & ~EFLAGS_VIF;
}

void cpu_popf(struct vcpu *c, u32 image, unsigned opsize)
{
    u32 old = vcpu_eflags(c);
    u32 mask = EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT;

    if (opsize != 2)
        mask |= EFLAGS_AC | EFLAGS_ID;
    if (is_v86(c) && iopl(c) < 3) {
        image = popf_vme(c, image, opsize);
        mask |= EFLAGS_VIF;
    } else if (may_change_if(c)) {
        mask |= EFLAGS_IF;
    }
    if (c->cpl == 0)
        mask |= EFLAGS_IOPL;
    vcpu_set_eflags(c, (old & ~mask & ~EFLAGS_RF) | (image & mask));
}

void cpu_cli(struct vcpu *c)
{
    if (may_change_if(c))
        c->eflags &= ~EFLAGS_IF;
    else if (has_virtual_if(c))
        c->eflags &= ~EFLAGS_VIF;
    else
        cpu_raise_gp0(c);
}

void cpu_sti(struct vcpu *c)
{
    if (may_change_if(c)) {
        if (!(c->eflags & EFLAGS_IF)) {
            c->eflags |= EFLAGS_IF;
            c->shadow |= SHADOW_STI;
            c->leave = true;
        }
    } else if (has_virtual_if(c) && !(c->eflags & EFLAGS_VIP)) {
        c->eflags |= EFLAGS_VIF;
    } else {
        cpu_raise_gp0(c);
    }
}
