/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an event to the first instruction of its handler, outside long mode: SDM 2 INT n (the
 * operation section), 3A chapter 6, and 20.2 and 20.3 for real and virtual-8086 mode with VME.
 * Error codes are without EXT here: excp.c adds it. Shadow stacks are not modelled. Own thread.
 */
#include "cpu/access.h"
#include "cpu/transfer.h"

#define IDT_ERROR(vector) ((u32)(vector) << 3 | 2)

/* The last step of all of them but task gates. */
static void enter_handler(struct vcpu *c, u32 clear)
{
    vcpu_set_eflags(c, vcpu_eflags(c) & ~(clear | EFLAGS_TF | EFLAGS_RF));
}

static void push_frame_real(struct vcpu *c, u16 flags, u16 ip)
{
    struct stack st = stack_current(c);

    stack_need(c, &st, 3, 2, 0);
    stack_push(c, &st, flags, 2);
    stack_push(c, &st, c->seg[SEG_CS].sel, 2);
    stack_push(c, &st, ip, 2);
    stack_commit(c, &st);
}

static void intr_real(struct vcpu *c, const struct intr *in)
{
    u32 vector;

    if (in->vector * 4u + 3 > c->idtr.limit)
        cpu_raise_err(c, VEC_GP, IDT_ERROR(in->vector));
    vector = lin_ld32(c, sys_linear(c, c->idtr.base + in->vector * 4u), mmu_system(c));
    push_frame_real(c, (u16)in->eflags, (u16)in->ret);
    seg_load_real(c, SEG_CS, (u16)(vector >> 16));
    c->rip = (u16)vector;
    enter_handler(c, EFLAGS_IF | EFLAGS_AC);
}

/* The bit of INT n in the redirection map, the 32 bytes below the TSS' I/O map (SDM 3A 20.3.3). */
static bool redirected(struct vcpu *c, u8 vector)
{
    u32 off;

    if (!(c->tr.ar & 8) || c->tr.limit < 103)
        cpu_raise_gp0(c);
    off = lin_ld16(c, sys_linear(c, c->tr.base + 102), mmu_system(c)) - 32u + vector / 8u;
    if (off > c->tr.limit)
        cpu_raise_gp0(c);
    return !(lin_ld8(c, sys_linear(c, c->tr.base + off), mmu_system(c)) >> (vector & 7) & 1);
}

/* INT n handled by the 8086 program itself: table 20-2, methods 5 and 6. */
static void intr_v86_program(struct vcpu *c, const struct intr *in)
{
    u32 vector = lin_ld32(c, in->vector * 4u, mmu_system(c));
    u32 flags = in->eflags;
    u32 clear = EFLAGS_IF;

    if (iopl(c) < 3) {
        flags |= EFLAGS_IOPL;
        flags = flags & EFLAGS_VIF ? flags | EFLAGS_IF : flags & ~EFLAGS_IF;
        clear = EFLAGS_VIF;
    }
    push_frame_real(c, (u16)flags, (u16)in->ret);
    seg_load_real(c, SEG_CS, (u16)(vector >> 16));
    c->rip = (u16)vector;
    enter_handler(c, clear);
}

static u32 handler_clears(const struct gate *g)
{
    u32 clear = EFLAGS_NT | EFLAGS_VM;

    return g->type == SYS_INT_GATE32 || g->type == SYS_INT_GATE16 ? clear | EFLAGS_IF : clear;
}

static void push_frame(struct vcpu *c, struct stack *st, const struct intr *in, unsigned size)
{
    stack_push(c, st, in->eflags, size);
    stack_push(c, st, c->seg[SEG_CS].sel, size);
    stack_push(c, st, in->ret, size);
    if (in->has_error)
        stack_push(c, st, in->error, size);
}

static void to_same_level(struct vcpu *c, const struct intr *in, const struct gate *g,
                          struct desc *cs)
{
    struct stack st = stack_current(c);
    unsigned size = gate_size(c, g);

    stack_need(c, &st, in->has_error ? 4 : 3, size, 0);
    code_check_rip(c, &cs->seg, g->off);
    desc_set_accessed(c, cs);
    push_frame(c, &st, in, size);
    stack_commit(c, &st);
    code_commit(c, &cs->seg, c->cpl, g->off);
    enter_handler(c, handler_clears(g));
}

static void push_v86_segments(struct vcpu *c, struct stack *st, unsigned size)
{
    static const u8 order[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};

    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        stack_push(c, st, c->seg[order[n]].sel, size);
}

