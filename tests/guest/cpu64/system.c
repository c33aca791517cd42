/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID, MSRs and control registers: what must be there, what must fault, what agrees with what. */
#include "desc.h"
#include "io.h"
#include "trap.h"

static void identification(void)
{
    test("CPUID");
    struct cpuid c = cpuid(0, 0);
    CHECK(c.eax >= 7);
    CHECK(c.ebx == 0x756e6547 || c.ebx == 0x68747541); /* Genu, Auth */
    u32 last = c.eax;
    struct cpuid high = cpuid(0x80000000, 0);
    CHECK(high.eax >= 0x80000008);
    c = cpuid(1, 0);
    /* FPU, TSC, MSR, PAE, CX8, APIC, CMOV, MMX, FXSR, SSE, SSE2: what 64-bit CPUs have. */
    u32 base = BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(15) | BIT(23) | BIT(24) |
               BIT(25) | BIT(26);
    CHECK_EQ(c.edx & base, base);
    CHECK_EQ(c.ebx >> 8 & 0xff, 8); /* CLFLUSH line: 64 bytes */
    CHECK_EQ(cpuid(0x80000001, 0).edx & BIT(29), BIT(29));
    u32 bits = cpuid(0x80000008, 0).eax;
    CHECK_IN(bits & 0xff, 32, 52);
    CHECK(((bits >> 8) & 0xff) == (cpuid(7, 0).ecx & BIT(16) ? 57 : 48) ||
          ((bits >> 8) & 0xff) == 48);
    c = cpuid(0x00f00000, 0x1234); /* out of range */
    struct cpuid top = cpuid(last, 0x1234);
    bool zero = !(c.eax | c.ebx | c.ecx | c.edx);
    CHECK(zero || (c.eax == top.eax && c.ebx == top.ebx));
    u64 a = ~0ull, b = ~0ull, cx = ~0ull, d = ~0ull;
    a = 0;
    asm volatile("cpuid" : "+a"(a), "+b"(b), "+c"(cx), "+d"(d));
    CHECK_EQ((a | b | cx | d) >> 32, 0); /* the upper halves are cleared */
    CHECK_EQ(cpuid(1, 0).ebx >> 24, 0);  /* initial APIC ID of the first CPU */
}

static void unknown_msrs(void)
{
    static const u32 index[] = {0x9,        0x2e,       0x12345678, 0x40000fff, 0x7fffffff,
                                0xc0001fff, 0xffffffff, 0xd1234,    0xc0000085};
    test("unknown MSRs");
    for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
        CHECK_TRAP(GP, 0, (void)rdmsr(index[i]));
        CHECK_TRAP(GP, 0, wrmsr(index[i], 0));
    }
}

static void known_msrs(void)
{
    test("EFER");
    u64 efer = rdmsr(MSR_EFER);
    CHECK_EQ(efer & 0xd00, 0xd00);                 /* LME, LMA, NXE */
    CHECK_RUNS(wrmsr(MSR_EFER, efer & ~0x400ull)); /* writes to LMA are ignored */
    CHECK_EQ(rdmsr(MSR_EFER), efer);
    CHECK_TRAP(GP, 0, wrmsr(MSR_EFER, efer | BIT64(2)));
    CHECK_TRAP(GP, 0, wrmsr(MSR_EFER, efer | BIT64(32)));
    CHECK_TRAP(GP, 0, wrmsr(MSR_EFER, efer & ~0x100ull)); /* LME with paging on */
    test("APIC base");
    u64 base = rdmsr(MSR_APIC_BASE);
    CHECK_EQ(base & 0x900, 0x900); /* enabled, the boot CPU */
    CHECK_EQ(base & ~0xfffull, 0xfee00000);
    CHECK_TRAP(GP, 0, wrmsr(MSR_APIC_BASE, base | 1));
    CHECK_TRAP(GP, 0, wrmsr(MSR_APIC_BASE, base | BIT64(60)));
    test("PAT");
    u64 pat = rdmsr(0x277);
    CHECK_EQ(pat, 0x0007040600070406ull);
    CHECK_RUNS(wrmsr(0x277, 0x0001050600070406ull));
    CHECK_EQ(rdmsr(0x277), 0x0001050600070406ull);
    CHECK_TRAP(GP, 0, wrmsr(0x277, 2)); /* type 2 is reserved */
    CHECK_TRAP(GP, 0, wrmsr(0x277, 8));
    wrmsr(0x277, pat);
    test("others");
    CHECK_RUNS(wrmsr(0x174, 8));
    CHECK_EQ(rdmsr(0x174), 8);
    CHECK_RUNS(wrmsr(MSR_STAR, 0x123456789abcdef0ull));
    CHECK_EQ(rdmsr(MSR_STAR), 0x123456789abcdef0ull);
    CHECK_RUNS(wrmsr(MSR_SFMASK, 0x12345678));
    CHECK_EQ(rdmsr(MSR_SFMASK), 0x12345678);
    if (cpuid(0, 0).ebx == 0x756e6547)
        CHECK_RUNS((void)rdmsr(0x1a0)); /* IA32_MISC_ENABLE */
    CHECK_RUNS((void)rdmsr(0xfe));      /* MTRRcap */
    CHECK_TRAP(GP, 0, wrmsr(0xfe, 0));
    CHECK_RUNS((void)rdmsr(0x2ff));
    CHECK_RUNS((void)rdmsr(0x200));
    CHECK_TRAP(GP, 0, wrmsr(0x2ff, 2)); /* memory type 2 */
}

