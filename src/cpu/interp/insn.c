/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operand access that is not on the fast path. */
#include "cpu/interp/insn.h"

#include "cpu/exclusive.h"

gva_t insn_linear_seg(struct vcpu *c, const struct insn *i, unsigned size, bool write)
{
    return seg_linear(c, i->seg, insn_ea(c, i), size, write);
}

void rm_modify(struct vcpu *c, const struct insn *i, unsigned size, u64 arg, rmw_fn *op)
{
    struct flags lf = c->lf;
    unsigned how;
    u64 old, new;
    gva_t va;

    if (!(i->flags & INSN_MEM)) {
        new = op(&lf, reg_get(c, i->r, size), arg, size);
        reg_set(c, i->r, size, new);
        c->lf = lf;
        return;
    }
    how = insn_how(c, i);
    va = insn_linear(c, i, size, true);
    if (!(i->flags & INSN_LOCK)) {
        lin_probe_write(c, va, size, how);
        old = lin_read(c, va, size, how);
        lin_write(c, va, size, op(&lf, old, arg, size), how);
    } else if (unlikely(lin_needs_exclusive(c, va, size, how))) {
        exclusive_begin(c);
        old = lin_read(c, va, size, how);
        lin_write(c, va, size, op(&lf, old, arg, size), how);
        exclusive_end(c);
    } else {
        old = 0; /* a wrong guess is corrected by the first exchange */
        do {
            lf = c->lf;
            new = op(&lf, old, arg, size);
        } while (!lin_cmpxchg(c, va, size, &old, new, how));
    }
    c->lf = lf;
}

u64 mem_exchange(struct vcpu *c, const struct insn *i, u64 new)
{
    unsigned how = insn_how(c, i), size = i->size;
    gva_t va = insn_linear(c, i, size, true);
    u64 old = 0;

    if (unlikely(lin_needs_exclusive(c, va, size, how))) {
        exclusive_begin(c);
        old = lin_read(c, va, size, how);
        lin_write(c, va, size, new, how);
        exclusive_end(c);
        return old;
    }
    while (!lin_cmpxchg(c, va, size, &old, new, how))
        ;
    return old;
}

bool cond_holds(const struct vcpu *c, unsigned cond)
{
    const struct flags *f = &c->lf;
    bool holds;

    switch (cond >> 1) {
    case 0:
        holds = flag_of(f);
        break;
    case 1:
        holds = flag_cf(f);
        break;
    case 2:
        holds = flag_zf(f);
        break;
    case 3:
        holds = flag_cf(f) || flag_zf(f);
        break;
    case 4:
        holds = flag_sf(f);
        break;
    case 5:
        holds = flag_pf(f);
        break;
    case 6:
        holds = flag_sf(f) != flag_of(f);
        break;
    default:
        holds = flag_zf(f) || flag_sf(f) != flag_of(f);
    }
    return holds != (cond & 1);
}
