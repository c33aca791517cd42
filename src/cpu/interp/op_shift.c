/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shifts, rotates, double shifts. Flags that the manuals leave undefined take the values that fall
   out of the general formula. */
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"

always_inline bool msb(u64 v, unsigned size)
{
    return v >> (8 * size - 1) & 1;
}

always_inline u64 count_mask(unsigned size)
{
    return size == 8 ? 63 : 31;
}

always_inline u64 op_shl(struct flags *f, u64 a, u64 n, unsigned size)
{
    unsigned width = 8 * size;
    u64 r;
    bool cf;

    if (!n)
        return a;
    r = a << n;
    if (width == 64)
        cf = a >> (64 - n) & 1;
    else
        cf = r >> width & 1;
    flags_logic(f, r, size);
    flags_put_cf_of(f, cf, msb(r, size) ^ cf);
    return r;
}

always_inline u64 op_shr(struct flags *f, u64 a, u64 n, unsigned size)
{
    u64 r;

    if (!n)
        return a;
    a &= size_mask(size);
    r = a >> n;
    flags_logic(f, r, size);
    flags_put_cf_of(f, a >> (n - 1) & 1, msb(r, size) ^ (r >> (8 * size - 2) & 1));
    return r;
}

always_inline u64 op_sar(struct flags *f, u64 a, u64 n, unsigned size)
{
    s64 sa = (s64)sign_extend(a, size);

    if (!n)
        return a;
    flags_logic(f, (u64)(sa >> n), size);
    flags_put_cf_of(f, sa >> (n - 1) & 1, false);
    return (u64)(sa >> n);
}

always_inline u64 op_rol(struct flags *f, u64 a, u64 n, unsigned size)
{
    unsigned width = 8 * size, k = (unsigned)n & (width - 1);
    u64 r;

    if (!n)
        return a;
    a &= size_mask(size);
    r = k ? (a << k | a >> (width - k)) & size_mask(size) : a;
    flags_put_cf_of(f, r & 1, (r & 1) ^ msb(r, size));
    return r;
}

always_inline u64 op_ror(struct flags *f, u64 a, u64 n, unsigned size)
{
    unsigned width = 8 * size, k = (unsigned)n & (width - 1);
    u64 r;

    if (!n)
        return a;
    a &= size_mask(size);
    r = k ? (a >> k | a << (width - k)) & size_mask(size) : a;
    flags_put_cf_of(f, msb(r, size), msb(r, size) ^ (r >> (width - 2) & 1));
    return r;
}

/* Rotates CF:a, width + 1 bits, left by k (0 … width); returns the new value, *cf is the new CF. */
always_inline u64 rotate_carry(u64 a, unsigned k, unsigned size, bool *cf)
{
    unsigned width = 8 * size;
    unsigned __int128 wide = (unsigned __int128)*cf << width | (a & size_mask(size));

    if (k)
        wide = wide << k | wide >> (width + 1 - k);
    *cf = wide >> width & 1;
    return (u64)wide & size_mask(size);
}

static u64 op_rcl(struct flags *f, u64 a, u64 n, unsigned size)
{
    bool cf = flag_cf(f);
    u64 r;

    if (!n)
        return a;
    r = rotate_carry(a, (unsigned)(n % (8 * size + 1)), size, &cf);
    flags_put_cf_of(f, cf, msb(r, size) ^ cf);
    return r;
}

static u64 op_rcr(struct flags *f, u64 a, u64 n, unsigned size)
{
    unsigned bits_all = 8 * size + 1;
    bool cf = flag_cf(f);
    u64 r;

    if (!n)
        return a;
    r = rotate_carry(a, (unsigned)((bits_all - n % bits_all) % bits_all), size, &cf);
    flags_put_cf_of(f, cf, msb(r, size) ^ (r >> (8 * size - 2) & 1));
    return r;
}

#define SHIFT_SIZE(name, S)                                                                        \
    static void name##_r_##S(struct vcpu *c, const struct insn *i)                                 \
    {                                                                                              \
        u64 n = (i->flags & INSN_CL ? c->gpr[RCX] : i->imm) & count_mask(S / 8);                   \
        u64 r = op_##name(&c->lf, REG_RD_##S(c, i->r), n, S / 8);                                  \
        REG_WR_##S(c, i->r, r);                                                                    \
    }                                                                                              \
    static void name##_m_##S(struct vcpu *c, const struct insn *i)                                 \
    {                                                                                              \
        u64 n = (i->flags & INSN_CL ? c->gpr[RCX] : i->imm) & count_mask(S / 8);                   \
        mem_rmw_##S(c, i, n, op_##name);                                                           \
    }
#define ROW(name, kind)                                                                            \
    {                                                                                              \
        name##_##kind##_8, name##_##kind##_16, name##_##kind##_32, name##_##kind##_64              \
    }
/* By CL or by an immediate. */
#define SHIFT(name)                                                                                \
    SHIFT_SIZE(name, 8)                                                                            \
    SHIFT_SIZE(name, 16)                                                                           \
    SHIFT_SIZE(name, 32)                                                                           \
    SHIFT_SIZE(name, 64)                                                                           \
    insn_forms name##_forms = {                                                                    \
        [FORM_R] = ROW(name, r),  [FORM_M] = ROW(name, m),  [FORM_RR] = ROW(name, r),              \
        [FORM_MR] = ROW(name, m), [FORM_RI] = ROW(name, r), [FORM_MI] = ROW(name, m)};
SHIFT(shl)
SHIFT(shr)
SHIFT(sar)
SHIFT(rol)
SHIFT(ror)
SHIFT(rcl)
SHIFT(rcr)

struct double_shift {
    u64 fill;
    unsigned n;
    bool left;
};

/* For 16 bits and counts above 16 (undefined) the pattern repeats, as the CPUs do. */
static u64 double_shift(struct flags *f, u64 a, const struct double_shift *d, unsigned size)
{
    unsigned width = 8 * size, n = d->n;
    u64 b = d->fill & size_mask(size), r;
    bool cf;

    if (!n) /* the operand is accessed all the same, and the flags stay */
        return a;
    a &= size_mask(size);
    if (n > width) {
        u64 t = a;
        n -= width;
        a = b;
        b = t;
    }
    if (d->left) {
        r = n == width ? b : a << n | b >> (width - n);
        cf = a >> (width - n) & 1;
    } else {
        r = n == width ? b : a >> n | b << (width - n);
        cf = a >> (n - 1) & 1;
    }
    r &= size_mask(size);
    flags_logic(f, r, size);
    flags_put_cf_of(f, cf, msb(r, size) ^ msb(a, size));
    return r;
}

static u64 rmw_double_shift(struct flags *f, u64 a, u64 arg, unsigned size)
{
    return double_shift(f, a, (const struct double_shift *)(uintptr_t)arg, size);
}

static void shift_double(struct vcpu *c, const struct insn *i, bool left)
{
    u8 fill = i->flags & INSN_MEM ? i->r : i->m;
    u64 n = (i->flags & INSN_CL ? c->gpr[RCX] : i->imm) & count_mask(i->size);
    struct double_shift d = {reg_get(c, fill, i->size), (unsigned)n, left};

    rm_modify(c, i, i->size, (uintptr_t)&d, rmw_double_shift);
}

void op_shld(struct vcpu *c, const struct insn *i)
{
    shift_double(c, i, true);
}

void op_shrd(struct vcpu *c, const struct insn *i)
{
    shift_double(c, i, false);
}
