/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/tlb.h"

#include "cpu/vcpu.h"

#include <string.h>

#define ASID_MAX 4095u

/* Forgets everything; the numbers start over. */
void tlb_flush_all(struct vcpu *c)
{
    struct tlb *t = &c->tlb;
    u32 epoch = t->epoch + 1;

    memset(t, 0, sizeof(*t));
    t->epoch = epoch;
    t->asid[0] = 1;
    t->asid[1] = 2;
    t->next_asid = 3;
    if (c->cr4 & CR4_PCIDE)
        t->pcid_asid[c->cr3 & 0xfff] = 1;
    c->leave = true;
}

/* A number no entry carries; flushes all when they are used up (then *t is fresh: returns 0). */
static u64 new_asid(struct vcpu *c)
{
    if (c->tlb.next_asid > ASID_MAX) {
        tlb_flush_all(c);
        return 0;
    }
    return c->tlb.next_asid++;
}

static bool tlb_large(const struct tlb *t, gva_t va)
{
    u64 asid = t->asid[va >> 63];

    return t->large[asid / 64] >> asid % 64 & 1;
}

static void renew_upper(struct vcpu *c)
{
    u64 asid;

    if (!c->tlb.upper_private)
        return;
    asid = new_asid(c);
    if (asid)
        c->tlb.asid[1] = asid;
    c->tlb.upper_private = false;
}

void tlb_flush_nonglobal(struct vcpu *c)
{
    u64 asid = new_asid(c);

    c->leave = true;
    if (!asid)
        return;
    c->tlb.asid[0] = asid;
    if (c->cr4 & CR4_PCIDE)
        c->tlb.pcid_asid[c->cr3 & 0xfff] = (u16)asid;
    renew_upper(c);
}

void tlb_switch(struct vcpu *c, u64 cr3, bool keep)
{
    struct tlb *t = &c->tlb;
    u16 pcid = (u16)(cr3 & 0xfff);

    if ((c->cr4 & CR4_PCIDE) && keep && t->pcid_asid[pcid]) {
        t->asid[0] = t->pcid_asid[pcid];
        c->leave = true;
        renew_upper(c);
        return;
    }
    tlb_flush_nonglobal(c);
}

void tlb_flush_pcid(struct vcpu *c, u16 pcid)
{
    c->tlb.pcid_asid[pcid] = 0;
    if ((c->cr3 & 0xfff) == pcid)
        tlb_flush_nonglobal(c);
}

void tlb_flush_page(struct vcpu *c, gva_t va)
{
    if (tlb_large(&c->tlb, va)) {
        u64 asid = new_asid(c);
        if (asid)
            c->tlb.asid[va >> 63] = asid;
        if (asid && !(va >> 63) && (c->cr4 & CR4_PCIDE))
            c->tlb.pcid_asid[c->cr3 & 0xfff] = (u16)asid;
    }
    for (unsigned mmu = 0; mmu < MMU_KINDS; mmu++)
        c->tlb.entry[mmu][tlb_slot(va)] = (struct tlb_entry){0};
    c->tlb.epoch++;
    c->leave = true;
}

void tlb_forget_code_writes(struct vcpu *c)
{
    struct mem *mem = c->vm->mem;
    struct tlb_entry *e = &c->tlb.entry[0][0], *end = &c->tlb.entry[MMU_KINDS][0];

    for (; e < end; e++) {
        u64 page;
        if (!e->wtag)
            continue;
        page = ((e->wtag & PAGE_MASK) + e->addend - (uintptr_t)mem->ram) >> PAGE_SHIFT;
        if (!atomic_load_explicit(&mem->pages[page].has_code, memory_order_relaxed))
            continue;
        e->wtag = 0;
        atomic_fetch_add_explicit(&mem->pages[page].code_gen, 1, memory_order_release);
    }
}
