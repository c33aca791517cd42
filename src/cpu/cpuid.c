/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CPUID answers: SDM 2A (CPUID), APM 3 appendix E, and the hypervisor leaves of KVM
 * (Documentation/virt/kvm/x86/cpuid.rst in Linux), with VMware's leaf for the frequencies.
 *
 * All CPUs are cores of one package with one thread each; APIC IDs count up from 0. Leaves past
 * the last one answer as the vendor's CPUs do. Bits that follow the state of the CPU (OSXSAVE,
 * APIC, MONITOR) are made here, all others come from the model. Own thread.
 */
#include "cpu/system.h"
#include "dev/lapic.h"

#include <string.h>

#define HYPERVISOR_BASE 0x40000000u
#define HYPERVISOR_MAX  0x40000010u
#define HYPERVISOR_END  0x400000ffu

#define KVM_FEATURE_CLOCKSOURCE        BIT(0)
#define KVM_FEATURE_NOP_IO_DELAY       BIT(1)
#define KVM_FEATURE_PV_SEND_IPI        BIT(11)
#define KVM_FEATURE_CLOCKSOURCE2       BIT(3)
#define KVM_FEATURE_CLOCKSOURCE_STABLE BIT(24)

/* Bits of leaf 1 EDX that AMD repeats in leaf 80000001h EDX. */
#define AMD_REPEATED_EDX 0x0183f3ffu

#define XSAVE_LEGACY_SIZE 576u /* FXSAVE area and XSAVE header */
#define XSAVE_AVX_SIZE    256u

#define MISC_ENABLE_MONITOR     BIT(18)
#define MISC_ENABLE_LIMIT_CPUID BIT(22)

typedef void cpuid_fn(struct vcpu *c, u32 subleaf, struct cpuid_regs *r);

struct cache {
    u8 type;  /* 1 data, 2 instructions, 3 both */
    u8 level; /* 1, 2, 3 */
    u16 line, ways;
    u32 sets;
    bool shared; /* by all cores */
};

/* Those of the leaves 80000005h and 80000006h, and of leaf 2's descriptors on Intel. */
static const struct cache amd_caches[] = {
    {1, 1, 64, 2, 512, false},
    {2, 1, 64, 2, 512, false},
    {3, 2, 64, 16, 512, false},
    {3, 3, 64, 16, 16384, true},
};
static const struct cache intel_caches[] = {
    {1, 1, 32, 4, 128, false},
    {2, 1, 32, 4, 128, false},
    {3, 2, 32, 8, 1024, false},
};

/* Bits of an APIC ID that number the cores. */
static unsigned core_bits(const struct vcpu *c)
{
    unsigned n = 0;

    while ((1u << n) < vm_package_cpus(c->vm))
        n++;
    return n;
}

static u32 le_chars(const char *s)
{
    u32 v;
    memcpy(&v, s, sizeof(v));
    return v;
}

static void leaf_vendor(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    const char *vendor = c->vm->model.vendor;
    bool limited = !vcpu_is_amd(c) && (c->misc_enable & MISC_ENABLE_LIMIT_CPUID);

    r->eax = limited && c->vm->model.max_leaf > 3 ? 3 : c->vm->model.max_leaf;
    r->ebx = le_chars(vendor);
    r->edx = le_chars(vendor + 4);
    r->ecx = le_chars(vendor + 8);
}

static void leaf_features(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    const u32 *word = c->vm->model.word;
    unsigned cores = vm_package_cpus(c->vm);

    r->eax = c->vm->model.signature;
    r->ebx = c->index << 24;
    if (vcpu_has(c, X86_CLFSH))
        r->ebx |= (vcpu_is_amd(c) ? amd_caches[0].line : intel_caches[0].line) / 8u << 8;
    r->ecx = word[CPUID_1_ECX] & ~BIT(X86_OSXSAVE % 32);
    if (vcpu_has(c, X86_XSAVE) && (c->cr4 & CR4_OSXSAVE))
        r->ecx |= BIT(X86_OSXSAVE % 32);
    if (!vcpu_is_amd(c) && !(c->misc_enable & MISC_ENABLE_MONITOR))
        r->ecx &= ~BIT(X86_MONITOR % 32);
    r->edx = word[CPUID_1_EDX];
    if (c->lapic && !(lapic_base(c->lapic) & LAPIC_BASE_EN))
        r->edx &= ~BIT(X86_APIC % 32);
    if (cores > 1 && vcpu_has(c, X86_APIC)) {
        r->ebx |= (vcpu_is_amd(c) ? cores : 1u << core_bits(c)) << 16;
        r->edx |= BIT(X86_HTT % 32);
    }
}

/* The TLB and cache descriptors of a Pentium III (Coppermine), which intel_caches matches. */
static void leaf_descriptors(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (!vcpu_is_amd(c))
        *r = (struct cpuid_regs){0x03020101, 0, 0, 0x0c040882};
}

