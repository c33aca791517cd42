/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU models by name, and `MODEL,+feature,-feature`. A switch that takes a feature away takes what
 * needs it along; one that adds a feature whose base is missing, or that the host's units cannot
 * execute, is an error. The 64-bit models are AMD family 0Fh model 6Bh, which kernels know as a
 * plain 64-bit CPU without the defects that later ones work around. The levels v2 and v3 are those
 * of the x86-64 psABI 1.0, with the system features that Domus offers at no cost.
 */
#include "cpu/models.h"

#include "x86/regs.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define LIST_END X86_ALWAYS

static const u16 features_486[] = {X86_FPU, X86_VME, X86_PSE, LIST_END};

static const u16 features_pentium3[] = {
    X86_FPU,   X86_VME,  X86_DE,   X86_PSE,  X86_TSC,        X86_MSR,  X86_PAE,  X86_MCE,
    X86_CX8,   X86_APIC, X86_SEP,  X86_MTRR, X86_PGE,        X86_MCA,  X86_CMOV, X86_PAT,
    X86_PSE36, X86_MMX,  X86_FXSR, X86_SSE,  X86_HYPERVISOR, LIST_END,
};

static const u16 features_qemu64[] = {
    X86_FPU,
    X86_VME,
    X86_DE,
    X86_PSE,
    X86_TSC,
    X86_MSR,
    X86_PAE,
    X86_MCE,
    X86_CX8,
    X86_APIC,
    X86_SEP,
    X86_MTRR,
    X86_PGE,
    X86_MCA,
    X86_CMOV,
    X86_PAT,
    X86_PSE36,
    X86_CLFSH,
    X86_MMX,
    X86_FXSR,
    X86_SSE,
    X86_SSE2,
    X86_SSE3,
    X86_CX16,
    X86_SYSCALL,
    X86_NX,
    X86_LM,
    X86_LAHF_LM,
    X86_X2APIC,
    X86_HYPERVISOR,
    X86_TSC_ADJUST,
    X86_ARAT,
    X86_TSC_DEADLINE,
    X86_INVARIANT_TSC,
    X86_TOPOEXT,
    X86_AUTOIBRS,
    X86_NULL_SEL_CLR_BASE,
    X86_XSAVEERPTR,
    LIST_END,
};

/* On top of qemu64. */
static const u16 features_v2[] = {
    X86_SSSE3,  X86_SSE4_1,    X86_SSE4_2,  X86_POPCNT, X86_PDPE1GB, X86_RDTSCP,  X86_FSGSBASE,
    X86_SMEP,   X86_PCID,      X86_INVPCID, X86_ERMS,   X86_FSRM,    X86_MONITOR, X86_RDRAND,
    X86_RDSEED, X86_PREFETCHW, X86_UMIP,    X86_SMAP,   LIST_END,
};

/* On top of v2. */
static const u16 features_v3[] = {
    X86_XSAVE,     X86_XSAVEOPT, X86_XSAVEC, X86_XGETBV1, X86_XSAVES, X86_AVX,        X86_AVX2,
    X86_BMI1,      X86_BMI2,     X86_F16C,   X86_FMA,     X86_LZCNT,  X86_MOVBE,      X86_AES,
    X86_PCLMULQDQ, X86_SHA,      X86_ADX,    X86_RDPID,   X86_CLWB,   X86_CLFLUSHOPT, LIST_END,
};

/* On top of v3: all that Domus implements. */
static const u16 features_max[] = {
    X86_LA57, X86_CLZERO, X86_WBNOINVD, X86_SSE4A, X86_MMXEXT, LIST_END,
};

/* Of no use to the models, but there for those who ask. */
static const u16 features_on_request[] = {X86_SPEC_CTRL, X86_ARCH_CAPABILITIES, LIST_END};

struct model_desc {
    const char *name, *vendor, *brand;
    u32 signature, max_leaf, max_ext_leaf;
    u8 phys_bits;          /* 40 reaches all RAM; OVMF runs out of memory for page tables with 48 */
    const u16 *lists[4];   /* NULL-terminated if fewer */
    bool drop_unsupported; /* leave out what the host cannot execute */
};

#define INTEL         "GenuineIntel"
#define AMD           "AuthenticAMD"
#define SIGNATURE_AMD 0x00060fb1u /* family 0Fh, model 6Bh, stepping 1 */

