/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/walk.h"

#include "cpu/access.h"
#include "cpu/lockstep.h"

#define MAX_LEVELS 5
/* Walks that start over because another CPU changed an entry meanwhile. */
#define MAX_RETRIES 1000

struct entry {
    u8 *host;   /* NULL: not in memory, or a PDPTE register */
    u64 page;   /* if host is set */
    bool fixed; /* in ROM: accessed and dirty bits stay as they are */
    u64 val;
};

struct path { /* the entries that a walk has used */
    struct entry e[MAX_LEVELS];
    unsigned n;
    unsigned entry_size;
};

static bool load_entry(struct vcpu *c, struct path *p, gpa_t gpa)
{
    struct entry *e = &p->e[p->n++];

    gpa &= vcpu_a20_mask(c);
    e->page = mem_page_for(c->vm->mem, gpa, vcpu_view(c), MEM_READ);
    if (e->page == MEM_NO_PAGE) {
        e->host = NULL;
        e->val = ~(u64)0; /* an unclaimed bus reads as ones */
        return true;
    }
    e->host = mem_page_host(c->vm->mem, e->page) + (gpa & (PAGE_SIZE - 1));
    e->fixed = mem_page_for(c->vm->mem, gpa, vcpu_view(c), MEM_WRITE) != e->page;
    e->val = p->entry_size == 8 ? host_ld64(e->host) : host_ld32(e->host);
    return e->val & PTE_P;
}

