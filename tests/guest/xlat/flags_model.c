/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results and flags of the ALU, bit by bit where that is easiest to believe. */
#include "flags_model.h"

u64 model_alu(u32 op, u64 a, u64 b, u32 width, struct flags *f)
{
    u64 m = width_mask(width), carry = (op == ADC || op == SBB) && (f->set & FLAG_CF), r;
    a &= m, b &= m;
    if (op == AND || op == OR || op == XOR) {
        r = op == AND ? a & b : op == OR ? a | b : a ^ b;
        flag_put(f, FLAG_CF | FLAG_OF | FLAG_AF, false);
        f->undefined |= FLAG_AF;
        flags_of_result(f, r, width);
        return r;
    }
    bool add = op == ADD || op == ADC;
    r = (add ? a + b + carry : a - b - carry) & m;
    u64 over = add ? (a ^ r) & (b ^ r) : (a ^ b) & (a ^ r);
    bool beyond = add ? r < a || (carry && r == a) : a < b || (carry && a == b);
    flag_put(f, FLAG_CF, beyond);
    flag_put(f, FLAG_OF, top_bit(over, width));
    flag_put(f, FLAG_AF, (a ^ b ^ r) >> 4 & 1);
    flags_of_result(f, r, width);
    return r;
}

u64 model_incdec(bool dec, u64 a, u32 width, struct flags *f)
{
    struct flags carry = *f;
    u64 r = model_alu(dec ? SUB : ADD, a, 1, width, f);
    f->set = (f->set & ~(u32)FLAG_CF) | (carry.set & FLAG_CF);
    f->undefined |= carry.undefined & FLAG_CF;
    return r;
}

u64 model_neg(u64 a, u32 width, struct flags *f)
{
    return model_alu(SUB, 0, a, width, f);
}

/* By one bit; *cf in and out. */
static u64 shift_once(u32 op, u64 a, u32 width, u32 *cf)
{
    u32 top = top_bit(a, width), old = *cf;
    bool left = op == SHL || op == ROL || op == RCL;
    *cf = left ? top : a & 1;
    u32 in = op == ROL || op == ROR ? *cf : op == RCL || op == RCR ? old : op == SAR ? top : 0;
    if (left)
        return (a << 1 | in) & width_mask(width);
    return a >> 1 | (u64)in << (8 * width - 1);
}

u64 model_shift(u32 op, u64 a, u32 n, u32 width, struct flags *f)
{
    u32 cf = f->set & FLAG_CF;
    u64 r = a & width_mask(width), before = r;
    if (n == 0)
        return r;
    for (u32 i = 0; i < n; i++)
        r = shift_once(op, r, width, &cf);
    flag_put(f, FLAG_CF, cf);
    flag_put(f, FLAG_OF, top_bit(before ^ r, width)); /* by 1: the sign changed; SAR: never */
    if (n != 1)
        f->undefined |= FLAG_OF;
    if (op >= SHL) {
        flags_of_result(f, r, width);
        f->undefined |= FLAG_AF;
    }
    return r;
}

bool model_condition(u32 cc, u32 flags)
{
    bool c = flags & FLAG_CF, z = flags & FLAG_ZF, s = flags & FLAG_SF, o = flags & FLAG_OF;
    const bool is[] = {o, c, z, c || z, s, flags & FLAG_PF, s != o, z || s != o};
    return is[cc >> 1] != (cc & 1);
}

u32 condition_needs(u32 cc)
{
    static const u32 needs[] = {
        FLAG_OF, FLAG_CF, FLAG_ZF,           FLAG_CF | FLAG_ZF,
        FLAG_SF, FLAG_PF, FLAG_SF | FLAG_OF, FLAG_SF | FLAG_OF | FLAG_ZF,
    };
    return needs[cc >> 1];
}