static const struct model_desc models[] = {
    {"486", INTEL, "", 0x480, 1, 0, 32, {features_486}, false},
    {"pentium3", INTEL, "", 0x683, 2, 0, 36, {features_pentium3}, false},
    {"qemu64",
     AMD,
     "Domus virtual CPU (qemu64)",
     SIGNATURE_AMD,
     0xd,
     0x80000021,
     40,
     {features_qemu64},
     false},
    {"x86-64-v2",
     AMD,
     "Domus virtual CPU (x86-64-v2)",
     SIGNATURE_AMD,
     0xd,
     0x80000021,
     40,
     {features_qemu64, features_v2},
     false},
    {"x86-64-v3",
     AMD,
     "Domus virtual CPU (x86-64-v3)",
     SIGNATURE_AMD,
     0xd,
     0x80000021,
     40,
     {features_qemu64, features_v2, features_v3},
     false},
    {"max",
     AMD,
     "Domus virtual CPU (max)",
     SIGNATURE_AMD,
     0xd,
     0x80000021,
     40,
     {features_qemu64, features_v2, features_v3, features_max},
     true},
};

/* Best first. */
static const char *const default_models[] = {"x86-64-v3", "x86-64-v2", "qemu64"};

static const u16 host_executed[] = {
    X86_FPU,    X86_MMX,    X86_FXSR,  X86_SSE,  X86_SSE2, X86_SSE3,      X86_SSSE3,
    X86_SSE4_1, X86_SSE4_2, X86_SSE4A, X86_AES,  X86_SHA,  X86_PCLMULQDQ, X86_MMXEXT,
    X86_AVX,    X86_AVX2,   X86_FMA,   X86_F16C, LIST_END,
};

/* Part of a model where the host has it, and not missed where it has not. */
static const u16 optional[] = {X86_SHA, X86_AES, X86_PCLMULQDQ, LIST_END};

static bool in_list(const u16 *list, enum x86_feature f)
{
    for (; *list != LIST_END; list++)
        if (*list == f)
            return true;
    return false;
}

static void set_bit_in(u32 words[CPUID_WORDS], enum x86_feature f, bool on)
{
    u32 bit = BIT(f % 32);

    words[f / 32] = on ? words[f / 32] | bit : words[f / 32] & ~bit;
}

bool cpu_feature_needs_host(enum x86_feature f)
{
    return in_list(host_executed, f);
}

/* XCR0 as the host's system has set it; the caller has seen OSXSAVE. */
static u64 host_xcr0(void)
{
    u32 lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (u64)hi << 32 | lo;
}

static bool host_saves_avx(const u32 words[CPUID_WORDS])
{
    return x86_feature_in(words, X86_OSXSAVE) &&
           (host_xcr0() & (XCR0_X87 | XCR0_SSE | XCR0_AVX)) == (XCR0_X87 | XCR0_SSE | XCR0_AVX);
}

void cpu_host_features(u32 words[CPUID_WORDS])
{
    static const u16 avx_units[] = {X86_AVX, X86_AVX2, X86_FMA, X86_F16C, LIST_END};
    u32 a, b, c, d;

    memset(words, 0, CPUID_WORDS * sizeof(words[0]));
    if (__get_cpuid_count(1, 0, &a, &b, &c, &d)) {
        words[CPUID_1_EDX] = d;
        words[CPUID_1_ECX] = c;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        words[CPUID_7_EBX] = b;
    if (__get_cpuid_count(0x80000001, 0, &a, &b, &c, &d)) {
        words[CPUID_8000_0001_EDX] = d;
        words[CPUID_8000_0001_ECX] = c;
    }
    if (x86_feature_in(words, X86_SSE)) /* SSE has AMD's MMX extensions in it */
        set_bit_in(words, X86_MMXEXT, true);
    for (const u16 *f = avx_units; !host_saves_avx(words) && *f != LIST_END; f++)
        set_bit_in(words, *f, false);
}

const char *cpu_model_name(size_t n)
{
    return n < ARRAY_SIZE(models) ? models[n].name : NULL;
}

static const struct model_desc *find_model(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(models); i++)
        if (strlen(models[i].name) == len && !strncmp(models[i].name, name, len))
            return &models[i];
    return NULL;
}

/* The first feature of the model that this host cannot execute and that is not optional. */
static enum x86_feature host_lacks(const u32 words[CPUID_WORDS], const u32 host[CPUID_WORDS])
{
    for (const u16 *f = host_executed; *f != LIST_END; f++)
        if (x86_feature_in(words, *f) && !x86_feature_in(host, *f) && !in_list(optional, *f))
            return *f;
    return X86_ALWAYS;
}

static void load_lists(u32 words[CPUID_WORDS], const struct model_desc *desc)
{
    memset(words, 0, CPUID_WORDS * sizeof(words[0]));
    for (size_t i = 0; i < ARRAY_SIZE(desc->lists) && desc->lists[i]; i++)
        for (const u16 *f = desc->lists[i]; *f != LIST_END; f++)
            set_bit_in(words, *f, true);
}

