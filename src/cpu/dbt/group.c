/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One check for several accesses off one base register (and one index): T0 stays the host address
 * of the lowest byte that the group touches while nothing between needs T0 or changes the address.
 * The check asks for the group's whole range, so where it fails (often only because the range
 * crosses a page) the same instructions follow out of line, each with its own check.
 *
 * PUSH and POP count as accesses off RSP, whose changes within the group are known.
 */
#include "cpu/dbt/gen.h"

#include <Zydis/Zydis.h>

#define MAX_SPAN STACK_SPAN

static bool is_stack(const struct xinsn *x)
{
    return x->kind == X_PUSH_R || x->kind == X_PUSH_I || (x->kind == X_POP_R && !x->has_mem);
}

/* Registers that are written without being named. */
static bool writes_hidden(const struct xinsn *x, unsigned reg)
{
    switch (x->mnemonic) {
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_CMPXCHG:
    case ZYDIS_MNEMONIC_CMPXCHG8B:
    case ZYDIS_MNEMONIC_CMPXCHG16B:
        return reg == RAX || reg == RDX;
    default:
        return (x->kind == X_PLAIN && (reg == RAX || reg == RDX)) ||
               (x->kind == X_GEN && !x->has_modrm && reg == RAX) || /* rAX and an immediate */
               (x->kind == X_VEC && reg == RCX) ||                  /* PCMPxSTRI */
               (x->kind == X_X87 && reg == RAX);                    /* FNSTSW AX */
    }
}

static bool writes(const struct xinsn *x, unsigned reg)
{
    const struct xreg *r[] = {&x->reg, &x->rm, &x->vvvv, &x->op};

    for (unsigned n = 0; n < ARRAY_SIZE(r); n++)
        if (r[n]->n == reg && r[n]->gpr &&
            (r[n]->write || x->kind == X_POP_R || x->kind == X_LEA || x->kind == X_MOV_IMM))
            return !(x->kind == X_PUSH_R);
    return writes_hidden(x, reg);
}

/* The scratch registers that its operands take leave T0 alone. */
static bool spares_t0(const struct xinsn *x)
{
    return !is_spilled(&x->rm) || x->has_mem ||
           (!is_spilled(&x->vvvv) && (!is_spilled(&x->reg) || x->rm.n == x->reg.n));
}

/* No access to memory, and T0 stays what it is. */
static bool is_neutral(const struct xinsn *x)
{
    switch (x->kind) {
    case X_NOP:
    case X_PLAIN:
    case X_MOV_IMM:
    case X_JCC:
        return true;
    case X_GEN:
    case X_VEC:
        return !x->has_mem && spares_t0(x);
    case X_X87:
        return !x->has_mem;
    case X_LEA:
        return x->mem.asize >= x->opsize &&
               (x->mem.base == NO_REG || x->mem.base == BASE_RIP || !in_memory(x->mem.base) ||
                x->mem.index == NO_REG || !in_memory(x->mem.index));
    default:
        return false;
    }
}

/* What all addresses of a group have in common. */
struct address {
    unsigned base, index, scale;
};

static struct address address_of(const struct xinsn *x)
{
    if (is_stack(x))
        return (struct address){RSP, NO_REG, 0};
    return (struct address){x->mem.base, x->mem.index, x->mem.index == NO_REG ? 0 : x->mem.scale};
}

static bool is_member(const struct gen *g, const struct xinsn *x, const struct address *a)
{
    const struct xmem *m = &x->mem;
    struct address own = address_of(x);

    if (own.base != a->base || own.index != a->index || own.scale != a->scale)
        return false;
    if (is_stack(x))
        return true;
    return (x->kind == X_GEN || x->kind == X_VEC) && x->has_mem && m->seg != SEG_FS &&
           m->seg != SEG_GS && m->asize == word(g) && !x->lock && m->disp == (s32)m->disp;
}

static bool moves(const struct xinsn *x, const struct address *a)
{
    return writes(x, a->base) || (a->index != NO_REG && writes(x, a->index));
}

