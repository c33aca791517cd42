/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translated code cannot do by itself: memory accesses that the TLB does not have, the
 * interpreter's functions, finding and linking the next block. Own thread; may throw.
 */
#include "cpu/access.h"
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/gen.h"
#include "cpu/dbt/run.h"
#include "cpu/dbt/thunk.h"
#include "cpu/excp.h"
#include "cpu/fill.h"
#include "cpu/interp/blocks.h"
#include "cpu/interp/interp.h"

static u64 address(const struct vcpu *c, u32 off)
{
    return (uintptr_t)state_of(c)->dbt->code.rx + off;
}

/* The way back to C: the state is in struct vcpu. */
static u64 leave(struct vcpu *c)
{
    c->near.units_wanted = 0;
    return address(c, state_of(c)->dbt->leave);
}

static bool must_leave(const struct vcpu *c)
{
    return c->leave || atomic_load_explicit(&c->req, memory_order_relaxed);
}

/* After an instruction of the interpreter's. If it has set c->leave and need not have, the key may
   be another. */
static bool must_leave_after(struct vcpu *c)
{
    return c->leave ? !interp_resume(c) : must_leave(c);
}

static u64 wrap(const struct vcpu *c, u64 rip)
{
    return c->mode == MODE_64 ? rip : (u32)rip;
}

static const struct insn *insn_at(struct vcpu *c, struct insn_slot *s, const u8 *host,
                                  unsigned avail, gva_t va)
{
    u8 bytes[INSN_MAX_BYTES];
    struct place p;

    for (unsigned n = 0; n < avail; n++)
        bytes[n] = host_ld8(host + n);
    if (s->host == host && s->mode == c->mode && s->epoch == blocks_epoch(c->blocks) &&
        !memcmp(s->bytes, bytes, s->insn.len))
        return &s->insn;
    if (avail < INSN_MAX_BYTES) { /* at the end of a page: what is on the next, if it is needed */
        s->host = NULL;
        if (!blocks_decode_one(c, bytes, avail, &s->insn)) {
            p = fetch_place(c, lin_add(c, va, avail));
            for (unsigned n = avail; n < INSN_MAX_BYTES; n++)
                bytes[n] = p.host ? host_ld8(p.host + n - avail)
                                  : (u8)bus_read(&c->vm->mmio, p.gpa + n - avail, 1);
            BUG_ON(!blocks_decode_one(c, bytes, INSN_MAX_BYTES, &s->insn));
            return &s->insn;
        }
    } else {
        BUG_ON(!blocks_decode_one(c, bytes, avail, &s->insn));
    }
    /* What is no instruction may become one by a change behind its first byte. */
    s->host = s->insn.mnemonic == ZYDIS_MNEMONIC_INVALID ? NULL : host;
    s->epoch = blocks_epoch(c->blocks);
    s->mode = c->mode;
    memcpy(s->bytes, bytes, s->insn.len);
    return &s->insn;
}

static void execute(struct vcpu *c, const struct insn *i)
{
    state_of(c)->ops[i->mnemonic]++;
    c->rip = wrap(c, c->rip + i->len);
    i->fn(c, i);
    c->rip = wrap(c, c->rip);
}

void dbt_interpret(struct vcpu *c)
{
    struct dbt_cpu *d = state_of(c);
    struct place p = fetch_place(c, c->rip);
    unsigned avail = (unsigned)min_u64(PAGE_SIZE - (c->rip & (PAGE_SIZE - 1)), INSN_MAX_BYTES);
    struct insn_slot *s = &d->slot[((uintptr_t)p.host ^ (uintptr_t)p.host >> 12) % INSN_SLOTS];

    if (!p.host) { /* mapped to something else meanwhile */
        c->leave = true;
        return;
    }
    execute(c, insn_at(c, s, p.host, avail, c->rip));
}

static void interpret_site(struct vcpu *c, const struct op_site *s, const void *at)
{
    if (s->insn)
        execute(c, (const struct insn *)(const void *)((const u8 *)at + sizeof(s->insn) + s->insn));
    else
        dbt_interpret(c);
}

/* The state is that of before the instruction at `off`. `vec`: whether the code behind the helper
   has the vector registers loaded. */
static void arrive(struct vcpu *c, u16 off, u8 site_flags, u8 units)
{
    c->ip = c->rip = c->near.page_va + off;
    c->near.units_wanted = units;
    if (site_flags & SITE_FLAGS_IN)
        dbt_flags_in(c);
}

/* To the code at RIP, which is another block's. */
static u64 to_block(struct vcpu *c)
{
    c->near.units_wanted = 0;
    c->ip = c->rip;
    dbt_flags_out(c);
    return dbt_code_at(c, true);
}

static u32 cache_epoch(const struct vcpu *c)
{
    return atomic_load(&state_of(c)->dbt->epoch);
}

/* Behind an instruction that the interpreter has executed. While it waited for other CPUs, one of
   them may have dropped all code: `epoch` is that of before. */
static u64 go_on(struct vcpu *c, unsigned site_flags, u64 expected, u64 code, u32 epoch)
{
    bool changed = c->leave; /* the code itself, perhaps */

    if (c->rip != expected || must_leave_after(c) || (changed && !dbt_resync(c)) ||
        epoch != cache_epoch(c))
        return leave(c);
    if (changed)
        return to_block(c);
    if (site_flags & SITE_FLAGS_OUT)
        dbt_flags_out(c);
    return code;
}

static bool in_tlb(struct vcpu *c, const struct miss_site *s, gva_t va)
{
    return (s->write ? lin_ptr_write(c, va, s->size, s->row)
                     : lin_ptr_read(c, va, s->size, s->row)) != NULL;
}