static void control_registers(void)
{
    test("control registers");
    word cr0 = get_cr0(), cr4 = get_cr4();
    CHECK_TRAP(GP, 0, set_cr0(cr0 | BIT64(32)));
    CHECK_TRAP(GP, 0, set_cr0(cr0 & ~(word)CR0_PE));
    CHECK_TRAP(GP, 0, set_cr0((cr0 & ~BIT64(30)) | BIT64(29))); /* NW without CD */
    CHECK_TRAP(GP, 0, set_cr0(cr0 & ~(word)CR0_PG & ~(word)CR0_PE));
    CHECK_RUNS(set_cr0(cr0 & ~(word)CR0_ET));
    CHECK_EQ(get_cr0(), cr0 | CR0_ET); /* ET is always 1 */
    CHECK_TRAP(GP, 0, set_cr4(cr4 | BIT64(31)));
    CHECK_TRAP(GP, 0, set_cr4(cr4 | BIT64(32)));
    CHECK_TRAP(GP, 0, set_cr4(cr4 & ~(word)CR4_PAE));
    CHECK_TRAP(GP, 0, set_cr3(get_cr3() | BIT64(60)));
    set_cr2(0x123456789abcdef0ull);
    CHECK_EQ(get_cr2(), 0x123456789abcdef0ull);
    u64 v;
    asm volatile("movq %0, %%cr8" : : "r"(5ull));
    asm volatile("movq %%cr8, %0" : "=r"(v));
    CHECK_EQ(v, 5);
    CHECK_EQ(*(volatile u32 *)0xfee00080 & 0xff, 0x50); /* CR8 is the upper half of TPR */
    CHECK_TRAP(GP, 0, asm volatile("movq %0, %%cr8" : : "r"(16ull)));
    asm volatile("movq %0, %%cr8" : : "r"(0ull));
    asm volatile("smsw %0" : "=r"(v));
    CHECK_EQ(v, cr0);
    asm volatile("lmsw %w0" : : "r"((u16)(cr0 & ~1u) | CR0_TS)); /* cannot leave protected mode */
    CHECK_EQ(get_cr0(), cr0 | CR0_TS);
    asm volatile("clts");
}

static void counters(void)
{
    test("time-stamp counter");
    u64 a = rdtsc(), b = rdtsc();
    CHECK(b >= a);
    CHECK_RUNS(wrmsr(0x10, 1000));
    CHECK(rdtsc() < a + 1000000000000ull);
    if (cpuid(7, 0).ebx & 2) {
        wrmsr(0x3b, 0);
        u64 before = rdtsc();
        wrmsr(0x3b, 1ull << 50);
        CHECK(rdtsc() - before >= 1ull << 50);
        wrmsr(0x3b, 0);
        CHECK(rdtsc() - before < 1ull << 50);
    }
    if (cpuid(0x80000001, 0).edx & BIT(27)) {
        u32 lo, hi, aux;
        wrmsr(MSR_TSC_AUX, 0x12345);
        asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
        CHECK_EQ(aux, 0x12345);
        CHECK_TRAP(GP, 0, wrmsr(MSR_TSC_AUX, BIT64(32)));
        if (cpuid(7, 0).ecx & BIT(22)) {
            u64 id;
            asm volatile("rdpid %0" : "=r"(id));
            CHECK_EQ(id, 0x12345);
        }
    }
}

static void random_numbers(void)
{
    test("RDRAND and RDSEED");
    u64 v[4] = {0};
    if (cpuid(1, 0).ecx & BIT(30)) {
        bool ok = false;
        for (int i = 0; i < 100 && !ok; i++)
            asm volatile("rdrand %0" : "=r"(v[0]), "=@ccc"(ok));
        CHECK(ok);
        for (int i = 0; i < 100; i++)
            asm volatile("rdrand %0" : "=r"(v[1]), "=@ccc"(ok));
        CHECK(v[0] != v[1]);
        asm volatile("rdrand %k0" : "=r"(v[2]) : "0"(~0ull));
        CHECK_EQ(v[2] >> 32, 0);
    }
    if (cpuid(7, 0).ebx & BIT(18))
        CHECK_RUNS(asm volatile("rdseed %0" : "=r"(v[3])));
}

static void hints(void)
{
    test("KVM's paravirtual leaves");
    if (!(cpuid(1, 0).ecx & BIT(31)))
        return;
    struct cpuid c = cpuid(0x40000000, 0);
    bool kvm = c.ebx == 0x4b4d564b && c.ecx == 0x564b4d56 && c.edx == 0x4d;
    CHECK(!kvm || c.eax >= 0x40000001 || c.eax == 0);
}

GUEST("system")
{
    identification();
    unknown_msrs();
    known_msrs();
    control_registers();
    counters();
    random_numbers();
    hints();
}
