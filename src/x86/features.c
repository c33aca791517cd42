/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of CPU features, and which feature needs which other one: SDM 1 chapters 5 and 13
 * (XSAVE), SDM 3A 2.5 (control-register bits), APM 3 appendix D. The first name of a feature is
 * the one Linux shows in /proc/cpuinfo; the second is QEMU's or the manuals' where they differ.
 */
#include "x86/features.h"

#include <ctype.h>
#include <string.h>

static const struct {
    enum x86_feature f;
    const char *name, *alias;
} names[] = {
    {X86_FPU, "fpu", NULL},
    {X86_VME, "vme", NULL},
    {X86_DE, "de", NULL},
    {X86_PSE, "pse", NULL},
    {X86_TSC, "tsc", NULL},
    {X86_MSR, "msr", NULL},
    {X86_PAE, "pae", NULL},
    {X86_MCE, "mce", NULL},
    {X86_CX8, "cx8", "cmpxchg8b"},
    {X86_APIC, "apic", NULL},
    {X86_SEP, "sep", "sysenter"},
    {X86_MTRR, "mtrr", NULL},
    {X86_PGE, "pge", NULL},
    {X86_MCA, "mca", NULL},
    {X86_CMOV, "cmov", NULL},
    {X86_PAT, "pat", NULL},
    {X86_PSE36, "pse36", NULL},
    {X86_CLFSH, "clflush", "clfsh"},
    {X86_MMX, "mmx", NULL},
    {X86_FXSR, "fxsr", NULL},
    {X86_SSE, "sse", NULL},
    {X86_SSE2, "sse2", NULL},
    {X86_HTT, "ht", "htt"},
    {X86_SSE3, "sse3", "pni"},
    {X86_PCLMULQDQ, "pclmulqdq", "pclmul"},
    {X86_MONITOR, "monitor", NULL},
    {X86_SSSE3, "ssse3", NULL},
    {X86_FMA, "fma", NULL},
    {X86_CX16, "cx16", "cmpxchg16b"},
    {X86_PCID, "pcid", NULL},
    {X86_SSE4_1, "sse4_1", "sse41"},
    {X86_SSE4_2, "sse4_2", "sse42"},
    {X86_X2APIC, "x2apic", NULL},
    {X86_MOVBE, "movbe", NULL},
    {X86_POPCNT, "popcnt", NULL},
    {X86_TSC_DEADLINE, "tsc_deadline_timer", "tsc_deadline"},
    {X86_AES, "aes", "aesni"},
    {X86_XSAVE, "xsave", NULL},
    {X86_OSXSAVE, "osxsave", NULL},
    {X86_AVX, "avx", NULL},
    {X86_F16C, "f16c", NULL},
    {X86_RDRAND, "rdrand", NULL},
    {X86_HYPERVISOR, "hypervisor", NULL},
    {X86_FSGSBASE, "fsgsbase", NULL},
    {X86_TSC_ADJUST, "tsc_adjust", NULL},
    {X86_BMI1, "bmi1", NULL},
    {X86_AVX2, "avx2", NULL},
    {X86_SMEP, "smep", NULL},
    {X86_BMI2, "bmi2", NULL},
    {X86_ERMS, "erms", NULL},
    {X86_INVPCID, "invpcid", NULL},
    {X86_RDSEED, "rdseed", NULL},
    {X86_ADX, "adx", NULL},
    {X86_SMAP, "smap", NULL},
    {X86_CLFLUSHOPT, "clflushopt", NULL},
    {X86_CLWB, "clwb", NULL},
    {X86_SHA, "sha_ni", "sha"},
    {X86_UMIP, "umip", NULL},
    {X86_LA57, "la57", NULL},
    {X86_RDPID, "rdpid", NULL},
    {X86_FSRM, "fsrm", NULL},
    {X86_SPEC_CTRL, "spec_ctrl", NULL},
    {X86_ARCH_CAPABILITIES, "arch_capabilities", NULL},
    {X86_XSAVEOPT, "xsaveopt", NULL},
    {X86_XSAVEC, "xsavec", NULL},
    {X86_XGETBV1, "xgetbv1", NULL},
    {X86_XSAVES, "xsaves", NULL},
    {X86_SYSCALL, "syscall", NULL},
    {X86_NX, "nx", "xd"},
    {X86_MMXEXT, "mmxext", NULL},
    {X86_FFXSR, "fxsr_opt", "ffxsr"},
    {X86_PDPE1GB, "pdpe1gb", NULL},
    {X86_RDTSCP, "rdtscp", NULL},
    {X86_LM, "lm", "i64"},
    {X86_LAHF_LM, "lahf_lm", NULL},
    {X86_CMP_LEGACY, "cmp_legacy", NULL},
    {X86_CR8_LEGACY, "cr8_legacy", "cr8legacy"},
    {X86_LZCNT, "abm", "lzcnt"},
    {X86_SSE4A, "sse4a", NULL},
    {X86_PREFETCHW, "3dnowprefetch", "prefetchw"},
    {X86_TOPOEXT, "topoext", NULL},
    {X86_INVARIANT_TSC, "invtsc", "nonstop_tsc"},
    {X86_CLZERO, "clzero", NULL},
    {X86_XSAVEERPTR, "xsaveerptr", NULL},
    {X86_WBNOINVD, "wbnoinvd", NULL},
    {X86_ARAT, "arat", NULL},
    {X86_NULL_SEL_CLR_BASE, "null_sel_clr_base", NULL},
    {X86_AUTOIBRS, "autoibrs", "auto_ibrs"},
};

