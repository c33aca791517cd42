/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page walk: SDM 3A chapter 4, in 2-level, PAE, 4-level and 5-level form. */
#pragma once
#include "cpu/vcpu.h"

struct walk {
    gpa_t gpa;     /* of the byte asked for, A20 applied */
    u64 size;      /* of the page, in bytes */
    bool readable; /* as data, by the accessor */
    bool writable; /* by the accessor; false while the dirty bit is not set */
    bool executable;
    bool global;
};

/*
 * Translates va for an access of kind `pfec` (PFEC_W, PFEC_U, PFEC_I as in the error code) with
 * the rights of `mmu`; sets accessed and dirty bits. On failure returns false and the error code
 * of the #PF in *pfec. The address must be canonical.
 */
must_check bool page_walk(struct vcpu *c, gva_t va, unsigned mmu, u32 *pfec, struct walk *out);
