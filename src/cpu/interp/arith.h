/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How results set the lazy flags (cpu/flags.h), and the binary operations built on that. With a
   constant `size` (bytes) these fold into a handful of instructions. */
#pragma once
#include "cpu/flags.h"
#include "cpu/interp/insn.h"

#define always_inline static inline __attribute__((always_inline))

always_inline u64 sign_extend(u64 v, unsigned size)
{
    unsigned sh = 64 - 8 * size;
    return (u64)((s64)(v << sh) >> sh);
}

always_inline void flags_result(struct flags *f, u64 r, u64 carries, unsigned size)
{
    f->res = sign_extend(r, size);
    f->carry = (carries << (64 - 8 * size) & (u64)3 << 62) | (carries & 8);
}

always_inline void flags_logic(struct flags *f, u64 r, unsigned size)
{
    f->res = sign_extend(r, size);
    f->carry = 0;
}

/* Replaces CF and OF, keeping the others. */
always_inline void flags_put_cf_of(struct flags *f, bool cf, bool of)
{
    f->carry = (f->carry & ~((u64)3 << 62)) | (u64)cf << 63 | (u64)(cf ^ of) << 62;
}

/* Replaces CF, keeping the others: OF is relative to it. */
always_inline void flags_put_cf(struct flags *f, bool cf)
{
    f->carry ^= (f->carry >> 63 ^ (u64)cf) * ((u64)3 << 62);
}

always_inline u64 op_add(struct flags *f, u64 a, u64 b, unsigned size)
{
    u64 r = a + b;
    flags_result(f, r, (a & b) | ((a | b) & ~r), size);
    return r;
}

always_inline u64 op_adc(struct flags *f, u64 a, u64 b, unsigned size)
{
    u64 r = a + b + flag_cf(f);
    flags_result(f, r, (a & b) | ((a | b) & ~r), size);
    return r;
}

always_inline u64 op_sub(struct flags *f, u64 a, u64 b, unsigned size)
{
    u64 r = a - b;
    flags_result(f, r, (~a & b) | (~(a ^ b) & r), size);
    return r;
}

always_inline u64 op_sbb(struct flags *f, u64 a, u64 b, unsigned size)
{
    u64 r = a - b - flag_cf(f);
    flags_result(f, r, (~a & b) | (~(a ^ b) & r), size);
    return r;
}

always_inline u64 op_and(struct flags *f, u64 a, u64 b, unsigned size)
{
    flags_logic(f, a & b, size);
    return a & b;
}

always_inline u64 op_or(struct flags *f, u64 a, u64 b, unsigned size)
{
    flags_logic(f, a | b, size);
    return a | b;
}

always_inline u64 op_xor(struct flags *f, u64 a, u64 b, unsigned size)
{
    flags_logic(f, a ^ b, size);
    return a ^ b;
}

always_inline u64 op_inc(struct flags *f, u64 a, u64 unused, unsigned size)
{
    bool cf = flag_cf(f);
    u64 r = op_add(f, a, 1, size);
    flags_put_cf(f, cf);
    return r;
}

always_inline u64 op_dec(struct flags *f, u64 a, u64 unused, unsigned size)
{
    bool cf = flag_cf(f);
    u64 r = op_sub(f, a, 1, size);
    flags_put_cf(f, cf);
    return r;
}

always_inline u64 op_neg(struct flags *f, u64 a, u64 unused, unsigned size)
{
    return op_sub(f, 0, a, size);
}

always_inline u64 op_not(struct flags *f, u64 a, u64 unused, unsigned size)
{
    return ~a;
}

/* Registers and memory of a fixed size, for handlers made once per size. */
#define REG_RD_8(c, o)     ((u64)GPR8(c, o))
#define REG_RD_16(c, o)    ((u64)GPR16(c, o))
#define REG_RD_32(c, o)    ((u64)GPR32(c, o))
#define REG_RD_64(c, o)    GPR64(c, o)
#define REG_WR_8(c, o, v)  (GPR8(c, o) = (u8)(v))
#define REG_WR_16(c, o, v) (GPR16(c, o) = (u16)(v))
#define REG_WR_32(c, o, v) (GPR64(c, o) = (u32)(v))
#define REG_WR_64(c, o, v) (GPR64(c, o) = (v))

#define DEFINE_MEM(S)                                                                              \
    always_inline u64 mem_rd_##S(struct vcpu *c, const struct insn *i)                             \
    {                                                                                              \
        gva_t va = insn_linear(c, i, S / 8, false);                                                \
        const u8 *p = lin_ptr_read(c, va, S / 8, c->mmu);                                          \
        if (likely(p != NULL))                                                                     \
            return host_ld##S(p);                                                                  \
        return lin_read_slow(c, va, S / 8, insn_how(c, i));                                        \
    }                                                                                              \
    always_inline void mem_wr_##S(struct vcpu *c, const struct insn *i, u64 v)                     \
    {                                                                                              \
        gva_t va = insn_linear(c, i, S / 8, true);                                                 \
        u8 *p = lin_ptr_write(c, va, S / 8, c->mmu);                                               \
        if (likely(p != NULL))                                                                     \
            host_st##S(p, (u##S)v);                                                                \
        else                                                                                       \
            lin_write_slow(c, va, S / 8, v, insn_how(c, i));                                       \
    }                                                                                              \
    /* Read-modify-write with an inlined operation; what is not plain RAM goes the general way. */ \
    always_inline void mem_rmw_##S(struct vcpu *c, const struct insn *i, u64 arg, rmw_fn *op)      \
    {                                                                                              \
        u8 *p = NULL;                                                                              \
        if (likely(!(i->flags & INSN_LOCK))) {                                                     \
            gva_t va = insn_linear(c, i, S / 8, true);                                             \
            p = lin_ptr_write(c, va, S / 8, c->mmu);                                               \
        }                                                                                          \
        if (likely(p != NULL))                                                                     \
            host_st##S(p, (u##S)op(&c->lf, host_ld##S(p), arg, S / 8));                            \
        else                                                                                       \
            rm_modify(c, i, S / 8, arg, op);                                                       \
    }
DEFINE_MEM(8)
DEFINE_MEM(16)
DEFINE_MEM(32)
DEFINE_MEM(64)
#undef DEFINE_MEM
