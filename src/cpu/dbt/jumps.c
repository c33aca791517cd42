/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/dbt/jumps.h"

#include "cpu/access.h"
#include "cpu/dbt/dbt.h"

#include <stddef.h>

static void jumps_clear(struct jumps *j, struct dbt *d)
{
    if (j->nfilled > JUMPS_LISTED)
        memset(j->entry, 0, j->size * sizeof(j->entry[0]));
    for (unsigned n = 0; n < j->nfilled && n < JUMPS_LISTED; n++)
        j->entry[j->filled[n]] = (struct jump_entry){.va = 0};
    j->entry[0].va = no_jump(0);
    j->nfilled = 0;
    memset(j->pages, 0, sizeof(j->pages));
    j->low = UINT64_MAX;
    j->high = 0;
    j->serial = atomic_fetch_add(&d->serial, 1) + 1;
}

static unsigned page_hash(u64 va)
{
    return (va >> PAGE_SHIFT ^ va >> 22) % (64 * ARRAY_SIZE(((struct jumps *)0)->pages));
}

static bool may_lead_to(const struct jumps *j, u64 va)
{
    unsigned h = page_hash(va);

    return (va | (PAGE_SIZE - 1)) >= j->low && (va & PAGE_MASK) <= j->high &&
           (j->pages[h / 64] >> h % 64 & 1);
}

/* Whether INVLPG, since the cache was last used, may have dropped a page that leads into code. */
static bool pages_dropped(const struct jumps *j, const struct tlb *t)
{
    if (t->epoch - j->epoch > TLB_DROPPED)
        return true;
    for (u32 n = j->epoch; n != t->epoch; n++)
        if (may_lead_to(j, t->dropped[n % TLB_DROPPED]))
            return true;
    return false;
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

/* The jump cache for code with these rights, with nothing in it that no longer holds. */
static struct jumps *valid_jumps(struct vcpu *c, unsigned mmu, u32 key)
{
    struct jumps *j = jumps_of(c, mmu);
    u32 gen = c->tlb.table[mmu]->gen, epoch = atomic_load(&state_of(c)->dbt->epoch);

    if (j->gen != gen || j->key != key || j->cache_epoch != epoch ||
        (j->epoch != c->tlb.epoch && pages_dropped(j, &c->tlb))) {
        jumps_clear(j, state_of(c)->dbt);
        j->gen = gen;
        j->key = key;
        j->cache_epoch = epoch;
    }
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

void jumps_add(struct vcpu *c, u64 va, u64 code)
{
    struct jumps *j = jumps_now(c);
    unsigned slot = jump_slot(j, va), h = page_hash(va);

    if (j->nfilled < JUMPS_LISTED)
        j->filled[j->nfilled] = (u16)slot;
    j->nfilled += j->nfilled <= JUMPS_LISTED;
    j->pages[h / 64] |= BIT64(h % 64);
    j->low = min_u64(j->low, va);
    j->high = max_u64(j->high, va);
    j->entry[slot] = (struct jump_entry){va, code};
}

#define JUMPS_BYTES(n) align_up(sizeof(struct jumps) + (n) * sizeof(struct jump_entry), 64)

static struct jumps *jumps_at(u8 **p, u32 size)
{
    struct jumps *j = (struct jumps *)(void *)*p;

    j->size = size;
    j->entry[0].va = no_jump(0);
    j->low = UINT64_MAX;
    *p += JUMPS_BYTES(size);
    return j;
}

size_t jumps_bytes(void)
{
    return JUMPS_BYTES(KERNEL_JUMPS) + 2 * TLB_SPACES * JUMPS_BYTES(JUMPS);
}

void jumps_place(struct vcpu *c, u8 *memory)
{
    struct dbt_cpu *d = state_of(c);

    d->kernel = jumps_at(&memory, KERNEL_JUMPS);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        d->space[n][0] = jumps_at(&memory, JUMPS);
        d->space[n][1] = jumps_at(&memory, JUMPS);
    }
}
