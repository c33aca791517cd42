/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B. */
#include "cpu/excp.h"
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"

/* XCHG with memory is locked with and without the prefix. */
void op_xchg(struct vcpu *c, const struct insn *i)
{
    u64 old = reg_get(c, i->r, i->size);

    if (i->flags & INSN_MEM) {
        reg_set(c, i->r, i->size, mem_exchange(c, i, old));
    } else {
        reg_set(c, i->r, i->size, reg_get(c, i->m, i->size));
        reg_set(c, i->m, i->size, old);
    }
}

struct xadd {
    u64 addend, old;
};

static u64 rmw_xadd(struct flags *f, u64 old, u64 arg, unsigned size)
{
    struct xadd *x = (struct xadd *)(uintptr_t)arg;

    x->old = old;
    return op_add(f, old & size_mask(size), x->addend, size);
}

void op_xadd(struct vcpu *c, const struct insn *i)
{
    u8 src = i->flags & INSN_MEM ? i->r : i->m;
    struct xadd x = {.addend = reg_get(c, src, i->size)};

    if (i->flags & INSN_MEM) {
        rm_modify(c, i, i->size, (uintptr_t)&x, rmw_xadd);
        reg_set(c, src, i->size, x.old);
    } else { /* if both are one register, the sum stays */
        u64 sum = rmw_xadd(&c->lf, reg_get(c, i->r, i->size), (uintptr_t)&x, i->size);
        reg_set(c, src, i->size, x.old);
        reg_set(c, i->r, i->size, sum);
    }
}

/* The memory form always writes: the old value if the comparison fails. */
static bool cmpxchg_mem(struct vcpu *c, const struct insn *i, u64 *old, u64 new)
{
    unsigned how = insn_how(c, i), size = i->size;
    gva_t va = insn_linear(c, i, size, true);
    u64 expect = *old;
    bool equal;

    if (i->flags & INSN_LOCK)
        return lin_cmpxchg(c, va, size, old, new, how);
    lin_probe_write(c, va, size, how);
    *old = lin_read(c, va, size, how);
    equal = *old == expect;
    lin_write(c, va, size, equal ? new : *old, how);
    return equal;
}

void op_cmpxchg(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->size;
    u64 acc = reg_get(c, RAX * 8, size), old = acc;
    bool equal;

    if (i->flags & INSN_MEM) {
        equal = cmpxchg_mem(c, i, &old, reg_get(c, i->r, size));
    } else {
        old = reg_get(c, i->r, size);
        equal = old == acc;
        if (equal)
            reg_set(c, i->r, size, reg_get(c, i->m, size));
    }
    op_sub(&c->lf, acc, old, size);
    if (!equal)
        reg_set(c, RAX * 8, size, old);
}

static void put_zf(struct vcpu *c, bool zf)
{
    flags_set(&c->lf, (flags_get(&c->lf) & ~(u32)EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0));
}

void op_cmpxchg8b(struct vcpu *c, const struct insn *i)
{
    u64 old = (u64)(u32)c->gpr[RDX] << 32 | (u32)c->gpr[RAX];
    u64 new = (u64)(u32)c->gpr[RCX] << 32 | (u32)c->gpr[RBX];
    gva_t va = insn_linear(c, i, 8, true);
    bool equal = lin_cmpxchg(c, va, 8, &old, new, insn_how(c, i));

    if (!equal) {
        c->gpr[RAX] = (u32)old;
        c->gpr[RDX] = old >> 32;
    }
    put_zf(c, equal);
}

void op_cmpxchg16b(struct vcpu *c, const struct insn *i)
{
    u64 old[2] = {c->gpr[RAX], c->gpr[RDX]};
    u64 new[2] = {c->gpr[RBX], c->gpr[RCX]};
    gva_t va = insn_linear(c, i, 16, true);
    bool equal;

    if (va & 15)
        cpu_raise_gp0(c);
    equal = lin_cmpxchg16(c, va, old, new, insn_how(c, i));
    if (!equal) {
        c->gpr[RAX] = old[0];
        c->gpr[RDX] = old[1];
    }
    put_zf(c, equal);
}
