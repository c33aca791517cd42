/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine `dbt`: translated code, found by RAM page, offset and key; what cannot be translated
 * (16-bit code, segments that are not flat, code in devices) is the interpreter's. The loop around
 * it, with requests, interrupts and single steps, is shared (cpu/interp/interp.h).
 */
#include "cpu/dbt/run.h"

#include "cpu/access.h"
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/gen.h"
#include "cpu/dbt/lockstep.h"
#include "cpu/dbt/thunk.h"
#include "cpu/engine.h"
#include "cpu/exclusive.h"
#include "cpu/fill.h"
#include "cpu/interp/interp.h"
#include "cpu/simd/op.h"

#include <errno.h>
#include <stdlib.h>

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

u32 dbt_key(const struct vcpu *c)
{
    bool full_stack = c->ss_size == (c->mode == MODE_64 ? 8 : 4);

    return c->mode | (u32)c->mmu << KEY_ROW_SHIFT | (simd_sse_available(c) ? KEY_SSE : 0) |
           (simd_vex_available(c) ? KEY_AVX : 0) |
           ((c->fpu.mxcsr & MXCSR_RESET) == MXCSR_RESET ? KEY_FP : 0) |
           (is_flat(c) ? KEY_FLAT : 0) | (full_stack ? KEY_STACK : 0) | (c->cpl ? 0 : KEY_CPL0);
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

/* The jump cache. */

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

/* The jump cache in force. */
static struct jumps *jumps_now(const struct vcpu *c)
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

static void choose_jumps(struct vcpu *c)
{
    struct jumps *j = valid_jumps(c, mmu_fetch(c), c->env.key);

    c->env.jumps = (u8 *)j->entry;
    c->serial = j->serial;
    if (c->near.row != c->tlb.row[c->mmu])
        c->near.stack_room = 0;
    c->near.row = c->tlb.row[c->mmu];
    choose_other(c);
}

static void jumps_add(struct vcpu *c, u64 va, u64 code)
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

/* Finding and making blocks. */

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
        u32 voids = atomic_load(&d->voids);
        struct known_block *k;
        struct tb *tb;
        bool full;
        if (!p.host)
            return NULL;
        k = known_at(c, p.page);
        if (k->va == c->rip && k->voids == voids && k->page == p.page && k->key == c->env.key)
            return k;
        pthread_mutex_lock(&d->lock);
        tb = find_or_make(c, d, &p, off);
        full = !tb && dbt_is_full(d);
        if (tb)
            *k = (struct known_block){.va = c->rip,
                                      .page = tb->page,
                                      .key = tb->key,
                                      .voids = atomic_load(&d->voids),
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
        choose_jumps(c);
    code = (uintptr_t)d->code.rx + k->entry_env;
    c->near.page_va = c->rip & PAGE_MASK;
    if (!state_of(c)->lockstep) /* which wants to see each block */
        jumps_add(c, c->rip, code);
    return code;
}

u64 dbt_code_at(struct vcpu *c, bool cached)
{
    const struct jumps *j = jumps_now(c);
    const struct jump_entry *known = &j->entry[jump_slot(j, c->rip)];
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
static void leave_to_jumps(struct dbt *d, u32 place, const struct flag_thunks *to, bool flags)
{
    u32 rel;

    memcpy(&rel, d->code.rw + place + FAR_MISS, 4);
    dbt_patch(d, place + FAR_MISS + 4 + rel + 1, flags ? to->host : to->env);
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
            leave_to_jumps(d, place, &d->far_jump[kernel], flags);
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
    lock(c);
    if (atomic_load(&d->epoch) != epoch)
        choose_jumps(c);
    else if (to->page == page)
        dbt_patch(d, place, to->entry);
    unlock(c);
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
    choose_jumps(c);
    return true;
}

/* The engine. */

static void run_code(struct vcpu *c)
{
    u64 code;

    c->leave = false;
    c->ip = c->rip;
    if (!dbt_resync(c)) {
        interp_blocks(c);
        return;
    }
    dbt_flags_out(c);
    code = dbt_code_at(c, !state_of(c)->lockstep);
    if (c->leave) { /* code in a device */
        interp_blocks(c);
        return;
    }
    if (state_of(c)->lockstep)
        lockstep_block(c, state_of(c)->lockstep, &state_of(c)->dbt->tb[block_at(c)->tb], code);
    else
        thunk_enter(state_of(c)->dbt, c, code);
}

static enum vcpu_exit dbt_run(struct vcpu *c)
{
    return interp_loop(c, run_code);
}

static int shared_dbt(struct dbt **out, struct vm *vm, struct err *err)
{
    for (unsigned n = 0; n < vm->ncpus; n++)
        if (vm->cpu[n] && vm->cpu[n]->engine_state) {
            *out = state_of(vm->cpu[n])->dbt;
            return 0;
        }
    return dbt_new(out, vm, vm->code_cache ? vm->code_cache : CACHE_DEFAULT, err);
}

#define JUMPS_BYTES(n) align_up(sizeof(struct jumps) + (n) * sizeof(struct jump_entry), 64)
#define CPU_BYTES      align_up(sizeof(struct dbt_cpu), 64)
#define STATE_BYTES    (CPU_BYTES + JUMPS_BYTES(KERNEL_JUMPS) + 2 * TLB_SPACES * JUMPS_BYTES(JUMPS))

static struct jumps *jumps_at(u8 **p, u32 size)
{
    struct jumps *j = (struct jumps *)(void *)*p;

    j->size = size;
    j->entry[0].va = no_jump(0);
    j->low = UINT64_MAX;
    *p += JUMPS_BYTES(size);
    return j;
}

static void place_jumps(struct dbt_cpu *d)
{
    u8 *p = (u8 *)d + CPU_BYTES;

    d->kernel = jumps_at(&p, KERNEL_JUMPS);
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        d->space[n][0] = jumps_at(&p, JUMPS);
        d->space[n][1] = jumps_at(&p, JUMPS);
    }
}

static int attach_lockstep(struct vcpu *c, struct dbt_cpu *d, struct err *err)
{
    if (c->vm->ncpus > 1)
        return err_set(err, EINVAL, "--lockstep needs a machine with one CPU, not %u",
                       c->vm->ncpus);
    d->lockstep = lockstep_new();
    return d->lockstep ? 0 : err_set(err, ENOMEM, "no memory for --lockstep");
}

static int dbt_attach(struct vcpu *c, struct err *err)
{
    struct dbt_cpu *d = calloc(1, STATE_BYTES);
    int rc;

    if (!d)
        return err_set(err, ENOMEM, "no memory for a CPU's translator");
    rc = shared_dbt(&d->dbt, c->vm, err);
    if (!rc && c->vm->lockstep)
        rc = attach_lockstep(c, d, err);
    if (!rc)
        rc = interp_attach(c, err);
    if (rc) {
        lockstep_free(d->lockstep);
        if (d->dbt && !d->dbt->users)
            dbt_free(d->dbt);
        free(d);
        return rc;
    }
    d->dbt->users++;
    place_jumps(d);
    c->env.host_mxcsr = MXCSR_RESET;
    c->engine_state = d;
    return 0;
}

static void dbt_detach(struct vcpu *c)
{
    struct dbt_cpu *d = state_of(c);

    lockstep_free(d->lockstep);
    if (--d->dbt->users == 0)
        dbt_free(d->dbt);
    free(d);
    c->engine_state = NULL;
    interp_detach(c);
}

const struct engine_ops engine_dbt = {
    .name = "dbt",
    .vcpu_attach = dbt_attach,
    .vcpu_detach = dbt_detach,
    .run = dbt_run,
    .report = dbt_report,
};
