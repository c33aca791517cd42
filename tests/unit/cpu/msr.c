/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/system.h"
#include "guest.h"

#define GP(g, index, val) RAISES((g)->c, cpu_wrmsr((g)->c, index, val), VEC_GP, 0)

static struct guest *guest_of(const char *model)
{
    struct guest *g = guest_long();
    struct err err = {.text = ""};

    if (cpu_model_parse(&g->vm.model, model, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    cpu_reset_msrs(g->c);
    return g;
}

static __attribute__((noinline)) u64 rd(struct guest *g, u32 index)
{
    u64 val = 0;

    RUNS(g->c, val = cpu_rdmsr(g->c, index));
    return val;
}

static __attribute__((noinline)) void wr(struct guest *g, u32 index, u64 val)
{
    RUNS(g->c, cpu_wrmsr(g->c, index, val));
}

static void unknown_ones_fault(void)
{
    static const u32 unknown[] = {0x2,   0x3a,       0x1a0,      0x210,      0x251,     0x414,
                                  0x900, 0xc0000105, 0xc0010008, 0x40000000, 0xffffffff};
    struct guest *g = guest_of("qemu64");

    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        RAISES(g->c, cpu_rdmsr(g->c, unknown[i]), VEC_GP, 0);
        GP(g, unknown[i], 0);
    }
    GP(g, MSR_MTRRCAP, 0);                                /* read-only */
    RAISES(g->c, cpu_rdmsr(g->c, 0xc0010020), VEC_GP, 0); /* write-only */
    GP(g, MSR_SPEC_CTRL, 0);                              /* its feature is missing */
    guest_free(g);
}

static void efer(void)
{
    struct guest *g = guest_of("qemu64");
    u64 old = rd(g, MSR_EFER);

    GP(g, MSR_EFER, old & ~EFER_LME); /* paging is on */
    GP(g, MSR_EFER, old | BIT64(1));
    GP(g, MSR_EFER, old | EFER_FFXSR);
    wr(g, MSR_EFER, (old | EFER_NXE) & ~EFER_LMA);
    CHECK_EQ(rd(g, MSR_EFER), old | EFER_NXE); /* LMA is not written */
    g->c->cr0 &= ~CR0_PG;
    g->c->efer &= ~EFER_LMA;
    wr(g, MSR_EFER, EFER_LMA);
    CHECK_EQ(rd(g, MSR_EFER), 0);
    guest_free(g);
    g = guest_of("qemu64,-nx");
    GP(g, MSR_EFER, g->c->efer | EFER_NXE);
    guest_free(g);
    g = guest_of("486");
    RAISES(g->c, cpu_rdmsr(g->c, MSR_EFER), VEC_GP, 0);
    guest_free(g);
}

static void canonical_addresses(void)
{
    static const u32 index[] = {MSR_LSTAR,          MSR_CSTAR,        MSR_FS_BASE,     MSR_GS_BASE,
                                MSR_KERNEL_GS_BASE, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
    struct guest *g = guest_of("x86-64-v2");

    for (size_t i = 0; i < ARRAY_SIZE(index); i++) {
        wr(g, index[i], 0xffff800000000000 + i);
        CHECK_EQ(rd(g, index[i]), 0xffff800000000000 + i);
        GP(g, index[i], 0x0000800000000000);
    }
    CHECK_EQ(g->c->seg[SEG_FS].base, 0xffff800000000002);
    CHECK_EQ(g->c->kernel_gs_base, 0xffff800000000004);
    g->c->cr4 |= CR4_LA57; /* the CPU's width decides, not the mode */
    GP(g, MSR_LSTAR, 0x0000800000000000);
    guest_free(g);
    g = guest_of("x86-64-v2,+la57");
    wr(g, MSR_LSTAR, 0x0000800000000000);
    GP(g, MSR_LSTAR, 0x0100000000000000);
    GP(g, MSR_SFMASK, BIT64(32));
    GP(g, MSR_TSC_AUX, BIT64(32));
    wr(g, MSR_SYSENTER_CS, 0x100000008);
    CHECK_EQ(rd(g, MSR_SYSENTER_CS), 8);
    guest_free(g);
}

static void tsc_and_adjust(void)
{
    struct guest *g = guest_of("x86-64-v2");

    clock_advance(g->vm.clock, 1000);
    CHECK_EQ(rd(g, MSR_TSC), 1000);
    wr(g, MSR_TSC, 5000);
    CHECK_EQ(rd(g, MSR_TSC), 5000);
    CHECK_EQ(rd(g, MSR_TSC_ADJUST), 4000);
    wr(g, MSR_TSC_ADJUST, 0);
    CHECK_EQ(rd(g, MSR_TSC), 1000);
    clock_advance(g->vm.clock, 7);
    CHECK_EQ(cpu_tsc(g->c), 1007);
    guest_free(g);
}

static void mtrrs_and_pat(void)
{
    struct guest *g = guest_of("qemu64"); /* 40 bits of physical address */

    CHECK_EQ(rd(g, MSR_MTRRCAP), 0x508);
    wr(g, 0x200, 0xff00000006);
    wr(g, 0x201, 0xfff0000800);
    CHECK_EQ(rd(g, 0x201), 0xfff0000800);
    GP(g, 0x200, 2);
    GP(g, 0x200, 0x106);
    GP(g, 0x201, 0x806);
    GP(g, 0x201, BIT64(40));
    wr(g, 0x20f, 0x800);
    CHECK_EQ(g->c->mtrr_var[15], 0x800);
    wr(g, 0x250, 0x0605040100060606);
    wr(g, 0x259, 0x0606060606060606);
    wr(g, 0x26f, 0x0505050505050505);
    CHECK_EQ(g->c->mtrr_fix[0], 0x0605040100060606);
    CHECK_EQ(g->c->mtrr_fix[2], 0x0606060606060606);
    CHECK_EQ(g->c->mtrr_fix[10], 0x0505050505050505);
    GP(g, 0x268, 0x0600060006000602);
    wr(g, MSR_MTRR_DEF_TYPE, 0xc06);
    GP(g, MSR_MTRR_DEF_TYPE, 0xc03);
    GP(g, MSR_MTRR_DEF_TYPE, 0x1000);
    wr(g, MSR_PAT, 0x0007010600070106);
    GP(g, MSR_PAT, 0x0007010600070102);
    GP(g, MSR_PAT, 0x0807010600070106);
    CHECK_EQ(rd(g, MSR_PAT), 0x0007010600070106);
    guest_free(g);
}

static void machine_check_banks(void)
{
    struct guest *g = guest_of("qemu64");
    u64 cap = rd(g, MSR_MCG_CAP);

    CHECK_EQ(cap, 0x105);
    for (u32 bank = 0; bank < (cap & 0xff); bank++) {
        wr(g, 0x400 + 4 * bank, ~(u64)0);
        CHECK_EQ(rd(g, 0x400 + 4 * bank), ~(u64)0);
        GP(g, 0x400 + 4 * bank, 0xaaaa);
        wr(g, 0x401 + 4 * bank, 0);
        GP(g, 0x401 + 4 * bank, 1);
    }
    wr(g, 0xc0010015, BIT64(18)); /* HWCR.McStatusWrEn */
    wr(g, 0x405, 0xb000000000000000);
    CHECK_EQ(rd(g, 0x405), 0xb000000000000000);
    wr(g, MSR_MCG_STATUS, 4);
    GP(g, MSR_MCG_STATUS, 8);
    wr(g, 0x17b, ~(u64)0);
    CHECK_EQ(rd(g, 0x17b), ~(u64)0);
    guest_free(g);
    g = guest_of("pentium3");
    wr(g, 0x402, 1);
    wr(g, 0x402, 0);
    RAISES(g->c, cpu_rdmsr(g->c, 0xc0010044), VEC_GP, 0);
    guest_free(g);
}

static void local_apic(void)
{
    struct guest *g = guest_of("x86-64-v2");

    CHECK_EQ(rd(g, MSR_APIC_BASE), 0xfee00900);
    RAISES(g->c, cpu_rdmsr(g->c, 0x802), VEC_GP, 0); /* not in x2APIC mode */
    GP(g, MSR_APIC_BASE, BIT64(48) | 0xfee00900);
    wr(g, MSR_APIC_BASE, 0xfee00d00);
    CHECK_EQ(rd(g, 0x802), 0);
    wr(g, 0x80f, 0x1ff);
    CHECK_EQ(rd(g, 0x80f), 0x1ff);
    wr(g, MSR_TSC_DEADLINE, 0);
    CHECK_EQ(rd(g, MSR_TSC_DEADLINE), 0);
    guest_free(g);
    g = guest_of("x86-64-v2,-x2apic");
    GP(g, MSR_APIC_BASE, 0xfee00d00);
    guest_free(g);
}

/* The deadline is one of the TSC: it stays where it is when the TSC moves. */
static void deadline_follows_tsc(void)
{
    struct guest *g = guest_of("x86-64-v2");

    wr(g, MSR_APIC_BASE, 0xfee00d00);
    wr(g, 0x80f, 0x1ff);
    wr(g, 0x832, 2u << 17 | 0x40);
    wr(g, MSR_TSC_DEADLINE, 10000);
    clock_advance(g->vm.clock, 1000);
    wr(g, MSR_TSC, 0);
    CHECK_EQ(rd(g, MSR_TSC_DEADLINE), 10000);
    clock_advance(g->vm.clock, 9500);
    CHECK_EQ(lapic_pending(g->c->lapic), (u64)-1);
    clock_advance(g->vm.clock, 600);
    CHECK_EQ(lapic_pending(g->c->lapic), 0x40);
    CHECK_EQ(rd(g, MSR_TSC_DEADLINE), 0);
    guest_free(g);
}

static void amd_and_intel(void)
{
    struct guest *g = guest_of("qemu64");

    CHECK_EQ(rd(g, 0xc0010010), 0);
    CHECK_EQ(rd(g, 0xc0010055), 0);
    wr(g, 0xc0010015, BIT64(6)); /* what Linux does to a K8 */
    CHECK_EQ(rd(g, 0xc0010015), BIT64(6));
    GP(g, 0xc0010010, 1);
    CHECK_EQ(rd(g, MSR_BIOS_SIGN_ID), 0x01000065);
    RAISES(g->c, cpu_rdmsr(g->c, MSR_MISC_ENABLE), VEC_GP, 0);
    wr(g, 0x1d9, 3);
    GP(g, 0x1d9, 4);
    guest_free(g);
    g = guest_of("pentium3");
    CHECK_EQ(rd(g, MSR_MISC_ENABLE), 0x1801);
    GP(g, MSR_MISC_ENABLE, BIT64(1));
    wr(g, MSR_MISC_ENABLE, BIT64(22));
    wr(g, MSR_BIOS_SIGN_ID, 0);
    RAISES(g->c, cpu_rdmsr(g->c, 0xc0010015), VEC_GP, 0);
    GP(g, MSR_LSTAR, 0);
    guest_free(g);
}

static void features_gate(void)
{
    struct guest *g = guest_of("qemu64,+spec_ctrl,+arch_capabilities");

    wr(g, MSR_SPEC_CTRL, 1);
    GP(g, MSR_SPEC_CTRL, 4);
    wr(g, MSR_PRED_CMD, 1);
    GP(g, MSR_PRED_CMD, 2);
    CHECK(rd(g, 0x10a) & 1);
    RAISES(g->c, cpu_rdmsr(g->c, 0xda0), VEC_GP, 0);
    RAISES(g->c, cpu_rdmsr(g->c, MSR_TSC_AUX), VEC_GP, 0);
    g->vm.model.word[CPUID_D1_EAX] |= BIT(X86_XSAVES % 32);
    wr(g, 0xda0, 0);
    GP(g, 0xda0, BIT64(8));
    guest_free(g);
}

static void kvm_clock(void)
{
    struct guest *g = guest_of("x86-64-v2");

    clock_advance(g->vm.clock, 12345);
    put(g, 0x8000, 6, 4); /* the version goes on from what is there */
    wr(g, 0x4b564d01, 0x8001);
    CHECK_EQ(rd(g, 0x4b564d01), 0x8001);
    CHECK_EQ(rd(g, 0x12), 0x8001);
    CHECK_EQ(get(g, 0x8000, 4), 8);
    CHECK_EQ(get(g, 0x8008, 8), 12345);
    CHECK_EQ(get(g, 0x8010, 8), 12345);
    CHECK_EQ(get(g, 0x8018, 4), 0x80000000);
    CHECK_EQ(get(g, 0x801c, 1), 1);
    CHECK_EQ(get(g, 0x801d, 1), 1);
    wr(g, MSR_TSC, 0); /* written anew */
    CHECK_EQ(get(g, 0x8000, 4), 10);
    CHECK_EQ(get(g, 0x8008, 8), 0);
    CHECK_EQ(get(g, 0x8010, 8), 12345);
    wr(g, 0x4b564d01, 0);
    wr(g, MSR_TSC, 77);
    CHECK_EQ(get(g, 0x8000, 4), 10);

    put(g, 0x9000, 7, 4);
    wr(g, 0x11, 0x9000);
    CHECK_EQ(get(g, 0x9000, 4), 8);
    /* Places that are not RAM, or not all of them. */
    wr(g, 0x4b564d01, 0xfee00001);
    wr(g, 0x4b564d01, 0xffffffffffffffff);
    wr(g, 0x4b564d01, RAM - 16 + 1);
    wr(g, 0x4b564d00, RAM - 8);
    wr(g, 0x4b564d00, ~(u64)0);
    guest_free(g);
    g = guest_of("x86-64-v2,-hypervisor");
    GP(g, 0x4b564d01, 0x8001);
    guest_free(g);
}

static void traced(void)
{
    struct guest *g = guest_of("qemu64");
    char *text = NULL;
    size_t size;

    g->vm.trace.to = open_memstream(&text, &size);
    g->vm.trace.kinds = trace_kind_by_name("msr");
    wr(g, MSR_STAR, 0x1234);
    GP(g, 0x2, 1);
    fclose(g->vm.trace.to);
    CHECK(strstr(text, "cpu0 wrmsr 0xc0000081 0x1234 at 0x5000\n") != NULL);
    CHECK(strstr(text, "cpu0 wrmsr 0x2 0x1 at 0x5000 #GP\n") != NULL);
    free(text);
    CHECK_EQ(trace_kind_by_name("everything"), 0);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(unknown_ones_fault);
    TEST_RUN(efer);
    TEST_RUN(canonical_addresses);
    TEST_RUN(tsc_and_adjust);
    TEST_RUN(mtrrs_and_pat);
    TEST_RUN(machine_check_banks);
    TEST_RUN(local_apic);
    TEST_RUN(deadline_follows_tsc);
    TEST_RUN(amd_and_intel);
    TEST_RUN(features_gate);
    TEST_RUN(kvm_clock);
    TEST_RUN(traced);
    return test_result();
}
