/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/models.h"
#include "cpu/system.h"
#include "guest.h"

static void host_with_all(u32 words[CPUID_WORDS])
{
    memset(words, 0xff, CPUID_WORDS * sizeof(words[0]));
}

static void host_without(u32 words[CPUID_WORDS], enum x86_feature f)
{
    host_with_all(words);
    words[f / 32] &= ~BIT(f % 32);
}

static bool parses(struct cpu_model *m, const char *text, const u32 host[CPUID_WORDS])
{
    struct err err = {.text = ""};

    if (!cpu_model_parse_on(m, text, host, &err))
        return true;
    fprintf(stderr, "%s: %s\n", text ? text : "(default)", err.text);
    return false;
}

/* Refused, with a message that names `word`. */
static bool refused(const char *text, const u32 host[CPUID_WORDS], const char *word)
{
    struct cpu_model m;
    struct err err = {.text = ""};

    if (!cpu_model_parse_on(&m, text, host, &err))
        return false;
    if (strstr(err.text, word))
        return true;
    fprintf(stderr, "%s: message lacks '%s': %s\n", text, word, err.text);
    return false;
}

static void names_are_found_again(void)
{
    for (unsigned i = 0; i < X86_FEATURES; i++) {
        const char *name = x86_feature_name((enum x86_feature)i);
        if (name)
            CHECK_EQ(x86_feature_by_name(name, strlen(name)), i);
    }
    CHECK_EQ(x86_feature_by_name("SSE4.1", 6), X86_SSE4_1);
    CHECK_EQ(x86_feature_by_name("sse4-2", 6), X86_SSE4_2);
    CHECK_EQ(x86_feature_by_name("pni", 3), X86_SSE3);
    CHECK_EQ(x86_feature_by_name("tsc-deadline", 12), X86_TSC_DEADLINE);
    CHECK_EQ(x86_feature_by_name("avx22", 4), X86_AVX2);
    CHECK_EQ(x86_feature_by_name("avx3", 4), X86_FEATURES);
    CHECK_EQ(x86_feature_by_name("", 0), X86_FEATURES);
    CHECK_EQ(x86_feature_by_name("-._", 3), X86_FEATURES);
}

static void every_model_has_what_its_features_need(void)
{
    u32 host[CPUID_WORDS];

    host_with_all(host);
    for (size_t n = 0; cpu_model_name(n); n++) {
        struct cpu_model m;
        CHECK(parses(&m, cpu_model_name(n), host));
        CHECK(!strcmp(m.name, cpu_model_name(n)));
        for (unsigned i = 0; i < X86_FEATURES; i++) {
            enum x86_feature f = (enum x86_feature)i;
            if (!cpu_model_has(&m, f))
                continue;
            CHECK(x86_feature_name(f) != NULL);
            CHECK_EQ(x86_feature_missing_base(m.word, f), X86_ALWAYS);
        }
    }
}

static void default_model_is_the_best_that_runs(void)
{
    struct cpu_model m;
    u32 host[CPUID_WORDS];

    host_with_all(host);
    CHECK(parses(&m, NULL, host) && !strcmp(m.name, "x86-64-v3"));
    CHECK(parses(&m, "", host) && !strcmp(m.name, "x86-64-v3"));
    CHECK(parses(&m, ",-avx", host) && !strcmp(m.name, "x86-64-v3"));
    host_without(host, X86_SHA);
    CHECK(parses(&m, NULL, host) && !strcmp(m.name, "x86-64-v3"));
    CHECK(!cpu_model_has(&m, X86_SHA));
    host_without(host, X86_FMA);
    CHECK(parses(&m, NULL, host) && !strcmp(m.name, "x86-64-v2"));
    host_without(host, X86_SSE4_2);
    CHECK(parses(&m, NULL, host) && !strcmp(m.name, "qemu64"));
    cpu_host_features(host);
    CHECK(parses(&m, NULL, host));
}

