/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions about descriptors: LLDT, LTR, LAR, LSL, VERR, VERW (SDM 2; 3A 5.10). #UD outside
 * protected mode; LLDT and LTR check CPL themselves. Own thread.
 */
#include "cpu/access.h"
#include "cpu/seg.h"
#include "cpu/transfer.h"

static void need_protected(struct vcpu *c)
{
    if (!is_protected(c))
        cpu_raise_ud(c);
}

/* The descriptor of an LDT or TSS, whose type is one of a bit set. */
static void read_system(struct vcpu *c, u16 sel, u32 types, struct desc *d)
{
    if ((sel & 4) || !desc_read(c, sel, d) || (d->seg.ar & AR_S) ||
        !(types >> (d->seg.ar & AR_TYPE) & 1))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    if (c->long_mode)
        desc_read_high(c, sel, d);
}

void cpu_lldt(struct vcpu *c, u16 sel)
{
    struct desc d;

    need_protected(c);
    if (c->cpl)
        cpu_raise_gp0(c);
    if (sel_null(sel)) {
        c->ldtr = (struct seg){.sel = sel};
        return;
    }
    read_system(c, sel, BIT(SYS_LDT), &d);
    c->ldtr = d.seg;
}

void cpu_ltr(struct vcpu *c, u16 sel)
{
    struct desc d;

    need_protected(c);
    if (c->cpl || sel_null(sel))
        cpu_raise_gp0(c);
    read_system(c, sel,
                c->long_mode ? BIT(SYS_TSS32_AVAIL) : BIT(SYS_TSS32_AVAIL) | BIT(SYS_TSS16_AVAIL),
                &d);
    desc_set_busy(c, sel, true);
    c->tr = d.seg;
    c->tr.ar |= 2;
}

/* Reads a descriptor that LAR, LSL, VERR and VERW may see: any code or data, and the system types
   given, at the privilege of CPL and RPL. */
static bool read_visible(struct vcpu *c, u16 sel, u32 types, struct desc *d)
{
    need_protected(c);
    if (!desc_read(c, sel, d))
        return false;
    if (!(d->seg.ar & AR_S) && !(types >> (d->seg.ar & AR_TYPE) & 1))
        return false;
    if (is_code(d->seg.ar) && is_conforming(d->seg.ar))
        return true;
    return dpl_admits(c, AR_DPL(d->seg.ar), sel);
}

#define TYPES_LONG  (BIT(SYS_LDT) | BIT(SYS_TSS32_AVAIL) | BIT(SYS_TSS32_BUSY))
#define TYPES_LIMIT (TYPES_LONG | BIT(SYS_TSS16_AVAIL) | BIT(SYS_TSS16_BUSY))
#define TYPES_GATES (BIT(SYS_CALL_GATE16) | BIT(SYS_TASK_GATE) | BIT(SYS_CALL_GATE32))

bool cpu_lar(struct vcpu *c, u16 sel, u32 *out)
{
    u32 types = c->long_mode ? TYPES_LONG | BIT(SYS_CALL_GATE32) : TYPES_LIMIT | TYPES_GATES;
    struct desc d;

    if (!read_visible(c, sel, types, &d))
        return false;
    *out = (u32)(d.raw >> 32) & 0x00ffff00;
    return true;
}

bool cpu_lsl(struct vcpu *c, u16 sel, u32 *out)
{
    struct desc d;

    if (!read_visible(c, sel, c->long_mode ? TYPES_LONG : TYPES_LIMIT, &d))
        return false;
    *out = d.seg.limit;
    return true;
}

bool cpu_verify(struct vcpu *c, u16 sel, bool write)
{
    struct desc d;

    if (!read_visible(c, sel, 0, &d))
        return false;
    if (write)
        return is_writable_data(d.seg.ar);
    return (d.seg.ar & (AR_CODE | AR_READABLE)) != AR_CODE;
}
