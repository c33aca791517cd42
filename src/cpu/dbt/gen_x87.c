/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 instructions run on the host's unit with the guest's own control word, as long as that masks
 * all exceptions (KEY_X87). FIP, FOP, FDP and the selectors are recorded in struct fpu, where the
 * guest finds those of its own instructions.
 */
#include "cpu/dbt/gen.h"
#include "cpu/simd/op.h"

#include <Zydis/Zydis.h>

static bool records(const struct xinsn *x)
{
    return x->kind == X_X87 && x->mnemonic != ZYDIS_MNEMONIC_FNSTCW &&
           x->mnemonic != ZYDIS_MNEMONIC_FNSTSW && x->mnemonic != ZYDIS_MNEMONIC_FNCLEX;
}

/* The next instruction records its own before anybody can look. */
static bool is_overwritten(const struct gen *g)
{
    const struct xinsn *next = g->x + 1;

    return next < g->b->insn + g->b->n && records(next) && !next->has_mem;
}

static void store_word(struct gen *g, s32 at)
{
    e1(&g->e, 0x66);
    env_store(g, false, T1, at);
}

static void record_selector(struct gen *g, u8 seg, s32 at)
{
    load_selector(g, T1, seg);
    store_word(g, at);
}

static void record(struct gen *g)
{
    const struct xinsn *x = g->x;

    if (!is_overwritten(g)) {
        load_va(g, T1, x->off);
        env_store(g, true, T1, AT(fpu.fip));
        emit_mov_imm(&g->e, T1, (x->opcode & 7u) << 8 | (u8)x->imm);
        store_word(g, AT(fpu.fop));
        record_selector(g, SEG_CS, AT(fpu.fcs));
    }
    if (x->has_mem) {
        env_load(g, true, T1, AT_ENV(x87_ea));
        env_store(g, true, T1, AT(fpu.fdp));
        record_selector(g, x->mem.seg, AT(fpu.fds));
    }
}

/* Its offset in the segment. */
static void keep_address(struct gen *g)
{
    struct xmem m = g->x->mem;

    m.seg = SEG_DS;
    gen_ea(g, &m, (s32)(g->x->off + g->x->len + m.disp));
    env_store(g, true, T0, AT_ENV(x87_ea));
}

/* A control word that unmasks an exception is for the interpreter. */
static void check_masks(struct gen *g)
{
    struct emit *e = &g->e;

    gen_flags_clobber(g, flags_needed(g->x));
    emit_rm(e, false, 0x1b7, T1, T0, g->mem_at);                    /* MOVZX */
    eb(e, (const u8[]){0x41, 0xf7, 0xc0 | 2 << 3 | (T1 & 7)}, 3);   /* NOT */
    eb(e, (const u8[]){0x41, 0xf6, 0xc0 | (T1 & 7), FCW_MASKS}, 4); /* TEST, imm */
    gen_leave_if(g, CC_NE);
}

void gen_x87(struct gen *g)
{
    const struct xinsn *x = g->x;
    struct emit *e = &g->e;

    gen_units_ready(g);
    if (x->has_mem && records(x))
        keep_address(g);
    if (x->has_mem)
        gen_mem(g);
    if (x->kind == X_FLDCW)
        check_masks(g);
    gen_flags_for_insn(g);
    if (records(x))
        record(g);
    if (x->has_mem) {
        e1(e, 0x41); /* REX.B, for T0 */
        e1(e, x->opcode);
        emit_modrm_mem(e, x->modrm_reg, T0, g->mem_at);
    } else {
        e1(e, x->opcode);
        e1(e, (u8)x->imm);
    }
    gen_flags_after_insn(g);
    gen_insn_done(g);
}