static void switches(void)
{
    struct cpu_model m;
    u32 host[CPUID_WORDS];

    host_with_all(host);
    CHECK(parses(&m, "x86-64-v3,-avx", host));
    CHECK(!cpu_model_has(&m, X86_AVX) && !cpu_model_has(&m, X86_AVX2));
    CHECK(!cpu_model_has(&m, X86_FMA) && cpu_model_has(&m, X86_BMI2));
    CHECK(parses(&m, "x86-64-v3,-apic", host));
    CHECK(!cpu_model_has(&m, X86_X2APIC) && !cpu_model_has(&m, X86_TSC_DEADLINE));
    CHECK(parses(&m, "qemu64,+xsave,+ssse3,+sse4.1,+sse4.2,+avx,avx2=on,nx=off", host));
    CHECK(cpu_model_has(&m, X86_AVX2) && !cpu_model_has(&m, X86_NX));
    CHECK(parses(&m, "qemu64,-nx,+nx", host) && cpu_model_has(&m, X86_NX));
    CHECK(parses(&m, "x86-64-v3,-lm", host));
    CHECK(!cpu_model_has(&m, X86_PCID) && m.phys_bits == 36 && m.virt_bits == 32);
    CHECK(parses(&m, "max", host) && m.virt_bits == 57);
    CHECK(parses(&m, "486", host) && m.phys_bits == 32 && m.max_leaf == 1);
    CHECK(parses(&m, "pentium3,+smep", host) && m.max_leaf == 7);

    CHECK(refused("qemu64,+avx2", host, "'avx'"));
    CHECK(refused("x86-64-v3,-avx,+avx2", host, "'avx'"));
    CHECK(refused("x86-64-v4", host, "x86-64-v3"));
    CHECK(refused("qemu64,+frobnicate", host, "frobnicate"));
    CHECK(refused("qemu64,avx", host, "+avx"));
    CHECK(refused("qemu64,nx=yes", host, "off"));
    CHECK(refused("qemu64,+osxsave", host, "CR4"));
    CHECK(refused("qemu64,+ht", host, "number of CPUs"));
    CHECK(refused("qemu64,+fxsr_opt", host, "implement"));
    CHECK(refused("qemu64,,+nx", host, "empty"));
    CHECK(refused("qemu64,", host, "empty"));
}

static void what_the_host_lacks(void)
{
    struct cpu_model m;
    u32 host[CPUID_WORDS];

    host_without(host, X86_AVX);
    CHECK(refused("x86-64-v3", host, "'avx'"));
    CHECK(parses(&m, "x86-64-v3,-avx", host));
    CHECK(parses(&m, "max", host));
    CHECK(!cpu_model_has(&m, X86_AVX) && !cpu_model_has(&m, X86_AVX2));
    CHECK(cpu_model_has(&m, X86_LA57));
    CHECK(refused("max,+avx", host, "cannot execute"));
    host_without(host, X86_SSE4A);
    CHECK(refused("qemu64,+sse4a", host, "sse4a"));
    CHECK(parses(&m, "max", host) && !cpu_model_has(&m, X86_SSE4A));
}

static struct guest *guest_of(const char *model, unsigned ncpus)
{
    struct guest *g = guest_new();
    u32 host[CPUID_WORDS];

    host_with_all(host);
    CHECK(parses(&g->vm.model, model, host));
    g->vm.ncpus = ncpus;
    vcpu_reset(g->c, false);
    cpu_reset_msrs(g->c);
    return g;
}