/* Other addresses fault in ways of their own. */
static bool is_translated(const struct vcpu *c, gva_t va)
{
    return !c->long_mode || is_canonical(c, va);
}

/* The access to `va`, or the instruction as a whole if s->size is 0. */
static u64 missed(struct vcpu *c, const struct miss_site *s, const void *at, gva_t va)
{
    u32 epoch = cache_epoch(c);
    u64 next;

    state_of(c)->misses++;
    arrive(c, s->off, s->flags, s->units);
    if (s->size && !(va & s->align) && (va & (PAGE_SIZE - 1)) <= PAGE_SIZE - s->size &&
        s->row < MMU_KINDS && is_translated(c, va)) {
        (void)tlb_fill(c, va, s->write ? PFEC_W : 0, s->row);
        c->env.t0 = va;
        if (in_tlb(c, s, va))
            return (uintptr_t)at + (u64)(s64)s->retry;
    }
    next = wrap(c, c->rip + s->len);
    dbt_interpret(c);
    if (s->flags & SITE_BRANCH)
        return leave(c);
    return go_on(c, s->flags, next, (uintptr_t)at + (u64)(s64)s->next, epoch);
}

/* t1: the TLB's entry, or its place in the kernel's table; t0: the address less its tag. */
u64 dbt_help_miss(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct miss_site s;
    u64 table;
    const struct tlb_entry *e;

    memcpy(&s, at, sizeof(s));
    table = s.row == MMU_SUPER_SMAP ? (uintptr_t)c->tlb.kernel.entry : 0;
    e = (const struct tlb_entry *)(uintptr_t)(table + t1);
    return missed(c, &s, at, s.size ? t0 + (s.write ? e->wtag : e->rtag) : 0);
}

/* The address is in env.t0. */
u64 dbt_help_stack_miss(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct stack_site s;

    memcpy(&s, at, sizeof(s));
    return missed(c, &s.miss, (const u8 *)at + offsetof(struct stack_site, miss), c->env.t0);
}

u64 dbt_help_op(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct op_site s;
    u32 epoch = cache_epoch(c);
    u64 next;

    memcpy(&s, at, sizeof(s));
    arrive(c, s.off, s.flags, s.units);
    next = wrap(c, c->rip + s.len);
    interpret_site(c, &s, at);
    return go_on(c, s.flags, next, (uintptr_t)at + sizeof(s), epoch);
}

static u64 find_next(struct vcpu *c)
{
    if (must_leave_after(c) || !dbt_resync(c))
        return leave(c);
    return to_block(c);
}

u64 dbt_help_op_end(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct op_site s;

    memcpy(&s, at, sizeof(s));
    arrive(c, s.off, s.flags, 0);
    if (s.off + s.len == PAGE_SIZE) /* the next time both pages may be known */
        dbt_forget_block(c);
    interpret_site(c, &s, at);
    return find_next(c);
}

/* t0: the page where the instruction goes on. */
u64 dbt_help_next(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct miss_site s;

    memcpy(&s, at, sizeof(s));
    arrive(c, s.off, s.flags, 0);
    if (fetch_place(c, t0).host && c->tlb.row[mmu_fetch(c)][tlb_slot(t0)].xtag == t0)
        return (uintptr_t)at + (u64)(s64)s.retry;
    dbt_interpret(c);
    return find_next(c);
}

u64 dbt_help_link(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct dbt *d = state_of(c)->dbt;
    struct link_site s;

    memcpy(&s, at, sizeof(s));
    c->rip = c->ip = c->near.page_va + s.off;
    c->near.units_wanted = 0;
    dbt_flags_in(c);
    if (s.changed)
        dbt_forget_block(c);
    if (must_leave(c) || state_of(c)->lockstep)
        return leave(c);
    state_of(c)->links++;
    if (!s.place)
        return dbt_code_at(c, true);
    return dbt_link(c, d, s.page, s.place);
}

static u64 branch_to(struct vcpu *c, u64 to, u64 info)
{
    u64 from = c->near.page_va + (info & (PAGE_SIZE - 1));

    c->near.units_wanted = 0;
    dbt_flags_in(c);
    if (c->mode == MODE_64 && !is_canonical(c, to)) { /* the branch has not happened */
        c->ip = info & BRANCH_NONE ? to : from;
        c->gpr[RSP] -= info >> PAGE_SHIFT & BRANCH_POP;
        cpu_raise_gp0(c);
    }
    c->rip = c->ip = to;
    return must_leave(c) || state_of(c)->lockstep ? leave(c) : 0;
}

/* An indirect branch to t0, which the jump cache does not have; t1: gen.h. */
u64 dbt_help_lookup(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    u64 out = branch_to(c, t0, t1);

    if (out)
        return out;
    state_of(c)->lookups++;
    return dbt_code_at(c, false);
}

u64 dbt_help_far(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    struct far_site s;
    u64 out;

    memcpy(&s, at, sizeof(s));
    out = branch_to(c, wrap(c, c->near.page_va + (u64)(s64)s.off), s.info);
    if (out)
        return out;
    state_of(c)->lookups++;
    return dbt_link_far(c, (u32)(s.info >> 32), s.info & BRANCH_FLAGS);
}

/* At a void block, whose number is t0. */
u64 dbt_help_stale(struct vcpu *c, const void *at, u64 t0, u64 t1)
{
    u64 out = branch_to(c, dbt_address_of(c, (u32)t0), BRANCH_NONE);

    if (out)
        return out;
    state_of(c)->lookups++;
    return dbt_forward(c, (u32)t0);
}
