/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a run, to compare with that of another one. */
#pragma once
#include "insn_check.h"

/* Pages that an input is likely to write to. */
static const u32 end_pages[] = {
    AT_CODE,
    AT_CODE0,
    AT_DATA,
    AT_STACK3 - PAGE_SIZE,
    AT_STACK0 - PAGE_SIZE,
    AT_ODD + 0x8000,
    AT_DATA16,
    AT_STACK_TSS - PAGE_SIZE,
    AT_CODE + PAGE_SIZE,
    AT_CODE0 + PAGE_SIZE,
    AT_DATA + PAGE_SIZE,
    AT_ODD - PAGE_SIZE,
    AT_ODD,
    AT_ODD + 0x1000,
    AT_ODD + 0x2000,
    AT_ODD + 0x3000,
    AT_ODD + 0x9000,
    AT_PT,
    AT_PAE_PT,
    AT_PAE_PT + PAGE_SIZE,
};

/* What two runs of an input must agree on. */
struct end {
    struct kept kept;
    struct fpu fpu;
    u64 rip, cr2, dr6, dr7;
    u8 activity, nmi_blocked;
    u8 ram[ARRAY_SIZE(end_pages)][PAGE_SIZE];
};

static void take_end(const struct guest *g, struct end *e)
{
    const struct vcpu *c = g->c;

    memset(e, 0, sizeof(*e));
    e->kept = keep(c);
    e->fpu = c->fpu;
    memset(e->fpu.header, 0, sizeof(e->fpu.header));
    e->rip = c->rip;
    e->cr2 = c->cr2;
    e->dr6 = c->dr6;
    e->dr7 = c->dr7;
    e->activity = c->activity;
    e->nmi_blocked = c->nmi_blocked;
    for (unsigned n = 0; n < ARRAY_SIZE(end_pages); n++)
        memcpy(e->ram[n], g->vm.mem->ram + end_pages[n], PAGE_SIZE);
}