/* Leaf 4 and AMD's 8000001Dh: the same form but for the count of cores in the package. */
static void fill_cache(const struct vcpu *c, const struct cache *cache, struct cpuid_regs *r)
{
    u32 sharing = cache->shared ? vm_package_cpus(c->vm) - 1 : 0;

    r->eax = cache->type | (u32)cache->level << 5 | BIT(8) | sharing << 14;
    r->ebx = (cache->line - 1u) | (cache->ways - 1u) << 22;
    r->ecx = cache->sets - 1;
    r->edx = 0;
}

static void leaf_intel_caches(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (vcpu_is_amd(c) || subleaf >= ARRAY_SIZE(intel_caches))
        return;
    fill_cache(c, &intel_caches[subleaf], r);
    r->eax |= ((1u << core_bits(c)) - 1) << 26;
}

static void leaf_amd_caches(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (vcpu_has(c, X86_TOPOEXT) && subleaf < ARRAY_SIZE(amd_caches))
        fill_cache(c, &amd_caches[subleaf], r);
}

/* No C-states are listed, so that systems which idle with MWAIT only for the sake of these use
   HLT. */
static void leaf_monitor(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (vcpu_has(c, X86_MONITOR))
        *r = (struct cpuid_regs){64, 64, 3, 0};
}

static void leaf_power(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    r->eax = c->vm->model.word[CPUID_6_EAX];
}

static void leaf_features7(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    const u32 *word = c->vm->model.word;

    if (subleaf == 0)
        *r = (struct cpuid_regs){0, word[CPUID_7_EBX], word[CPUID_7_ECX], word[CPUID_7_EDX]};
}

static void leaf_topology(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    r->ecx = subleaf & 0xff;
    r->edx = c->index;
    if (subleaf == 0) { /* threads of a core */
        r->ebx = 1;
        r->ecx |= 1u << 8;
    } else if (subleaf == 1) { /* cores of the package */
        r->eax = core_bits(c);
        r->ebx = vm_package_cpus(c->vm);
        r->ecx |= 2u << 8;
    }
}

static u64 xcr0_supported(const struct vcpu *c)
{
    return XCR0_X87 | XCR0_SSE | (vcpu_has(c, X86_AVX) ? XCR0_AVX : 0);
}

/* The standard and the compacted form have the same size as long as AVX is the last component. */
static u32 xsave_size(u64 components)
{
    return XSAVE_LEGACY_SIZE + (components & XCR0_AVX ? XSAVE_AVX_SIZE : 0);
}

static void leaf_xsave(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    u64 supported = xcr0_supported(c);

    if (!vcpu_has(c, X86_XSAVE))
        return;
    if (subleaf == 0) {
        *r = (struct cpuid_regs){(u32)supported, xsave_size(c->xcr0), xsave_size(supported), 0};
    } else if (subleaf == 1) {
        r->eax = c->vm->model.word[CPUID_D1_EAX];
        if (r->eax & (BIT(X86_XSAVEC % 32) | BIT(X86_XSAVES % 32)))
            r->ebx = xsave_size(c->xcr0); /* of XCR0 | IA32_XSS, which is always 0 */
    } else if (subleaf == 2 && (supported & XCR0_AVX)) {
        *r = (struct cpuid_regs){XSAVE_AVX_SIZE, XSAVE_LEGACY_SIZE, 0, 0};
    }
}

static void leaf_kvm_signature(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    const char signature[13] = "KVMKVMKVM\0\0";

    *r = (struct cpuid_regs){HYPERVISOR_MAX, le_chars(signature), le_chars(signature + 4),
                             le_chars(signature + 8)};
}

static void leaf_kvm_features(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    r->eax = KVM_FEATURE_NOP_IO_DELAY;
    if (vcpu_has(c, X86_TSC) && vcpu_has(c, X86_MSR))
        r->eax |= KVM_FEATURE_CLOCKSOURCE | KVM_FEATURE_CLOCKSOURCE2 | KVM_FEATURE_PV_SEND_IPI |
                  KVM_FEATURE_CLOCKSOURCE_STABLE;
}

static void leaf_frequencies(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    r->eax = TSC_HZ / 1000;       /* TSC, kHz */
    r->ebx = NSEC_PER_SEC / 1000; /* the local APIC's timer, kHz */
}

static void leaf_ext_max(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (vcpu_is_amd(c))
        leaf_vendor(c, 0, r);
    r->eax = c->vm->model.max_ext_leaf;
}