/* How far a member moves RSP. */
static s32 shift_of(const struct gen *g, const struct xinsn *x)
{
    if (!is_stack(x))
        return 0;
    return x->kind == X_POP_R ? word(g) : -word(g);
}

/* Where a member's access begins, from the base at the group's start. */
static s64 begin_of(const struct gen *g, const struct xinsn *x, s32 shift)
{
    if (!is_stack(x))
        return x->mem.disp + shift;
    return x->kind == X_POP_R ? shift : shift - word(g);
}

struct plan {
    unsigned members, last;
    s64 lo, hi;
    bool write;
};

/* Takes a member in; false if the range would become too long, or is no displacement. */
static bool add_member(const struct gen *g, struct plan *p, const struct xinsn *x, s32 *shift)
{
    s64 size = is_stack(x) ? word(g) : x->mem.size, at = begin_of(g, x, *shift);
    s64 lo = p->members && p->lo < at ? p->lo : at;
    s64 hi = p->members && p->hi > at + size ? p->hi : at + size;

    if (hi - lo > MAX_SPAN || lo != (s32)lo)
        return false;
    p->lo = lo;
    p->hi = hi;
    p->members++;
    p->write |= is_stack(x) ? x->kind != X_POP_R : x->mem.write;
    *shift += shift_of(g, x);
    return true;
}

static struct plan make_plan(const struct gen *g, unsigned first, const struct address *a)
{
    struct plan p = {.last = first};
    s32 shift = 0;

    for (unsigned n = first; n < g->b->n; n++) {
        const struct xinsn *x = &g->b->insn[n];
        if (is_member(g, x, a)) {
            if (!add_member(g, &p, x, &shift))
                break;
            p.last = n;
        } else if (!is_neutral(x)) {
            break;
        }
        if (moves(x, a))
            break;
    }
    return p;
}

void gen_group_begin(struct gen *g, unsigned n)
{
    const struct xinsn *x = &g->b->insn[n];
    struct address a = address_of(x);
    struct xmem low = x->mem;
    struct plan p;
    struct stub *s;

    if (a.base >= 16 || !is_member(g, x, &a))
        return;
    p = make_plan(g, n, &a);
    if (p.members < 2)
        return;
    gen_flags_clobber(g, flags_needed(x));
    if (a.base == RSP && a.index == NO_REG) {
        s = gen_check_stack(g, (s32)p.lo, (unsigned)(p.hi - p.lo), p.write);
        s->group = true;
    } else {
        low.disp = p.lo;
        gen_ea(g, &low, 0);
        s = gen_check_range(g, (unsigned)(p.hi - p.lo), p.write);
    }
    s->first = (u8)n;
    s->last = (u8)p.last;
    g->group = (struct group){
        .last = &g->b->insn[p.last], .stub = (u16)(s - g->stub), .lo = (s32)p.lo, .shift = 0};
}

bool gen_group_member(struct gen *g)
{
    const struct xinsn *x = g->x;

    if (!g->group.last)
        return false;
    g->mem_at = (s32)(begin_of(g, x, g->group.shift) - g->group.lo);
    g->group.shift += shift_of(g, x);
    if (!is_stack(x) && x->mem.align)
        gen_align(g, g->mem_at, x->mem.align);
    return true;
}

void gen_group_end(struct gen *g)
{
    struct stub *s = &g->stub[g->group.stub];

    s->next = g->e.at;
    s->flags_out = (u8)g->flags;
    g->group.last = NULL;
}

void gen_group_apart(struct gen *g, const struct stub *s)
{
    g->flags = s->flags;
    g->units = s->units;
    gen_insns(g, s->first, s->last, false);
    if ((s->flags_out & FLAGS_HOST) && g->flags == FLAGS_ENV)
        gen_flags_restore(g, g->x->live);
    if ((s->flags_out & FLAGS_ENV) && g->flags == FLAGS_HOST)
        gen_flags_save(g, g->x->live);
    emit_jmp(&g->e, s->next);
}
