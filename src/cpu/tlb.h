/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software TLB: linear page -> host address, by privilege. An entry's tags hold the page and
 * the number of the address space it belongs to in the page-offset bits, so that a change of
 * address space is a change of number. An entry is filled only for plain RAM: MMIO, pages that
 * hold decoded instructions (for writes) and pages with a data breakpoint always miss.
 *
 * The upper half of the address space has a number of its own, which survives CR3 writes as long
 * as every entry filled there was global.
 */
#pragma once
#include "base/base.h"

#define TLB_ENTRIES 1024u

enum mmu_index { /* by whose rights an access is made */
                 MMU_USER,
                 MMU_SUPER,      /* supervisor, may touch user pages (SMAP off, or EFLAGS.AC set) */
                 MMU_SUPER_SMAP, /* supervisor, may not */
                 MMU_KINDS,
                 /* User data accesses that must be aligned: never filled, so each is checked. */
                 MMU_USER_AC = MMU_KINDS,
                 MMU_INDEX_MASK = 7,
                 /* Modifier for the slow path: a non-canonical address is #SS, not #GP. */
                 MMU_STACK = 8,
};

struct tlb_entry {
    u64 rtag, wtag, xtag; /* page | address-space number; 0 matches nothing */
    u64 addend;           /* host address - linear address, modulo 2^64 */
};

struct tlb {
    struct tlb_entry entry[MMU_KINDS + 1][TLB_ENTRIES]; /* the last row stays empty */
    u64 asid[2]; /* the numbers in force: [0] lower half, [1] upper half; 1 … 4095 */
    u64 next_asid;
    u32 epoch;            /* counts flushes that the numbers do not show */
    u16 pcid_asid[4096];  /* number of each PCID, 0 for none */
    bool upper_private;   /* a non-global page was filled in the upper half */
    u64 large[4096 / 64]; /* by number: a piece of a large page was filled under it. INVLPG must
                             drop all pieces, so it changes the number */
};

static inline u64 tlb_tag(const struct tlb *t, gva_t va)
{
    return (va & PAGE_MASK) | t->asid[va >> 63];
}

static inline unsigned tlb_slot(gva_t va)
{
    return (va >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
}

struct vcpu;
void tlb_flush_all(struct vcpu *c);       /* global pages too */
void tlb_flush_nonglobal(struct vcpu *c); /* what a CR3 write without PCID drops */
void tlb_flush_page(struct vcpu *c, gva_t va);
/* CR3 was written: `keep` is bit 63 with CR4.PCIDE. */
void tlb_switch(struct vcpu *c, u64 cr3, bool keep);
void tlb_flush_pcid(struct vcpu *c, u16 pcid);
/* REQ_CODE: write entries of pages that now hold decoded code are dropped; since this CPU may just
   have written through them, the code counts as changed. */
void tlb_forget_code_writes(struct vcpu *c);
