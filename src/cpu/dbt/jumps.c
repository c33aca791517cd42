/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/dbt/jumps.h"

#include "cpu/access.h"
#include "cpu/dbt/dbt.h"
#include "cpu/fill.h"

#include <stddef.h>

static void jumps_clear(struct jumps *j, struct dbt *d)
{
    if (j->nfilled > JUMPS_LISTED)
        memset(j->entry, 0, sizeof(j->entry));
    for (unsigned n = 0; n < j->nfilled && n < JUMPS_LISTED; n++)
        j->entry[j->filled[n]] = (struct jump_entry){.va = 0};
    j->entry[0].va = no_jump(0);
    j->nfilled = 0;
    for (unsigned n = 0; n < j->npages && n < JUMP_PAGES; n++)
        j->page[j->listed[n]].va = 0;
    j->npages = 0;
    j->low = UINT64_MAX;
    j->high = 0;
    j->serial = atomic_fetch_add(&d->serial, 1) + 1;
}

/* The page's slot, or the empty one where it belongs. */
static unsigned page_slot(const struct jumps *j, u64 va)
{
    unsigned n = (unsigned)(va * 0x9e3779b97f4a7c15ull >> 40);

    while (j->page[n %= 2 * JUMP_PAGES].va && j->page[n].va != va + 1)
        n++;
    return n;
}

static void add_page(struct jumps *j, u64 va, u32 page)
{
    unsigned n = page_slot(j, va);

    if (j->npages > JUMP_PAGES || j->page[n].va)
        return;
    if (j->npages < JUMP_PAGES) {
        j->page[n] = (struct jump_page){va + 1, page};
        j->listed[j->npages] = (u16)n;
    }
    j->npages++;
}

static bool leads_there(struct vcpu *c, const struct jump_page *p, unsigned mmu)
{
    return fetch_leads_to(c, p->va - 1, mmu, p->page);
}

/* Whether all pages are mapped as they were. */
static bool all_mapped(struct vcpu *c, const struct jumps *j, unsigned mmu)
{
    if (j->npages > JUMP_PAGES)
        return false;
    for (unsigned n = 0; n < j->npages; n++)
        if (!leads_there(c, &j->page[j->listed[n]], mmu))
            return false;
    return true;
}

/* The same for a page that INVLPG was for. */
static bool still_mapped(struct vcpu *c, const struct jumps *j, unsigned mmu, u64 va)
{
    const struct jump_page *p = &j->page[page_slot(j, va)];

    if ((va | (PAGE_SIZE - 1)) < j->low || va > j->high)
        return true;
    if (j->npages > JUMP_PAGES)
        return false;
    return !p->va || leads_there(c, p, mmu);
}

/* … for all of them since the cache was last used. */
static bool dropped_mapped(struct vcpu *c, const struct jumps *j, unsigned mmu)
{
    const struct tlb *t = &c->tlb;

    if (t->epoch - j->epoch > TLB_DROPPED)
        return all_mapped(c, j, mmu);
    for (u32 n = j->epoch; n != t->epoch; n++)
        if (!still_mapped(c, j, mmu, t->dropped[n % TLB_DROPPED] & PAGE_MASK))
            return false;
    return true;
}

static struct jumps *jumps_of(struct vcpu *c, unsigned mmu)
{
    struct dbt_cpu *d = state_of(c);

    if (mmu == MMU_SUPER_SMAP)
        return d->kernel;
    return d->space[c->tlb.now - c->tlb.space][mmu == MMU_SUPER];
}

struct jumps *jumps_now(const struct vcpu *c)
{
    return (struct jumps *)(void *)(c->env.jumps - offsetof(struct jumps, entry));
}

static bool is_valid(struct vcpu *c, const struct jumps *j, unsigned mmu, u32 key, u32 epoch)
{
    if (j->key != key || j->cache_epoch != epoch)
        return false;
    if (j->gen != c->tlb.table[mmu]->gen)
        return all_mapped(c, j, mmu);
    return j->epoch == c->tlb.epoch || dropped_mapped(c, j, mmu);
}

/* The jump cache for code with these rights, with nothing in it that no longer holds. */
static struct jumps *valid_jumps(struct vcpu *c, unsigned mmu, u32 key)
{
    struct jumps *j = jumps_of(c, mmu);
    u32 epoch = atomic_load(&state_of(c)->dbt->epoch);

    if (!is_valid(c, j, mmu, key, epoch))
        jumps_clear(j, state_of(c)->dbt);
    j->key = key;
    j->cache_epoch = epoch;
    j->gen = c->tlb.table[mmu]->gen;
    j->epoch = c->tlb.epoch;
    return j;
}

static void choose_other(struct vcpu *c)
{
    unsigned mmu = c->mmu == MMU_SUPER ? MMU_SUPER_SMAP : MMU_SUPER;
    u32 key = (c->env.key & ~(u32)KEY_ROW_MASK) | mmu << KEY_ROW_SHIFT;
    struct jumps *j;

    c->env.other.jumps = NULL;
    if (c->cpl || !(c->cr4 & CR4_SMAP))
        return;
    j = valid_jumps(c, mmu, key);
    c->env.other = (struct dbt_side){c->tlb.row[mmu], (u8 *)j->entry, j->serial, key};
}

void jumps_choose(struct vcpu *c)
{
    struct jumps *j = valid_jumps(c, mmu_fetch(c), c->env.key);

    c->env.jumps = (u8 *)j->entry;
    c->serial = j->serial;
    if (c->near.row != c->tlb.row[c->mmu])
        c->near.stack_room = 0;
    c->near.row = c->tlb.row[c->mmu];
    choose_other(c);
}

void jumps_add(struct vcpu *c, u64 va, u32 page, u64 code)
{
    struct jumps *j = jumps_now(c);
    unsigned slot = jump_slot(va);

    if (j->nfilled < JUMPS_LISTED)
        j->filled[j->nfilled] = (u16)slot;
    j->nfilled += j->nfilled <= JUMPS_LISTED;
    j->low = min_u64(j->low, va);
    j->high = max_u64(j->high, va);
    add_page(j, va & PAGE_MASK, page);
    j->entry[slot] = (struct jump_entry){va, code};
}

#define JUMPS_BYTES align_up(sizeof(struct jumps), 64)

static struct jumps *jumps_at(u8 **p)
{
    struct jumps *j = (struct jumps *)(void *)*p;

    j->entry[0].va = no_jump(0);
    j->low = UINT64_MAX;
    *p += JUMPS_BYTES;
    return j;
}

size_t jumps_bytes(void)
{
    return (1 + 2 * TLB_SPACES) * JUMPS_BYTES;
}

void jumps_place(struct vcpu *c, u8 *memory)
{
    struct dbt_cpu *d = state_of(c);

    d->kernel = jumps_at(&memory);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        d->space[n][0] = jumps_at(&memory);
        d->space[n][1] = jumps_at(&memory);
    }
}
