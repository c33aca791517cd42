/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/fill.h"

#include "cpu/access.h"
#include "cpu/excp.h"
#include "cpu/system.h"
#include "cpu/walk.h"
#include "dev/lapic.h"

bool is_lapic_page(const struct vcpu *c, gpa_t gpa)
{
    u64 base = lapic_base(c->lapic);
    u64 phys = ~(~(u64)0 << c->vm->model.phys_bits);

    return unlikely(((gpa ^ base) & PAGE_MASK & phys) == 0) &&
           (base & (BIT64(11) | BIT64(10))) == BIT64(11);
}

struct place tlb_fill(struct vcpu *c, gva_t va, u32 access, unsigned how)
{
    unsigned mmu = how & MMU_INDEX_MASK;
    u32 pfec = access;
    u64 read_page, write_page;
    struct walk w;
    struct place p;

    if (mmu == MMU_USER_AC)
        mmu = MMU_USER;
    if (mmu == MMU_USER)
        pfec |= PFEC_U;
    if (c->long_mode && !is_canonical(c, va))
        cpu_raise_err(c, how & MMU_STACK ? VEC_SS : VEC_GP, 0);
    if (!page_walk(c, va, mmu, &pfec, &w))
        cpu_raise_pf(c, va, pfec);
    p.gpa = w.gpa;
    read_page = mem_page_for(c->vm->mem, w.gpa, vcpu_view(c), MEM_READ);
    write_page = mem_page_for(c->vm->mem, w.gpa, vcpu_view(c), MEM_WRITE);
    p.page = access & PFEC_W ? write_page : read_page;
    p.host = NULL;
    if (p.page == MEM_NO_PAGE || is_lapic_page(c, w.gpa))
        return p;
    p.host = mem_page_host(c->vm->mem, p.page) + (w.gpa & (PAGE_SIZE - 1));
    w.writable &= read_page == write_page;
    if (read_page == write_page || !(access & PFEC_W))
        tlb_insert(c, va, mmu, &w, p.host - (va & (PAGE_SIZE - 1)));
    return p;
}

bool fetch_leads_to(struct vcpu *c, gva_t va, unsigned mmu, u64 page)
{
    u32 pfec = PFEC_I | (mmu == MMU_USER ? PFEC_U : 0);
    struct walk w;

    return page_walk(c, va, mmu, &pfec, &w) &&
           mem_page_for(c->vm->mem, w.gpa, vcpu_view(c), MEM_READ) == page &&
           !is_lapic_page(c, w.gpa);
}

/* Every CPU's write entries for the page must go: ours now, the others' at their next boundary. */
static void mark_code(struct vcpu *c, struct mem_page *page)
{
    struct vm *vm = c->vm;

    atomic_store(&page->has_code, 1);
    tlb_forget_code_writes(c);
    for (unsigned n = 0; n < vm->ncpus; n++)
        if (vm->cpu[n] && vm->cpu[n] != c)
            vcpu_request(vm->cpu[n], REQ_CODE);
}

struct place fetch_place(struct vcpu *c, gva_t va)
{
    unsigned mmu = mmu_fetch(c);
    const struct tlb_entry *e = &c->tlb.row[mmu][tlb_slot(va)];
    u64 off = va - e->xtag;
    struct place p;

    if (likely(off < PAGE_SIZE)) {
        p.host = (u8 *)(uintptr_t)(e->page + off);
        p.page = (u64)(p.host - c->vm->mem->ram) >> PAGE_SHIFT;
        p.gpa = UINT64_MAX; /* not needed for RAM */
    } else {
        p = tlb_fill(c, va, PFEC_I, mmu);
    }
    if (p.host) {
        struct mem_page *page = &c->vm->mem->pages[p.page];
        /* Again, if dropping a write entry of our own has counted as a change of the code. */
        while (unlikely(!atomic_load_explicit(&page->has_code, memory_order_relaxed)) &&
               !atomic_load_explicit(&page->mixed, memory_order_relaxed))
            mark_code(c, page);
    }
    return p;
}
