/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/tlb.h"

#include "cpu/system.h"
#include "cpu/vcpu.h"
#include "cpu/walk.h"

#include <string.h>

#define LARGE_SHIFT 21
#define HUGE_SHIFT  30

static void drop(struct tlb_entry *e, unsigned slot)
{
    u64 none = tlb_no_page(slot);

    *e = (struct tlb_entry){.rtag = none, .wtag = none, .xtag = none};
}

static void clear(struct tlb *t, struct tlb_table *table)
{
    if (table->nfilled > TLB_LISTED) {
        memset(table->entry, 0, sizeof(table->entry));
        drop(&table->entry[0], 0);
    } else {
        for (unsigned n = 0; n < table->nfilled; n++)
            drop(&table->entry[table->filled[n]], table->filled[n]);
    }
    table->nfilled = 0;
    table->gen = ++t->next_gen;
}

static void clear_space(struct tlb *t, struct tlb_space *s)
{
    clear(t, &s->user);
    clear(t, &s->super);
}

static void enter_space(struct vcpu *c, struct tlb_space *s)
{
    struct tlb *t = &c->tlb;

    t->now = s;
    t->table[MMU_USER] = &s->user;
    t->table[MMU_SUPER] = &s->super;
    for (unsigned n = 0; n < MMU_ROWS; n++)
        t->row[n] = t->table[n]->entry;
    s->stamp = ++t->stamp;
    c->near.stack_room = 0;
    c->leave = true;
}

/* The address space of a PCID: one that is kept, or the place of the one unused for longest. */
static struct tlb_space *space_of(struct tlb *t, u16 pcid)
{
    struct tlb_space *oldest = &t->space[0];

    for (unsigned n = 0; n < TLB_SPACES; n++) {
        struct tlb_space *s = &t->space[n];
        if (s->used && s->pcid == pcid)
            return s;
        if (!s->used || (oldest->used && s->stamp < oldest->stamp))
            oldest = s;
    }
    clear_space(t, oldest);
    oldest->used = true;
    oldest->pcid = pcid;
    return oldest;
}

static u16 pcid_of(const struct vcpu *c, u64 cr3)
{
    return c->cr4 & CR4_PCIDE ? (u16)(cr3 & CR3_PCID) : 0;
}

void tlb_init(struct vcpu *c)
{
    struct tlb *t = &c->tlb;

    drop(&t->kernel.entry[0], 0);
    drop(&t->none.entry[0], 0);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        drop(&t->space[n].user.entry[0], 0);
        drop(&t->space[n].super.entry[0], 0);
    }
    t->table[MMU_SUPER_SMAP] = &t->kernel;
    t->table[MMU_USER_AC] = &t->none;
}

static void clear_kernel(struct tlb *t)
{
    clear(t, &t->kernel);
    t->nprivate = 0;
}

/* What a CR3 write takes out of the kernel's table. */
static void drop_private(struct tlb *t)
{
    if (t->nprivate > TLB_PRIVATE) {
        clear_kernel(t);
        return;
    }
    for (unsigned n = 0; n < t->nprivate; n++) {
        unsigned slot = t->private[n];
        if (t->kernel.entry[slot].xtag != tlb_no_page(slot))
            t->kernel.gen = ++t->next_gen; /* code may be another */
        drop(&t->kernel.entry[slot], slot);
    }
    t->nprivate = 0;
}

void tlb_flush_all(struct vcpu *c)
{
    struct tlb *t = &c->tlb;

    clear_kernel(t);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        clear_space(t, &t->space[n]);
        t->space[n].used = false;
    }
    memset(t->large, 0, sizeof(t->large));
    enter_space(c, space_of(t, pcid_of(c, c->cr3)));
}

void tlb_flush_nonglobal(struct vcpu *c)
{
    clear_space(&c->tlb, c->tlb.now);
    drop_private(&c->tlb);
    c->near.stack_room = 0;
    c->leave = true;
}

void tlb_switch(struct vcpu *c, u64 cr3, bool keep)
{
    struct tlb *t = &c->tlb;

    enter_space(c, space_of(t, pcid_of(c, cr3)));
    if (!keep)
        clear_space(t, t->now);
    drop_private(t);
}

void tlb_flush_pcid(struct vcpu *c, u16 pcid)
{
    struct tlb *t = &c->tlb;

    if ((c->cr3 & CR3_PCID) == pcid)
        tlb_flush_nonglobal(c);
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (t->space[n].used && t->space[n].pcid == pcid && &t->space[n] != t->now)
            t->space[n].used = false;
}

