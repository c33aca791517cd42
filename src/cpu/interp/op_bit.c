/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bit tests and scans, counts, BMI1 and BMI2, ADX, CRC32, BSWAP, MOVBE. */
#include "cpu/excp.h"
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"

static u64 rmw_bts(struct flags *f, u64 a, u64 n, unsigned size)
{
    flags_put_cf(f, a >> n & 1);
    return a | (u64)1 << n;
}

static u64 rmw_btr(struct flags *f, u64 a, u64 n, unsigned size)
{
    flags_put_cf(f, a >> n & 1);
    return a & ~((u64)1 << n);
}

static u64 rmw_btc(struct flags *f, u64 a, u64 n, unsigned size)
{
    flags_put_cf(f, a >> n & 1);
    return a ^ (u64)1 << n;
}

/*
 * With a register as bit offset and a memory operand, the offset is signed and reaches beyond the
 * operand: the address moves by whole operands. The instruction is then carried out on a copy with
 * that displacement.
 */
static void bit_op(struct vcpu *c, const struct insn *i, rmw_fn *op)
{
    unsigned size = i->size, log = size == 2 ? 4 : size == 4 ? 5 : 6;
    struct insn moved = *i;
    u64 bit = i->form == FORM_MR   ? sign_extend(reg_get(c, i->r, size), size)
              : i->form == FORM_RR ? reg_get(c, i->m, size)
                                   : i->imm;

    if (i->form == FORM_MR)
        moved.disp += ((s64)bit >> log) * (s64)size;
    bit &= BIT(log) - 1;
    if (op)
        rm_modify(c, &moved, size, bit, op);
    else
        flags_put_cf(&c->lf, rm_get(c, &moved, i->r, size) >> bit & 1);
}

void op_bt(struct vcpu *c, const struct insn *i)
{
    bit_op(c, i, NULL);
}

void op_bts(struct vcpu *c, const struct insn *i)
{
    bit_op(c, i, rmw_bts);
}

void op_btr(struct vcpu *c, const struct insn *i)
{
    bit_op(c, i, rmw_btr);
}

void op_btc(struct vcpu *c, const struct insn *i)
{
    bit_op(c, i, rmw_btc);
}

/* A zero source leaves the destination alone, as all CPUs do and AMD documents. */
void op_bsf(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->size);

    if (v)
        reg_set(c, i->r, i->size, (u64)__builtin_ctzll(v));
    flags_logic(&c->lf, v, i->size);
}

void op_bsr(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->size);

    if (v)
        reg_set(c, i->r, i->size, 63u ^ (unsigned)__builtin_clzll(v));
    flags_logic(&c->lf, v, i->size);
}

static void count_result(struct vcpu *c, const struct insn *i, u64 n, bool cf)
{
    reg_set(c, i->r, i->size, n);
    flags_logic(&c->lf, n, i->size);
    flags_put_cf_of(&c->lf, cf, false);
}

void op_tzcnt(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->size);

    count_result(c, i, v ? (u64)__builtin_ctzll(v) : 8u * i->size, !v);
}

void op_lzcnt(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->size);
    unsigned width = 8u * i->size;

    count_result(c, i, v ? (u64)__builtin_clzll(v) - (64 - width) : width, !v);
}

void op_popcnt(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->size);

    reg_set(c, i->r, i->size, (u64)__builtin_popcountll(v));
    flags_logic(&c->lf, v, i->size);
    flags_set(&c->lf, v ? 0 : EFLAGS_ZF);
}

/* VEX-encoded instructions on general registers do not exist in real and virtual-8086 mode. */
static void vex_gate(struct vcpu *c)
{
    if (!is_protected(c))
        cpu_raise_ud(c);
}

static void bmi_result(struct vcpu *c, const struct insn *i, u64 r, bool cf)
{
    reg_set(c, i->r, i->size, r);
    flags_logic(&c->lf, r, i->size);
    flags_put_cf_of(&c->lf, cf, false);
}

void op_andn(struct vcpu *c, const struct insn *i)
{
    u64 b;

    vex_gate(c);
    b = rm_get(c, i, i->v, i->size);
    bmi_result(c, i, ~reg_get(c, i->m, i->size) & b, false);
}

/* The control register of BEXTR, BZHI, SARX…: the operand after the r/m one. */
static u64 control_get(struct vcpu *c, const struct insn *i)
{
    return reg_get(c, i->flags & INSN_MEM ? i->m : i->v, i->size);
}

void op_bextr(struct vcpu *c, const struct insn *i)
{
    unsigned start, len;
    u64 v, control;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    control = control_get(c, i);
    start = control & 0xff;
    len = control >> 8 & 0xff;
    v = start < 64 ? v >> start : 0;
    if (len < 64)
        v &= BIT64(len) - 1;
    bmi_result(c, i, v, false);
    flags_set(&c->lf, v ? 0 : EFLAGS_ZF);
}

void op_bzhi(struct vcpu *c, const struct insn *i)
{
    unsigned n;
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    n = control_get(c, i) & 0xff;
    bmi_result(c, i, n < 8u * i->size ? v & (BIT64(n) - 1) : v, n > 8u * i->size - 1);
}

