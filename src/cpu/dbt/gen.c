/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Third pass: host code for a block, straight into the cache. In front of it its ways out, where
 * its entries are led once it is void; far away what is out of line.
 *
 *   stale:      T0 = the block's number; to the lookup  (only if the block needs the flags)
 *   stale_env:  the same, with the flags in dbt_near
 *   entry_env:  flags from memory                       (as the first)
 *   entry:      …
 */
#include "cpu/dbt/gen.h"

static u32 way_out(struct gen *g, const struct tb *tb, u32 thunk)
{
    emit_nops(&g->e, (1 - g->e.at) & 3); /* for the branch's offset to be patched */
    emit_mov_imm(&g->e, T0, (u64)(tb - g->d->tb));
    emit_jmp(&g->e, thunk);
    return g->e.at - WAY_OUT_BYTES;
}

static void ways_out(struct gen *g, struct tb *tb)
{
    if (g->b->flags_in)
        tb->stale = way_out(g, tb, g->d->stale.host);
    tb->stale_env = way_out(g, tb, g->d->stale.env);
    if (!g->b->flags_in)
        tb->stale = tb->stale_env;
}

/* Entries are 2 bytes that are written at once; the first instruction is as long. */
static void entries(struct gen *g, struct tb *tb)
{
    const struct xinsn *first = &g->b->insn[0];

    emit_nops(&g->e, g->e.at & 1);
    tb->entry_env = g->e.at;
    if (g->b->flags_in) {
        gen_flags_restore(g, EFLAGS_ARITH);
        emit_nops(&g->e, g->e.at & 1);
    }
    tb->entry = g->e.at;
    BUG_ON(tb->entry + 2 - tb->stale > 128);
    while (first->kind == X_NOP && first + 1 < g->b->insn + g->b->n)
        first++;
    if (first->kind == X_PLAIN)
        emit_nops(&g->e, 2);
    g->flags = g->b->flags_in ? FLAGS_HOST : FLAGS_DEAD;
}

/* `n` up to 8 of the block's bytes, from `at` on. */
static u64 bytes_at(const struct xblock *b, unsigned at, unsigned n)
{
    u64 v = 0;

    for (const struct xinsn *x = b->insn; x < b->insn + b->n; x++)
        for (unsigned j = 0; j < x->len; j++) {
            unsigned pos = (unsigned)(x->off - b->off) + j - at;
            if (pos < n)
                v |= (u64)x->bytes[j] << (8 * pos);
        }
    return v;
}

static void compare(struct gen *g, unsigned at, unsigned n)
{
    static const struct {
        u8 size;
        bool w;
        u16 op;
    } how[] = {{8, true, 0x8b}, {4, false, 0x8b}, {2, false, 0x1b7}, {1, false, 0x1b6}};
    unsigned k = n >= 8 ? 0 : n >= 4 ? 1 : n >= 2 ? 2 : 3;
    struct emit *e = &g->e;
    struct stub *s;

    emit_mov_imm(e, T1, (uintptr_t)(g->b->host + g->b->off + at));
    emit_rm(e, how[k].w, how[k].op, T0, T1, 0);
    emit_mov_imm(e, T1, bytes_at(g->b, at, how[k].size));
    emit_rr(e, how[k].w, 0x3b, T0, T1);
    s = gen_stub(g, STUB_CHANGED, emit_jcc_fwd(e, CC_NE));
    s->target = g->b->off;
    if (n > how[k].size)
        compare(g, at + how[k].size, n - how[k].size);
}

/* Blocks of pages that mix code and data compare themselves with what is there now. */
static void check_bytes(struct gen *g)
{
    gen_flags_clobber(g, EFLAGS_ARITH);
    compare(g, 0, (unsigned)min_u64(g->b->end, PAGE_SIZE) - g->b->off);
}