static bool large_test(const struct tlb_large *l, u64 n)
{
    return l->map[n / 64 % ARRAY_SIZE(l->map)] >> (n % 64) & 1;
}

static void large_set(struct tlb_large *l, u64 n)
{
    l->map[n / 64 % ARRAY_SIZE(l->map)] |= BIT64(n % 64);
}

static void note_large(struct tlb *t, gva_t va, u64 size)
{
    struct tlb_large *l = t->large[va >> 63];

    if (size > BIT64(LARGE_SHIFT + 1)) {
        large_set(&l[1], va >> HUGE_SHIFT);
        return;
    }
    large_set(&l[0], va >> LARGE_SHIFT);
    if (size > BIT64(LARGE_SHIFT))
        large_set(&l[0], va >> LARGE_SHIFT ^ 1);
}

/* Global entries may be in the tables of all address spaces. */
static void drop_everywhere(struct tlb *t, gva_t va)
{
    unsigned slot = tlb_slot(va);

    drop(&t->kernel.entry[slot], slot);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        drop(&t->space[n].user.entry[slot], slot);
        drop(&t->space[n].super.entry[slot], slot);
    }
}

void tlb_flush_page(struct vcpu *c, gva_t va)
{
    struct tlb *t = &c->tlb;
    const struct tlb_large *l = t->large[va >> 63];

    if (large_test(&l[0], va >> LARGE_SHIFT) || large_test(&l[1], va >> HUGE_SHIFT)) {
        tlb_flush_all(c);
        return;
    }
    drop_everywhere(t, va);
    t->dropped[t->epoch++ % TLB_DROPPED] = va;
    c->near.stack_room = 0;
    c->leave = true;
}

static void note_private(struct tlb *t, unsigned slot)
{
    if (t->nprivate < TLB_PRIVATE)
        t->private[t->nprivate] = (u16)slot;
    t->nprivate += t->nprivate <= TLB_PRIVATE;
}

void tlb_insert(struct vcpu *c, gva_t va, unsigned mmu, const struct walk *w, u8 *page)
{
    struct tlb *t = &c->tlb;
    struct tlb_table *table = t->table[mmu];
    unsigned slot = tlb_slot(va);
    struct tlb_entry *e = &table->entry[slot];
    u64 tag = va & PAGE_MASK, none = tlb_no_page(slot);
    u64 index = (u64)(page - c->vm->mem->ram) >> PAGE_SHIFT;

    if (dr_page_watched(c, tag))
        return;
    if (mmu == MMU_SUPER_SMAP && !w->global)
        note_private(t, slot);
    if (w->size > PAGE_SIZE)
        note_large(t, va, w->size);
    if (tlb_slot(c->near.stack_tag) == slot) /* the window is a copy of an entry */
        c->near.stack_room = 0;
    if (table->nfilled < TLB_LISTED)
        table->filled[table->nfilled] = (u16)slot;
    table->nfilled += table->nfilled <= TLB_LISTED;
    e->page = (uintptr_t)page;
    e->rtag = w->readable ? tag : none;
    e->xtag = w->executable ? tag : none;
    e->wtag = w->writable && !atomic_load(&c->vm->mem->pages[index].has_code) ? tag : none;
}

static void forget_in(struct vcpu *c, struct tlb_table *table)
{
    struct mem *mem = c->vm->mem;
    bool listed = table->nfilled <= TLB_LISTED;

    for (unsigned n = 0; n < (listed ? table->nfilled : TLB_ENTRIES); n++) {
        unsigned slot = listed ? table->filled[n] : n;
        struct tlb_entry *e = &table->entry[slot];
        u64 page = (e->page - (uintptr_t)mem->ram) >> PAGE_SHIFT;
        if (e->wtag == tlb_no_page(slot) ||
            !atomic_load_explicit(&mem->pages[page].has_code, memory_order_relaxed))
            continue;
        e->wtag = tlb_no_page(slot);
        mem_code_changed(mem, page);
    }
}

void tlb_forget_code_writes(struct vcpu *c)
{
    struct tlb *t = &c->tlb;

    c->near.stack_room = 0;
    forget_in(c, &t->kernel);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        forget_in(c, &t->space[n].user);
        forget_in(c, &t->space[n].super);
    }
}
