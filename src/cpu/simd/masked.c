/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector instructions that access memory element by element under a mask: gathers, VMASKMOV,
 * VPMASKMOV, MASKMOVQ, MASKMOVDQU. Elements that the mask leaves out are not accessed and do not
 * fault. A gather that faults has completed the elements below, and says so in its mask; a masked
 * store that faults has stored nothing.
 *
 * In struct insn: r the first, v the mask, m the third register; size the element's size, msize
 * the vector's; cond, of gathers, the size of an index.
 */
#include "base/le.h"
#include "cpu/simd/op.h"

/* The linear address of the bytes at `off` from the operand's start. */
static gva_t part_linear(struct vcpu *c, const struct insn *i, u64 off, unsigned size, bool write)
{
    u64 ea = insn_ea(c, i) + off;

    if (i->asize == 4)
        ea = (u32)ea;
    else if (i->asize == 2)
        ea = (u16)ea;
    if (i->flags & INSN_FLAT64)
        return ea;
    return seg_linear(c, i->seg, ea, size, write);
}

static void clear_above(struct vcpu *c, unsigned reg, unsigned size)
{
    memset(c->fpu.ymm[reg] + size, 0, 32 - size);
}

static bool selected(const struct vcpu *c, const struct insn *i, unsigned n)
{
    return c->fpu.ymm[i->v][(n + 1) * i->size - 1] & 0x80;
}

static void gather_element(struct vcpu *c, const struct insn *i, unsigned n)
{
    const u8 *idx = c->fpu.ymm[i->m] + n * i->cond;
    u64 index = i->cond == 4 ? (u64)(s32)le32(idx) : le64(idx);
    gva_t va = part_linear(c, i, index << i->scale, i->size, false);
    u64 val = lin_read(c, va, i->size, insn_how(c, i));

    memcpy(c->fpu.ymm[i->r] + n * i->size, &val, i->size);
    memset(c->fpu.ymm[i->v] + n * i->size, 0, i->size);
}

static void vgather(struct vcpu *c, const struct insn *i)
{
    unsigned widest = i->cond > i->size ? i->cond : i->size;
    unsigned elements = i->msize / widest;

    simd_check_vex(c);
    if (i->r == i->m || i->r == i->v || i->m == i->v)
        cpu_raise_ud(c);
    for (unsigned n = 0; n < elements; n++) /* what stays if one faults: whole mask elements */
        memset(c->fpu.ymm[i->v] + n * i->size, selected(c, i, n) ? 0xff : 0, i->size);
    for (unsigned n = 0; n < elements; n++)
        if (selected(c, i, n))
            gather_element(c, i, n);
    clear_above(c, i->r, elements * i->size);
    clear_above(c, i->v, 0);
}

static void vmaskmov_load(struct vcpu *c, const struct insn *i)
{
    u8 val[32] = {0};

    simd_check_vex(c);
    for (unsigned at = 0; at < i->msize; at += i->size) {
        u64 element;
        if (!selected(c, i, at / i->size))
            continue;
        element = lin_read(c, part_linear(c, i, at, i->size, false), i->size, insn_how(c, i));
        memcpy(val + at, &element, i->size);
    }
    memcpy(c->fpu.ymm[i->r], val, sizeof(val));
}

static void vmaskmov_store(struct vcpu *c, const struct insn *i)
{
    unsigned how = insn_how(c, i);
    gva_t va[8];
    u64 element;

    simd_check_vex(c);
    for (unsigned n = 0; n < i->msize / i->size; n++) {
        if (!selected(c, i, n))
            continue;
        va[n] = part_linear(c, i, n * i->size, i->size, true);
        lin_probe_write(c, va[n], i->size, how);
    }
    for (unsigned n = 0; n < i->msize / i->size; n++) {
        if (!selected(c, i, n))
            continue;
        element = 0;
        memcpy(&element, c->fpu.ymm[i->r] + n * i->size, i->size);
        lin_write(c, va[n], i->size, element, how);
    }
}

/* Stores the bytes of `src` whose mask byte has its top bit set. */
static void store_bytes(struct vcpu *c, const struct insn *i, const u8 *src, const u8 *mask)
{
    unsigned how = insn_how(c, i);
    gva_t va[16];

    for (unsigned n = 0; n < i->msize; n++) {
        if (!(mask[n] & 0x80))
            continue;
        va[n] = part_linear(c, i, n, 1, true);
        lin_probe_write(c, va[n], 1, how);
    }
    for (unsigned n = 0; n < i->msize; n++)
        if (mask[n] & 0x80)
            lin_st8(c, va[n], src[n], how);
}

