/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's arithmetic flags between the host's and dbt_near.flags. POPF would do the second way
   in one instruction, and take as long as twenty others. */
#include "cpu/dbt/gen.h"

void gen_flags_save(struct gen *g, u32 need)
{
    struct emit *e = &g->e;

    if (!(need & ~(u32)EFLAGS_CF)) {
        emit_rm(e, false, 0x192, 0, H_RSP, AT_NEAR(flags) + 1); /* SETC, where LAHF has it */
    } else {
        emit_rr(e, true, OP_MOV_STORE, H_RAX, T1);
        e1(e, 0x9f); /* LAHF */
        if (need & EFLAGS_OF)
            eb(e, (const u8[]){0x0f, 0x90, 0xc0}, 3); /* SETO AL */
        e1(e, 0x66);
        env_store(g, false, H_RAX, AT_NEAR(flags));
        emit_rr(e, true, OP_MOV_STORE, T1, H_RAX);
    }
    g->flags = FLAGS_BOTH;
}

void gen_flags_restore(struct gen *g, u32 need)
{
    struct emit *e = &g->e;

    if (!(need & ~(u32)EFLAGS_CF)) {
        emit_rm(e, false, 0x1ba, 4, H_RSP, AT_NEAR(flags)); /* BT, imm */
        e1(e, 8);
    } else {
        emit_rr(e, true, OP_MOV_STORE, H_RAX, T1);
        emit_rm(e, false, 0x1b7, H_RAX, H_RSP, AT_NEAR(flags)); /* MOVZX */
        if (need & EFLAGS_OF)
            eb(e, (const u8[]){0x04, 0x7f}, 2); /* ADD AL, 7Fh */
        e1(e, 0x9e);                            /* SAHF */
        emit_rr(e, true, OP_MOV_STORE, T1, H_RAX);
    }
    g->flags = FLAGS_BOTH;
}

void gen_flags_clobber(struct gen *g, u32 need)
{
    if (!need) {
        g->flags = FLAGS_DEAD;
        return;
    }
    if (g->flags == FLAGS_HOST)
        gen_flags_save(g, need);
    if (g->flags == FLAGS_BOTH)
        g->flags = FLAGS_ENV;
}

void gen_flags_for_insn(struct gen *g)
{
    const struct xinsn *x = g->x;
    u32 keep = x->live & ~x->fl_kill;

    if ((x->fl_read | (x->fl_write ? keep : 0)) && g->flags == FLAGS_ENV)
        gen_flags_restore(g, x->fl_read | keep);
}

void gen_flags_after_insn(struct gen *g)
{
    const struct xinsn *x = g->x;

    if (x->fl_write)
        g->flags = FLAGS_HOST;
    if (!x->live)
        g->flags = FLAGS_DEAD;
}

u32 gen_flags_thunk(const struct flag_thunks *t, u8 flags)
{
    return flags == FLAGS_HOST ? t->host : t->env;
}
