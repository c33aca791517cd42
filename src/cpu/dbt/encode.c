/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that stay what they are, with other registers and the memory operand at [T0]: the
 * opcode, its prefixes and immediates are kept, REX or VEX and ModRM are made anew.
 *
 * A guest register that lives in memory is copied to T1 (operand `reg`, or `vvvv`) or T0 (operand
 * `rm`) and back. AH … BH cannot be named beside a REX prefix, which [T0] needs: AL and AH change
 * places for that one instruction.
 */
#include "cpu/dbt/gen.h"

#include <Zydis/Zydis.h>

/* What goes into the fields of the new encoding; vector registers keep their numbers. */
struct fields {
    unsigned reg, rm, vvvv;
    bool mem;
    bool rex;  /* wanted even if empty: SPL … DIL */
    bool low8; /* AL for AH */
};

static bool keeps_rest(const struct xreg *r)
{
    return r->read || r->size < 4;
}

static unsigned fetch(struct gen *g, const struct xreg *r, unsigned scratch)
{
    if (!r->gpr)
        return r->n;
    if (!in_memory(r->n))
        return host_of(r->n);
    if (keeps_rest(r))
        env_load(g, true, scratch, AT_GPR(r->n));
    return scratch;
}

static void put_back(struct gen *g, const struct xreg *r, unsigned scratch)
{
    if (is_spilled(r) && r->write)
        env_store(g, true, scratch, AT_GPR(r->n));
}

static unsigned byte_field(const struct xreg *r, unsigned host, struct fields *f)
{
    if (!r->gpr || r->size != 1)
        return host;
    if (r->high)
        return f->low8 ? host : host + 4;
    f->rex |= host >= 4;
    return host;
}

static void prefixes(struct emit *e, const struct xinsn *x, const struct fields *f)
{
    unsigned rex = 0x40u | (unsigned)x->rexw << 3 | (f->reg & 8) >> 1 | (f->rm & 8) >> 3;

    if (x->lock)
        e1(e, 0xf0);
    if (x->osize && x->rep != 0x66)
        e1(e, 0x66);
    if (x->rep)
        e1(e, x->rep);
    if (rex != 0x40 || f->rex)
        e1(e, rex);
    if (x->map)
        e1(e, 0x0f);
    if (x->map == 2)
        e1(e, 0x38);
    if (x->map == 3)
        e1(e, 0x3a);
}

static void vex(struct emit *e, const struct xinsn *x, const struct fields *f)
{
    e1(e, 0xc4);
    e1(e, (f->reg & 8 ? 0 : 0x80u) | 0x40 | (f->rm & 8 ? 0 : 0x20u) | x->map);
    e1(e, x->vex_last | (~f->vvvv & 15) << 3);
}

static void write_insn(struct gen *g, const struct fields *f)
{
    const struct xinsn *x = g->x;
    struct emit *e = &g->e;

    if (x->vex)
        vex(e, x, f);
    else
        prefixes(e, x, f);
    e1(e, x->opcode);
    if (x->has_modrm && f->mem)
        emit_modrm_mem(e, f->reg, T0, g->mem_at);
    else if (x->has_modrm)
        e1(e, 0xc0u | (f->reg & 7) << 3 | (f->rm & 7));
    eb(e, x->bytes + x->imm_at, x->imm_len);
}

static void swap_high(struct gen *g, const struct xinsn *x)
{
    unsigned n = x->reg.n & 3;

    eb(&g->e, (const u8[]){0x86, (u8)(0xc0 | n << 3 | (n + 4))}, 2);
}

/* One scratch register serves both operands of the same name, unless `vvvv` comes between. */
static bool shares_scratch(const struct xinsn *x)
{
    return !x->has_mem && x->reg.n != NO_REG && x->reg.n == x->rm.n && x->reg.gpr && x->rm.gpr &&
           !x->reg.high && !x->rm.high && !is_spilled(&x->vvvv);
}

/* The scratch register of operand `rm`. T0 only if the others take T1: group.c. */
static unsigned rm_scratch(const struct xinsn *x)
{
    bool taken = is_spilled(&x->reg) || is_spilled(&x->vvvv);

    return taken && !shares_scratch(x) ? T0 : T1;
}

static struct fields place_operands(struct gen *g)
{
    const struct xinsn *x = g->x;
    bool same = shares_scratch(x);
    struct fields f = {.reg = x->modrm_reg, .rm = T0, .mem = x->has_mem};

    f.low8 = x->reg.high && x->has_mem;
    if (x->reg.n != NO_REG) {
        struct xreg r = x->reg;
        r.read |= same; /* one scratch register for both then */
        f.reg = byte_field(&x->reg, fetch(g, &r, T1), &f);
    }
    if (x->vvvv.n != NO_REG)
        f.vvvv = fetch(g, &x->vvvv, T1);
    if (!x->has_mem && x->rm.n != NO_REG)
        f.rm = byte_field(&x->rm, same && in_memory(x->rm.n) ? T1 : fetch(g, &x->rm, rm_scratch(x)),
                          &f);
    return f;
}

void gen_encoded(struct gen *g)
{
    const struct xinsn *x = g->x;
    struct fields f;

    if (x->kind == X_VEC)
        gen_units_ready(g);
    if (x->has_mem)
        gen_mem(g);
    gen_flags_for_insn(g);
    f = place_operands(g);
    if (f.low8)
        swap_high(g, x);
    write_insn(g, &f);
    if (f.low8)
        swap_high(g, x);
    put_back(g, &x->reg, T1);
    put_back(g, &x->vvvv, T1);
    if (!x->has_mem)
        put_back(g, &x->rm, rm_scratch(x));
    gen_flags_after_insn(g);
    gen_insn_done(g);
}
