/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far JMP, CALL and RET: SDM 2 JMP, CALL, RET (operation sections), 3A 5.8. In long mode only code
 * segments and 64-bit call gates are legal targets. Checks come in the manual's order; nothing is
 * committed before the last of them. Own thread.
 */
#include "cpu/far.h"

#include "cpu/access.h"
#include "cpu/transfer.h"

/* Real and virtual-8086 mode: no checks but the limit. */
static void enter_real(struct vcpu *c, u16 sel, u64 rip)
{
    seg_load_real(c, SEG_CS, sel);
    c->rip = rip;
    vcpu_update_mode(c);
}

static void push_return(struct vcpu *c, struct stack *st, unsigned size)
{
    stack_push(c, st, c->seg[SEG_CS].sel, size);
    stack_push(c, st, c->rip, size);
}

static void far_real(struct vcpu *c, u16 sel, u64 off, unsigned opsize, bool call)
{
    struct stack st = stack_current(c);

    if (call)
        stack_need(c, &st, 2, opsize, 0);
    if (off > c->seg[SEG_CS].limit)
        cpu_raise_gp0(c);
    if (call) {
        push_return(c, &st, opsize);
        stack_commit(c, &st);
    }
    enter_real(c, sel, off);
}

/* A code segment named by JMP or CALL itself. */
static void far_code(struct vcpu *c, struct desc *cs, u64 off, unsigned opsize, bool call)
{
    struct stack st = stack_current(c);
    u16 sel = cs->seg.sel;
    bool ok = is_conforming(cs->seg.ar) ? AR_DPL(cs->seg.ar) <= c->cpl
                                        : AR_DPL(cs->seg.ar) == c->cpl && sel_rpl(sel) <= c->cpl;

    if (!ok || (is_code64(c, &cs->seg) && (cs->seg.ar & AR_DB)))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(cs->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    if (call)
        stack_need(c, &st, 2, opsize, 0);
    code_check_rip(c, &cs->seg, off);
    desc_set_accessed(c, cs);
    if (call) {
        push_return(c, &st, opsize);
        stack_commit(c, &st);
    }
    code_commit(c, &cs->seg, c->cpl, off);
    vcpu_update_mode(c);
}

/* The code segment of a call gate. */
static void gate_code(struct vcpu *c, const struct gate *g, bool call, struct desc *cs)
{
    unsigned dpl;
    bool ok;

    if (sel_null(g->sel))
        cpu_raise_gp0(c);
    ok = desc_read(c, g->sel, cs) && is_code(cs->seg.ar);
    if (ok) {
        dpl = AR_DPL(cs->seg.ar);
        ok = call || is_conforming(cs->seg.ar) ? dpl <= c->cpl : dpl == c->cpl;
    }
    if (!ok || (c->long_mode && (cs->seg.ar & (AR_L | AR_DB)) != AR_L))
        cpu_raise_err(c, VEC_GP, sel_error(g->sel));
    if (!(cs->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(g->sel));
}

static void call_same_level(struct vcpu *c, const struct gate *g, struct desc *cs)
{
    unsigned size = gate_size(c, g);
    struct stack st = stack_current(c);

    if (c->long_mode) { /* the handler runs in 64-bit mode, even if the caller does not */
        st.sp &= size_mask(st.size);
        st.size = 8;
    }
    stack_need(c, &st, 2, size, 0);
    code_check_rip(c, &cs->seg, g->off);
    desc_set_accessed(c, cs);
    push_return(c, &st, size);
    stack_commit(c, &st);
    code_commit(c, &cs->seg, c->cpl, g->off);
    vcpu_update_mode(c);
}

static void call_inner_level(struct vcpu *c, const struct gate *g, struct desc *cs)
{
    unsigned cpl = AR_DPL(cs->seg.ar), size = gate_size(c, g);
    unsigned params = c->long_mode ? 0 : g->params;
    struct stack st;
    u32 param[31];

    st = c->long_mode ? stack_from_tss64(c, cpl * 8 + 4, cpl) : stack_from_tss(c, cpl);
    stack_need(c, &st, params + 4, size, sel_error(st.ss.sel));
    code_check_rip(c, &cs->seg, g->off);
    for (unsigned n = 0; n < params; n++)
        param[n] = (u32)cpu_peek(c, n * size, size);
    desc_set_accessed(c, cs);

    stack_push(c, &st, c->seg[SEG_SS].sel, size);
    stack_push(c, &st, c->gpr[RSP], size);
    for (unsigned n = params; n--;)
        stack_push(c, &st, param[n], size);
    push_return(c, &st, size);

    stack_commit(c, &st);
    code_commit(c, &cs->seg, cpl, g->off);
    vcpu_update_mode(c);
}

static void through_call_gate(struct vcpu *c, u16 sel, const struct desc *d, bool call)
{
    struct gate g = gate_unpack(d->raw);
    struct desc cs;

    if (c->long_mode)
        g.off |= desc_high(c, sel, d) << 32;
    gate_code(c, &g, call, &cs);
    if (!call) {
        code_check_rip(c, &cs.seg, g.off);
        desc_set_accessed(c, &cs);
        code_commit(c, &cs.seg, c->cpl, g.off);
        vcpu_update_mode(c);
    } else if (!is_conforming(cs.seg.ar) && AR_DPL(cs.seg.ar) < c->cpl) {
        call_inner_level(c, &g, &cs);
    } else {
        call_same_level(c, &g, &cs);
    }
}

/* Call gates, task gates and TSSs. */
static void far_system(struct vcpu *c, u16 sel, const struct desc *d, bool call)
{
    const enum task_source source = call ? TASK_CALL : TASK_JMP;
    unsigned type = d->seg.ar & AR_TYPE;
    u32 types = BIT(SYS_CALL_GATE32);

    if (!c->long_mode)
        types |=
            BIT(SYS_CALL_GATE16) | BIT(SYS_TASK_GATE) | BIT(SYS_TSS16_AVAIL) | BIT(SYS_TSS32_AVAIL);
    if (!(types >> type & 1) || !dpl_admits(c, AR_DPL(d->seg.ar), sel))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    if (type == SYS_TASK_GATE)
        cpu_task_switch(c, (u16)(d->raw >> 16), source);
    else if (type == SYS_CALL_GATE16 || type == SYS_CALL_GATE32)
        through_call_gate(c, sel, d, call);
    else
        cpu_task_switch(c, sel, source);
}

static void far_transfer(struct vcpu *c, u16 sel, u64 off, unsigned opsize, bool call)
{
    struct desc d;

    off &= size_mask(opsize);
    if (!is_protected(c)) {
        far_real(c, sel, off, opsize, call);
        return;
    }
    if (sel_null(sel))
        cpu_raise_gp0(c);
    if (!desc_read(c, sel, &d))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d.seg.ar & AR_S))
        far_system(c, sel, &d, call);
    else if (is_code(d.seg.ar))
        far_code(c, &d, off, opsize, call);
    else
        cpu_raise_err(c, VEC_GP, sel_error(sel));
}