static void compare_next(struct gen *g, unsigned at, unsigned n)
{
    unsigned first = PAGE_SIZE - g->b->off, size = n >= 4 ? 4 : n >= 2 ? 2 : 1;
    u32 want = (u32)bytes_at(g->b, first + at, size);

    if (size == 2)
        e1(&g->e, 0x66);
    emit_rm(&g->e, false, size == 1 ? 0x80 : 0x81, 7, T1, (s32)at); /* CMP, imm */
    eb(&g->e, &want, size);
    gen_stub(g, STUB_APART, emit_jcc_fwd(&g->e, CC_NE));
    if (n > size)
        compare_next(g, at + size, n - size);
}

/* The rest of the instruction must be in the page that comes next now. */
static void check_next(struct gen *g)
{
    unsigned rest = (unsigned)g->b->off + g->b->insn[0].len - PAGE_SIZE;

    gen_flags_clobber(g, EFLAGS_ARITH);
    gen_next_page(g);
    compare_next(g, 0, rest);
}

static void one(struct gen *g)
{
    switch (g->x->kind) {
    case X_OP:
    case X_OP_END:
        gen_op(g);
        break;
    case X_GEN:
    case X_VEC:
        gen_encoded(g);
        break;
    case X_NOP:
        break;
    case X_LEA:
    case X_MOV_IMM:
    case X_PLAIN:
    case X_BSWAP:
    case X_XCHG_ACC:
    case X_BIT_MEM:
    case X_DIV:
    case X_MOFFS:
    case X_MOV_SREG:
    case X_EFLAG:
    case X_STI:
    case X_SWAPGS:
    case X_RIGHTS:
        gen_integer(g);
        break;
    case X_STRING:
        gen_string(g);
        break;
    case X_X87:
    case X_FLDCW:
        gen_x87(g);
        break;
    default:
        gen_flow(g);
    }
}

void gen_op(struct gen *g)
{
    const struct xinsn *x = g->x;
    u32 need = flags_needed(x);
    const struct flag_thunks *t = x->kind == X_OP_END ? &g->d->op_end : &g->d->op;
    struct op_site site = {.off = x->off, .len = x->len, .units = g->units};

    site.flags = (u8)((need ? SITE_FLAGS_IN : 0) | (x->live ? SITE_FLAGS_OUT : 0));
    emit_call(&g->e, need ? gen_flags_thunk(t, (u8)g->flags) : t->env);
    if (x->constant)
        gen_stub(g, STUB_INSN, g->e.at);
    eb(&g->e, &site, sizeof(site));
    g->flags = x->live ? FLAGS_BOTH : FLAGS_DEAD; /* the helper leaves them in the host's too */
}

void gen_insns(struct gen *g, unsigned first, unsigned last, bool groups)
{
    for (unsigned n = first; n <= last; n++) {
        g->x = &g->b->insn[n];
        if (groups && !g->group.last)
            gen_group_begin(g, n);
        one(g);
        if (g->x == g->group.last)
            gen_group_end(g);
    }
}

void xlat_generate(struct dbt *d, struct xblock *b, struct tb *tb)
{
    struct gen g = {.e = {.rw = d->code.rw, .at = d->hot.used, .end = d->hot.end},
                    .d = d,
                    .b = b,
                    .row = KEY_ROW(b->key)};

    ways_out(&g, tb);
    entries(&g, tb);
    g.x = &b->insn[0];
    if (b->checked)
        check_bytes(&g);
    if (b->straddles)
        check_next(&g);
    gen_insns(&g, 0, b->n - 1, true);
    if (!g.x->end)
        gen_next(&g);
    BUG_ON(g.e.at > g.e.end);
    tb->end = g.e.at;
    d->hot.used = (u32)align_up(g.e.at, 16);
    g.e.at = d->cold.used;
    g.e.end = d->cold.end;
    gen_stubs(&g);
    BUG_ON(g.e.at > g.e.end);
    d->cold.used = g.e.at;
}
