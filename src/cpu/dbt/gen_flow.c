/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stack and branches, at the size that the mode has by itself. */
#include "cpu/dbt/gen.h"

#include <Zydis/Zydis.h>

static void store_t0(struct gen *g, unsigned reg)
{
    emit_rm(&g->e, wide(g), OP_MOV_STORE, reg, T0, g->mem_at);
}

/* By LEA: the flags stay. */
static void move_sp(struct gen *g, s32 by)
{
    emit_lea(&g->e, wide(g), G_SP, G_SP, -1, 0, by);
}

static void gen_push(struct gen *g)
{
    const struct xinsn *x = g->x;
    s32 down = -word(g);
    unsigned reg = T1;

    if (x->kind == X_PUSH_M) { /* the value waits, while T0 and T1 look for the stack */
        gen_mem(g);
        emit_rm(&g->e, wide(g), OP_MOV_LOAD, T1, T0, 0);
        env_store(g, true, T1, AT_ENV(held));
    }
    gen_stack(g, down, (unsigned)word(g), true);
    if (x->kind == X_PUSH_M)
        env_load(g, true, T1, AT_ENV(held));
    else if (x->kind == X_PUSH_R)
        reg = gen_read_gpr(g, x->op.n == NO_REG ? x->rm.n : x->op.n, T1);
    if (x->kind == X_PUSH_I) {
        emit_rm(&g->e, wide(g), 0xc7, 0, T0, g->mem_at);
        e4(&g->e, (u32)x->imm);
    } else {
        store_t0(g, reg);
    }
    move_sp(g, down);
}

static void gen_pushf(struct gen *g)
{
    s32 down = -word(g);
    struct emit *e = &g->e;
    u32 over;

    gen_stack(g, down, (unsigned)word(g), true);
    emit_rm(e, false, 0x1b6, T1, H_RSP, AT_NEAR(flags) + 1); /* MOVZX: LAHF's AH */
    eb(e, (const u8[]){0x41, 0x81, 0xe2}, 3);                /* AND R10D */
    e4(e, EFLAGS_ARITH & 0xff);
    emit_rm(e, false, 0x0b, T1, H_RSP, AT(eflags)); /* OR */
    emit_rm(e, false, 0xf6, 0, H_RSP, AT_NEAR(flags));
    e1(e, 1); /* TEST byte, 1 */
    over = emit_jcc_fwd(e, CC_E);
    eb(e, (const u8[]){0x41, 0x81, 0xca}, 3); /* OR R10D */
    e4(e, EFLAGS_OF);
    emit_land(e, over);
    store_t0(g, T1);
    move_sp(g, down);
}

static void gen_pop(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned to = x->op.n == NO_REG ? x->rm.n : x->op.n;
    unsigned reg = in_memory(to) ? T1 : host_of(to);

    gen_stack(g, 0, (unsigned)word(g), false);
    if (to != RSP)
        move_sp(g, word(g));
    emit_rm(&g->e, wide(g), OP_MOV_LOAD, reg, T0, g->mem_at);
    if (in_memory(to))
        env_store(g, true, reg, AT_GPR(to));
}

static void gen_leave(struct gen *g)
{
    const struct xinsn *x = g->x;

    gen_flags_clobber(g, flags_needed(x));
    emit_lea(&g->e, wide(g), T0, H_RBP, -1, 0, 0);
    gen_check(g, (unsigned)word(g), false);
    emit_lea(&g->e, wide(g), G_SP, H_RBP, -1, 0, word(g));
    emit_rm(&g->e, wide(g), OP_MOV_LOAD, H_RBP, T0, 0);
}

static void push_return(struct gen *g)
{
    gen_stack(g, -word(g), (unsigned)word(g), true);
    load_va(g, T1, g->x->off + g->x->len);
    store_t0(g, T1);
    move_sp(g, -word(g));
    gen_insn_done(g);
}