static void basic_leaves(void)
{
    struct guest *g = guest_of("x86-64-v3", 1);
    struct cpuid_regs r = cpu_cpuid(g->c, 0, 0);

    CHECK_EQ(r.eax, 0xd);
    CHECK(!memcmp(&r.ebx, "Auth", 4) && !memcmp(&r.edx, "enti", 4) && !memcmp(&r.ecx, "cAMD", 4));
    r = cpu_cpuid(g->c, 1, 0);
    CHECK_EQ(r.eax, 0x60fb1);
    CHECK_EQ(r.ebx, 8 << 8);
    CHECK(!(r.edx & BIT(28)));
    CHECK(r.edx & BIT(9));
    CHECK((r.ecx & BIT(26)) && !(r.ecx & BIT(27)) && (r.ecx & BIT(31)));
    g->c->cr4 |= CR4_OSXSAVE;
    CHECK(cpu_cpuid(g->c, 1, 0).ecx & BIT(27));
    RUNS(g->c, cpu_wrmsr(g->c, MSR_APIC_BASE, 0xfee00100));
    CHECK(!(cpu_cpuid(g->c, 1, 0).edx & BIT(9)));
    CHECK(!(cpu_cpuid(g->c, 0x80000001, 0).edx & BIT(9)));
    CHECK(cpu_cpuid(g->c, 7, 0).ebx & BIT(5));
    CHECK_EQ(cpu_cpuid(g->c, 7, 1).ebx, 0);
    CHECK_EQ(cpu_cpuid(g->c, 5, 0).eax, 64);
    CHECK_EQ(cpu_cpuid(g->c, 6, 0).eax, 4);
    CHECK_EQ(cpu_cpuid(g->c, 2, 0).eax, 0);
    CHECK_EQ(cpu_cpuid(g->c, 4, 0).eax, 0);
    guest_free(g);
}

static void xsave_leaf(void)
{
    struct guest *g = guest_of("x86-64-v3", 1);
    struct cpuid_regs r = cpu_cpuid(g->c, 0xd, 0);

    CHECK_EQ(r.eax, 7);
    CHECK_EQ(r.ebx, 576);
    CHECK_EQ(r.ecx, 832);
    g->c->xcr0 = 7;
    CHECK_EQ(cpu_cpuid(g->c, 0xd, 0).ebx, 832);
    r = cpu_cpuid(g->c, 0xd, 1);
    CHECK_EQ(r.eax, 0xf);
    CHECK_EQ(r.ebx, 832);
    CHECK_EQ(r.ecx | r.edx, 0);
    r = cpu_cpuid(g->c, 0xd, 2);
    CHECK_EQ(r.eax, 256);
    CHECK_EQ(r.ebx, 576);
    CHECK_EQ(cpu_cpuid(g->c, 0xd, 3).eax, 0);
    guest_free(g);
    g = guest_of("x86-64-v2", 1);
    CHECK_EQ(cpu_cpuid(g->c, 0xd, 0).eax, 0);
    guest_free(g);
}

static void topology(void)
{
    struct guest *g = guest_of("x86-64-v3", 6);
    struct cpuid_regs r;

    g->c->index = 5;
    r = cpu_cpuid(g->c, 1, 0);
    CHECK_EQ(r.ebx, 5u << 24 | 6 << 16 | 8 << 8);
    CHECK(r.edx & BIT(28));
    r = cpu_cpuid(g->c, 0xb, 0);
    CHECK_EQ(r.eax, 0);
    CHECK_EQ(r.ebx, 1);
    CHECK_EQ(r.ecx, 0x100);
    CHECK_EQ(r.edx, 5);
    r = cpu_cpuid(g->c, 0xb, 1);
    CHECK_EQ(r.eax, 3);
    CHECK_EQ(r.ebx, 6);
    CHECK_EQ(r.ecx, 0x201);
    r = cpu_cpuid(g->c, 0xb, 2);
    CHECK_EQ(r.eax | r.ebx, 0);
    CHECK_EQ(r.ecx, 2);
    CHECK_EQ(r.edx, 5);
    CHECK(cpu_cpuid(g->c, 0x80000001, 0).ecx & BIT(1));
    CHECK_EQ(cpu_cpuid(g->c, 0x80000008, 0).ecx, 3 << 12 | 5);
    r = cpu_cpuid(g->c, 0x8000001e, 0);
    CHECK_EQ(r.eax, 5);
    CHECK_EQ(r.ebx, 5);
    g->c->index = 0;
    guest_free(g);
}

