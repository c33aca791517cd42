/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plain moves between vector registers, memory and general registers, and the zeroing idioms,
 * in C: they are the bulk of all vector instructions. Non-temporal moves are ordinary ones here, so
 * that they keep the order of other stores.
 *
 * In struct insn: r and m the vector registers' numbers, or the offset of a general register.
 */
#include "base/le.h"
#include "cpu/simd/op.h"

#define always_inline inline __attribute__((always_inline))

typedef u64 vec128 __attribute__((vector_size(16), aligned(1), may_alias));

static always_inline void check(struct vcpu *c, bool vex)
{
    if (vex)
        simd_check_vex(c);
    else
        simd_check_sse(c);
}

static always_inline void *reg(struct vcpu *c, unsigned n)
{
    return c->fpu.ymm[n];
}

static always_inline void clear(u8 *p, unsigned from, bool vex)
{
    const vec128 zero = {0, 0};

    if (from == 8)
        put_le64(p + 8, 0);
    if (vex && from <= 16)
        *(vec128 *)(void *)(p + 16) = zero;
}

/* Not always_inline: TSan would then take it for part of its callers. */
static inline no_tsan void copy(void *to, const void *from, unsigned size)
{
    *(vec128 *)to = *(const vec128 *)from;
    if (size == 32)
        ((vec128 *)to)[1] = ((const vec128 *)from)[1];
}

/* Loads of 16 and 32 bytes. */
static always_inline void load_vec(struct vcpu *c, const struct insn *i, bool vex, unsigned size,
                                   bool align)
{
    u8 buf[32], *p;
    gva_t va;

    check(c, vex);
    va = insn_linear(c, i, size, false);
    if (align && unlikely(va & (size - 1)))
        cpu_raise_gp0(c);
    p = lin_ptr_read(c, va, size, insn_how(c, i) & MMU_INDEX_MASK);
    if (unlikely(!p)) {
        lin_read_bytes(c, va, buf, size, insn_how(c, i));
        p = buf;
    }
    copy(reg(c, i->r), p, size);
    clear(reg(c, i->r), size, vex);
}

static always_inline void store_vec(struct vcpu *c, const struct insn *i, bool vex, unsigned size,
                                    bool align)
{
    gva_t va;
    u8 *p;

    check(c, vex);
    va = insn_linear(c, i, size, true);
    if (align && unlikely(va & (size - 1)))
        cpu_raise_gp0(c);
    p = lin_ptr_write(c, va, size, insn_how(c, i) & MMU_INDEX_MASK);
    if (likely(p != NULL))
        copy(p, reg(c, i->r), size);
    else
        lin_write_bytes(c, va, reg(c, i->r), size, insn_how(c, i));
}

static always_inline void copy_vec(struct vcpu *c, const struct insn *i, bool vex, unsigned size)
{
    check(c, vex);
    copy(reg(c, i->r), reg(c, i->m), size);
    clear(reg(c, i->r), size, vex);
}

static always_inline void set_low(struct vcpu *c, const struct insn *i, bool vex, u64 val)
{
    put_le64(reg(c, i->r), val);
    clear(reg(c, i->r), 8, vex);
}

/* Loads of 4 and 8 bytes, which clear the rest of the register. */
static always_inline void load_low(struct vcpu *c, const struct insn *i, bool vex, unsigned size)
{
    gva_t va;
    u64 val;

    check(c, vex);
    va = insn_linear(c, i, size, false);
    val = size == 4 ? lin_ld32(c, va, insn_how(c, i)) : lin_ld64(c, va, insn_how(c, i));
    set_low(c, i, vex, val);
}

static always_inline void store_low(struct vcpu *c, const struct insn *i, bool vex, unsigned size)
{
    gva_t va;

    check(c, vex);
    va = insn_linear(c, i, size, true);
    if (size == 4)
        lin_st32(c, va, le32(reg(c, i->r)), insn_how(c, i));
    else
        lin_st64(c, va, le64(reg(c, i->r)), insn_how(c, i));
}

/* MOVQ between vector registers. */
static always_inline void copy_low(struct vcpu *c, const struct insn *i, bool vex)
{
    check(c, vex);
    set_low(c, i, vex, le64(reg(c, i->m)));
}

static always_inline void from_gpr(struct vcpu *c, const struct insn *i, bool vex, unsigned size)
{
    check(c, vex);
    set_low(c, i, vex, size == 4 ? GPR32(c, i->m) : GPR64(c, i->m));
}

static always_inline void to_gpr(struct vcpu *c, const struct insn *i, bool vex, unsigned size)
{
    check(c, vex);
    GPR64(c, i->m) = size == 4 ? le32(reg(c, i->r)) : le64(reg(c, i->r));
}