/* The target of an indirect branch, in T0. */
static void load_target(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned r;

    if (x->has_mem) {
        gen_mem(g);
        emit_rm(&g->e, wide(g), OP_MOV_LOAD, T0, T0, 0);
    } else {
        r = gen_read_gpr(g, x->rm.n, T0);
        if (r != T0)
            emit_rr(&g->e, wide(g), OP_MOV_STORE, r, T0);
    }
}

/* A target that is not canonical must fault before anything is pushed. */
static void check_canonical(struct gen *g)
{
    struct stub *s;

    if (!wide(g))
        return;
    gen_flags_clobber(g, flags_needed(g->x));
    emit_rr(&g->e, true, OP_MOV_STORE, T0, T1);
    eb(&g->e, (const u8[]){0x49, 0xc1, 0xfa, 47}, 4); /* SAR R10, 47 */
    eb(&g->e, (const u8[]){0x49, 0xff, 0xc2}, 3);     /* INC R10 */
    eb(&g->e, (const u8[]){0x49, 0x83, 0xfa, 1}, 4);  /* CMP R10, 1 */
    s = gen_stub(g, STUB_MISS, emit_jcc_fwd(&g->e, CC_A));
    s->retry = g->e.at;
    s->next = g->e.at; /* it ends the block: never used */
}

static void gen_call_ind(struct gen *g)
{
    load_target(g);
    check_canonical(g);
    env_store(g, true, T0, AT_ENV(held));
    push_return(g);
    env_load(g, true, T0, AT_ENV(held));
    gen_exit_target(g);
}

static void gen_ret(struct gen *g)
{
    s32 pop = word(g) + (g->x->imm_len ? (s32)(g->x->imm & 0xffff) : 0);

    gen_stack(g, 0, (unsigned)word(g), false);
    emit_rm(&g->e, wide(g), OP_MOV_LOAD, T0, T0, 0);
    move_sp(g, pop);
    gen_insn_done(g);
    gen_exit_target(g);
}

static s64 target(const struct xinsn *x)
{
    return (s64)x->off + x->len + x->imm;
}

static u32 jrcxz_fwd(struct gen *g)
{
    if (g->x->mem.asize == 4)
        e1(&g->e, 0x67);
    e1(&g->e, 0xe3);
    e1(&g->e, 0);
    return g->e.at;
}

/* JRCXZ, LOOP: host branches over 8 bits lead over a jump. */
static void gen_count_branch(struct gen *g)
{
    bool loop = g->x->kind == X_LOOP;
    u32 place, over;

    if (loop)
        emit_lea(&g->e, g->x->mem.asize == 8, H_RCX, H_RCX, -1, 0, -1);
    place = jrcxz_fwd(g);
    over = emit_jmp_fwd(&g->e);
    g->e.rw[place - 1] = (u8)(g->e.at - place);
    gen_exit_near(g, loop ? (s64)g->x->off + g->x->len : target(g->x), -1);
    emit_land(&g->e, over);
    gen_exit_near(g, loop ? target(g->x) : (s64)g->x->off + g->x->len, -1);
}

void gen_flow(struct gen *g)
{
    const struct xinsn *x = g->x;

    switch (x->kind) {
    case X_PUSH_R:
    case X_PUSH_I:
    case X_PUSH_M:
        gen_push(g);
        gen_insn_done(g);
        break;
    case X_PUSHF:
        gen_pushf(g);
        gen_insn_done(g);
        break;
    case X_POP_R:
        gen_pop(g);
        gen_insn_done(g);
        break;
    case X_LEAVE:
        gen_leave(g);
        gen_insn_done(g);
        break;
    case X_JMP:
        gen_exit_near(g, target(x), -1);
        break;
    case X_JCC:
        gen_flags_for_insn(g);
        gen_exit_near(g, target(x), x->cond);
        break;
    case X_CALL:
        push_return(g);
        gen_exit_near(g, target(x), -1);
        break;
    case X_JMP_IND:
        load_target(g);
        gen_insn_done(g);
        gen_exit_target(g);
        break;
    case X_CALL_IND:
        gen_call_ind(g);
        break;
    case X_RET:
        gen_ret(g);
        break;
    default:
        gen_count_branch(g);
        break;
    }
}