/* Sets bits in an entry unless another CPU has changed it since it was read. */
static no_tsan bool update_entry(struct vcpu *c, const struct path *p, struct entry *e, u64 set)
{
    bool ok;

    if ((e->val & set) == set || !e->host || e->fixed)
        return true;
    if (unlikely(c->trial != NULL)) /* the TLB would remember what is taken back */
        trial_give_up(c->trial);
    if (p->entry_size == 8) {
        u64 old = e->val;
        ok = __atomic_compare_exchange_n((u64 *)(void *)e->host, &old, e->val | set, false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else {
        u32 old = (u32)e->val;
        ok = __atomic_compare_exchange_n((u32 *)(void *)e->host, &old, (u32)(e->val | set), false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    if (ok) {
        e->val |= set;
        mem_page_written(c->vm->mem, e->page);
    }
    return ok;
}

/* Bits of an 8-byte entry that must be 0: above the physical address width, NX without EFER.NXE. */
static u64 reserved_common(const struct vcpu *c)
{
    u64 rsvd = ~(u64)0 << c->vm->model.phys_bits & ~(~(u64)0 << 52);

    if (!c->long_mode)
        rsvd |= 0x7ff0000000000000ull; /* PAE: bits 62-52; ignored in 4-level paging */
    return c->efer & EFER_NXE ? rsvd : rsvd | PTE_NX;
}

struct leaf {
    u64 rights; /* PTE_W and PTE_U ANDed over all levels, PTE_NX ORed */
    u64 base;
    u64 size;
    bool reserved;
};

/* 32-bit paging: two levels of 4-byte entries. False: not present. */
static bool walk_legacy(struct vcpu *c, u32 va, struct path *p, struct leaf *leaf)
{
    u64 pde, pte;

    p->entry_size = 4;
    if (!load_entry(c, p, (c->cr3 & 0xfffff000) | (va >> 22) * 4))
        return false;
    pde = p->e[0].val;
    leaf->rights = pde & (PTE_W | PTE_U);
    if ((pde & PTE_PS) && (c->cr4 & CR4_PSE)) {
        leaf->size = 4 * MiB;
        leaf->base = (pde & 0xffc00000) | bits(pde, 20, 13) << 32;
        leaf->reserved = pde & BIT64(21) || leaf->base >> 32 >> (c->vm->model.phys_bits - 32) != 0;
        return true;
    }
    if (!load_entry(c, p, (pde & 0xfffff000) | (va >> 12 & 0x3ff) * 4))
        return false;
    pte = p->e[1].val;
    leaf->rights &= pte;
    leaf->size = PAGE_SIZE;
    leaf->base = pte & 0xfffff000;
    return true;
}

/* Tables of 512 8-byte entries from `level` (5 … 1) down. */
static bool walk_long(struct vcpu *c, gva_t va, u64 table, unsigned level, struct path *p,
                      struct leaf *leaf)
{
    u64 rsvd = reserved_common(c);
    bool pae = !c->long_mode;

    leaf->rights = PTE_W | PTE_U;
    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        u64 e, level_rsvd = rsvd;
        bool ps;

        if (!load_entry(c, p, (table & ~0xfffull) | (va >> shift & 0x1ff) * 8))
            return false;
        e = p->e[p->n - 1].val;
        leaf->rights = (leaf->rights & e & (PTE_W | PTE_U)) | ((leaf->rights | e) & PTE_NX);
        ps = level > 1 && (e & PTE_PS);
        if (level > 3 || (level == 3 && !pae && !vcpu_has(c, X86_PDPE1GB)))
            level_rsvd |= PTE_PS;
        if (ps && level <= 3)
            level_rsvd |= (BIT64(shift) - 1) & ~0x1fffull; /* bit 12 is PAT */
        if (e & level_rsvd) {
            leaf->reserved = true;
            return true;
        }
        table = e & 0x000ffffffffff000ull;
        if (ps || level == 1) {
            leaf->size = BIT64(shift);
            leaf->base = table & ~(leaf->size - 1);
            return true;
        }
    }
}

static bool walk_tables(struct vcpu *c, gva_t va, struct path *p, struct leaf *leaf)
{
    p->entry_size = 8;
    if (c->long_mode)
        return walk_long(c, va, c->cr3 & 0x000ffffffffff000ull, c->cr4 & CR4_LA57 ? 5 : 4, p, leaf);
    if (c->cr4 & CR4_PAE) {
        u64 pdpte = c->pdpte[va >> 30 & 3];
        if (!(pdpte & PTE_P))
            return false;
        return walk_long(c, (u32)va, pdpte & 0x000ffffffffff000ull, 2, p, leaf);
    }
    return walk_legacy(c, (u32)va, p, leaf);
}

static bool may_write(const struct vcpu *c, u64 rights, unsigned mmu)
{
    return (rights & PTE_W) || (mmu != MMU_USER && !(c->cr0 & CR0_WP));
}

static bool may_execute(const struct vcpu *c, u64 rights, unsigned mmu)
{
    if (rights & PTE_NX)
        return false;
    return mmu == MMU_USER || !(rights & PTE_U) || !(c->cr4 & CR4_SMEP);
}

static bool permitted(const struct vcpu *c, u64 rights, unsigned mmu, u32 access)
{
    if (mmu == MMU_USER && !(rights & PTE_U))
        return false;
    if (access & PFEC_I)
        return may_execute(c, rights, mmu);
    if (mmu == MMU_SUPER_SMAP && (rights & PTE_U))
        return false;
    return !(access & PFEC_W) || may_write(c, rights, mmu);
}

/* The I bit of an error code is reported only if NX or SMEP is in force (SDM 3A 4.7). */
static u32 fault_code(const struct vcpu *c, u32 access, u32 why)
{
    bool reports_i = (c->cr4 & CR4_SMEP) || ((c->cr4 & CR4_PAE) && (c->efer & EFER_NXE));

    return (reports_i ? access : access & ~PFEC_I) | why;
}

/* One attempt: 1 done, 0 fault, -1 an entry changed under us. */
static int try_walk(struct vcpu *c, gva_t va, unsigned mmu, u32 *pfec, struct walk *out)
{
    struct path path = {0};
    struct leaf leaf = {0};
    bool dirty;

    if (!walk_tables(c, va, &path, &leaf)) {
        *pfec = fault_code(c, *pfec, 0);
        return 0;
    }
    if (leaf.reserved) {
        *pfec = fault_code(c, *pfec, PFEC_P | PFEC_RSVD);
        return 0;
    }
    if (!permitted(c, leaf.rights, mmu, *pfec)) {
        *pfec = fault_code(c, *pfec, PFEC_P);
        return 0;
    }
    for (unsigned n = 0; n < path.n; n++) {
        bool is_leaf = n + 1 == path.n;
        u64 set = PTE_A | (is_leaf && (*pfec & PFEC_W) ? PTE_D : 0);
        if (!update_entry(c, &path, &path.e[n], set))
            return -1;
    }
    dirty = path.e[path.n - 1].val & PTE_D;
    out->gpa = leaf.base | (va & (leaf.size - 1));
    out->writable = dirty && permitted(c, leaf.rights, mmu, PFEC_W);
    out->executable = may_execute(c, leaf.rights, mmu);
    out->global = (c->cr4 & CR4_PGE) && (path.e[path.n - 1].val & PTE_G);
    out->size = leaf.size;
    out->readable = permitted(c, leaf.rights, mmu, 0);
    return 1;
}

bool page_walk(struct vcpu *c, gva_t va, unsigned mmu, u32 *pfec, struct walk *out)
{
    u32 access = *pfec;
    int rc;

    if (c->cr0 & CR0_PG) {
        unsigned tries = 0;
        do {
            *pfec = access;
            rc = try_walk(c, va, mmu, pfec, out);
        } while (rc < 0 && ++tries < MAX_RETRIES);
        if (rc <= 0) /* after so many changes, a fault is a translation that also occurred */
            return false;
    } else {
        *out = (struct walk){.gpa = (u32)va,
                             .size = PAGE_SIZE,
                             .readable = true,
                             .writable = true,
                             .executable = true};
    }
    out->gpa &= vcpu_a20_mask(c);
    return true;
}
