/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU features by name: each is one CPUID bit (leaf, subleaf, register, bit). The list is the only
 * place that knows the bits; CPU models, `--cpu` switches, instruction gates and control-register
 * checks all speak of enum x86_feature.
 */
#pragma once
#include "base/base.h"

enum cpuid_word { /* the words of CPUID in which features live */
                  CPUID_1_EDX,
                  CPUID_1_ECX,
                  CPUID_7_EBX,
                  CPUID_7_ECX,
                  CPUID_7_EDX,
                  CPUID_D1_EAX,
                  CPUID_8000_0001_EDX,
                  CPUID_8000_0001_ECX,
                  CPUID_8000_0007_EDX,
                  CPUID_8000_0008_EBX,
                  CPUID_6_EAX,
                  CPUID_8000_0021_EAX,
                  CPUID_WORDS
};

#define F(word, bit) ((word)*32 + (bit))
enum x86_feature {
    X86_FPU = F(CPUID_1_EDX, 0),
    X86_VME = F(CPUID_1_EDX, 1),
    X86_DE = F(CPUID_1_EDX, 2),
    X86_PSE = F(CPUID_1_EDX, 3),
    X86_TSC = F(CPUID_1_EDX, 4),
    X86_MSR = F(CPUID_1_EDX, 5),
    X86_PAE = F(CPUID_1_EDX, 6),
    X86_MCE = F(CPUID_1_EDX, 7),
    X86_CX8 = F(CPUID_1_EDX, 8),
    X86_APIC = F(CPUID_1_EDX, 9),
    X86_SEP = F(CPUID_1_EDX, 11),
    X86_MTRR = F(CPUID_1_EDX, 12),
    X86_PGE = F(CPUID_1_EDX, 13),
    X86_MCA = F(CPUID_1_EDX, 14),
    X86_CMOV = F(CPUID_1_EDX, 15),
    X86_PAT = F(CPUID_1_EDX, 16),
    X86_PSE36 = F(CPUID_1_EDX, 17),
    X86_CLFSH = F(CPUID_1_EDX, 19),
    X86_MMX = F(CPUID_1_EDX, 23),
    X86_FXSR = F(CPUID_1_EDX, 24),
    X86_SSE = F(CPUID_1_EDX, 25),
    X86_SSE2 = F(CPUID_1_EDX, 26),
    X86_HTT = F(CPUID_1_EDX, 28),
    X86_SSE3 = F(CPUID_1_ECX, 0),
    X86_PCLMULQDQ = F(CPUID_1_ECX, 1),
    X86_MONITOR = F(CPUID_1_ECX, 3),
    X86_SSSE3 = F(CPUID_1_ECX, 9),
    X86_FMA = F(CPUID_1_ECX, 12),
    X86_CX16 = F(CPUID_1_ECX, 13),
    X86_PCID = F(CPUID_1_ECX, 17),
    X86_SSE4_1 = F(CPUID_1_ECX, 19),
    X86_SSE4_2 = F(CPUID_1_ECX, 20),
    X86_X2APIC = F(CPUID_1_ECX, 21),
    X86_MOVBE = F(CPUID_1_ECX, 22),
    X86_POPCNT = F(CPUID_1_ECX, 23),
    X86_TSC_DEADLINE = F(CPUID_1_ECX, 24),
    X86_AES = F(CPUID_1_ECX, 25),
    X86_XSAVE = F(CPUID_1_ECX, 26),
    X86_OSXSAVE = F(CPUID_1_ECX, 27),
    X86_AVX = F(CPUID_1_ECX, 28),
    X86_F16C = F(CPUID_1_ECX, 29),
    X86_RDRAND = F(CPUID_1_ECX, 30),
    X86_HYPERVISOR = F(CPUID_1_ECX, 31),
    X86_FSGSBASE = F(CPUID_7_EBX, 0),
    X86_TSC_ADJUST = F(CPUID_7_EBX, 1),
    X86_BMI1 = F(CPUID_7_EBX, 3),
    X86_AVX2 = F(CPUID_7_EBX, 5),
    X86_SMEP = F(CPUID_7_EBX, 7),
    X86_BMI2 = F(CPUID_7_EBX, 8),
    X86_ERMS = F(CPUID_7_EBX, 9),
    X86_INVPCID = F(CPUID_7_EBX, 10),
    X86_RDSEED = F(CPUID_7_EBX, 18),
    X86_ADX = F(CPUID_7_EBX, 19),
    X86_SMAP = F(CPUID_7_EBX, 20),
    X86_CLFLUSHOPT = F(CPUID_7_EBX, 23),
    X86_CLWB = F(CPUID_7_EBX, 24),
    X86_SHA = F(CPUID_7_EBX, 29),
    X86_UMIP = F(CPUID_7_ECX, 2),
    X86_LA57 = F(CPUID_7_ECX, 16),
    X86_RDPID = F(CPUID_7_ECX, 22),
    X86_FSRM = F(CPUID_7_EDX, 4),
    X86_SPEC_CTRL = F(CPUID_7_EDX, 26),
    X86_ARCH_CAPABILITIES = F(CPUID_7_EDX, 29),
    X86_XSAVEOPT = F(CPUID_D1_EAX, 0),
    X86_XSAVEC = F(CPUID_D1_EAX, 1),
    X86_XGETBV1 = F(CPUID_D1_EAX, 2),
    X86_XSAVES = F(CPUID_D1_EAX, 3),
    X86_SYSCALL = F(CPUID_8000_0001_EDX, 11),
    X86_NX = F(CPUID_8000_0001_EDX, 20),
    X86_MMXEXT = F(CPUID_8000_0001_EDX, 22),
    X86_FFXSR = F(CPUID_8000_0001_EDX, 25),
    X86_PDPE1GB = F(CPUID_8000_0001_EDX, 26),
    X86_RDTSCP = F(CPUID_8000_0001_EDX, 27),
    X86_LM = F(CPUID_8000_0001_EDX, 29),
    X86_LAHF_LM = F(CPUID_8000_0001_ECX, 0),
    X86_CMP_LEGACY = F(CPUID_8000_0001_ECX, 1),
    X86_CR8_LEGACY = F(CPUID_8000_0001_ECX, 4),
    X86_LZCNT = F(CPUID_8000_0001_ECX, 5),
    X86_SSE4A = F(CPUID_8000_0001_ECX, 6),
    X86_PREFETCHW = F(CPUID_8000_0001_ECX, 8),
    X86_TOPOEXT = F(CPUID_8000_0001_ECX, 22),
    X86_INVARIANT_TSC = F(CPUID_8000_0007_EDX, 8),
    X86_CLZERO = F(CPUID_8000_0008_EBX, 0),
    X86_XSAVEERPTR =
        F(CPUID_8000_0008_EBX, 2), /* FXSAVE and XSAVE keep the error pointers always */
    X86_WBNOINVD = F(CPUID_8000_0008_EBX, 9),
    X86_ARAT = F(CPUID_6_EAX, 2),
    X86_NULL_SEL_CLR_BASE = F(CPUID_8000_0021_EAX, 6),
    X86_AUTOIBRS = F(CPUID_8000_0021_EAX, 8),
    X86_FEATURES = CPUID_WORDS * 32,
    X86_ALWAYS = X86_FEATURES, /* instruction gates: no feature needed */
};
#undef F

/* The feature of a name as Linux or QEMU spells it (case, '.', '-' and '_' do not matter);
   X86_FEATURES if there is none. `len` is the length of the name. */
enum x86_feature x86_feature_by_name(const char *name, size_t len);
/* The usual name; NULL for bits that mean no feature of Domus. */
const char *x86_feature_name(enum x86_feature f);
/* True if f has a name and is a switch: others follow from CR4 or from the number of CPUs. */
bool x86_feature_switchable(enum x86_feature f);

static inline bool x86_feature_in(const u32 words[CPUID_WORDS], enum x86_feature f)
{
    return words[f / 32] >> (f % 32) & 1;
}

/* The first feature that `f` needs and that `words` lacks; X86_ALWAYS if it has all it needs. */
enum x86_feature x86_feature_missing_base(const u32 words[CPUID_WORDS], enum x86_feature f);
