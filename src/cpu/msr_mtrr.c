/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MTRRs and PAT: SDM 3A 11.11 and 11.12. They are kept and checked as a CPU does; memory behaves
 * as write-back all the same, which is what the host's caches make of it.
 */
#include "cpu/msr.h"

#define VARIABLE_RANGES 8u
#define CAP_FIXED       BIT(8)
#define CAP_WC          BIT(10)
#define MASK_VALID      BIT(11)
#define DEF_FIXED       BIT(10)
#define DEF_ENABLE      BIT(11)

/* UC, WC, WT, WP, WB; PAT also has UC-. */
static bool is_mtrr_type(u8 type)
{
    return type <= 6 && type != 2 && type != 3;
}

static bool is_pat_type(u8 type)
{
    return type <= 7 && type != 2 && type != 3;
}

static bool each_byte(u64 val, bool (*valid)(u8 type))
{
    for (unsigned i = 0; i < 8; i++)
        if (!valid((u8)(val >> 8 * i)))
            return false;
    return true;
}

bool mtrr_cap_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = VARIABLE_RANGES | CAP_FIXED | CAP_WC;
    return true;
}

bool mtrr_var_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    bool is_mask = index & 1;
    u64 address = (BIT64(c->vm->model.phys_bits) - 1) & PAGE_MASK;

    if (val & ~(address | (is_mask ? MASK_VALID : 0xff)))
        return false;
    if (!is_mask && !is_mtrr_type((u8)val))
        return false;
    *msr_field(c, d, index) = val;
    return true;
}

bool mtrr_def_type_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if ((val & ~(u64)(0xff | DEF_FIXED | DEF_ENABLE)) || !is_mtrr_type((u8)val))
        return false;
    c->mtrr_def_type = val;
    return true;
}

/* One register for 64 KiB ranges, two for 16 KiB, eight for 4 KiB ones: msr.c has three ranges. */
bool mtrr_fix_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (!each_byte(val, is_mtrr_type))
        return false;
    *msr_field(c, d, index) = val;
    return true;
}

bool pat_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (!each_byte(val, is_pat_type))
        return false;
    c->pat = val;
    return true;
}