void cpu_far_jmp(struct vcpu *c, u16 sel, u64 off, unsigned opsize)
{
    far_transfer(c, sel, off, opsize, false);
}

void cpu_far_call(struct vcpu *c, u16 sel, u64 off, unsigned opsize)
{
    far_transfer(c, sel, off, opsize, true);
}

static void ret_outer_level(struct vcpu *c, const struct desc *cs, u64 rip, unsigned opsize,
                            u16 pop_bytes)
{
    u64 sp = cpu_peek(c, 2u * opsize + pop_bytes, opsize);
    u16 sel = (u16)cpu_peek(c, 3u * opsize + pop_bytes, opsize);
    struct seg ss;

    return_stack(c, sel, sel_rpl(cs->seg.sel), &cs->seg, &ss);
    code_check_rip(c, &cs->seg, rip);
    return_commit(c, &cs->seg, rip, &ss, sp + pop_bytes);
    vcpu_update_mode(c);
}

void cpu_far_ret(struct vcpu *c, unsigned opsize, u16 pop_bytes)
{
    u64 rip = cpu_peek(c, 0, opsize);
    u16 sel = (u16)cpu_peek(c, opsize, opsize);
    struct desc cs;

    if (!is_protected(c)) {
        code_check_rip(c, &c->seg[SEG_CS], rip);
        cpu_stack_add(c, (s64)(2 * opsize + pop_bytes));
        enter_real(c, sel, rip);
        return;
    }
    return_code(c, sel, &cs);
    if (sel_rpl(sel) > c->cpl) {
        ret_outer_level(c, &cs, rip, opsize, pop_bytes);
        return;
    }
    code_check_rip(c, &cs.seg, rip);
    cpu_stack_add(c, (s64)(2 * opsize + pop_bytes));
    code_commit(c, &cs.seg, c->cpl, rip);
    vcpu_update_mode(c);
}
