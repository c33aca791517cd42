/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translation keys, and blocks: found, made, linked. */
#include "cpu/dbt/run.h"

#include "cpu/access.h"
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/gen.h"
#include "cpu/dbt/jumps.h"
#include "cpu/exclusive.h"
#include "cpu/fill.h"
#include "cpu/simd/op.h"

static bool rights_ok(const struct seg *s, bool code)
{
    return code ? (s->ar & AR_CODE) && (s->ar & AR_READABLE)
                : !(s->ar & AR_CODE) && (s->ar & AR_WRITABLE) && !(s->ar & AR_EXPAND_DOWN);
}

static bool is_flat(const struct vcpu *c)
{
    if (c->mode == MODE_64)
        return true;
    return c->flat && is_protected(c) && rights_ok(&c->seg[SEG_CS], true) &&
           rights_ok(&c->seg[SEG_DS], false) && rights_ok(&c->seg[SEG_ES], false) &&
           rights_ok(&c->seg[SEG_SS], false);
}

static bool x87_runs(const struct vcpu *c)
{
    return !(c->cr0 & (CR0_EM | CR0_TS)) && (c->fpu.fcw & FCW_MASKS) == FCW_MASKS &&
           state_of(c)->dbt->xsave;
}

u32 dbt_key(const struct vcpu *c)
{
    bool full_stack = c->ss_size == (c->mode == MODE_64 ? 8 : 4);

    return c->mode | (u32)c->mmu << KEY_ROW_SHIFT | (simd_sse_available(c) ? KEY_SSE : 0) |
           (simd_vex_available(c) ? KEY_AVX : 0) |
           ((c->fpu.mxcsr & MXCSR_RESET) == MXCSR_RESET ? KEY_FP : 0) |
           (x87_runs(c) ? KEY_X87 : 0) | (is_flat(c) ? KEY_FLAT : 0) |
           (full_stack ? KEY_STACK : 0) | (c->cpl ? 0 : KEY_CPL0);
}

static bool translatable(u32 key)
{
    return (key & KEY_MODE) != MODE_16 && (key & KEY_FLAT);
}

void dbt_flags_in(struct vcpu *c)
{
    flags_set(&c->lf, c->near.flags >> 8 | (c->near.flags & 1 ? EFLAGS_OF : 0));
}

void dbt_flags_out(struct vcpu *c)
{
    u32 f = flags_get(&c->lf);

    c->near.flags = (u16)((f & 0xff) << 8 | (f & EFLAGS_OF ? 1 : 0));
}

static u64 leave(struct vcpu *c)
{
    c->leave = true;
    return (uintptr_t)state_of(c)->dbt->code.rx + state_of(c)->dbt->leave;
}

/* The page behind the one that runs, if the TLB has it. */
static const u8 *next_page(const struct vcpu *c)
{
    gva_t va = lin_add(c, c->rip & PAGE_MASK, PAGE_SIZE);
    const struct tlb_entry *e = &c->tlb.row[mmu_fetch(c)][tlb_slot(va)];

    return e->xtag == va ? (const u8 *)(uintptr_t)e->page : NULL;
}

/* Lock held. NULL if the cache is full. */
static struct tb *translate(struct vcpu *c, struct dbt *d, const struct place *p, unsigned off)
{
    struct mem_page *m = &c->vm->mem->pages[p->page];
    struct xblock *b = &state_of(c)->block;
    struct tb *tb = dbt_tb_new(d, (u32)p->page, off, c->env.key);

    if (!tb)
        return NULL;
    *b = (struct xblock){
        .c = c,
        .key = c->env.key,
        .page = p->page,
        .host = p->host - off,
        .off = (u16)off,
        .aliased = d->page[p->page].aliased,
        .checked = atomic_load(&m->mixed),
        .exact = c->vm->exact_flags,
        .lockstep = c->vm->lockstep,
        .next = next_page(c),
        .known = d,
    };
    xlat_decode(b);
    xlat_analyse(b);
    xlat_generate(d, b, tb);
    tb->n = (u16)(b->insn[0].kind == X_OP || b->insn[0].kind == X_OP_END ? 0 : b->n);
    if (trace_on(&c->vm->trace, TRACE_XLAT))
        xlat_dump(b, d, tb);
    dbt_publish(d, tb);
    return tb;
}