/* Two CPUs in each of two packages, then each in its own. */
static void packages(void)
{
    struct guest *g = guest_of("x86-64-v3", 4);
    struct cpuid_regs r;

    g->c->index = 3;
    g->vm.sockets = 2;
    CHECK_EQ(cpu_cpuid(g->c, 1, 0).ebx, 3u << 24 | 2 << 16 | 8 << 8);
    r = cpu_cpuid(g->c, 0xb, 1);
    CHECK_EQ(r.eax, 1);
    CHECK_EQ(r.ebx, 2);
    CHECK_EQ(r.edx, 3);
    CHECK_EQ(cpu_cpuid(g->c, 0x80000008, 0).ecx, 1 << 12 | 1);
    CHECK_EQ(cpu_cpuid(g->c, 0x8000001d, 3).eax >> 14, 1);
    r = cpu_cpuid(g->c, 0x8000001e, 0);
    CHECK_EQ(r.eax, 3);
    CHECK_EQ(r.ebx, 1);
    CHECK_EQ(r.ecx, 1);
    g->vm.sockets = 4;
    r = cpu_cpuid(g->c, 1, 0);
    CHECK_EQ(r.ebx, 3u << 24 | 8 << 8);
    CHECK(!(r.edx & BIT(28)));
    r = cpu_cpuid(g->c, 0xb, 1);
    CHECK_EQ(r.eax, 0);
    CHECK_EQ(r.ebx, 1);
    CHECK_EQ(cpu_cpuid(g->c, 0x80000008, 0).ecx, 0);
    g->c->index = 0;
    guest_free(g);
}

/* Size in bytes from the form that leaves 4 and 8000001Dh share. */
static u64 cache_size(struct cpuid_regs r)
{
    return ((r.ebx & 0xfff) + 1ull) * ((r.ebx >> 22) + 1) * (r.ecx + 1ull);
}

static void caches_agree(void)
{
    struct guest *g = guest_of("x86-64-v3", 4);
    struct cpuid_regs r = cpu_cpuid(g->c, 0x8000001d, 3);

    CHECK_EQ(cache_size(cpu_cpuid(g->c, 0x8000001d, 0)),
             (cpu_cpuid(g->c, 0x80000005, 0).ecx >> 24) * KiB);
    CHECK_EQ(cache_size(cpu_cpuid(g->c, 0x8000001d, 2)),
             (cpu_cpuid(g->c, 0x80000006, 0).ecx >> 16) * KiB);
    CHECK_EQ(cache_size(r), (cpu_cpuid(g->c, 0x80000006, 0).edx >> 18) * 512 * KiB);
    CHECK_EQ(r.eax >> 14, 3);
    CHECK_EQ(r.eax & 0x1f, 3);
    CHECK_EQ(cpu_cpuid(g->c, 0x8000001d, 4).eax, 0);
    guest_free(g);
    g = guest_of("pentium3,+x2apic", 4);
    CHECK_EQ(cache_size(cpu_cpuid(g->c, 4, 2)), 256 * KiB);
    CHECK_EQ(cpu_cpuid(g->c, 4, 0).eax >> 26, 3);
    guest_free(g);
}

