/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's vector registers are those of the host while code that uses them runs; they are
 * loaded when a block first needs them, and saved before any C code does.
 */
#include "cpu/dbt/gen.h"

void gen_vec_ready(struct gen *g)
{
    struct stub *s;

    if (g->vec)
        return;
    gen_flags_clobber(g, flags_needed(g->x));
    emit_rm(&g->e, false, 0x80, 7, H_RSP, AT_NEAR(vec_live)); /* CMP byte, 0 */
    e1(&g->e, 0);
    s = gen_stub(g, STUB_VEC, emit_jcc_fwd(&g->e, CC_E));
    s->retry = g->e.at;
    g->vec = true;
}
