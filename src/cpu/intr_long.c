/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delivery of an event in long mode: 16-byte gates, IST, always a 64-bit handler and frame (SDM 3A
 * 6.14). Error codes are without EXT here: excp.c adds it. Own thread.
 */
#include "cpu/access.h"
#include "cpu/transfer.h"

static struct gate read_gate(struct vcpu *c, const struct intr *in)
{
    u32 error = (u32)in->vector << 3 | 2;
    gva_t at = c->idtr.base + in->vector * 16u;
    struct gate g;
    u64 raw;

    if (in->vector * 16u + 15 > c->idtr.limit)
        cpu_raise_err(c, VEC_GP, error);
    raw = lin_ld64(c, at, mmu_system(c));
    g = gate_unpack(raw);
    if (raw >> 44 & 1 || (g.type != SYS_INT_GATE32 && g.type != SYS_TRAP_GATE32))
        cpu_raise_err(c, VEC_GP, error);
    if ((in->kind == INT_SOFT || in->kind == INT_SOFT3) && g.dpl < c->cpl)
        cpu_raise_err(c, VEC_GP, error);
    if (!g.present)
        cpu_raise_err(c, VEC_NP, error);
    g.off |= lin_ld64(c, at + 8, mmu_system(c)) << 32;
    return g;
}

static void read_code(struct vcpu *c, u16 sel, struct desc *cs)
{
    if (sel_null(sel))
        cpu_raise_gp0(c);
    if (!desc_read(c, sel, cs) || !is_code(cs->seg.ar) || AR_DPL(cs->seg.ar) > c->cpl ||
        (cs->seg.ar & (AR_L | AR_DB)) != AR_L)
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(cs->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
}

/* Where the frame goes: the IST's stack, the inner level's, or the one in use. */
static struct stack pick_stack(struct vcpu *c, const struct gate *g, unsigned cpl)
{
    unsigned ist = g->params & 7;
    struct stack st;

    if (ist)
        st = stack_from_tss64(c, ist * 8 + 28, cpl);
    else if (cpl != c->cpl)
        st = stack_from_tss64(c, cpl * 8 + 4, cpl);
    else
        st = stack_current(c);
    if (cpl == c->cpl)
        st.ss = c->seg[SEG_SS];
    st.sp &= size_mask(st.size) & ~(u64)0xf;
    st.size = 8;
    return st;
}

void intr_long_mode(struct vcpu *c, const struct intr *in)
{
    struct gate g = read_gate(c, in);
    struct stack st;
    struct desc cs;
    unsigned cpl;

    read_code(c, g.sel, &cs);
    cpl = is_conforming(cs.seg.ar) ? c->cpl : AR_DPL(cs.seg.ar);
    st = pick_stack(c, &g, cpl);
    code_check_rip(c, &cs.seg, g.off);
    desc_set_accessed(c, &cs);

    stack_push(c, &st, c->seg[SEG_SS].sel, 8);
    stack_push(c, &st, c->gpr[RSP], 8);
    stack_push(c, &st, in->eflags, 8);
    stack_push(c, &st, c->seg[SEG_CS].sel, 8);
    stack_push(c, &st, in->ret, 8);
    if (in->has_error)
        stack_push(c, &st, in->error, 8);

    stack_commit(c, &st);
    code_commit(c, &cs.seg, cpl, g.off);
    vcpu_set_eflags(c, vcpu_eflags(c) & ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF |
                                          (g.type == SYS_INT_GATE32 ? EFLAGS_IF : 0)));
}