static void hypervisor_leaves(void)
{
    struct guest *g = guest_of("x86-64-v3", 1);
    struct cpuid_regs r = cpu_cpuid(g->c, 0x40000000, 0);

    CHECK_EQ(r.eax, 0x40000010);
    CHECK(!memcmp(&r.ebx, "KVMKVMKVM\0\0\0", 12));
    CHECK_EQ(cpu_cpuid(g->c, 0x40000001, 0).eax, BIT(0) | BIT(1) | BIT(3) | BIT(11) | BIT(24));
    r = cpu_cpuid(g->c, 0x40000010, 0);
    CHECK_EQ(r.eax, 1000000);
    CHECK_EQ(r.ebx, 1000000);
    CHECK_EQ(cpu_cpuid(g->c, 0x40000011, 0).eax, 0);
    guest_free(g);
    g = guest_of("x86-64-v3,-hypervisor", 1);
    CHECK_EQ(cpu_cpuid(g->c, 0x40000000, 0).ebx, 0);
    guest_free(g);
    g = guest_of("x86-64-v3,-tsc", 1);
    CHECK_EQ(cpu_cpuid(g->c, 0x40000001, 0).eax, BIT(1));
    guest_free(g);
}

static void extended_leaves(void)
{
    struct guest *g = guest_of("max", 1);
    struct cpuid_regs r = cpu_cpuid(g->c, 0x80000000, 0);
    struct cpuid_regs brand[3];

    CHECK_EQ(r.eax, 0x80000021);
    CHECK(!memcmp(&r.ebx, "Auth", 4));
    r = cpu_cpuid(g->c, 0x80000001, 0);
    CHECK_EQ(r.eax, 0x60fb1);
    CHECK((r.edx & BIT(29)) && (r.edx & BIT(20)) && (r.edx & BIT(0)) && !(r.edx & BIT(25)));
    for (u32 i = 0; i < 3; i++)
        brand[i] = cpu_cpuid(g->c, 0x80000002 + i, 0);
    CHECK(!strcmp((const char *)brand, "Domus virtual CPU (max)"));
    CHECK_EQ(cpu_cpuid(g->c, 0x80000007, 0).edx, BIT(8));
    CHECK_EQ(cpu_cpuid(g->c, 0x80000008, 0).eax, 57 << 8 | 40);
    CHECK_EQ(cpu_cpuid(g->c, 0x8000000a, 0).eax, 0);
    CHECK_EQ(cpu_cpuid(g->c, 0x8000001f, 0).eax, 0);
    guest_free(g);
}

static void out_of_range(void)
{
    struct guest *g = guest_of("x86-64-v3", 1);
    struct cpuid_regs r = cpu_cpuid(g->c, 0x10, 0);

    CHECK_EQ(r.eax | r.ebx | r.ecx | r.edx, 0);
    CHECK_EQ(cpu_cpuid(g->c, 0x80000022, 0).eax, 0);
    CHECK_EQ(cpu_cpuid(g->c, 0xffffffff, 0).eax, 0);
    guest_free(g);
    g = guest_of("pentium3", 1);
    CHECK_EQ(cpu_cpuid(g->c, 0, 0).eax, 2);
    CHECK_EQ(cpu_cpuid(g->c, 1, 0).eax, 0x683);
    CHECK_EQ(cpu_cpuid(g->c, 2, 0).edx, 0x0c040882);
    CHECK_EQ(cpu_cpuid(g->c, 7, 0).edx, 0x0c040882);
    CHECK_EQ(cpu_cpuid(g->c, 0x80000000, 0).eax, 0x03020101);
    guest_free(g);
    g = guest_of("486", 1);
    CHECK_EQ(cpu_cpuid(g->c, 5, 0).eax, 0x480);
    CHECK_EQ(cpu_cpuid(g->c, 1, 0).edx, BIT(0) | BIT(1) | BIT(3));
    guest_free(g);
}

int main(void)
{
    TEST_RUN(names_are_found_again);
    TEST_RUN(every_model_has_what_its_features_need);
    TEST_RUN(default_model_is_the_best_that_runs);
    TEST_RUN(switches);
    TEST_RUN(what_the_host_lacks);
    TEST_RUN(basic_leaves);
    TEST_RUN(xsave_leaf);
    TEST_RUN(topology);
    TEST_RUN(packages);
    TEST_RUN(caches_agree);
    TEST_RUN(hypervisor_leaves);
    TEST_RUN(extended_leaves);
    TEST_RUN(out_of_range);
    return test_result();
}