static void null_v86_segments(struct vcpu *c)
{
    c->seg[SEG_GS] = c->seg[SEG_FS] = c->seg[SEG_DS] = c->seg[SEG_ES] = (struct seg){.sel = 0};
}

static void to_inner_level(struct vcpu *c, const struct intr *in, const struct gate *g,
                           struct desc *cs)
{
    unsigned cpl = AR_DPL(cs->seg.ar);
    struct stack st = stack_from_tss(c, cpl);
    unsigned size = gate_size(c, g);
    const bool v86 = is_v86(c);

    stack_need(c, &st, 5u + in->has_error + (v86 ? 4 : 0), size, sel_error(st.ss.sel));
    code_check_rip(c, &cs->seg, g->off);
    desc_set_accessed(c, cs);
    if (v86)
        push_v86_segments(c, &st, size);
    stack_push(c, &st, c->seg[SEG_SS].sel, size);
    stack_push(c, &st, c->gpr[RSP], size);
    push_frame(c, &st, in, size);
    if (v86)
        null_v86_segments(c);
    stack_commit(c, &st);
    code_commit(c, &cs->seg, cpl, g->off);
    enter_handler(c, handler_clears(g));
}

static void through_gate(struct vcpu *c, const struct intr *in, const struct gate *g)
{
    struct desc cs;
    bool inner;

    if (sel_null(g->sel))
        cpu_raise_gp0(c);
    if (!desc_read(c, g->sel, &cs) || !is_code(cs.seg.ar) || AR_DPL(cs.seg.ar) > c->cpl)
        cpu_raise_err(c, VEC_GP, sel_error(g->sel));
    if (!(cs.seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(g->sel));
    inner = !is_conforming(cs.seg.ar) && AR_DPL(cs.seg.ar) < c->cpl;
    if (is_v86(c) && !(inner && AR_DPL(cs.seg.ar) == 0))
        cpu_raise_err(c, VEC_GP, sel_error(g->sel));
    if (inner)
        to_inner_level(c, in, g, &cs);
    else
        to_same_level(c, in, g, &cs);
}

/* The error code goes onto the new task's stack, and what goes wrong there is the new task's. */
static void through_task_gate(struct vcpu *c, const struct intr *in, u16 tss)
{
    task_switch(c, tss, TASK_GATE, (u32)in->ret, in->eflags);
    if (in->has_error)
        cpu_push(c, in->error, c->tr.ar & 8 ? 4 : 2);
    code_check_rip(c, &c->seg[SEG_CS], c->rip);
}

static void intr_protected(struct vcpu *c, const struct intr *in)
{
    const u32 types = BIT(SYS_TASK_GATE) | BIT(SYS_INT_GATE16) | BIT(SYS_TRAP_GATE16) |
                      BIT(SYS_INT_GATE32) | BIT(SYS_TRAP_GATE32);
    u32 error = IDT_ERROR(in->vector);
    struct gate g;
    u64 raw;

    if (in->vector * 8u + 7 > c->idtr.limit)
        cpu_raise_err(c, VEC_GP, error);
    raw = lin_ld64(c, sys_linear(c, c->idtr.base + in->vector * 8u), mmu_system(c));
    g = gate_unpack(raw);
    if (raw >> 44 & 1 || !(types >> g.type & 1))
        cpu_raise_err(c, VEC_GP, error);
    if ((in->kind == INT_SOFT || in->kind == INT_SOFT3) && g.dpl < c->cpl)
        cpu_raise_err(c, VEC_GP, error);
    if (!g.present)
        cpu_raise_err(c, VEC_NP, error);
    if (g.type == SYS_TASK_GATE)
        through_task_gate(c, in, g.sel);
    else
        through_gate(c, in, &g);
}

void intr_deliver(struct vcpu *c, const struct intr *in)
{
    if (!(c->cr0 & CR0_PE)) {
        intr_real(c, in);
    } else if (c->long_mode) {
        intr_long_mode(c, in);
    } else if (is_v86(c) && in->kind == INT_SOFT) {
        if ((c->cr4 & CR4_VME) && redirected(c, in->vector))
            intr_v86_program(c, in);
        else if (iopl(c) < 3)
            cpu_raise_gp0(c);
        else
            intr_protected(c, in);
    } else {
        intr_protected(c, in);
    }
    c->shadow = 0;
}
