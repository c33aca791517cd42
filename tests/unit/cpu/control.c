/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/system.h"
#include "guest.h"

#define WRITE_GP(g, n, val) RAISES((g)->c, cpu_write_cr((g)->c, n, val), VEC_GP, 0)
#define WRITE_UD(g, n, val) RAISES((g)->c, cpu_write_cr((g)->c, n, val), VEC_UD, 0)

static void set_model(struct guest *g, const char *model)
{
    struct err err = {.text = ""};

    if (cpu_model_parse(&g->vm.model, model, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    cpu_reset_msrs(g->c);
}

/* Not inline, like all here that catch exceptions: a caller's variables would count as clobbered.
 */
#define noinline __attribute__((noinline))

static noinline struct guest *new_long(void)
{
    return guest_long();
}

static noinline struct guest *new_protected(void)
{
    return guest_protected();
}

static noinline struct guest *long_guest(const char *model)
{
    struct guest *g = new_long();

    set_model(g, model);
    return g;
}

static noinline struct guest *protected_guest(const char *model)
{
    struct guest *g = new_protected();

    set_model(g, model);
    g->c->cr0 &= ~(CR0_CD | CR0_NW);
    return g;
}

static noinline void write_cr(struct guest *g, unsigned n, u64 val)
{
    RUNS(g->c, cpu_write_cr(g->c, n, val));
}

static noinline u64 xgetbv(struct guest *g, u32 index)
{
    u64 val = 0;

    RUNS(g->c, val = cpu_xgetbv(g->c, index));
    return val;
}

static noinline u64 read_cr(struct guest *g, unsigned n)
{
    u64 val = 0;

    RUNS(g->c, val = cpu_read_cr(g->c, n));
    return val;
}

static void cr0_bits(void)
{
    struct guest *g = protected_guest("qemu64");
    u64 cr0 = g->c->cr0;

    WRITE_GP(g, 0, cr0 | BIT64(32));
    WRITE_GP(g, 0, CR0_PG);
    WRITE_GP(g, 0, cr0 | CR0_NW);
    write_cr(g, 0, 0x1ffaffc1); /* every bit that is not one, and PE */
    CHECK_EQ(read_cr(g, 0), CR0_PE | CR0_ET);
    write_cr(g, 0, cr0 & ~CR0_ET);
    CHECK_EQ(read_cr(g, 0), cr0 | CR0_ET);
    g->c->leave = false;
    write_cr(g, 0, cr0 | CR0_TS);
    CHECK(g->c->leave);
    guest_free(g);
}

static void lmsw(void)
{
    struct guest *g = protected_guest("qemu64");

    RUNS(g->c, cpu_lmsw(g->c, 0xfffe));
    CHECK_EQ(g->c->cr0, CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET); /* PE stays */
    RUNS(g->c, cpu_lmsw(g->c, 0));
    CHECK_EQ(g->c->cr0, CR0_PE | CR0_ET);
    guest_free(g);
}

static void into_long_mode_and_out(void)
{
    struct guest *g = protected_guest("qemu64");
    struct vcpu *c = g->c;
    u64 cr0 = c->cr0;

    c->efer = EFER_LME;
    WRITE_GP(g, 0, cr0 | CR0_PG); /* no PAE */
    write_cr(g, 4, CR4_PAE);
    c->seg[SEG_CS].ar |= AR_L;
    WRITE_GP(g, 0, cr0 | CR0_PG);
    c->seg[SEG_CS].ar &= (u16)~AR_L;
    write_cr(g, 0, cr0 | CR0_PG);
    CHECK_EQ(c->efer, EFER_LME | EFER_LMA);
    CHECK(c->long_mode && c->mode == MODE_32);
    WRITE_GP(g, 4, 0);
    write_cr(g, 0, cr0);
    CHECK_EQ(c->efer, EFER_LME);
    CHECK(!c->long_mode);
    guest_free(g);
    g = long_guest("qemu64");
    WRITE_GP(g, 0, g->c->cr0 & ~CR0_PG); /* from 64-bit code */
    guest_free(g);
}

static void pdptes(void)
{
    struct guest *g = protected_guest("pentium3"); /* 36 bits of physical address */
    struct vcpu *c = g->c;
    u64 cr0 = c->cr0;

    for (unsigned i = 0; i < 4; i++)
        put(g, 0x8020 + 8 * i, 0x9000 + 0x1000 * i + PTE_P, 8);
    write_cr(g, 3, 0x8020);
    write_cr(g, 4, CR4_PAE);
    CHECK_EQ(c->pdpte[1], 0); /* not before paging is on */
    write_cr(g, 0, cr0 | CR0_PG);
    CHECK_EQ(c->pdpte[1], 0xa001);
    put(g, 0x8028, 0xb001, 8);
    CHECK_EQ(c->pdpte[1], 0xa001); /* registers: memory does not count */
    write_cr(g, 0, cr0 | CR0_PG | CR0_TS);
    CHECK_EQ(c->pdpte[1], 0xa001);
    write_cr(g, 4, CR4_PAE | CR4_PGE);
    CHECK_EQ(c->pdpte[1], 0xb001);
    put(g, 0x8028, 0xb003, 8); /* W is reserved */
    WRITE_GP(g, 3, 0x8020);
    WRITE_GP(g, 4, CR4_PAE);
    CHECK_EQ(c->cr4, CR4_PAE | CR4_PGE);
    WRITE_GP(g, 0, cr0 | CR0_PG | CR0_CD);
    put(g, 0x8028, 0xb002, 8); /* not present: anything */
    write_cr(g, 3, 0x8020);
    put(g, 0x8028, BIT64(36) | 1, 8);
    WRITE_GP(g, 3, 0x8020);
    WRITE_GP(g, 3, 0xfffff000); /* no RAM there */
    CHECK_EQ(c->cr3, 0x8020);
    guest_free(g);
}

static void cr3_reserved_bits(void)
{
    struct guest *g = long_guest("x86-64-v2");

    WRITE_GP(g, 3, BIT64(48) | AT_PML4);
    WRITE_GP(g, 3, BIT64(63) | AT_PML4); /* no PCIDs */
    write_cr(g, 4, CR4_PAE | CR4_PCIDE);
    write_cr(g, 3, BIT64(63) | AT_PML4 | 5);
    CHECK_EQ(read_cr(g, 3), AT_PML4 | 5);
    WRITE_GP(g, 3, BIT64(62) | AT_PML4);
    guest_free(g);
}

static void cr4_follows_features(void)
{
    struct guest *g = long_guest("qemu64");

    WRITE_GP(g, 4, CR4_PAE | CR4_SMEP);
    WRITE_GP(g, 4, CR4_PAE | CR4_OSXSAVE);
    WRITE_GP(g, 4, CR4_PAE | BIT64(13)); /* VMXE */
    WRITE_GP(g, 4, CR4_PAE | BIT64(32));
    write_cr(g, 4, CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    guest_free(g);
    g = long_guest("x86-64-v2");
    write_cr(g, 4, CR4_PAE | CR4_SMEP | CR4_SMAP | CR4_UMIP | CR4_FSGSBASE);
    WRITE_GP(g, 4, CR4_PAE | CR4_LA57);
    guest_free(g);
    g = protected_guest("486");
    write_cr(g, 4, CR4_VME | CR4_PVI | CR4_PSE);
    WRITE_GP(g, 4, CR4_DE);
    guest_free(g);
    g = protected_guest("486,-vme,-pse");
    WRITE_UD(g, 4, 0);
    RAISES(g->c, cpu_read_cr(g->c, 4), VEC_UD, 0);
    guest_free(g);
}

static void long_mode_keeps_its_paging(void)
{
    struct guest *g = long_guest("max");

    WRITE_GP(g, 4, 0);                  /* PAE off */
    WRITE_GP(g, 4, CR4_PAE | CR4_LA57); /* a level more */
    g->c->cr3 |= 1;
    WRITE_GP(g, 4, CR4_PAE | CR4_PCIDE); /* CR3 has a PCID already */
    g->c->cr3 &= ~(u64)1;
    write_cr(g, 4, CR4_PAE | CR4_PCIDE);
    guest_free(g);
    g = protected_guest("max");
    WRITE_GP(g, 4, CR4_PAE | CR4_PCIDE);
    write_cr(g, 4, CR4_PAE | CR4_LA57);
    guest_free(g);
}

static void cr8_and_others(void)
{
    struct guest *g = long_guest("qemu64");

    write_cr(g, 8, 0xb);
    CHECK_EQ(read_cr(g, 8), 0xb);
    CHECK_EQ(lapic_tpr(g->c->lapic), 0xb0);
    WRITE_GP(g, 8, 0x10);
    write_cr(g, 2, 0x123456789abcdef0);
    CHECK_EQ(read_cr(g, 2), 0x123456789abcdef0);
    WRITE_UD(g, 1, 0);
    WRITE_UD(g, 5, 0);
    WRITE_UD(g, 15, 0);
    RAISES(g->c, cpu_read_cr(g->c, 7), VEC_UD, 0);
    guest_free(g);
}

static void xcr0(void)
{
    struct guest *g = long_guest("max,-avx");
    struct vcpu *c = g->c;

    RAISES(c, cpu_xsetbv(c, 0, 3), VEC_UD, 0);
    RAISES(c, cpu_xgetbv(c, 0), VEC_UD, 0);
    write_cr(g, 4, CR4_PAE | CR4_OSXSAVE);
    RAISES(c, cpu_xsetbv(c, 0, 7), VEC_GP, 0);
    RAISES(c, cpu_xsetbv(c, 0, 2), VEC_GP, 0);
    RAISES(c, cpu_xsetbv(c, 1, 3), VEC_GP, 0);
    RUNS(c, cpu_xsetbv(c, 0, 3));
    CHECK_EQ(xgetbv(g, 0), 3);
    g->vm.model.word[CPUID_1_ECX] |= BIT(X86_AVX % 32);
    RAISES(c, cpu_xsetbv(c, 0, 5), VEC_GP, 0);
    RUNS(c, cpu_xsetbv(c, 0, 7));
    c->fpu.fcw = 0x37f;
    CHECK_EQ(xgetbv(g, 1), 0);
    c->fpu.ymm[9][31] = 1;
    c->fpu.fsw = 1;
    CHECK_EQ(xgetbv(g, 1), 5);
    RAISES(c, cpu_xgetbv(c, 2), VEC_GP, 0);
    guest_free(g);
}

/* Maps the page at 2 MiB + `from` to `to`, by a page table of its own. */
static void map_page(struct guest *g, u64 from, u64 to)
{
    put(g, AT_PD + 8, 0x13000 | PTE_P | PTE_W | PTE_U, 8);
    put(g, 0x13000 + (from >> 9), to | PTE_P | PTE_W | PTE_U, 8);
}

static noinline void invpcid(struct guest *g, u64 type, u64 pcid, gva_t va)
{
    RUNS(g->c, cpu_invpcid(g->c, type, pcid, va));
}

static noinline u64 load(struct guest *g, gva_t va)
{
    u64 val = 0;

    RUNS(g->c, val = lin_read(g->c, va, 4, g->c->mmu));
    return val;
}

static void translations_are_dropped(void)
{
    struct guest *g = long_guest("max");
    const gva_t va = 0x200000;

    put(g, 0x50000, 0x1111, 4);
    put(g, 0x51000, 0x2222, 4);
    map_page(g, 0, 0x50000);
    CHECK_EQ(load(g, va), 0x1111);
    map_page(g, 0, 0x51000);
    RUNS(g->c, cpu_invlpg(g->c, va));
    CHECK_EQ(load(g, va), 0x2222);
    map_page(g, 0, 0x50000);
    write_cr(g, 3, AT_PML4);
    CHECK_EQ(load(g, va), 0x1111);
    map_page(g, 0, 0x51000);
    write_cr(g, 4, CR4_PAE | CR4_PGE);
    CHECK_EQ(load(g, va), 0x2222);
    RUNS(g->c, cpu_invlpg(g->c, 0x0000900000000000)); /* not canonical: nothing */
    for (u64 type = 0; type < 4; type++) {
        map_page(g, 0, type & 1 ? 0x51000 : 0x50000);
        invpcid(g, type, 0, va);
        CHECK_EQ(load(g, va), type & 1 ? 0x2222 : 0x1111);
    }
    guest_free(g);
}

static void pcids(void)
{
    struct guest *g = long_guest("max");
    const gva_t va = 0x200000;

    put(g, 0x50000, 0x1111, 4);
    put(g, 0x51000, 0x2222, 4);
    map_page(g, 0, 0x50000);
    write_cr(g, 4, CR4_PAE | CR4_PCIDE);
    write_cr(g, 3, AT_PML4 | 1);
    CHECK_EQ(load(g, va), 0x1111);
    write_cr(g, 3, AT_PML4 | 2);
    map_page(g, 0, 0x51000);
    CHECK_EQ(load(g, va), 0x2222);
    RUNS(g->c, cpu_invpcid(g->c, 0, 1, va)); /* another context than the current one */
    write_cr(g, 3, BIT64(63) | AT_PML4 | 1);
    CHECK_EQ(load(g, va), 0x2222);
    map_page(g, 0, 0x50000);
    RUNS(g->c, cpu_invpcid(g->c, 1, 1, 0));
    CHECK_EQ(load(g, va), 0x1111);
    RAISES(g->c, cpu_invpcid(g->c, 4, 1, 0), VEC_GP, 0);
    RAISES(g->c, cpu_invpcid(g->c, 1, 0x1000, 0), VEC_GP, 0);
    RAISES(g->c, cpu_invpcid(g->c, 2, 0x1000, 0), VEC_GP, 0);
    RAISES(g->c, cpu_invpcid(g->c, 0, 1, BIT64(60)), VEC_GP, 0);
    WRITE_GP(g, 0, g->c->cr0 & ~CR0_PG);
    write_cr(g, 4, CR4_PAE);
    RAISES(g->c, cpu_invpcid(g->c, 0, 1, 0), VEC_GP, 0);
    RAISES(g->c, cpu_invpcid(g->c, 1, 1, 0), VEC_GP, 0);
    RUNS(g->c, cpu_invpcid(g->c, 2, 1, 0));
    guest_free(g);
}

static void write_protection_takes_effect(void)
{
    struct guest *g = long_guest("max");

    write_cr(g, 0, g->c->cr0 & ~CR0_WP);
    put(g, AT_PD + 8, 0x200000 | PTE_P | PTE_PS, 8); /* read-only */
    RUNS(g->c, cpu_invlpg(g->c, 0x200000));
    RUNS(g->c, lin_write(g->c, 0x200000, 4, 1, g->c->mmu));
    write_cr(g, 0, g->c->cr0 | CR0_WP);
    RAISES(g->c, lin_write(g->c, 0x200000, 4, 1, g->c->mmu), VEC_PF, PFEC_P | PFEC_W);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(cr0_bits);
    TEST_RUN(lmsw);
    TEST_RUN(into_long_mode_and_out);
    TEST_RUN(pdptes);
    TEST_RUN(cr3_reserved_bits);
    TEST_RUN(cr4_follows_features);
    TEST_RUN(long_mode_keeps_its_paging);
    TEST_RUN(cr8_and_others);
    TEST_RUN(xcr0);
    TEST_RUN(translations_are_dropped);
    TEST_RUN(pcids);
    TEST_RUN(write_protection_takes_effect);
    return test_result();
}