/* Lock held. The page counts as code from before its bytes are read: fetch_place has seen to it. A
   write since then clears has_code under the lock: look again. */
static struct tb *find_or_make(struct vcpu *c, struct dbt *d, const struct place *p, unsigned off)
{
    struct tb *tb;
    const struct mem_page *m = &c->vm->mem->pages[p->page];

    dbt_page_at(d, p->page, c->rip & PAGE_MASK);
    tb = dbt_find(d, (u32)p->page, off, c->env.key);
    if (tb)
        return tb;
    if (!atomic_load(&m->has_code) && !atomic_load(&m->mixed))
        return NULL;
    return translate(c, d, p, off);
}

static void drop_all(struct vcpu *c)
{
    struct dbt *d = state_of(c)->dbt;
    u32 before = atomic_load(&d->epoch);

    exclusive_begin(c);
    pthread_mutex_lock(&d->lock);
    if (atomic_load(&d->epoch) == before)
        dbt_drop_all(d);
    pthread_mutex_unlock(&d->lock);
    exclusive_end(c);
}

static struct known_block *known_at(struct vcpu *c, u64 page)
{
    u64 h = (c->rip ^ page << 40) * 0x9e3779b97f4a7c15ull;

    return &state_of(c)->known[h >> 32 & (KNOWN_BLOCKS - 1)];
}

/* The block at c->rip, until the next one is looked for. NULL if the code is not in RAM. */
static const struct known_block *block_at(struct vcpu *c)
{
    struct dbt *d = state_of(c)->dbt;
    unsigned off = (unsigned)(c->rip & (PAGE_SIZE - 1));

    for (;;) {
        struct place p = fetch_place(c, c->rip);
        struct known_block *k;
        u32 version, epoch = atomic_load(&d->epoch);
        struct tb *tb;
        bool full;
        if (!p.host)
            return NULL;
        k = known_at(c, p.page);
        version = atomic_load(&d->page[p.page].version) + 1;
        if (k->va == c->rip && k->version == version && k->epoch == epoch && k->page == p.page &&
            k->key == c->env.key)
            return k;
        pthread_mutex_lock(&d->lock);
        tb = find_or_make(c, d, &p, off);
        full = !tb && dbt_is_full(d);
        if (tb)
            *k = (struct known_block){.va = c->rip,
                                      .page = tb->page,
                                      .key = tb->key,
                                      .version = atomic_load(&d->page[p.page].version) + 1,
                                      .epoch = atomic_load(&d->epoch),
                                      .tb = (u32)(tb - d->tb),
                                      .entry = tb->entry,
                                      .entry_env = tb->entry_env};
        pthread_mutex_unlock(&d->lock);
        if (tb)
            return k;
        if (full)
            drop_all(c);
    }
}

/* The code at c->rip, added to the jump cache; with c->leave set, the way back to C. */
static u64 find_code(struct vcpu *c, const struct known_block **out)
{
    struct dbt *d = state_of(c)->dbt;
    u32 epoch = atomic_load(&d->epoch);
    const struct known_block *k = block_at(c);
    u64 code;

    *out = k;
    if (!k)
        return leave(c);
    if (atomic_load(&d->epoch) != epoch)
        jumps_choose(c);
    code = (uintptr_t)d->code.rx + k->entry_env;
    c->near.page_va = c->rip & PAGE_MASK;
    if (!state_of(c)->lockstep) /* which wants to see each block */
        jumps_add(c, c->rip, k->page, code);
    return code;
}

u64 dbt_code_at(struct vcpu *c, bool cached)
{
    const struct jumps *j = jumps_now(c);
    const struct jump_entry *known = &j->entry[jump_slot(c->rip)];
    const struct known_block *k;

    if (cached && known->va == c->rip) {
        c->near.page_va = c->rip & PAGE_MASK;
        return known->code;
    }
    return find_code(c, &k);
}

/* For branches that are patched. One CPU alone needs no lock: other threads only make blocks void.
 */
static void lock(struct vcpu *c)
{
    if (c->vm->ncpus > 1)
        pthread_mutex_lock(&state_of(c)->dbt->lock);
}

