/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiplication, division, sign extension within the accumulator, BCD adjustments. */
#include "cpu/excp.h"
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

#define AH_OFF ((u8)(RAX * 8 + 1))
#define AL_OFF ((u8)(RAX * 8))
#define DX_OFF ((u8)(RDX * 8))

/* The double-width accumulator: AX, DX:AX, EDX:EAX, RDX:RAX. */
static u128 wide_get(struct vcpu *c, unsigned size)
{
    if (size == 1)
        return GPR16(c, AL_OFF);
    return (u128)reg_get(c, DX_OFF, size) << (8 * size) | reg_get(c, AL_OFF, size);
}

static void wide_set(struct vcpu *c, unsigned size, u128 v)
{
    if (size == 1) {
        GPR16(c, AL_OFF) = (u16)v;
        return;
    }
    reg_set(c, AL_OFF, size, (u64)v & size_mask(size));
    reg_set(c, DX_OFF, size, (u64)(v >> (8 * size)) & size_mask(size));
}

void op_mul(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->size;
    u128 r = (u128)reg_get(c, AL_OFF, size) * rm_get(c, i, i->r, size);
    bool high = r >> (8 * size) != 0;

    wide_set(c, size, r);
    flags_logic(&c->lf, (u64)r, size);
    flags_put_cf_of(&c->lf, high, high);
}

/* The truncated product; CF and OF if it does not fit. */
static u64 imul(struct vcpu *c, u64 a, u64 b, unsigned size)
{
    s128 r = (s128)(s64)sign_extend(a, size) * (s64)sign_extend(b, size);
    bool lost = r != (s64)sign_extend((u64)r, size);

    flags_logic(&c->lf, (u64)r, size);
    flags_put_cf_of(&c->lf, lost, lost);
    return (u64)r;
}

static void imul_accumulator(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->size;
    u64 a = sign_extend(reg_get(c, AL_OFF, size), size);
    u64 b = sign_extend(rm_get(c, i, i->r, size), size);

    imul(c, a, b, size);
    wide_set(c, size, (u128)((s128)(s64)a * (s64)b));
}

void op_imul(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->size;
    u64 a;

    if (i->form == FORM_R || i->form == FORM_M) {
        imul_accumulator(c, i);
        return;
    }
    a = rm_get(c, i, i->m, size);
    reg_set(c, i->r, size, imul(c, a, i->flags & INSN_IMM ? i->imm : reg_get(c, i->r, size), size));
}

void op_div(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->size;
    u64 d = rm_get(c, i, i->r, size);
    u128 n = wide_get(c, size);

    if (!d || n / d > size_mask(size))
        cpu_raise(c, VEC_DE);
    wide_set(c, size, (n % d) << (8 * size) | n / d);
}

void op_idiv(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->size, unused = 128 - 16 * size;
    s64 d = (s64)sign_extend(rm_get(c, i, i->r, size), size);
    s128 n = (s128)(wide_get(c, size) << unused) >> unused;
    s128 q;

    /* The one quotient that 128 bits cannot hold is out of range too. */
    if (!d || (d == -1 && n == (s128)((u128)1 << 127)))
        cpu_raise(c, VEC_DE);
    q = n / d;
    if (q != (s64)sign_extend((u64)q, size))
        cpu_raise(c, VEC_DE);
    wide_set(c, size, (u128)(u64)(n % d) << (8 * size) | ((u64)q & size_mask(size)));
}

/* CBW, CWDE, CDQE */
void op_cbw(struct vcpu *c, const struct insn *i)
{
    reg_set(c, AL_OFF, i->opsize, sign_extend(c->gpr[RAX], i->opsize / 2u));
}

/* CWD, CDQ, CQO */
void op_cwd(struct vcpu *c, const struct insn *i)
{
    reg_set(c, DX_OFF, i->opsize, (u64)((s64)sign_extend(c->gpr[RAX], i->opsize) >> 63));
}

/* AAA, AAS: AX changes by ±106h, so that a carry out of AL reaches AH as on the CPU. */
static void ascii_adjust(struct vcpu *c, int sign)
{
    u8 al = GPR8(c, AL_OFF);
    bool adjust = (al & 15) > 9 || flag_af(&c->lf);
    u32 eflags = flags_get(&c->lf) & ~(u32)(EFLAGS_AF | EFLAGS_CF);

    if (adjust) {
        GPR16(c, AL_OFF) = (u16)(GPR16(c, AL_OFF) + sign * 0x106);
        eflags |= EFLAGS_AF | EFLAGS_CF;
    }
    GPR8(c, AL_OFF) &= 15;
    flags_set(&c->lf, eflags);
}

void op_aaa(struct vcpu *c, const struct insn *i)
{
    ascii_adjust(c, 1);
}

void op_aas(struct vcpu *c, const struct insn *i)
{
    ascii_adjust(c, -1);
}

static void decimal_adjust(struct vcpu *c, int sign)
{
    u8 al = GPR8(c, AL_OFF), r = al;
    bool cf = flag_cf(&c->lf), af = (al & 15) > 9 || flag_af(&c->lf), new_cf = false;

    if (af) {
        r = (u8)(r + sign * 6);
        new_cf = cf || (sign < 0 && al < 6);
    }
    if (al > 0x99 || cf) {
        r = (u8)(r + sign * 0x60);
        new_cf = true;
    }
    GPR8(c, AL_OFF) = r;
    flags_logic(&c->lf, r, 1);
    c->lf.carry |= (u64)af << 3;
    flags_put_cf_of(&c->lf, new_cf, false);
}

void op_daa(struct vcpu *c, const struct insn *i)
{
    decimal_adjust(c, 1);
}

void op_das(struct vcpu *c, const struct insn *i)
{
    decimal_adjust(c, -1);
}

void op_aam(struct vcpu *c, const struct insn *i)
{
    u8 al = GPR8(c, AL_OFF), base = (u8)i->imm;

    if (!base)
        cpu_raise(c, VEC_DE);
    GPR8(c, AH_OFF) = al / base;
    GPR8(c, AL_OFF) = al % base;
    flags_logic(&c->lf, GPR8(c, AL_OFF), 1);
}

void op_aad(struct vcpu *c, const struct insn *i)
{
    u8 r = (u8)(GPR8(c, AL_OFF) + GPR8(c, AH_OFF) * (u8)i->imm);

    GPR16(c, AL_OFF) = r;
    flags_logic(&c->lf, r, 1);
}