static const struct model_desc *default_model(const u32 host[CPUID_WORDS])
{
    const struct model_desc *desc = NULL;
    u32 words[CPUID_WORDS];

    for (size_t i = 0; i < ARRAY_SIZE(default_models); i++) {
        desc = find_model(default_models[i], strlen(default_models[i]));
        load_lists(words, desc);
        if (host_lacks(words, host) == X86_ALWAYS)
            break;
    }
    return desc;
}

static bool is_implemented(enum x86_feature f)
{
    const struct model_desc *all = &models[ARRAY_SIZE(models) - 1];

    for (size_t i = 0; i < ARRAY_SIZE(all->lists); i++)
        if (in_list(all->lists[i], f))
            return true;
    return in_list(features_on_request, f);
}

struct switches {
    const char *vendor; /* NULL: the model's own */
    u32 on[CPUID_WORDS], off[CPUID_WORDS];
};

/* vendor=…: the string of CPUID leaf 0, and with it which vendor's rules the CPU follows. */
static int parse_vendor(struct switches *sw, const char *value, size_t len, struct err *err)
{
    static const char *const vendors[] = {"GenuineIntel", "AuthenticAMD"};

    for (size_t n = 0; n < ARRAY_SIZE(vendors); n++)
        if (len == strlen(vendors[n]) && !strncmp(value, vendors[n], len)) {
            sw->vendor = vendors[n];
            return 0;
        }
    return err_set(err, EINVAL, "CPU vendor '%.*s' is neither GenuineIntel nor AuthenticAMD",
                   (int)len, value);
}

/* One `+name`, `-name`, `name=on` or `name=off`, or `vendor=…`. */
static int parse_switch(struct switches *sw, const char *text, size_t len, struct err *err)
{
    const char *name = text, *value = memchr(text, '=', len);
    size_t name_len = value ? (size_t)(value - text) : len;
    bool on = true;
    enum x86_feature f;

    if (value && name_len == 6 && !strncmp(name, "vendor", 6))
        return parse_vendor(sw, value + 1, len - name_len - 1, err);
    if (value) {
        size_t value_len = len - name_len - 1;
        on = value_len == 2 && !strncmp(value + 1, "on", 2);
        if (!on && !(value_len == 3 && !strncmp(value + 1, "off", 3)))
            return err_set(err, EINVAL, "CPU switch '%.*s': the value is 'on' or 'off'", (int)len,
                           text);
    } else if (*text == '+' || *text == '-') {
        on = *text == '+';
        name++;
        name_len--;
    } else {
        return err_set(err, EINVAL,
                       "CPU switch '%.*s' starts with neither '+' nor '-': write +%.*s to add the "
                       "feature, -%.*s to take it away",
                       (int)len, text, (int)len, text, (int)len, text);
    }
    f = x86_feature_by_name(name, name_len);
    if (f == X86_FEATURES)
        return err_set(err, EINVAL, "CPU feature '%.*s' is not one that Domus knows", (int)name_len,
                       name);
    if (!x86_feature_switchable(f))
        return err_set(err, EINVAL, "CPU feature '%s' is no switch: it follows from %s",
                       x86_feature_name(f),
                       f == X86_OSXSAVE ? "xsave and CR4" : "the number of CPUs");
    if (on && !is_implemented(f))
        return err_set(err, EINVAL, "CPU feature '%s' cannot be added: Domus does not implement it",
                       x86_feature_name(f));
    set_bit_in(sw->on, f, on);
    set_bit_in(sw->off, f, !on);
    return 0;
}

static int parse_switches(struct switches *sw, const char *text, struct err *err)
{
    memset(sw, 0, sizeof(*sw));
    while (*text == ',') {
        size_t len = strcspn(++text, ",");
        int rc;
        if (!len)
            return err_set(err, EINVAL, "empty CPU switch: write MODEL,+feature,-feature");
        rc = parse_switch(sw, text, len, err);
        if (rc)
            return rc;
        text += len;
    }
    return 0;
}

/* Host-executed features that the host lacks: refused if asked for, dropped where optional. */
static int fit_to_host(u32 words[CPUID_WORDS], const u32 asked[CPUID_WORDS],
                       const u32 host[CPUID_WORDS], const struct model_desc *desc, struct err *err)
{
    for (const u16 *f = host_executed; *f != LIST_END; f++) {
        if (!x86_feature_in(words, *f) || x86_feature_in(host, *f))
            continue;
        if (x86_feature_in(asked, *f))
            return err_set(err, EINVAL,
                           "CPU feature '%s' cannot be offered: this host's CPU cannot execute it; "
                           "leave out +%s",
                           x86_feature_name(*f), x86_feature_name(*f));
        if (!desc->drop_unsupported && !in_list(optional, *f))
            return err_set(
                err, EINVAL,
                "CPU model '%s' needs '%s', which this host's CPU cannot execute: choose "
                "a lower model or 'max', or take the feature away with -%s",
                desc->name, x86_feature_name(*f), x86_feature_name(*f));
        set_bit_in(words, *f, false);
    }
    return 0;
}