static void leaf_ext_features(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    const u32 *word = c->vm->model.word;

    r->ecx = word[CPUID_8000_0001_ECX];
    r->edx = word[CPUID_8000_0001_EDX];
    if (!vcpu_is_amd(c)) {
        if (c->mode != MODE_64) /* Intel has SYSCALL in 64-bit code only */
            r->edx &= ~BIT(X86_SYSCALL % 32);
        return;
    }
    r->eax = c->vm->model.signature;
    r->edx |= word[CPUID_1_EDX] & AMD_REPEATED_EDX;
    if (c->lapic && !(lapic_base(c->lapic) & LAPIC_BASE_EN))
        r->edx &= ~BIT(X86_APIC % 32);
    if (c->vm->ncpus > 1)
        r->ecx |= BIT(X86_CMP_LEGACY % 32);
}

/* Fills 16 bytes of the name string. */
static void brand_part(struct vcpu *c, unsigned part, struct cpuid_regs *r)
{
    char brand[49] = {0};

    memcpy(brand, c->vm->model.brand, sizeof(brand) - 1);
    memcpy(r, brand + 16 * part, sizeof(*r));
}

static void leaf_brand0(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    brand_part(c, 0, r);
}

static void leaf_brand1(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    brand_part(c, 1, r);
}

static void leaf_brand2(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    brand_part(c, 2, r);
}

/* Those of the family that the models name: APM 3 E.4.4; L1 64 KiB 2-way, 64-byte lines. */
static void leaf_l1(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (vcpu_is_amd(c))
        *r = (struct cpuid_regs){0xff08ff08, 0xff20ff20, 0x40020140, 0x40020140};
}

/* L2 TLB 512 entries 4-way, L2 512 KiB 16-way, L3 16 MiB 16-way. Intel: the L2 only. */
static void leaf_l2(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    if (vcpu_is_amd(c))
        *r = (struct cpuid_regs){0, 0x42004200, 0x02008140, 0x00808140};
    else
        r->ecx = 0x01006020; /* 256 KiB 8-way, 32-byte lines */
}

static void leaf_ext_power(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    r->edx = c->vm->model.word[CPUID_8000_0007_EDX];
}

static void leaf_addresses(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    const struct cpu_model *m = &c->vm->model;

    r->eax = m->phys_bits | (u32)m->virt_bits << 8;
    r->ebx = m->word[CPUID_8000_0008_EBX];
    if (vcpu_is_amd(c))
        r->ecx = (vm_package_cpus(c->vm) - 1) | core_bits(c) << 12;
}

static void leaf_amd_topology(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    unsigned cores = vm_package_cpus(c->vm);

    if (vcpu_has(c, X86_TOPOEXT)) /* a package is a node; one thread for each core */
        *r = (struct cpuid_regs){c->index, c->index % cores & 0xff, c->index / cores & 0xff, 0};
}

static void leaf_ext_features2(struct vcpu *c, u32 subleaf, struct cpuid_regs *r)
{
    r->eax = c->vm->model.word[CPUID_8000_0021_EAX];
}

/* A leaf that is in range and not here answers zeros. */
static const struct {
    u32 leaf;
    cpuid_fn *fn;
} leaves[] = {
    {0x0, leaf_vendor},
    {0x1, leaf_features},
    {0x2, leaf_descriptors},
    {0x4, leaf_intel_caches},
    {0x5, leaf_monitor},
    {0x6, leaf_power},
    {0x7, leaf_features7},
    {0xb, leaf_topology},
    {0xd, leaf_xsave},
    {0x40000000, leaf_kvm_signature},
    {0x40000001, leaf_kvm_features},
    {0x40000010, leaf_frequencies},
    {0x80000000, leaf_ext_max},
    {0x80000001, leaf_ext_features},
    {0x80000002, leaf_brand0},
    {0x80000003, leaf_brand1},
    {0x80000004, leaf_brand2},
    {0x80000005, leaf_l1},
    {0x80000006, leaf_l2},
    {0x80000007, leaf_ext_power},
    {0x80000008, leaf_addresses},
    {0x8000001d, leaf_amd_caches},
    {0x8000001e, leaf_amd_topology},
    {0x80000021, leaf_ext_features2},
};

static bool in_range(const struct vcpu *c, u32 leaf)
{
    const struct cpu_model *m = &c->vm->model;

    if (leaf < HYPERVISOR_BASE)
        return leaf <= m->max_leaf;
    if (leaf <= HYPERVISOR_END)
        return vcpu_has(c, X86_HYPERVISOR);
    return leaf >= 0x80000000 && leaf <= m->max_ext_leaf;
}

struct cpuid_regs cpu_cpuid(struct vcpu *c, u32 leaf, u32 subleaf)
{
    struct cpuid_regs r = {0};

    if (!in_range(c, leaf)) {
        if (vcpu_is_amd(c))
            return r;
        leaf = c->vm->model.max_leaf; /* Intel answers with its highest basic leaf */
    }
    for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
        if (leaves[i].leaf == leaf)
            leaves[i].fn(c, subleaf, &r);
    return r;
}
