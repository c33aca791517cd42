/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware task switch: SDM 3A chapter 7, steps of 7.3, checks of table 7-1. Everything that can
 * fault in the old task is tried before anything changes. From the loading of the registers on,
 * a fault belongs to the new task: its CS:EIP, and segments not yet loaded, are what the handler
 * sees. Shadow stacks are not modelled. Own thread.
 */
#include "cpu/access.h"
#include "cpu/system.h"
#include "cpu/transfer.h"

#define DR7_LOCAL 0x155u /* L0-L3 and LE: cleared on every task switch (SDM 3B 17.2.4) */

/* Offsets in a TSS; segment registers are in encoding order. */
struct tss_layout {
    u8 eip, eflags, gpr, seg, ldt;
    u8 width;      /* of EIP, EFLAGS and the general registers; distance of the selectors */
    u8 nsegs;      /* how many selectors */
    u8 last;       /* the limit must reach it */
    u8 save_first; /* what a switch writes, … */
    u8 save_len;   /* … and how long it is */
};

static const struct tss_layout tss16 = {0x0e, 0x10, 0x12, 0x22, 0x2a, 2, 4, 0x2b, 0x0e, 0x1c};
static const struct tss_layout tss32 = {0x20, 0x24, 0x28, 0x48, 0x60, 4, 6, 0x67, 0x20, 0x40};
#define TSS32_CR3  0x1c
#define TSS32_TRAP 0x64

struct task_state {
    u32 cr3, eip, eflags, gpr[8];
    u16 seg[6], ldt;
    bool trap;
};

static const struct tss_layout *layout_of(u16 ar)
{
    return ar & 8 ? &tss32 : &tss16;
}

static u32 tss_get(struct vcpu *c, const struct seg *tss, unsigned off, unsigned size)
{
    return (u32)lin_read(c, sys_linear(c, tss->base + off), size, mmu_system(c));
}

static void tss_put(struct vcpu *c, const struct seg *tss, unsigned off, unsigned size, u32 val)
{
    lin_write(c, sys_linear(c, tss->base + off), size, val, mmu_system(c));
}

