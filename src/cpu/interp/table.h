/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one description of each integer and system instruction: its function or functions by form
 * and size, the feature that gates it, and whether it ends a block. Vector and x87 instructions
 * are described by Zydis' own instruction sets (cpu/simd).
 */
#pragma once
#include "cpu/interp/insn.h"
#include "x86/features.h"

#define DESC_END                                                                                   \
    BIT(0) /* the instruction after it may not be the next in memory, or must be                   \
              fetched anew: branches, mode changes, serialising instructions */

/* Functions specialised by form and log2 of the operand size; NULL: not specialised. */
typedef insn_fn *const insn_forms[FORM_COUNT][4];

struct insn_desc {
    insn_fn *fn;             /* the general function; may be NULL if forms covers all */
    const insn_forms *forms; /* or NULL */
    insn_fn *const *by_cond; /* or NULL: sixteen functions by condition code */
    u16 feature;             /* enum x86_feature; X86_ALWAYS */
    u8 flags;                /* DESC_* */
};

/* NULL for mnemonics that the integer unit does not know. */
const struct insn_desc *insn_desc_for(unsigned mnemonic);
