/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of MSRs and the functions behind it (msr.c, msr_mtrr.c, msr_mc.c). All run in the CPU's
   own thread; false means #GP(0), and then nothing has changed. */
#pragma once
#include "cpu/system.h"

struct msr_desc;
typedef bool msr_read_fn(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val);
typedef bool msr_write_fn(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val);

enum msr_vendor { MSR_ANY, MSR_INTEL, MSR_AMD };

struct msr_desc {
    u32 first, last;
    msr_read_fn *read;   /* NULL: write-only */
    msr_write_fn *write; /* NULL: read-only */
    u16 feature;         /* enum x86_feature that it comes with; X86_ALWAYS */
    u8 vendor;           /* enum msr_vendor */
    u32 offset;          /* of its u64 in struct vcpu; a range is an array */
};

static inline u64 *msr_field(struct vcpu *c, const struct msr_desc *d, u32 index)
{
    return (u64 *)(void *)((u8 *)c + d->offset) + (index - d->first);
}

/* msr_mtrr.c */
msr_read_fn mtrr_cap_read;
msr_write_fn mtrr_var_write, mtrr_def_type_write, mtrr_fix_write, pat_write;

/* msr_mc.c */
msr_read_fn mcg_cap_read, mc_bank_read, mc_mask_read;
msr_write_fn mcg_status_write, mc_bank_write, mc_mask_write;
