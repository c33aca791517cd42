/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLB misses, and instruction fetch. */
#pragma once
#include "cpu/vcpu.h"

/* Where a linear address leads. */
struct place {
    gpa_t gpa;
    u8 *host; /* NULL: a device (or nothing) */
    u64 page; /* RAM page index when host is set */
};

/* The page of this CPU's own local APIC: it hides what else is at that address. */
bool is_lapic_page(const struct vcpu *c, gpa_t gpa);

/* Translates for an access (PFEC_W, PFEC_I or 0) by the rights of `how`, fills the TLB, raises. */
struct place tlb_fill(struct vcpu *c, gva_t va, u32 access, unsigned how);

/* Whether instructions fetched from va, by the rights of `mmu`, come from that page of RAM. Looks
   at the guest's tables; does not raise, fills nothing. */
bool fetch_leads_to(struct vcpu *c, gva_t va, unsigned mmu, u64 page);

/* Where the instruction byte at va lies; raises. The page is marked as code, so that writers tell
   (mem_page.code_gen). */
struct place fetch_place(struct vcpu *c, gva_t va);