static void maskmovdqu(struct vcpu *c, const struct insn *i)
{
    simd_check_sse(c);
    store_bytes(c, i, c->fpu.ymm[i->r], c->fpu.ymm[i->v]);
}

static void vmaskmovdqu(struct vcpu *c, const struct insn *i)
{
    simd_check_vex(c);
    store_bytes(c, i, c->fpu.ymm[i->r], c->fpu.ymm[i->v]);
}

static void maskmovq(struct vcpu *c, const struct insn *i)
{
    unsigned top = x87_top(&c->fpu);

    if (!mmx_ready(c))
        return;
    store_bytes(c, i, c->fpu.st[(i->r - top) & 7], c->fpu.st[(i->v - top) & 7]);
    mmx_enter(&c->fpu);
}

static u8 reg_id(const ZydisDecodedOperand *o)
{
    return (u8)ZydisRegisterGetId(o->reg.value);
}

/* MASKMOVQ and MASKMOVDQU write to [rDI], which is no operand that the decoder sees. */
static void set_implied_address(const ZydisDecodedInstruction *zi, struct insn *out)
{
    out->base = RDI * 8;
    out->asize = zi->address_width / 8;
    out->flags |= INSN_MEM;
    if (out->asize == 8 && out->seg != SEG_FS && out->seg != SEG_GS)
        out->flags |= INSN_FLAT64;
}

enum masked_kind { GATHER, MASK_MOVE, MASK_BYTES };

static const struct masked {
    u16 mnemonic;
    u8 kind, element, index; /* sizes in bytes */
    insn_fn *fn;
} table[] = {
    {ZYDIS_MNEMONIC_VGATHERDPS, GATHER, 4, 4, vgather},
    {ZYDIS_MNEMONIC_VGATHERDPD, GATHER, 8, 4, vgather},
    {ZYDIS_MNEMONIC_VGATHERQPS, GATHER, 4, 8, vgather},
    {ZYDIS_MNEMONIC_VGATHERQPD, GATHER, 8, 8, vgather},
    {ZYDIS_MNEMONIC_VPGATHERDD, GATHER, 4, 4, vgather},
    {ZYDIS_MNEMONIC_VPGATHERDQ, GATHER, 8, 4, vgather},
    {ZYDIS_MNEMONIC_VPGATHERQD, GATHER, 4, 8, vgather},
    {ZYDIS_MNEMONIC_VPGATHERQQ, GATHER, 8, 8, vgather},
    {ZYDIS_MNEMONIC_VMASKMOVPS, MASK_MOVE, 4, 0, vmaskmov_load},
    {ZYDIS_MNEMONIC_VMASKMOVPD, MASK_MOVE, 8, 0, vmaskmov_load},
    {ZYDIS_MNEMONIC_VPMASKMOVD, MASK_MOVE, 4, 0, vmaskmov_load},
    {ZYDIS_MNEMONIC_VPMASKMOVQ, MASK_MOVE, 8, 0, vmaskmov_load},
    {ZYDIS_MNEMONIC_MASKMOVQ, MASK_BYTES, 1, 0, maskmovq},
    {ZYDIS_MNEMONIC_MASKMOVDQU, MASK_BYTES, 1, 0, maskmovdqu},
    {ZYDIS_MNEMONIC_VMASKMOVDQU, MASK_BYTES, 1, 0, vmaskmovdqu},
};

static insn_fn *set_up(const struct masked *t, const ZydisDecodedInstruction *zi,
                       const ZydisDecodedOperand *zo, struct insn *out)
{
    const ZydisDecodedOperand *mem = simd_mem_operand(zi, zo);
    bool store = t->kind == MASK_MOVE && mem == &zo[0];

    out->size = t->element;
    out->cond = t->index;
    out->msize = (u8)(mem->size / 8);
    switch (t->kind) {
    case GATHER: /* register, VSIB, mask */
        out->msize = zi->raw.vex.L ? 32 : 16;
        out->r = reg_id(&zo[0]);
        out->m = (u8)ZydisRegisterGetId(mem->mem.index);
        out->v = reg_id(&zo[2]);
        break;
    case MASK_MOVE: /* register, mask, memory; or memory, mask, register */
        out->r = reg_id(&zo[store ? 2 : 0]);
        out->v = reg_id(&zo[1]);
        break;
    default: /* register, mask, hidden memory */
        set_implied_address(zi, out);
        out->r = reg_id(&zo[0]);
        out->v = reg_id(&zo[1]);
    }
    return store ? vmaskmov_store : t->fn;
}

insn_fn *simd_masked_fn(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                        struct insn *out)
{
    for (unsigned n = 0; n < ARRAY_SIZE(table); n++)
        if (table[n].mnemonic == zi->mnemonic)
            return set_up(&table[n], zi, zo, out);
    return NULL;
}
