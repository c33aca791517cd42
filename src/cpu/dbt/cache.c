/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/dbt/cache.h"

#include "cpu/dbt/thunk.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_TB 160u /* room for block records, by what blocks take on average */

static unsigned bucket_of(u32 page, unsigned off, u32 key)
{
    u64 h = ((u64)page << 12 | off) * 0x9e3779b97f4a7c15ull;

    return (h >> 40 ^ key) & (TB_BUCKETS - 1);
}

/* The CPU has it, and the host's kernel lets programs use it. */
static bool host_has_xsave(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE);
}

int dbt_new(struct dbt **out, struct vm *vm, u32 size, struct err *err)
{
    struct dbt *d = calloc(1, sizeof(*d));
    int rc = -ENOMEM;

    if (!d)
        return err_set(err, ENOMEM, "no memory for the code cache");
    pthread_mutex_init(&d->lock, NULL);
    d->vm = vm;
    d->max_tb = size / BYTES_PER_TB;
    d->tb = calloc(d->max_tb, sizeof(*d->tb));
    d->page = calloc(vm->mem->npages, sizeof(*d->page));
    if (!d->tb || !d->page) {
        err_set(err, ENOMEM, "no memory for the code cache");
        goto out;
    }
    rc = execmem_map(&d->code, size, "translated code", err);
    if (rc)
        goto out;
    d->bmi2 = __builtin_cpu_supports("bmi2");
    d->xsave = host_has_xsave();
    thunks_make(d);
    d->chunk = (u32)max_u64(size / 32, 2 * CACHE_ROOM);
    dbt_clear_areas(d);
    vm->mem->on_code_changed = dbt_code_changed;
    vm->mem->on_code_opaque = d;
    *out = d;
    d = NULL;
out:
    dbt_free(d);
    return rc;
}

void dbt_free(struct dbt *d)
{
    if (!d)
        return;
    if (d->vm->mem->on_code_opaque == d)
        d->vm->mem->on_code_changed = NULL;
    execmem_unmap(&d->code);
    free(d->page);
    free(d->tb);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

struct tb *dbt_find(const struct dbt *d, u32 page, unsigned off, u32 key)
{
    for (u32 n = d->bucket[bucket_of(page, off, key)]; n; n = d->tb[n - 1].next) {
        struct tb *t = &d->tb[n - 1];
        if (t->page == page && t->off == off && t->key == key)
            return t;
    }
    return NULL;
}

void dbt_clear_areas(struct dbt *d)
{
    d->taken = d->start;
    d->hot = d->cold = (struct code_area){0, 0};
}

static bool has_room(struct dbt *d, struct code_area *a)
{
    if (a->used + CACHE_ROOM <= a->end)
        return true;
    if (d->taken + d->chunk > d->code.size)
        return false;
    *a = (struct code_area){.used = d->taken, .end = d->taken + d->chunk};
    d->taken += d->chunk;
    return true;
}

bool dbt_is_full(struct dbt *d)
{
    return d->ntb == d->max_tb || !has_room(d, &d->hot) || !has_room(d, &d->cold);
}

struct tb *dbt_tb_new(struct dbt *d, u32 page, unsigned off, u32 key)
{
    struct tb *t;

    if (dbt_is_full(d))
        return NULL;
    t = &d->tb[d->ntb];
    *t = (struct tb){.page = page, .off = (u16)off, .key = (u16)key};
    return t;
}

void dbt_publish(struct dbt *d, struct tb *t)
{
    u32 *bucket = &d->bucket[bucket_of(t->page, t->off, t->key)];

    d->ntb++;
    d->translated++;
    t->next = *bucket;
    *bucket = d->ntb;
    t->page_next = d->page[t->page].first;
    d->page[t->page].first = d->ntb;
}

/* The pages' has_code stays: they count as code pages until they are written to. */
void dbt_drop_all(struct dbt *d)
{
    for (u32 n = 0; n < d->ntb; n++)
        d->page[d->tb[n].page].first = 0;
    memset(d->bucket, 0, sizeof(d->bucket));
    d->ntb = 0;
    execmem_discard(&d->code, d->start);
    dbt_clear_areas(d);
    d->flushes++;
    atomic_fetch_add(&d->epoch, 1);
}

void dbt_patch(struct dbt *d, u32 place, u32 to)
{
    u32 rel = to - (place + 4);

    __atomic_store_n((u32 *)(void *)(d->code.rw + place), rel, __ATOMIC_RELEASE);
}

/* JMP rel8, to the way out that lies before an entry. */
static void block_entry(struct dbt *d, u32 entry, u32 to)
{
    u16 jmp = (u16)(0xeb | (u8)(to - (entry + 2)) << 8);

    __atomic_store_n((u16 *)(void *)(d->code.rw + entry), jmp, __ATOMIC_RELEASE);
}

void dbt_kill(struct dbt *d, struct tb *t)
{
    u32 *link = &d->bucket[bucket_of(t->page, t->off, t->key)];

    if (t->dead)
        return;
    while (&d->tb[*link - 1] != t)
        link = &d->tb[*link - 1].next;
    *link = t->next;
    t->dead = true;
    block_entry(d, t->entry, t->stale);
    if (t->entry_env != t->entry)
        block_entry(d, t->entry_env, t->stale_env);
    d->invalidated++;
    atomic_fetch_add(&d->page[t->page].version, 1);
}

static void kill_page(struct dbt *d, struct code_page *p)
{
    for (u32 n = p->first; n; n = d->tb[n - 1].page_next)
        dbt_kill(d, &d->tb[n - 1]);
    p->first = 0;
}

void dbt_page_at(struct dbt *d, u64 page, u64 va)
{
    struct code_page *p = &d->page[page];

    if (!p->va)
        p->va = va + 1;
    if (p->va == va + 1 || p->aliased)
        return;
    kill_page(d, p);
    p->aliased = true;
}

void dbt_code_changed(void *opaque, u64 page)
{
    struct dbt *d = opaque;
    struct code_page *p = &d->page[page];
    struct mem_page *m = &d->vm->mem->pages[page];

    pthread_mutex_lock(&d->lock);
    if (p->first && p->changes < MIXED_AFTER)
        p->changes++;
    kill_page(d, p);
    p->va = 0;
    p->aliased = false;
    if (p->changes == MIXED_AFTER)
        atomic_store(&m->mixed, 1);
    atomic_store(&m->has_code, 0); /* before the count: who reads the new one sees this */
    pthread_mutex_unlock(&d->lock);
}