/* Drops what lost its base, until all have theirs; an error for what was asked for. */
static int settle(u32 words[CPUID_WORDS], const u32 asked[CPUID_WORDS], struct err *err)
{
    bool changed;

    do {
        changed = false;
        for (unsigned i = 0; i < X86_FEATURES; i++) {
            enum x86_feature f = (enum x86_feature)i, base;
            if (!x86_feature_in(words, f))
                continue;
            base = x86_feature_missing_base(words, f);
            if (base == X86_ALWAYS)
                continue;
            if (x86_feature_in(asked, f))
                return err_set(err, EINVAL,
                               "CPU feature '%s' needs '%s', which this CPU model lacks: add +%s, "
                               "or leave out +%s",
                               x86_feature_name(f), x86_feature_name(base), x86_feature_name(base),
                               x86_feature_name(f));
            set_bit_in(words, f, false);
            changed = true;
        }
    } while (changed);
    return 0;
}

static void raise_to(u32 *max, bool needed, u32 leaf)
{
    if (needed && *max < leaf)
        *max = leaf;
}

/* The leaves that added features live in, and the address sizes that follow from features. */
static void fill_rest(struct cpu_model *m, const struct model_desc *desc)
{
    const u32 *w = m->word;
    u32 base = m->max_ext_leaf ? m->max_ext_leaf : 0x80000000;

    raise_to(&m->max_leaf, w[CPUID_6_EAX] != 0, 6);
    raise_to(&m->max_leaf, w[CPUID_7_EBX] || w[CPUID_7_ECX] || w[CPUID_7_EDX], 7);
    raise_to(&m->max_leaf, cpu_model_has(m, X86_X2APIC), 0xb);
    raise_to(&m->max_leaf, cpu_model_has(m, X86_XSAVE), 0xd);
    raise_to(&base, w[CPUID_8000_0001_EDX] || w[CPUID_8000_0001_ECX], 0x80000001);
    raise_to(&base, w[CPUID_8000_0007_EDX] != 0, 0x80000007);
    raise_to(&base, w[CPUID_8000_0008_EBX] || cpu_model_has(m, X86_LM), 0x80000008);
    raise_to(&base, cpu_model_has(m, X86_TOPOEXT), 0x8000001e);
    raise_to(&base, w[CPUID_8000_0021_EAX] != 0, 0x80000021);
    m->max_ext_leaf = base == 0x80000000 ? 0 : base;

    m->phys_bits = desc->phys_bits;
    if (!cpu_model_has(m, X86_LM))
        m->phys_bits = cpu_model_has(m, X86_PAE) || cpu_model_has(m, X86_PSE36) ? 36 : 32;
    else if (m->phys_bits < 40)
        m->phys_bits = 40;
    m->virt_bits = cpu_model_has(m, X86_LA57) ? 57 : cpu_model_has(m, X86_LM) ? 48 : 32;
}

int cpu_model_parse_on(struct cpu_model *m, const char *text, const u32 host[CPUID_WORDS],
                       struct err *err)
{
    size_t len = text ? strcspn(text, ",") : 0;
    const struct model_desc *desc = len ? find_model(text, len) : default_model(host);
    struct switches sw;
    int rc;

    if (!desc)
        return err_set(err, EINVAL,
                       "CPU model '%.*s' is not one that Domus knows: choose 486, pentium3, "
                       "qemu64, x86-64-v2, x86-64-v3 or max",
                       (int)len, text);
    rc = parse_switches(&sw, text ? text + len : "", err);
    if (rc)
        return rc;
    memset(m, 0, sizeof(*m));
    strcpy(m->name, desc->name);
    strcpy(m->vendor, sw.vendor ? sw.vendor : desc->vendor);
    strcpy(m->brand, desc->brand);
    m->signature = desc->signature;
    m->max_leaf = desc->max_leaf;
    m->max_ext_leaf = desc->max_ext_leaf;
    load_lists(m->word, desc);
    for (unsigned i = 0; i < CPUID_WORDS; i++)
        m->word[i] = (m->word[i] | sw.on[i]) & ~sw.off[i];
    rc = settle(m->word, sw.on, err); /* what the switches imply, before the host is asked */
    if (!rc)
        rc = fit_to_host(m->word, sw.on, host, desc, err);
    if (!rc)
        rc = settle(m->word, sw.on, err);
    if (!rc)
        fill_rest(m, desc);
    return rc;
}

int cpu_model_parse(struct cpu_model *m, const char *text, struct err *err)
{
    u32 host[CPUID_WORDS];

    cpu_host_features(host);
    return cpu_model_parse_on(m, text, host, err);
}
