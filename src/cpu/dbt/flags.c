/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's arithmetic flags between the host's and dbt_env.flags. POPF would do the second way
   in one instruction, and take as long as twenty others. */
#include "cpu/dbt/gen.h"

void gen_flags_save(struct gen *g)
{
    struct emit *e = &g->e;

    emit_rr(e, true, OP_MOV_STORE, H_RAX, T1);
    eb(e, (const u8[]){0x9f, 0x0f, 0x90, 0xc0, 0x66}, 5); /* LAHF; SETO AL; 16 bits: */
    env_store(g, false, H_RAX, AT_ENV(flags));
    emit_rr(e, true, OP_MOV_STORE, T1, H_RAX);
    g->flags = FLAGS_BOTH;
}

void gen_flags_restore(struct gen *g)
{
    struct emit *e = &g->e;

    emit_rr(e, true, OP_MOV_STORE, H_RAX, T1);
    emit_rm(e, false, 0x1b7, H_RAX, H_RSP, AT_ENV(flags)); /* MOVZX */
    eb(e, (const u8[]){0x04, 0x7f, 0x9e}, 3);              /* ADD AL, 7Fh: OF; SAHF */
    emit_rr(e, true, OP_MOV_STORE, T1, H_RAX);
    g->flags = FLAGS_BOTH;
}

void gen_flags_clobber(struct gen *g, u32 need)
{
    if (!need) {
        g->flags = FLAGS_DEAD;
        return;
    }
    if (g->flags == FLAGS_HOST)
        gen_flags_save(g);
    if (g->flags == FLAGS_BOTH)
        g->flags = FLAGS_ENV;
}

void gen_flags_for_insn(struct gen *g)
{
    const struct xinsn *x = g->x;
    u32 keep = x->fl_write ? x->live & ~x->fl_kill : 0;

    if ((x->fl_read | keep) && g->flags == FLAGS_ENV)
        gen_flags_restore(g);
}

void gen_flags_after_insn(struct gen *g)
{
    const struct xinsn *x = g->x;

    if (x->fl_write)
        g->flags = FLAGS_HOST;
    if (!x->live)
        g->flags = FLAGS_DEAD;
}
