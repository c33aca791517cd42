/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software TLB: linear page -> host page, by privilege and address space. Each address space
 * that the CPU has been in lately has tables of its own, so that a CR3 write is a change of
 * pointers. An entry is filled only for plain RAM: MMIO, pages that hold decoded instructions (for
 * writes) and pages with a data breakpoint always miss.
 *
 * What the kernel may touch under SMAP is in one table for all address spaces. A CR3 write takes
 * the entries that are not global out of it, which are few.
 */
#pragma once
#include "base/base.h"

#define TLB_ENTRIES 4096u
#define TLB_SPACES  8u
#define TLB_DROPPED 64u
#define TLB_PRIVATE 16u
#define TLB_LISTED  512u /* entries that a table can be cleared of one by one */

enum mmu_index { /* by whose rights an access is made */
                 MMU_USER,
                 MMU_SUPER,      /* supervisor, may touch user pages (SMAP off, or EFLAGS.AC set) */
                 MMU_SUPER_SMAP, /* supervisor, may not */
                 MMU_KINDS,
                 /* User data accesses that must be aligned: never filled, so each is checked. */
                 MMU_USER_AC = MMU_KINDS,
                 MMU_ROWS,
                 MMU_INDEX_MASK = 7,
                 /* Modifier for the slow path: a non-canonical address is #SS, not #GP. */
                 MMU_STACK = 8,
};

/* The linear address of the page by kind of access; tlb_no_page of its slot where there is none.
   One comparison, `va - tag <= PAGE_SIZE - size`, finds page and end of page right. */
struct tlb_entry {
    u64 rtag, wtag, xtag;
    u64 page; /* host address */
};

struct tlb_table {
    struct tlb_entry entry[TLB_ENTRIES];
    u32 gen;     /* another number after each clearing, different in all tables of the CPU */
    u32 nfilled; /* fills since the last clearing: all were into the slots listed, up to the list's
                    length */
    u16 filled[TLB_LISTED];
};

struct tlb_space {
    struct tlb_table user, super;
    bool used; /* holds the translations of `pcid` */
    u16 pcid;
    u64 stamp; /* when it was last entered */
};

/* Where pieces of large pages were filled, hashed: INVLPG must drop all pieces of a page. */
struct tlb_large {
    u64 map[64];
};

struct tlb {
    struct tlb_entry *row[MMU_ROWS]; /* by enum mmu_index: the tables in force */
    struct tlb_table *table[MMU_ROWS];
    struct tlb_space *now;
    u64 stamp;
    u32 next_gen;
    u32 epoch; /* counts single pages dropped; the last ones, by the count before: */
    gva_t dropped[TLB_DROPPED];
    u32 nprivate; /* fills of `kernel` that were not global: these, or too many */
    u16 private[TLB_PRIVATE];
    struct tlb_large large[2][2]; /* by half of the address space; 2 or 4 MiB, 1 GiB */
    struct tlb_table kernel, none;
    struct tlb_space space[TLB_SPACES];
};

static inline unsigned tlb_slot(gva_t va)
{
    return (va >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
}

/* A tag that no address of this slot matches. */
static inline u64 tlb_no_page(unsigned slot)
{
    return slot ? 0 : PAGE_SIZE;
}

struct vcpu;
void tlb_init(struct vcpu *c);
void tlb_flush_all(struct vcpu *c);       /* global pages too */
void tlb_flush_nonglobal(struct vcpu *c); /* what a CR3 write without PCID drops */
void tlb_flush_page(struct vcpu *c, gva_t va);
/* CR3 was written: `keep` is bit 63 with CR4.PCIDE. */
void tlb_switch(struct vcpu *c, u64 cr3, bool keep);
void tlb_flush_pcid(struct vcpu *c, u16 pcid);
/* What a walk found for va goes into the table of `mmu`, a row below MMU_KINDS. `page` is the
   host's address of the page. */
struct walk;
void tlb_insert(struct vcpu *c, gva_t va, unsigned mmu, const struct walk *w, u8 *page);
/* REQ_CODE: write entries of pages that now hold decoded code are dropped; since this CPU may just
   have written through them, the code counts as changed. */
void tlb_forget_code_writes(struct vcpu *c);
