/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instructions belong to this unit, and which CPUID features they need: one table, by the
 * instruction sets that Zydis sorts them into. AVX-512, XOP, FMA4, 3DNow!, VAES on 256 bits, GFNI
 * and AVX-VNNI are not offered by any CPU model and so are #UD.
 */
#include "cpu/simd/op.h"

static const struct {
    u16 set;
    u16 feature[2];
} gates[] = {
    {ZYDIS_ISA_SET_X87, {X86_FPU, X86_ALWAYS}},
    {ZYDIS_ISA_SET_FCMOV, {X86_FPU, X86_CMOV}},
    {ZYDIS_ISA_SET_PPRO, {X86_FPU, X86_CMOV}}, /* FCOMI and its kin */
    {ZYDIS_ISA_SET_SSE3X87, {X86_FPU, X86_SSE3}},
    {ZYDIS_ISA_SET_PENTIUMMMX, {X86_MMX, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSE, {X86_SSE, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSEMXCSR, {X86_SSE, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSE2, {X86_SSE2, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSE2MMX, {X86_SSE2, X86_MMX}},
    {ZYDIS_ISA_SET_SSE3, {X86_SSE3, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSSE3, {X86_SSSE3, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSSE3MMX, {X86_SSSE3, X86_MMX}},
    {ZYDIS_ISA_SET_SSE4, {X86_SSE4_1, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSE42, {X86_SSE4_2, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SSE4A, {X86_SSE4A, X86_ALWAYS}},
    {ZYDIS_ISA_SET_AES, {X86_AES, X86_ALWAYS}},
    {ZYDIS_ISA_SET_PCLMULQDQ, {X86_PCLMULQDQ, X86_ALWAYS}},
    {ZYDIS_ISA_SET_SHA, {X86_SHA, X86_ALWAYS}},
    {ZYDIS_ISA_SET_AVX, {X86_AVX, X86_ALWAYS}},
    {ZYDIS_ISA_SET_AVX2, {X86_AVX, X86_AVX2}},
    {ZYDIS_ISA_SET_AVX2GATHER, {X86_AVX, X86_AVX2}},
    {ZYDIS_ISA_SET_AVXAES, {X86_AVX, X86_AES}},
    {ZYDIS_ISA_SET_FMA, {X86_AVX, X86_FMA}},
    {ZYDIS_ISA_SET_F16C, {X86_AVX, X86_F16C}},
    {ZYDIS_ISA_SET_FXSAVE, {X86_FXSR, X86_ALWAYS}},
    {ZYDIS_ISA_SET_FXSAVE64, {X86_FXSR, X86_ALWAYS}},
    {ZYDIS_ISA_SET_XSAVE, {X86_XSAVE, X86_ALWAYS}},
    {ZYDIS_ISA_SET_XSAVEOPT, {X86_XSAVE, X86_XSAVEOPT}},
    {ZYDIS_ISA_SET_XSAVEC, {X86_XSAVE, X86_XSAVEC}},
    {ZYDIS_ISA_SET_XSAVES, {X86_XSAVE, X86_XSAVES}},
};

/* Instructions of those sets that work on general registers or are hints: the integer unit's. */
static bool is_integer(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_POPCNT:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MWAIT:
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_XSETBV:
        return true;
    default:
        return false;
    }
}

static const u16 *features_of(const ZydisDecodedInstruction *zi)
{
    if (zi->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
        zi->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
        return NULL;
    if (is_integer(zi->mnemonic) || zi->meta.isa_ext == ZYDIS_ISA_EXT_BASE)
        return NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(gates); i++)
        if (gates[i].set == zi->meta.isa_set)
            return gates[i].feature;
    return NULL;
}

/* MMX instructions that came with SSE, and before it as AMD's extensions to MMX. */
static bool is_mmx_extension(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MOVNTQ:
    case ZYDIS_MNEMONIC_PAVGB:
    case ZYDIS_MNEMONIC_PAVGW:
    case ZYDIS_MNEMONIC_PEXTRW:
    case ZYDIS_MNEMONIC_PINSRW:
    case ZYDIS_MNEMONIC_PMAXSW:
    case ZYDIS_MNEMONIC_PMAXUB:
    case ZYDIS_MNEMONIC_PMINSW:
    case ZYDIS_MNEMONIC_PMINUB:
    case ZYDIS_MNEMONIC_PMOVMSKB:
    case ZYDIS_MNEMONIC_PMULHUW:
    case ZYDIS_MNEMONIC_PSADBW:
    case ZYDIS_MNEMONIC_PSHUFW:
        break;
    default:
        return false;
    }
    for (unsigned i = 0; i < zi->operand_count_visible; i++)
        if (zo[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(zo[i].reg.value) == ZYDIS_REGCLASS_MMX)
            return true;
    return false;
}

bool simd_gate_open(const struct vcpu *c, const ZydisDecodedInstruction *zi,
                    const ZydisDecodedOperand *zo)
{
    const u16 *f = features_of(zi);

    if (!f)
        return false;
    if (is_mmx_extension(zi, zo))
        return vcpu_has(c, X86_SSE) || vcpu_has(c, X86_MMXEXT);
    if (zi->mnemonic == ZYDIS_MNEMONIC_VPCLMULQDQ && !vcpu_has(c, X86_PCLMULQDQ))
        return false;
    return vcpu_has(c, f[0]) && vcpu_has(c, f[1]);
}
