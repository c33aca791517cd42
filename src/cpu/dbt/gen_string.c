/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS, STOS, LODS, CMPS and SCAS without a repeat prefix. Nothing changes before both operands
 * have been found, so that the interpreter can still execute the instruction as a whole.
 */
#include "cpu/dbt/gen.h"

#define OP_LOAD    0x8au /* of a byte; 1 more for wider ones */
#define OP_STORE   0x88u
#define OP_COMPARE 0x3au

enum string_op { MOVS = 0xa4, CMPS = 0xa6, STOS = 0xaa, LODS = 0xac, SCAS = 0xae };

static void element(struct gen *g, unsigned op, unsigned reg)
{
    unsigned size = g->x->mem.size;

    if (size == 2)
        e1(&g->e, 0x66);
    emit_rm(&g->e, size == 8, op | (size > 1), reg, T0, 0);
}

/* T0: host address of the operand in memory, or of the second if there are two; the first one's
   value is in env.held then. */
static void find_operands(struct gen *g, enum string_op op)
{
    const struct xmem *m = &g->x->mem;
    struct xmem dst = {.base = RDI, .index = NO_REG, .seg = SEG_ES, .asize = m->asize};

    gen_ea(g, m, 0);
    gen_check(g, m->size, op == STOS);
    if (op != MOVS && op != CMPS)
        return;
    element(g, OP_LOAD, T1);
    env_store(g, true, T1, AT_ENV(held));
    gen_ea(g, &dst, 0);
    gen_check(g, m->size, op == MOVS);
}

/* By the size of an element, down if DF is set: T1 is 0 then, or minus twice the size. */
static void advance(struct gen *g, enum string_op op)
{
    struct emit *e = &g->e;
    s32 size = g->x->mem.size;
    bool w = g->x->mem.asize == 8;

    env_load(g, false, T1, AT(eflags));
    eb(e, (const u8[]){0x41, 0xc1, 0xea, (u8)(__builtin_ctz(EFLAGS_DF) - __builtin_ctz(size) - 1)},
       4);                                                    /* SHR R10D */
    eb(e, (const u8[]){0x41, 0x83, 0xe2, (u8)(2 * size)}, 4); /* AND R10D */
    eb(e, (const u8[]){0x49, 0xf7, 0xda}, 3);                 /* NEG R10 */
    if (op != STOS && op != SCAS)
        emit_lea(e, w, H_RSI, H_RSI, T1, 0, size);
    if (op != LODS)
        emit_lea(e, w, H_RDI, H_RDI, T1, 0, size);
}

void gen_string(struct gen *g)
{
    enum string_op op = g->x->opcode & ~1u;

    gen_flags_clobber(g, flags_needed(g->x));
    find_operands(g, op);
    advance(g, op);
    if (op == MOVS || op == CMPS)
        env_load(g, true, T1, AT_ENV(held));
    switch (op) {
    case MOVS:
        element(g, OP_STORE, T1);
        break;
    case STOS:
        element(g, OP_STORE, H_RAX);
        break;
    case LODS:
        element(g, OP_LOAD, H_RAX);
        break;
    case CMPS:
        element(g, OP_COMPARE, T1);
        break;
    case SCAS:
        element(g, OP_COMPARE, H_RAX);
    }
    gen_flags_after_insn(g);
    gen_insn_done(g);
}