static always_inline void zero_vec(struct vcpu *c, const struct insn *i, bool vex)
{
    check(c, vex);
    put_le64(reg(c, i->r), 0);
    clear(reg(c, i->r), 8, vex);
}

#define DEFINE(name, call)                                                                         \
    static void name(struct vcpu *c, const struct insn *i)                                         \
    {                                                                                              \
        call;                                                                                      \
    }
DEFINE(sse_load, load_vec(c, i, false, 16, false))
DEFINE(sse_load_aligned, load_vec(c, i, false, 16, true))
DEFINE(vex_load, load_vec(c, i, true, 16, false))
DEFINE(vex_load_aligned, load_vec(c, i, true, 16, true))
DEFINE(ymm_load, load_vec(c, i, true, 32, false))
DEFINE(ymm_load_aligned, load_vec(c, i, true, 32, true))
DEFINE(sse_store, store_vec(c, i, false, 16, false))
DEFINE(sse_store_aligned, store_vec(c, i, false, 16, true))
DEFINE(vex_store, store_vec(c, i, true, 16, false))
DEFINE(vex_store_aligned, store_vec(c, i, true, 16, true))
DEFINE(ymm_store, store_vec(c, i, true, 32, false))
DEFINE(ymm_store_aligned, store_vec(c, i, true, 32, true))
DEFINE(sse_copy, copy_vec(c, i, false, 16))
DEFINE(vex_copy, copy_vec(c, i, true, 16))
DEFINE(ymm_copy, copy_vec(c, i, true, 32))
DEFINE(sse_load4, load_low(c, i, false, 4))
DEFINE(vex_load4, load_low(c, i, true, 4))
DEFINE(sse_load8, load_low(c, i, false, 8))
DEFINE(vex_load8, load_low(c, i, true, 8))
DEFINE(sse_store4, store_low(c, i, false, 4))
DEFINE(vex_store4, store_low(c, i, true, 4))
DEFINE(sse_store8, store_low(c, i, false, 8))
DEFINE(vex_store8, store_low(c, i, true, 8))
DEFINE(sse_copy8, copy_low(c, i, false))
DEFINE(vex_copy8, copy_low(c, i, true))
DEFINE(sse_from_gpr4, from_gpr(c, i, false, 4))
DEFINE(vex_from_gpr4, from_gpr(c, i, true, 4))
DEFINE(sse_from_gpr8, from_gpr(c, i, false, 8))
DEFINE(vex_from_gpr8, from_gpr(c, i, true, 8))
DEFINE(sse_to_gpr4, to_gpr(c, i, false, 4))
DEFINE(vex_to_gpr4, to_gpr(c, i, true, 4))
DEFINE(sse_to_gpr8, to_gpr(c, i, false, 8))
DEFINE(vex_to_gpr8, to_gpr(c, i, true, 8))
DEFINE(sse_zero, zero_vec(c, i, false))
DEFINE(vex_zero, zero_vec(c, i, true))
#undef DEFINE

/* MOVNTI has nothing to do with vector state. */
static void movnti(struct vcpu *c, const struct insn *i)
{
    mem_set(c, i, i->size, reg_get(c, i->m, i->size));
}

static void movntq(struct vcpu *c, const struct insn *i)
{
    gva_t va;

    if (!mmx_ready(c))
        return;
    va = insn_linear(c, i, 8, true);
    lin_st64(c, va, le64(c->fpu.st[(i->r - x87_top(&c->fpu)) & 7]), insn_how(c, i));
    mmx_enter(&c->fpu);
}

enum { SSE, VEX, YMM, FORMS };

static insn_fn *const loads[2][FORMS] = {
    {sse_load, vex_load, ymm_load},
    {sse_load_aligned, vex_load_aligned, ymm_load_aligned},
};
static insn_fn *const stores[2][FORMS] = {
    {sse_store, vex_store, ymm_store},
    {sse_store_aligned, vex_store_aligned, ymm_store_aligned},
};
static insn_fn *const copies[FORMS] = {sse_copy, vex_copy, ymm_copy};
static insn_fn *const low_loads[2][2] = {{sse_load4, vex_load4}, {sse_load8, vex_load8}};
static insn_fn *const low_stores[2][2] = {{sse_store4, vex_store4}, {sse_store8, vex_store8}};
static insn_fn *const low_copies[2] = {sse_copy8, vex_copy8};
static insn_fn *const from_gprs[2][2] = {
    {sse_from_gpr4, vex_from_gpr4},
    {sse_from_gpr8, vex_from_gpr8},
};
static insn_fn *const to_gprs[2][2] = {{sse_to_gpr4, vex_to_gpr4}, {sse_to_gpr8, vex_to_gpr8}};
static insn_fn *const zeros[2] = {sse_zero, vex_zero};

enum operand { NOT_MOVED, MEM, GPR, VEC, MM };