/* The descriptor of the new TSS; rows 1 to 5 of the table. */
static void read_tss(struct vcpu *c, u16 sel, enum task_source source, struct desc *d)
{
    const enum vector bad = source == TASK_IRET ? VEC_TS : VEC_GP;
    unsigned type, busy = source == TASK_IRET ? 2 : 0;

    if ((sel & 4) || !desc_read(c, sel, d))
        cpu_raise_err(c, bad, sel_error(sel));
    type = d->seg.ar & (AR_S | AR_TYPE);
    if (type != (SYS_TSS16_AVAIL | busy) && type != (SYS_TSS32_AVAIL | busy))
        cpu_raise_err(c, bad, sel_error(sel));
    if (!(d->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    if (d->seg.limit < layout_of(d->seg.ar)->last)
        cpu_raise_err(c, VEC_TS, sel_error(sel));
}

static bool nests(enum task_source source)
{
    return source == TASK_CALL || source == TASK_GATE;
}

/* Raises what any of the accesses that follow would. */
static void probe(struct vcpu *c, const struct desc *d, enum task_source source)
{
    const struct tss_layout *old = layout_of(c->tr.ar), *new = layout_of(d->seg.ar);
    unsigned how = mmu_system(c);

    if (!c->tr.ar || c->tr.limit < (u32)old->save_first + old->save_len - 1)
        cpu_raise_err(c, VEC_TS, sel_error(c->tr.sel));
    lin_probe_write(c, sys_linear(c, c->tr.base + old->save_first), old->save_len, how);
    lin_probe_read(c, sys_linear(c, d->seg.base), new->last + 1u, how);
    if (nests(source))
        lin_probe_write(c, sys_linear(c, d->seg.base), 2, how);
    else
        lin_probe_write(c, sys_linear(c, c->gdtr.base + (c->tr.sel & ~7u) + 5), 1, how);
    if (source != TASK_IRET)
        lin_probe_write(c, sys_linear(c, d->addr + 5), 1, how);
}

static void save(struct vcpu *c, u32 eip, u32 eflags)
{
    const struct tss_layout *l = layout_of(c->tr.ar);

    tss_put(c, &c->tr, l->eip, l->width, eip);
    tss_put(c, &c->tr, l->eflags, l->width, eflags);
    for (unsigned n = 0; n < 8; n++)
        tss_put(c, &c->tr, l->gpr + n * l->width, l->width, (u32)c->gpr[n]);
    for (unsigned n = 0; n < l->nsegs; n++)
        tss_put(c, &c->tr, l->seg + n * l->width, 2, c->seg[n].sel);
}

static void read_state(struct vcpu *c, const struct seg *tss, struct task_state *t)
{
    const struct tss_layout *l = layout_of(tss->ar);

    *t = (struct task_state){.eip = tss_get(c, tss, l->eip, l->width)};
    t->eflags = tss_get(c, tss, l->eflags, l->width);
    for (unsigned n = 0; n < 8; n++)
        t->gpr[n] = tss_get(c, tss, l->gpr + n * l->width, l->width);
    for (unsigned n = 0; n < l->nsegs; n++)
        t->seg[n] = (u16)tss_get(c, tss, l->seg + n * l->width, 2);
    t->ldt = (u16)tss_get(c, tss, l->ldt, 2);
    if (l == &tss32) {
        t->cr3 = tss_get(c, tss, TSS32_CR3, 4);
        t->trap = tss_get(c, tss, TSS32_TRAP, 2) & 1;
    }
}

/* The point of no return. Selectors are visible, but no segment is usable yet. */
static void load_registers(struct vcpu *c, const struct task_state *t)
{
    for (unsigned n = 0; n < 8; n++)
        c->gpr[n] = t->gpr[n];
    for (unsigned n = 0; n < ARRAY_SIZE(c->seg); n++)
        c->seg[n] = (struct seg){.sel = t->seg[n]};
    c->ldtr = (struct seg){.sel = t->ldt};
    c->rip = c->ip = t->eip;
    c->cpl = t->eflags & EFLAGS_VM ? 3 : (u8)sel_rpl(t->seg[SEG_CS]);
    vcpu_set_eflags(c, t->eflags);
    if ((c->tr.ar & 8) && (c->cr0 & CR0_PG))
        cpu_write_cr(c, 3, t->cr3);
}

static void load_ldt(struct vcpu *c, u16 sel)
{
    struct desc d;

    if (sel_null(sel))
        return;
    if ((sel & 4) || !desc_read(c, sel, &d) ||
        (d.seg.ar & (AR_P | AR_S | AR_TYPE)) != (AR_P | SYS_LDT))
        cpu_raise_err(c, VEC_TS, sel_error(sel));
    c->ldtr = d.seg;
}

static void load_code(struct vcpu *c, u16 sel)
{
    struct desc d;
    bool ok = desc_read(c, sel, &d) && is_code(d.seg.ar);

    if (ok)
        ok = is_conforming(d.seg.ar) ? AR_DPL(d.seg.ar) <= c->cpl : AR_DPL(d.seg.ar) == c->cpl;
    if (!ok)
        cpu_raise_err(c, VEC_TS, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    desc_set_accessed(c, &d);
    c->seg[SEG_CS] = d.seg;
}

static void load_stack(struct vcpu *c, u16 sel)
{
    struct desc d;

    if (!desc_read(c, sel, &d) || !is_writable_data(d.seg.ar) || AR_DPL(d.seg.ar) != c->cpl ||
        sel_rpl(sel) != c->cpl)
        cpu_raise_err(c, VEC_TS, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_SS, sel_error(sel));
    desc_set_accessed(c, &d);
    c->seg[SEG_SS] = d.seg;
}

static void load_data(struct vcpu *c, unsigned segreg, u16 sel)
{
    struct desc d;

    if (sel_null(sel))
        return;
    if (!desc_read(c, sel, &d) || !(d.seg.ar & AR_S) ||
        (d.seg.ar & (AR_CODE | AR_READABLE)) == AR_CODE ||
        (!(is_code(d.seg.ar) && is_conforming(d.seg.ar)) && !dpl_admits(c, AR_DPL(d.seg.ar), sel)))
        cpu_raise_err(c, VEC_TS, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    desc_set_accessed(c, &d);
    c->seg[segreg] = d.seg;
}

/* Rows 7 to 19. What is loaded counts when a later one faults. */
static void load_segments(struct vcpu *c, const struct task_state *t)
{
    load_ldt(c, t->ldt);
    if (is_v86(c)) {
        for (unsigned n = 0; n < ARRAY_SIZE(c->seg); n++)
            seg_load_real(c, n, t->seg[n]);
        vcpu_update_mode(c);
        return;
    }
    load_code(c, t->seg[SEG_CS]);
    vcpu_update_mode(c);
    load_stack(c, t->seg[SEG_SS]);
    vcpu_update_mode(c);
    load_data(c, SEG_ES, t->seg[SEG_ES]);
    load_data(c, SEG_DS, t->seg[SEG_DS]);
    load_data(c, SEG_FS, t->seg[SEG_FS]);
    load_data(c, SEG_GS, t->seg[SEG_GS]);
    vcpu_update_mode(c);
}

void task_switch(struct vcpu *c, u16 sel, enum task_source source, u32 eip, u32 eflags)
{
    struct task_state t;
    struct desc d;

    read_tss(c, sel, source, &d);
    probe(c, &d, source);

    if (!nests(source))
        desc_set_busy(c, c->tr.sel, false);
    if (source == TASK_IRET)
        eflags &= ~EFLAGS_NT;
    save(c, eip, eflags);
    read_state(c, &d.seg, &t);
    if (nests(source)) {
        tss_put(c, &d.seg, 0, 2, c->tr.sel);
        t.eflags |= EFLAGS_NT;
    }
    if (source != TASK_IRET)
        desc_set_busy(c, sel, true);

    c->tr = d.seg;
    c->tr.ar |= 2;
    c->cr0 |= CR0_TS;
    c->dr7 &= ~(u64)DR7_LOCAL;
    load_registers(c, &t);
    load_segments(c, &t);
    if (t.trap)
        c->pending_db |= DR6_BT;
}

void cpu_task_switch(struct vcpu *c, u16 sel, enum task_source source)
{
    task_switch(c, sel, source, (u32)c->rip, vcpu_eflags(c) & ~EFLAGS_RF);
    code_check_rip(c, &c->seg[SEG_CS], c->rip);
}
