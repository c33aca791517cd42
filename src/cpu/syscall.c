/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT: SDM 2 and APM 3 under these names. The vendors differ, and
 * the CPU model's vendor decides: Intel has SYSCALL and SYSRET in 64-bit mode only, and SYSRET
 * checks RIP before it leaves level 0; AMD has SYSCALL in legacy and compatibility mode, no
 * SYSENTER in long mode, and its SYSRET leaves the hidden part of SS alone. Own thread.
 */
#include "cpu/access.h"
#include "cpu/excp.h"
#include "cpu/far.h"

#include <string.h>

#define AR_CODE32 (AR_G | AR_DB | AR_P | AR_S | AR_CODE | AR_READABLE | AR_ACCESSED)
#define AR_CODE64 (AR_G | AR_L | AR_P | AR_S | AR_CODE | AR_READABLE | AR_ACCESSED)
#define AR_STACK  (AR_G | AR_DB | AR_P | AR_S | AR_WRITABLE | AR_ACCESSED)

static struct seg flat(u64 sel, u32 ar, unsigned dpl)
{
    return (struct seg){
        .sel = (u16)sel,
        .ar = (u16)(ar | dpl << AR_DPL_SHIFT),
        .limit = UINT32_MAX,
    };
}

/* CS, SS and CPL 0, from a selector whose neighbour is the stack's. */
static void enter_kernel(struct vcpu *c, u64 sel, bool code64)
{
    c->seg[SEG_CS] = flat(sel & 0xfffc, code64 ? AR_CODE64 : AR_CODE32, 0);
    c->seg[SEG_SS] = flat((sel & 0xfffc) + 8, AR_STACK, 0);
    c->cpl = 0;
}

void cpu_syscall(struct vcpu *c)
{
    u32 eflags = vcpu_eflags(c);
    u64 sel = c->star >> 32;

    if (!(c->efer & EFER_SCE) || (c->mode != MODE_64 && !vcpu_is_amd(c)))
        cpu_raise_ud(c);
    c->gpr[RCX] = c->rip;
    if (c->long_mode) {
        c->gpr[R11] = vcpu_is_amd(c) ? eflags & ~EFLAGS_RF : eflags;
        c->rip = c->mode == MODE_64 ? c->lstar : c->cstar;
        eflags &= ~(u32)c->sfmask;
    } else {
        c->rip = (u32)c->star;
        eflags &= ~(EFLAGS_VM | EFLAGS_IF);
    }
    enter_kernel(c, sel, c->long_mode);
    vcpu_set_eflags(c, eflags & ~EFLAGS_RF);
}

static void sysret_checks(struct vcpu *c, unsigned opsize)
{
    if (!(c->efer & EFER_SCE) || (c->mode != MODE_64 && !vcpu_is_amd(c)))
        cpu_raise_ud(c);
    if (!is_protected(c) || c->cpl)
        cpu_raise_gp0(c);
    if (!vcpu_is_amd(c) && opsize == 8 && !is_canonical(c, c->gpr[RCX]))
        cpu_raise_gp0(c);
}

void cpu_sysret(struct vcpu *c, unsigned opsize)
{
    const bool to64 = opsize == 8 && c->mode == MODE_64;
    u64 sel = c->star >> 48;
    u32 eflags = (u32)c->gpr[R11] & 0x3c7fd7;

    sysret_checks(c, opsize);
    if (c->mode != MODE_64)
        eflags = vcpu_eflags(c) | EFLAGS_IF;
    c->rip = to64 ? c->gpr[RCX] : (u32)c->gpr[RCX];
    c->seg[SEG_CS] = flat((to64 ? sel + 16 : sel) | 3, to64 ? AR_CODE64 : AR_CODE32, 3);
    if (vcpu_is_amd(c))
        c->seg[SEG_SS].sel = (u16)((sel + 8) | 3);
    else
        c->seg[SEG_SS] = flat((sel + 8) | 3, AR_STACK, 3);
    c->cpl = 3;
    vcpu_set_eflags(c, eflags);
}

void cpu_sysenter(struct vcpu *c)
{
    if (c->long_mode && vcpu_is_amd(c))
        cpu_raise_ud(c);
    if (!(c->cr0 & CR0_PE) || !(c->sysenter_cs & 0xfffc))
        cpu_raise_gp0(c);
    c->gpr[RSP] = c->long_mode ? c->sysenter_esp : (u32)c->sysenter_esp;
    c->rip = c->long_mode ? c->sysenter_eip : (u32)c->sysenter_eip;
    enter_kernel(c, c->sysenter_cs, c->long_mode);
    vcpu_set_eflags(c, vcpu_eflags(c) & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
}

void cpu_sysexit(struct vcpu *c, unsigned opsize)
{
    const bool to64 = opsize == 8;
    u64 sel = (c->sysenter_cs + (to64 ? 32 : 16)) | 3;

    if (c->long_mode && vcpu_is_amd(c))
        cpu_raise_ud(c);
    if (!is_protected(c) || c->cpl || !(c->sysenter_cs & 0xfffc))
        cpu_raise_gp0(c);
    if (to64 && !(is_canonical(c, c->gpr[RCX]) && is_canonical(c, c->gpr[RDX])))
        cpu_raise_gp0(c);
    c->gpr[RSP] = to64 ? c->gpr[RCX] : (u32)c->gpr[RCX];
    c->rip = to64 ? c->gpr[RDX] : (u32)c->gpr[RDX];
    c->seg[SEG_CS] = flat(sel, to64 ? AR_CODE64 : AR_CODE32, 3);
    c->seg[SEG_SS] = flat(sel + 8, AR_STACK, 3);
    c->cpl = 3;
    vcpu_update_mode(c);
}
