/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What instructions do to a register and the arithmetic flags, in C (SDM 2, appendix A of 1). */
#pragma once
#include "io.h"
#include "xlat.h"

enum { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP };
enum { ROL, ROR, RCL, RCR, SHL, SHR, SAR = 7 };

struct flags {
    u32 set, undefined; /* of FLAG_ARITH */
};

static inline u64 width_mask(u32 width)
{
    return ~0ull >> (64 - 8 * width);
}

static inline u32 top_bit(u64 v, u32 width)
{
    return (u32)(v >> (8 * width - 1) & 1);
}

static inline void flag_put(struct flags *f, u32 flag, bool on)
{
    f->set = on ? f->set | flag : f->set & ~flag;
    f->undefined &= ~flag;
}

static inline void flags_of_result(struct flags *f, u64 r, u32 width)
{
    flag_put(f, FLAG_ZF, !(r & width_mask(width)));
    flag_put(f, FLAG_SF, top_bit(r, width));
    flag_put(f, FLAG_PF, !__builtin_parity((u8)r));
}

/* The register after a write of that width. */
static inline u64 merged(u64 old, u64 v, u32 width)
{
    if (width >= 4)
        return v & width_mask(width);
    return (old & ~width_mask(width)) | (v & width_mask(width));
}

/* The result (for CMP, the difference), a and b cut to the width. */
u64 model_alu(u32 op, u64 a, u64 b, u32 width, struct flags *f);
u64 model_incdec(bool dec, u64 a, u32 width, struct flags *f);
u64 model_neg(u64 a, u32 width, struct flags *f);
/* n less than the bits of the width. */
u64 model_shift(u32 op, u64 a, u32 n, u32 width, struct flags *f);
/* Conditions by the low four bits of Jcc; which flags they look at. */
bool model_condition(u32 cc, u32 flags);
u32 condition_needs(u32 cc);
