/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/dbt/emit.h"

static void rex(struct emit *e, bool w, unsigned reg, unsigned index, unsigned rm)
{
    unsigned b = 0x40u | (unsigned)w << 3 | (reg & 8) >> 1 | (index & 8) >> 2 | (rm & 8) >> 3;

    if (b != 0x40)
        e1(e, b);
}

static void opcode(struct emit *e, unsigned op)
{
    if (op & 0x100)
        e1(e, 0x0f);
    e1(e, op & 0xff);
}

void emit_rr(struct emit *e, bool w, unsigned op, unsigned reg, unsigned rm)
{
    rex(e, w, reg, 0, rm);
    opcode(e, op);
    e1(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void emit_modrm_mem(struct emit *e, unsigned reg, unsigned base, s32 disp)
{
    unsigned mod = disp == 0 && (base & 7) != H_RBP ? 0 : disp == (s8)disp ? 1 : 2;

    e1(e, mod << 6 | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == H_RSP)
        e1(e, 0x24);
    if (mod == 1)
        e1(e, (u8)disp);
    else if (mod == 2)
        e4(e, (u32)disp);
}

void emit_rm(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base, s32 disp)
{
    rex(e, w, reg, 0, base);
    opcode(e, op);
    emit_modrm_mem(e, reg, base, disp);
}

void emit_rm_index(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base, unsigned index,
                   s32 disp)
{
    rex(e, w, reg, index, base);
    opcode(e, op);
    e1(e, 0x84 | (reg & 7) << 3);
    e1(e, (index & 7) << 3 | (base & 7));
    e4(e, (u32)disp);
}

void emit_lea(struct emit *e, bool w, unsigned reg, int base, int index, unsigned scale, s32 disp)
{
    unsigned b = base < 0 ? H_RBP : (unsigned)base, i = index < 0 ? H_RSP : (unsigned)index;
    unsigned mod;

    if (index < 0 && base >= 0) {
        emit_rm(e, w, 0x8d, reg, b, disp);
        return;
    }
    mod = base < 0 ? 0 : disp == 0 && (b & 7) != H_RBP ? 0 : disp == (s8)disp ? 1 : 2;
    rex(e, w, reg, i, base < 0 ? 0 : b);
    e1(e, 0x8d);
    e1(e, mod << 6 | (reg & 7) << 3 | 4);
    e1(e, scale << 6 | (i & 7) << 3 | (b & 7));
    if (mod == 1)
        e1(e, (u8)disp);
    else if (mod == 2 || base < 0)
        e4(e, (u32)disp);
}

void emit_mov_imm(struct emit *e, unsigned reg, u64 imm)
{
    if (imm == (u32)imm) {
        rex(e, false, 0, 0, reg);
        e1(e, 0xb8 | (reg & 7));
        e4(e, (u32)imm);
    } else if (imm == (u64)(s64)(s32)imm) {
        rex(e, true, 0, 0, reg);
        e1(e, 0xc7);
        e1(e, 0xc0 | (reg & 7));
        e4(e, (u32)imm);
    } else {
        rex(e, true, 0, 0, reg);
        e1(e, 0xb8 | (reg & 7));
        e8(e, imm);
    }
}

void emit_nops(struct emit *e, unsigned n)
{
    static const u8 nop[][4] = {{0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}, {0x0f, 0x1f, 0x40, 0x00}};

    for (; n; n -= n > 4 ? 4 : n)
        eb(e, nop[(n > 4 ? 4 : n) - 1], n > 4 ? 4 : n);
}

void emit_jmp(struct emit *e, u32 to)
{
    e1(e, 0xe9);
    e4(e, to - (e->at + 4));
}

void emit_call(struct emit *e, u32 to)
{
    e1(e, 0xe8);
    e4(e, to - (e->at + 4));
}

void emit_jcc(struct emit *e, unsigned cond, u32 to)
{
    emit_land_at(e, emit_jcc_fwd(e, cond), to);
}

u32 emit_jcc_fwd(struct emit *e, unsigned cond)
{
    e1(e, 0x0f);
    e1(e, 0x80 | cond);
    e4(e, 0);
    return e->at - 4;
}

u32 emit_jmp_fwd(struct emit *e)
{
    e1(e, 0xe9);
    e4(e, 0);
    return e->at - 4;
}

void emit_land_at(struct emit *e, u32 place, u32 to)
{
    u32 rel = to - (place + 4);

    memcpy(e->rw + place, &rel, 4);
}

void emit_land(struct emit *e, u32 place)
{
    emit_land_at(e, place, e->at);
}
