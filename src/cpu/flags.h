/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The six arithmetic flags, kept as the result that set them and its carry vector, so that most
 * instructions set them with a few operations and no branch, and a flag is computed when read.
 *
 *   res    the result, sign-extended to 64 bits        ZF = res == 0
 *   carry  bit 63: CF      bit 62: carry into the sign bit, so that OF = bit 63 ^ bit 62
 *          bit 3:  AF      bit 4:  set if SF is not the sign of res
 *          bits 8-15: a byte XORed into the parity
 */
#pragma once
#include "base/base.h"
#include "x86/regs.h"

struct flags {
    u64 res;
    u64 carry;
};

static inline bool flag_cf(const struct flags *f)
{
    return f->carry >> 63;
}

static inline bool flag_of(const struct flags *f)
{
    return (f->carry ^ f->carry << 1) >> 63;
}

static inline bool flag_af(const struct flags *f)
{
    return f->carry >> 3 & 1;
}

static inline bool flag_zf(const struct flags *f)
{
    return f->res == 0;
}

static inline bool flag_sf(const struct flags *f)
{
    return (f->res >> 63 ^ f->carry >> 4) & 1;
}

static inline bool flag_pf(const struct flags *f)
{
    return !__builtin_parity((u8)(f->res ^ f->carry >> 8));
}

static inline u32 flags_get(const struct flags *f)
{
    return (flag_cf(f) ? EFLAGS_CF : 0) | (flag_pf(f) ? EFLAGS_PF : 0) |
           (flag_af(f) ? EFLAGS_AF : 0) | (flag_zf(f) ? EFLAGS_ZF : 0) |
           (flag_sf(f) ? EFLAGS_SF : 0) | (flag_of(f) ? EFLAGS_OF : 0);
}

/* Sets all six from the bits of an EFLAGS image. */
static inline void flags_set(struct flags *f, u32 eflags)
{
    u64 cf = eflags & EFLAGS_CF ? 1 : 0;
    u64 of = eflags & EFLAGS_OF ? 1 : 0;
    u64 res = eflags & EFLAGS_ZF ? 0 : 1; /* parity: 0 is even, 1 is odd; sign clear */
    u64 pf = eflags & EFLAGS_PF ? 1 : 0;

    f->res = res;
    f->carry = cf << 63 | (cf ^ of) << 62 | (u64)(eflags & EFLAGS_AF ? 1 : 0) << 3 |
               (u64)(eflags & EFLAGS_SF ? 1 : 0) << 4 | ((res ^ pf ^ 1) & 1) << 8;
}