/* BLSI, BLSMSK and BLSR have VEX.vvvv as destination and r/m as the second operand. */
void op_blsi(struct vcpu *c, const struct insn *i)
{
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    bmi_result(c, i, v & (0 - v), v != 0);
}

void op_blsmsk(struct vcpu *c, const struct insn *i)
{
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    bmi_result(c, i, v ^ (v - 1), v == 0);
}

void op_blsr(struct vcpu *c, const struct insn *i)
{
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    bmi_result(c, i, v & (v - 1), v == 0);
}

void op_pdep(struct vcpu *c, const struct insn *i)
{
    u64 src, mask, r = 0;

    vex_gate(c);
    mask = rm_get(c, i, i->v, i->size);
    src = reg_get(c, i->m, i->size);
    for (; mask; mask &= mask - 1, src >>= 1)
        if (src & 1)
            r |= mask & (0 - mask);
    reg_set(c, i->r, i->size, r);
}

void op_pext(struct vcpu *c, const struct insn *i)
{
    u64 src, mask, r = 0;

    vex_gate(c);
    mask = rm_get(c, i, i->v, i->size);
    src = reg_get(c, i->m, i->size);
    for (unsigned n = 0; mask; mask &= mask - 1, n++)
        if (src & mask & (0 - mask))
            r |= BIT64(n);
    reg_set(c, i->r, i->size, r);
}

void op_mulx(struct vcpu *c, const struct insn *i)
{
    unsigned __int128 r;

    vex_gate(c);
    r = (unsigned __int128)rm_get(c, i, i->v, i->size) * reg_get(c, RDX * 8, i->size);
    reg_set(c, i->m, i->size, (u64)r & size_mask(i->size));
    reg_set(c, i->r, i->size, (u64)(r >> (8 * i->size)));
}

void op_rorx(struct vcpu *c, const struct insn *i)
{
    unsigned width = 8u * i->size, n = (unsigned)i->imm & (width - 1);
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    reg_set(c, i->r, i->size, n ? v >> n | v << (width - n) : v);
}

void op_shlx(struct vcpu *c, const struct insn *i)
{
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    reg_set(c, i->r, i->size, v << (control_get(c, i) & (8u * i->size - 1)));
}

void op_shrx(struct vcpu *c, const struct insn *i)
{
    u64 v;

    vex_gate(c);
    v = rm_get(c, i, i->m, i->size);
    reg_set(c, i->r, i->size, v >> (control_get(c, i) & (8u * i->size - 1)));
}

void op_sarx(struct vcpu *c, const struct insn *i)
{
    u64 v;

    vex_gate(c);
    v = sign_extend(rm_get(c, i, i->m, i->size), i->size);
    reg_set(c, i->r, i->size, (u64)((s64)v >> (control_get(c, i) & (8u * i->size - 1))));
}

/* ADCX, ADOX: r = a + b + carry, where only that one flag takes part. */
static u64 add_carry(struct vcpu *c, const struct insn *i, bool in, bool *out)
{
    unsigned __int128 r =
        (unsigned __int128)rm_get(c, i, i->m, i->size) + reg_get(c, i->r, i->size) + in;

    *out = r >> (8 * i->size) & 1;
    return (u64)r;
}

void op_adcx(struct vcpu *c, const struct insn *i)
{
    bool cf;

    reg_set(c, i->r, i->size, add_carry(c, i, flag_cf(&c->lf), &cf));
    flags_put_cf(&c->lf, cf);
}

void op_adox(struct vcpu *c, const struct insn *i)
{
    bool of;

    reg_set(c, i->r, i->size, add_carry(c, i, flag_of(&c->lf), &of));
    flags_put_cf_of(&c->lf, flag_cf(&c->lf), of);
}

/* CRC-32C, bit-reflected polynomial 82f63b78h. msize is the source's. */
void op_crc32(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->msize);
    u32 crc = (u32)reg_get(c, i->r, 4);

    for (unsigned n = 0; n < i->msize; n++) {
        crc ^= (u8)(v >> (8 * n));
        for (unsigned k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    reg_set(c, i->r, 8, crc);
}

static u64 byte_swap(u64 v, unsigned size)
{
    return __builtin_bswap64(v) >> (64 - 8 * size);
}

/* With a 16-bit operand (undefined) CPUs clear it. */
void op_bswap(struct vcpu *c, const struct insn *i)
{
    u64 v = reg_get(c, i->r, i->size);

    reg_set(c, i->r, i->size, i->size == 2 ? 0 : byte_swap(v, i->size));
}

void op_movbe(struct vcpu *c, const struct insn *i)
{
    if (i->form == FORM_RM)
        reg_set(c, i->r, i->size, byte_swap(mem_get(c, i, i->size), i->size));
    else
        mem_set(c, i, i->size, byte_swap(reg_get(c, i->r, i->size), i->size));
}

void op_setcc(struct vcpu *c, const struct insn *i)
{
    rm_set(c, i, i->r, 1, cond_holds(c, i->cond));
}

void op_cmovcc(struct vcpu *c, const struct insn *i)
{
    u64 v = rm_get(c, i, i->m, i->size);

    reg_set(c, i->r, i->size, cond_holds(c, i->cond) ? v : reg_get(c, i->r, i->size));
}