static void unlock(struct vcpu *c)
{
    if (c->vm->ncpus > 1)
        pthread_mutex_unlock(&state_of(c)->dbt->lock);
}

u64 dbt_address_of(struct vcpu *c, u32 n)
{
    const struct tb *tb = &state_of(c)->dbt->tb[n];
    u64 va;

    lock(c);
    va = c->near.page_va + tb->off;
    unlock(c);
    return va;
}

/* The way out of a void block leads to the code that has taken its place, if that is in the same
   page of RAM. */
u64 dbt_forward(struct vcpu *c, u32 from)
{
    struct dbt *d = state_of(c)->dbt;
    u32 epoch = atomic_load(&d->epoch);
    struct tb *old = &d->tb[from];
    const struct known_block *to;
    u64 code = find_code(c, &to);

    if (!to)
        return code;
    lock(c);
    if (atomic_load(&d->epoch) == epoch && old->page == to->page) {
        dbt_patch(d, old->stale_env + WAY_OUT_BYTES - 4, to->entry_env);
        if (old->stale != old->stale_env)
            dbt_patch(d, old->stale + WAY_OUT_BYTES - 4, to->entry);
    }
    unlock(c);
    return code;
}

/* The call in an exit that is not in force goes through the jump cache from now on. */
static void leave_to_jumps(struct dbt *d, u32 place, bool flags)
{
    u32 rel;

    memcpy(&rel, d->code.rw + place + FAR_MISS, 4);
    dbt_patch(d, place + FAR_MISS + 4 + rel + 1, flags ? d->far_jump.host : d->far_jump.env);
}

/*
 * With several CPUs only once: another one may be between the number and the branch. The kernel's
 * number is the same in all address spaces, so its exits are linked whenever the number has
 * changed; those of programs are left to the jump cache then.
 */
u64 dbt_link_far(struct vcpu *c, u32 place, bool flags)
{
    struct dbt *d = state_of(c)->dbt;
    u32 epoch = atomic_load(&d->epoch), *serial = (u32 *)(void *)(d->code.rw + place);
    bool kernel = KEY_ROW(c->env.key) == MMU_SUPER_SMAP;
    const struct known_block *to;
    u64 code = find_code(c, &to);

    if (!to)
        return code;
    lock(c);
    if (atomic_load(&d->epoch) == epoch && (c->vm->ncpus == 1 || !*serial)) {
        dbt_patch(d, place + FAR_BRANCH, flags ? to->entry : to->entry_env);
        if (!*serial && (c->vm->ncpus > 1 || !kernel))
            leave_to_jumps(d, place, flags);
        __atomic_store_n(serial, flags ? 0 - c->serial : c->serial, __ATOMIC_RELEASE);
    }
    unlock(c);
    return code;
}

/* If the target's page has been written to meanwhile, so has that of the branch: it is void. */
u64 dbt_link(struct vcpu *c, struct dbt *d, u32 page, u32 place)
{
    u32 epoch = atomic_load(&d->epoch);
    const struct known_block *to = block_at(c);

    if (!to)
        return leave(c);
    if (atomic_load(&d->epoch) != epoch) {
        jumps_choose(c);
    } else if (to->page == page) {
        lock(c);
        dbt_patch(d, place, to->entry);
        unlock(c);
    }
    return (uintptr_t)d->code.rx + to->entry_env;
}

void dbt_forget_block(struct vcpu *c)
{
    struct dbt *d = state_of(c)->dbt;
    struct place p = fetch_place(c, c->rip);
    struct tb *tb;

    if (!p.host)
        return;
    pthread_mutex_lock(&d->lock);
    tb = dbt_find(d, (u32)p.page, (unsigned)(c->rip & (PAGE_SIZE - 1)), c->env.key);
    if (tb)
        dbt_kill(d, tb);
    pthread_mutex_unlock(&d->lock);
}

bool dbt_resync(struct vcpu *c)
{
    c->env.key = dbt_key(c);
    if (!translatable(c->env.key))
        return false;
    jumps_choose(c);
    return true;
}

const struct tb *dbt_block_at(struct vcpu *c)
{
    return &state_of(c)->dbt->tb[block_at(c)->tb];
}