static const struct {
    enum x86_feature f, base;
} needs[] = {
    {X86_PSE36, X86_PSE},        {X86_PCID, X86_LM},
    {X86_INVPCID, X86_PCID},     {X86_X2APIC, X86_APIC},
    {X86_X2APIC, X86_MSR},       {X86_TSC_DEADLINE, X86_APIC},
    {X86_TSC_DEADLINE, X86_TSC}, {X86_TSC_DEADLINE, X86_MSR},
    {X86_ARAT, X86_APIC},        {X86_TSC_ADJUST, X86_TSC},
    {X86_TSC_ADJUST, X86_MSR},   {X86_INVARIANT_TSC, X86_TSC},
    {X86_RDTSCP, X86_TSC},       {X86_RDTSCP, X86_MSR},
    {X86_RDPID, X86_MSR},        {X86_SEP, X86_MSR},
    {X86_MTRR, X86_MSR},         {X86_PAT, X86_MSR},
    {X86_MCE, X86_MSR},          {X86_MCA, X86_MCE},
    {X86_MMX, X86_FPU},          {X86_FXSR, X86_FPU},
    {X86_FFXSR, X86_FXSR},       {X86_FFXSR, X86_LM},
    {X86_SSE, X86_FXSR},         {X86_SSE, X86_MMX},
    {X86_MMXEXT, X86_MMX},       {X86_SSE2, X86_SSE},
    {X86_SSE3, X86_SSE2},        {X86_SSSE3, X86_SSE3},
    {X86_SSE4_1, X86_SSSE3},     {X86_SSE4_2, X86_SSE4_1},
    {X86_SSE4A, X86_SSE3},       {X86_PCLMULQDQ, X86_SSE2},
    {X86_AES, X86_SSE2},         {X86_SHA, X86_SSSE3},
    {X86_CX16, X86_CX8},         {X86_CX16, X86_LM},
    {X86_XSAVE, X86_FXSR},       {X86_XSAVEOPT, X86_XSAVE},
    {X86_XSAVEC, X86_XSAVE},     {X86_XGETBV1, X86_XSAVE},
    {X86_XSAVES, X86_XSAVEC},    {X86_XSAVES, X86_MSR},
    {X86_AVX, X86_XSAVE},        {X86_AVX, X86_SSE4_2},
    {X86_AVX2, X86_AVX},         {X86_FMA, X86_AVX},
    {X86_F16C, X86_AVX},         {X86_FSGSBASE, X86_LM},
    {X86_NX, X86_PAE},           {X86_NX, X86_MSR},
    {X86_LM, X86_PAE},           {X86_LM, X86_PGE},
    {X86_LM, X86_CX8},           {X86_LM, X86_CMOV},
    {X86_LM, X86_SSE2},          {X86_LM, X86_SYSCALL},
    {X86_SYSCALL, X86_MSR},      {X86_PDPE1GB, X86_LM},
    {X86_LA57, X86_LM},          {X86_LAHF_LM, X86_LM},
    {X86_SPEC_CTRL, X86_MSR},    {X86_ARCH_CAPABILITIES, X86_MSR},
    {X86_AUTOIBRS, X86_LM},
};

/* Letters and digits in lower case; what separates words does not count. */
static size_t squeeze(char *to, size_t cap, const char *from, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < cap; i++)
        if (from[i] != '.' && from[i] != '_' && from[i] != '-')
            to[n++] = (char)tolower((unsigned char)from[i]);
    to[n] = 0;
    return n;
}

static bool same_name(const char *want, const char *name)
{
    char squeezed[32];

    if (!name)
        return false;
    squeeze(squeezed, sizeof(squeezed), name, strlen(name));
    return !strcmp(want, squeezed);
}

enum x86_feature x86_feature_by_name(const char *name, size_t len)
{
    char want[32];

    if (!len || len >= sizeof(want) || !squeeze(want, sizeof(want), name, len))
        return X86_FEATURES;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (same_name(want, names[i].name) || same_name(want, names[i].alias))
            return names[i].f;
    return X86_FEATURES;
}

const char *x86_feature_name(enum x86_feature f)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].f == f)
            return names[i].name;
    return NULL;
}

bool x86_feature_switchable(enum x86_feature f)
{
    return x86_feature_name(f) && f != X86_OSXSAVE && f != X86_HTT && f != X86_CMP_LEGACY;
}

enum x86_feature x86_feature_missing_base(const u32 words[CPUID_WORDS], enum x86_feature f)
{
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
        if (needs[i].f == f && !x86_feature_in(words, needs[i].base))
            return needs[i].base;
    return X86_ALWAYS;
}