static enum operand operand_kind(const ZydisDecodedOperand *o)
{
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return MEM;
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return NOT_MOVED;
    switch (ZydisRegisterGetClass(o->reg.value)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
        return VEC;
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return GPR;
    case ZYDIS_REGCLASS_MMX:
        return MM;
    default:
        return NOT_MOVED;
    }
}

static u8 id_of(const ZydisDecodedOperand *o)
{
    return (u8)ZydisRegisterGetId(o->reg.value);
}

static unsigned form_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *o)
{
    if (!simd_is_vex(zi))
        return SSE;
    return ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_YMM ? YMM : VEX;
}

/* MOVAPS and its like: all of a register. */
static insn_fn *whole_move(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                           struct insn *out, bool align)
{
    enum operand to = operand_kind(&zo[0]), from = operand_kind(&zo[1]);

    if (to == VEC && from == VEC) {
        out->r = id_of(&zo[0]);
        out->m = id_of(&zo[1]);
        return copies[form_of(zi, &zo[0])];
    }
    if (to == VEC && from == MEM) {
        out->r = id_of(&zo[0]);
        return loads[align][form_of(zi, &zo[0])];
    }
    if (to == MEM && from == VEC) {
        out->r = id_of(&zo[1]);
        return stores[align][form_of(zi, &zo[1])];
    }
    return NULL;
}

/* MOVD, MOVQ, and MOVSS and MOVSD with a memory operand. */
static insn_fn *low_move(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                         struct insn *out)
{
    enum operand to = operand_kind(&zo[0]), from = operand_kind(&zo[1]);
    bool vex = simd_is_vex(zi), wide;

    if (zi->operand_count_visible != 2)
        return NULL;
    wide = zo[to == MEM || to == GPR ? 0 : 1].size == 64;
    out->r = to == VEC ? id_of(&zo[0]) : from == VEC ? id_of(&zo[1]) : out->r;
    if (to == VEC && from == MEM)
        return low_loads[wide][vex];
    if (to == MEM && from == VEC)
        return low_stores[wide][vex];
    if (to == VEC && from == GPR) {
        out->m = (u8)(id_of(&zo[1]) * 8);
        return from_gprs[wide][vex];
    }
    if (to == GPR && from == VEC) {
        out->m = (u8)(id_of(&zo[0]) * 8);
        return to_gprs[wide][vex];
    }
    return NULL;
}

static insn_fn *low_register_move(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                                  struct insn *out)
{
    if (operand_kind(&zo[0]) != VEC || operand_kind(&zo[1]) != VEC)
        return low_move(zi, zo, out);
    out->r = id_of(&zo[0]);
    out->m = id_of(&zo[1]);
    return low_copies[simd_is_vex(zi)];
}

static insn_fn *zero_idiom(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                           struct insn *out)
{
    bool vex = simd_is_vex(zi);
    const ZydisDecodedOperand *a = &zo[vex ? 1 : 0], *b = &zo[vex ? 2 : 1];

    if (operand_kind(a) != VEC || operand_kind(b) != VEC || id_of(a) != id_of(b))
        return NULL;
    out->r = id_of(&zo[0]);
    return zeros[vex];
}

static insn_fn *other_move(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                           struct insn *out)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_MOVNTI:
        out->m = (u8)(id_of(&zo[1]) * 8);
        out->size = (u8)(zo[1].size / 8);
        return movnti;
    case ZYDIS_MNEMONIC_MOVNTQ:
        out->r = id_of(&zo[1]);
        return movntq;
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_VPXOR:
    case ZYDIS_MNEMONIC_VXORPD:
    case ZYDIS_MNEMONIC_VXORPS:
    case ZYDIS_MNEMONIC_XORPD:
    case ZYDIS_MNEMONIC_XORPS:
        return zero_idiom(zi, zo, out);
    default:
        return NULL;
    }
}

insn_fn *simd_move_fn(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                      struct insn *out)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_VLDDQU:
    case ZYDIS_MNEMONIC_VMOVDQU:
    case ZYDIS_MNEMONIC_VMOVUPD:
    case ZYDIS_MNEMONIC_VMOVUPS:
        return whole_move(zi, zo, out, false);
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVNTDQ:
    case ZYDIS_MNEMONIC_MOVNTDQA:
    case ZYDIS_MNEMONIC_MOVNTPD:
    case ZYDIS_MNEMONIC_MOVNTPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTPS:
        return whole_move(zi, zo, out, true);
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVNTSD:
    case ZYDIS_MNEMONIC_MOVNTSS:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVSS:
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VMOVSD:
    case ZYDIS_MNEMONIC_VMOVSS:
        return low_move(zi, zo, out);
    case ZYDIS_MNEMONIC_MOVQ:
    case ZYDIS_MNEMONIC_VMOVQ:
        return low_register_move(zi, zo, out);
    default:
        return other_move(zi, zo, out);
    }
}
