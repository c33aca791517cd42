/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pushes and pops: on the stack in use (far.h), and on one that a control transfer switches to
 * (transfer.h). A stack of 64-bit mode has no segment: only the canonical check of the access
 * itself. SDM 1 chapter 6; 3A 5.8.5 and 6.14.4. Own thread.
 */
#include "cpu/access.h"
#include "cpu/far.h"
#include "cpu/transfer.h"

static gva_t stack_linear(struct vcpu *c, u64 off, unsigned size, bool write)
{
    if (likely(c->ss_size == 8))
        return off;
    return seg_linear(c, SEG_SS, off & size_mask(c->ss_size), size, write);
}

static void set_sp(struct vcpu *c, u64 sp, unsigned size)
{
    if (size == 8)
        c->gpr[RSP] = sp;
    else if (size == 4)
        c->gpr[RSP] = (u32)sp;
    else
        c->gpr[RSP] = (c->gpr[RSP] & ~(u64)0xffff) | (u16)sp;
}

void cpu_push(struct vcpu *c, u64 val, unsigned size)
{
    u64 sp = c->gpr[RSP] - size;

    lin_write(c, stack_linear(c, sp, size, true), size, val, c->mmu | MMU_STACK);
    set_sp(c, sp, c->ss_size);
}

u64 cpu_peek(struct vcpu *c, u64 depth, unsigned size)
{
    return lin_read(c, stack_linear(c, c->gpr[RSP] + depth, size, false), size, c->mmu | MMU_STACK);
}

void cpu_stack_add(struct vcpu *c, s64 bytes)
{
    set_sp(c, c->gpr[RSP] + (u64)bytes, c->ss_size);
}

struct stack stack_current(const struct vcpu *c)
{
    return (struct stack){
        .ss = c->seg[SEG_SS],
        .sp = c->gpr[RSP],
        .size = c->ss_size,
        .how = c->mmu | MMU_STACK,
    };
}

struct stack stack_from_tss(struct vcpu *c, unsigned cpl)
{
    const bool wide = c->tr.ar & 8; /* a 32-bit TSS */
    unsigned width = wide ? 4 : 2;
    unsigned off = wide ? cpl * 8 + 4 : cpl * 4 + 2;
    struct desc d;
    u64 sp;
    u16 sel;

    if (!c->tr.ar || off + width + 1 > c->tr.limit)
        cpu_raise_err(c, VEC_TS, sel_error(c->tr.sel));
    sp = lin_read(c, sys_linear(c, c->tr.base + off), width, mmu_system(c));
    sel = lin_ld16(c, sys_linear(c, c->tr.base + off + width), mmu_system(c));
    if (!desc_read(c, sel, &d) || sel_rpl(sel) != cpl || AR_DPL(d.seg.ar) != cpl ||
        !is_writable_data(d.seg.ar))
        cpu_raise_err(c, VEC_TS, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_SS, sel_error(sel));
    desc_set_accessed(c, &d);
    return (struct stack){
        .ss = d.seg,
        .sp = sp,
        .size = d.seg.ar & AR_DB ? 4 : 2,
        .how = mmu_for_cpl(c, cpl) | MMU_STACK,
    };
}

struct stack stack_from_tss64(struct vcpu *c, unsigned off, unsigned cpl)
{
    if (!c->tr.ar || off + 7 > c->tr.limit)
        cpu_raise_err(c, VEC_TS, sel_error(c->tr.sel));
    return (struct stack){
        .ss = {.sel = (u16)cpl},
        .sp = lin_ld64(c, c->tr.base + off, mmu_system(c)),
        .size = 8,
        .how = mmu_for_cpl(c, cpl) | MMU_STACK,
    };
}

void stack_need(struct vcpu *c, const struct stack *st, unsigned n, unsigned size, u32 error)
{
    u64 sp = st->sp;

    if (st->size == 8)
        return;
    while (n--) {
        sp -= size;
        if (!seg_in_limit(&st->ss, sp & size_mask(st->size), size))
            cpu_raise_err(c, VEC_SS, error);
    }
}

void stack_push(struct vcpu *c, struct stack *st, u64 val, unsigned size)
{
    u64 sp = st->sp - size;
    gva_t va = st->size == 8 ? sp : (u32)(st->ss.base + (sp & size_mask(st->size)));

    lin_write(c, va, size, val, st->how);
    st->sp = sp;
}

void stack_commit(struct vcpu *c, const struct stack *st)
{
    c->seg[SEG_SS] = st->ss;
    set_sp(c, st->sp, st->size);
}
