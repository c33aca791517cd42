/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's instructions as code. */
#include "machine.h"

bool op_is_vector(const struct op *o)
{
    return o->kind == O_XLOAD || o->kind == O_XSTORE;
}

struct op *add_op(struct program *g, const struct op *o)
{
    struct op *p = &g->op[g->n++];
    if (g->n > MAX_OPS)
        guest_fatal("a program is too long");
    *p = *o;
    if (p->width == 0)
        p->width = op_is_vector(o) ? 16 : 8;
    if (g->legacy && p->width == 8)
        p->width = 4;
    return p;
}

static u8 *put_rex(const struct program *g, u8 *p, const struct op *o, u32 width, u32 reg)
{
    u32 rex = (width == 8) << 3 | (reg >> 3) << 2;
    rex |= o->mem ? (u32)(o->index >> 3) << 1 | o->base >> 3 : o->rm >> 3;
    if (g->legacy || (rex == 0 && o->width != 1))
        return p;
    return EMIT(p, (u8)(0x40 | rex));
}

static u8 *put_modrm(u8 *p, const struct op *o, u32 reg)
{
    u8 r = (u8)((reg & 7) << 3);
    if (!o->mem)
        return EMIT(p, (u8)(0xc0 | r | (o->rm & 7)));
    bool far = o->long_disp || o->disp != (signed char)o->disp;
    bool sib = o->indexed || (o->base & 7) == RSP;
    p = EMIT(p, (u8)((far ? 0x80 : 0x40) | r | (sib ? 4 : o->base & 7)));
    if (sib)
        p = EMIT(p, (u8)(o->scale << 6 | (o->indexed ? o->index & 7 : 4) << 3 | (o->base & 7)));
    return emit_le(p, (u32)o->disp, far ? 4 : 1);
}

/* Opcode 0Fxxh: two bytes. `reg`: of ModRM. */
static u8 *put_insn(const struct program *g, u8 *p, const struct op *o, u32 opcode, u32 reg)
{
    if (o->width == 2)
        p = EMIT(p, 0x66);
    p = put_rex(g, p, o, o->width, reg);
    if (opcode > 0xff)
        p = EMIT(p, 0x0f);
    return put_modrm(EMIT(p, (u8)opcode), o, reg);
}

static u8 *put_alu(const struct program *g, u8 *p, const struct op *o)
{
    u32 wide = o->width != 1;
    if (o->form != IMM)
        return put_insn(g, p, o, o->n << 3 | (o->form == TO_REG) << 1 | wide, o->reg);
    bool byte = o->width == 1 || (int)o->imm == (signed char)o->imm;
    p = put_insn(g, p, o, !wide ? 0x80 : byte ? 0x83 : 0x81, o->n);
    return emit_le(p, o->imm, byte ? 1 : o->width == 2 ? 2 : 4);
}

static u8 *put_mov(const struct program *g, u8 *p, const struct op *o)
{
    u32 wide = o->width != 1;
    if (o->form != IMM)
        return put_insn(g, p, o, (o->form == TO_REG ? 0x8a : 0x88) | wide, o->reg);
    return emit_le(put_insn(g, p, o, 0xc6 | wide, 0), o->imm, o->width == 8 ? 4 : o->width);
}

static u8 *put_acc(u8 *p, const struct op *o)
{
    if (o->width == 2)
        p = EMIT(p, 0x66);
    if (o->width == 8)
        p = EMIT(p, 0x48);
    p = EMIT(p, (u8)((o->n == 8 ? 0xa8 : o->n << 3 | 4) | (o->width != 1)));
    return emit_le(p, o->imm, o->width == 8 ? 4 : o->width);
}

static u8 *put_push_pop(const struct program *g, u8 *p, const struct op *o)
{
    struct op narrow = *o;
    bool push = o->kind == O_PUSH;
    narrow.width = 4; /* no REX.W: they are as wide as the mode anyway */
    if (o->mem)
        return put_insn(g, p, &narrow, push ? 0xff : 0x8f, push ? 6 : 0);
    if (o->form == IMM) {
        bool byte = (int)o->imm == (signed char)o->imm;
        return emit_le(EMIT(p, byte ? 0x6a : 0x68), o->imm, byte ? 1 : 4);
    }
    p = put_rex(g, p, &narrow, 4, 0);
    return EMIT(p, (u8)((push ? 0x50 : 0x58) | (o->rm & 7)));
}

static u8 *put_branch(const struct program *g, u8 *p, const struct op *o)
{
    const u8 *to = g->at[o->target];
    switch (o->kind) {
    case O_PUSH_LABEL:
        return emit_le(EMIT(p, 0x68), (word)to, 4);
    case O_CALL:
        return emit_rel32(p, 0xe8, to);
    case O_JCC:
        p = EMIT(p, 0x0f, (u8)(0x80 | o->n));
        return emit_le(p, (word)to - (word)(p + 4), 4);
    case O_JMP_REG:
        if (o->reg > 7)
            p = EMIT(p, 0x41);
        p = emit_le(EMIT(p, (u8)(0xb8 | (o->reg & 7))), (word)to, 4);
        if (o->reg > 7)
            p = EMIT(p, 0x41);
        return EMIT(p, 0xff, (u8)(0xe0 | (o->reg & 7)));
    case O_FUEL: /* LEA RCX, [RCX - 1]; JRCXZ +2; JMP +5; JMP to */
        if (!g->legacy)
            p = EMIT(p, 0x48);
        p = EMIT(p, 0x8d, 0x49, 0xff, 0xe3, 2, 0xeb, 5);
        return emit_rel32(p, 0xe9, to);
    }
    return emit_rel32(p, 0xe9, to);
}

static u8 *put_op(const struct program *g, u8 *p, const struct op *o)
{
    switch (o->kind) {
    case O_ALU:
        return put_alu(g, p, o);
    case O_ACC:
        return put_acc(p, o);
    case O_MOV:
        return put_mov(g, p, o);
    case O_INCDEC:
        return put_insn(g, p, o, 0xfe | (o->width != 1), o->n);
    case O_SHIFT:
        return put_insn(g, p, o, 0xd0 | (o->width != 1), o->n);
    case O_CARRY:
        return EMIT(p, (const u8[]){0xf8, 0xf9, 0xf5}[o->n]);
    case O_SETCC:
        return put_insn(g, p, o, 0x190 | o->n, 0);
    case O_CMOV:
        return put_insn(g, p, o, 0x140 | o->n, o->reg);
    case O_LEA:
        return put_insn(g, p, o, 0x8d, o->reg);
    case O_PUSH:
    case O_POP:
        return put_push_pop(g, p, o);
    case O_RET:
        return EMIT(p, 0xc3);
    case O_XLOAD:
        return put_insn(g, p, o, o->n ? 0x128 : 0x110, o->reg);
    case O_XSTORE:
        return put_insn(g, p, o, o->n ? 0x129 : 0x111, o->reg);
    case O_STOP:
        return EMIT(p, STOP_BYTES);
    }
    return put_branch(g, p, o);
}

/* Twice, the second time with all addresses known. */
u8 *program_emit(struct program *g, u8 *start)
{
    u8 *p = start;
    for (u32 round = 0; round < 2; round++) {
        p = start;
        for (u32 i = 0; i < g->n; i++) {
            const struct op *o = &g->op[i];
            g->at[i] = p;
            if (o->kind == O_AT)
                p = start + o->imm;
            else
                p = put_op(g, p, o);
            if (p < g->at[i])
                guest_fatal("code overlaps at op %u", i);
        }
    }
    return p;
}
