/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's vector registers are those of the host while code that uses them runs, and so are
 * those of the x87 unit; they are loaded when a block first needs them, and saved before any C code
 * does.
 */
#include "cpu/dbt/gen.h"

static void ready(struct gen *g, u8 unit)
{
    struct stub *s;

    if (g->units & unit)
        return;
    gen_flags_clobber(g, flags_needed(g->x));
    emit_rm(&g->e, false, 0xf6, 0, H_RSP, AT_NEAR(units_live)); /* TEST byte, imm */
    e1(&g->e, unit);
    s = gen_stub(g, STUB_UNITS, emit_jcc_fwd(&g->e, CC_E));
    s->missing = unit;
    s->retry = g->e.at;
    g->units |= unit;
}

void gen_units_ready(struct gen *g)
{
    if (g->x->sse & (VEC_SSE | VEC_AVX))
        ready(g, UNIT_VEC);
    if (g->x->sse & VEC_X87)
        ready(g, UNIT_X87);
}
