/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a translation is still cached is seen by changing the page table behind its back. */
#include "guest.h"

#include "cpu/system.h"

enum {
    AT_L4 = 0x40000,
    AT_L3 = 0x41000,
    AT_L2 = 0x42000,
    AT_L1 = 0x43000,
    AT_L4_OTHER = 0x48000, /* maps the same upper half, and the lower half to other pages */
    AT_L3_OTHER = 0x49000,
    AT_L2_OTHER = 0x4a000,
    AT_L1_OTHER = 0x4b000,
    PAGE_A = 0x100000,
    PAGE_B = 0x101000,
    PAGE_C = 0x102000,
};

#define ALL (PTE_P | PTE_W | PTE_U)
/* In slots of their own, so that one does not push another out. */
#define LOW   0x5000ull
#define OTHER 0x6000ull
#define HIGH  0xffff800000007000ull
#define LARGE 0x200000ull

static void table(struct guest *g, gpa_t l4, gpa_t page)
{
    put(g, l4, (l4 + 0x1000) | ALL, 8);
    put(g, l4 + 256 * 8, AT_L3 | ALL, 8);
    put(g, l4 + 0x1000, (l4 + 0x2000) | ALL, 8);
    put(g, l4 + 0x2000, (l4 + 0x3000) | ALL, 8);
    for (unsigned n = 5; n < 8; n++)
        put(g, l4 + 0x3000 + n * 8, page | ALL, 8);
}

static struct guest *open_guest(u64 cr4)
{
    struct guest *g = guest_new();
    struct vcpu *c = g->c;

    table(g, AT_L4, PAGE_A);
    table(g, AT_L4_OTHER, PAGE_B);
    for (unsigned n = 0; n < 3; n++)
        put(g, PAGE_A + n * PAGE_SIZE, 0xa + n, 8);
    c->cr0 |= CR0_PE | CR0_PG | CR0_WP;
    c->cr4 = CR4_PAE | cr4;
    c->efer = EFER_LME | EFER_LMA;
    c->cr3 = AT_L4;
    c->seg[SEG_CS].ar = A_CODE | AR_L;
    tlb_flush_all(c);
    vcpu_update_mode(c);
    return g;
}

/* Not inlined: callers keep no variables across its setjmp. */
static __attribute__((noinline)) u64 load_as(struct guest *g, gva_t va, unsigned mmu)
{
    u64 v = ~0ull;

    RUNS(g->c, v = lin_ld64(g->c, va, mmu));
    return v;
}

static u64 load(struct guest *g, gva_t va)
{
    return load_as(g, va, MMU_SUPER);
}

static __attribute__((noinline)) void invlpg(struct guest *g, gva_t va)
{
    RUNS(g->c, cpu_invlpg(g->c, va));
}

static void remap(struct guest *g, gpa_t table, gpa_t page, u64 flags)
{
    for (unsigned n = 5; n < 8; n++)
        put(g, table + n * 8, page | ALL | flags, 8);
}

static __attribute__((noinline)) void write_cr3(struct guest *g, u64 val)
{
    RUNS(g->c, cpu_write_cr(g->c, 3, val));
}

static void translations_stay_until_flushed(void)
{
    struct guest *g = open_guest(0);

    CHECK_EQ(load(g, LOW), 0xa);
    remap(g, AT_L1, PAGE_B, 0);
    CHECK_EQ(load(g, LOW), 0xa);
    tlb_flush_all(g->c);
    CHECK_EQ(load(g, LOW), 0xb);
    guest_free(g);
}

static void invlpg_drops_one_page_for_all_rights(void)
{
    struct guest *g = open_guest(0);

    CHECK_EQ(load(g, LOW), 0xa);
    CHECK_EQ(load(g, OTHER), 0xa);
    CHECK_EQ(load_as(g, LOW, MMU_USER), 0xa);
    remap(g, AT_L1, PAGE_B, 0);
    invlpg(g, LOW + 0x123);
    CHECK_EQ(load(g, LOW), 0xb);
    CHECK_EQ(load(g, OTHER), 0xa); /* the neighbour stays */
    CHECK_EQ(load_as(g, LOW, MMU_USER), 0xb);
    guest_free(g);
}

/* INVLPG of any address in a large page drops all of it. */
static void invlpg_of_a_large_page(void)
{
    struct guest *g = open_guest(0);

    put(g, AT_L2 + 8, ALL | PTE_PS, 8);
    CHECK_EQ(load(g, LARGE + PAGE_A), 0xa);
    CHECK_EQ(load(g, LARGE + PAGE_B), 0xb);
    put(g, AT_L2 + 8, LARGE | ALL | PTE_PS, 8);
    CHECK_EQ(load(g, LARGE + PAGE_B), 0xb);
    invlpg(g, LARGE + PAGE_A);
    CHECK_EQ(load(g, LARGE + PAGE_B), 0);
    guest_free(g);
}

static void map_kernel(struct guest *g, gpa_t page)
{
    for (unsigned n = 5; n < 8; n++)
        put(g, AT_L1 + n * 8, page | PTE_P | PTE_W | PTE_G, 8);
}

static void a_write_of_cr3_drops_what_is_not_global(void)
{
    struct guest *g = open_guest(CR4_PGE);

    map_kernel(g, PAGE_A);
    CHECK_EQ(load_as(g, HIGH, MMU_SUPER_SMAP), 0xa);
    write_cr3(g, AT_L4_OTHER);
    CHECK_EQ(load(g, LOW), 0xb);
    map_kernel(g, PAGE_C);
    CHECK_EQ(load_as(g, HIGH, MMU_SUPER_SMAP), 0xa); /* global: may and does stay */
    write_cr3(g, AT_L4);
    CHECK_EQ(load(g, LOW), 0xc);
    invlpg(g, HIGH); /* global pages too */
    CHECK_EQ(load_as(g, HIGH, MMU_SUPER_SMAP), 0xc);
    guest_free(g);
}

static void a_private_page_in_the_upper_half_goes_with_cr3(void)
{
    struct guest *g = open_guest(CR4_PGE);

    CHECK_EQ(load(g, HIGH), 0xa);
    remap(g, AT_L1, PAGE_B, 0);
    write_cr3(g, AT_L4);
    CHECK_EQ(load(g, HIGH), 0xb);
    guest_free(g);
}

static void switching_pge_drops_everything(void)
{
    struct guest *g = open_guest(CR4_PGE);

    g->vm.model.word[X86_PGE / 32] |= BIT(X86_PGE % 32);
    g->vm.model.word[X86_PAE / 32] |= BIT(X86_PAE % 32);
    remap(g, AT_L1, PAGE_A, PTE_G);
    CHECK_EQ(load(g, HIGH), 0xa);
    remap(g, AT_L1, PAGE_B, PTE_G);
    RUNS(g->c, cpu_write_cr(g->c, 4, CR4_PAE));
    CHECK_EQ(load(g, HIGH), 0xb);
    guest_free(g);
}

#define KEEP BIT64(63)

static struct guest *open_pcid(void)
{
    struct guest *g = open_guest(CR4_PCIDE | CR4_PGE);

    tlb_flush_all(g->c);
    write_cr3(g, AT_L4 | 1);
    CHECK_EQ(load(g, LOW), 0xa);
    write_cr3(g, AT_L4_OTHER | 2);
    CHECK_EQ(load(g, OTHER), 0xb);
    remap(g, AT_L1, PAGE_C, 0);
    remap(g, AT_L1_OTHER, PAGE_C, 0);
    return g;
}

static void pcids_keep_their_translations(void)
{
    struct guest *g = open_pcid();

    write_cr3(g, AT_L4 | 1 | KEEP);
    CHECK_EQ(load(g, LOW), 0xa);
    write_cr3(g, AT_L4_OTHER | 2 | KEEP);
    CHECK_EQ(load(g, OTHER), 0xb);
    write_cr3(g, AT_L4 | 1); /* without bit 63: of this one only */
    CHECK_EQ(load(g, LOW), 0xc);
    write_cr3(g, AT_L4_OTHER | 2 | KEEP);
    CHECK_EQ(load(g, OTHER), 0xb);
    CHECK_EQ(g->c->cr3, AT_L4_OTHER | 2);
    guest_free(g);
}

static void invlpg_is_for_the_current_pcid(void)
{
    struct guest *g = open_pcid();

    invlpg(g, OTHER);
    CHECK_EQ(load(g, OTHER), 0xc);
    write_cr3(g, AT_L4 | 1 | KEEP);
    invlpg(g, OTHER);
    CHECK_EQ(load(g, LOW), 0xa);
    guest_free(g);
}

static void invpcid(void)
{
    struct guest *g = open_pcid();
    struct vcpu *c = g->c;

    RUNS(c, cpu_invpcid(c, 0, 1, LOW)); /* an address of another space */
    write_cr3(g, AT_L4 | 1 | KEEP);
    CHECK_EQ(load(g, LOW), 0xc);
    write_cr3(g, AT_L4_OTHER | 2 | KEEP);
    CHECK_EQ(load(g, OTHER), 0xb);
    RUNS(c, cpu_invpcid(c, 1, 2, 0)); /* the current space */
    CHECK_EQ(load(g, OTHER), 0xc);
    remap(g, AT_L1_OTHER, PAGE_A, 0);
    remap(g, AT_L1, PAGE_A, 0);
    RUNS(c, cpu_invpcid(c, 3, 0, 0)); /* all but global ones */
    CHECK_EQ(load(g, OTHER), 0xa);
    write_cr3(g, AT_L4 | 1 | KEEP);
    CHECK_EQ(load(g, LOW), 0xa);
    RAISES(c, cpu_invpcid(c, 4, 0, 0), VEC_GP, 0);
    RAISES(c, cpu_invpcid(c, 1, 0x1000, 0), VEC_GP, 0);
    RAISES(c, cpu_invpcid(c, 0, 1, BIT64(47)), VEC_GP, 0);
    guest_free(g);
}

static void a_large_page_of_one_pcid_does_not_hide_in_another(void)
{
    struct guest *g = open_guest(CR4_PCIDE | CR4_PGE);

    tlb_flush_all(g->c);
    put(g, AT_L2 + 8, ALL | PTE_PS, 8);
    put(g, AT_L2_OTHER + 8, ALL | PTE_PS, 8);
    write_cr3(g, AT_L4 | 1);
    CHECK_EQ(load(g, LARGE + PAGE_A), 0xa);
    write_cr3(g, AT_L4_OTHER | 2);
    CHECK_EQ(load(g, LARGE + PAGE_B), 0xb);
    invlpg(g, LARGE); /* of PCID 2 */
    write_cr3(g, AT_L4 | 1 | KEEP);
    (void)load(g, LARGE + PAGE_A); /* whether it stayed or not */
    put(g, AT_L2 + 8, LARGE | ALL | PTE_PS, 8);
    invlpg(g, LARGE); /* of PCID 1 */
    CHECK_EQ(load(g, LARGE + PAGE_A), 0);
    guest_free(g);
}

/* Far more address spaces than there are numbers: none ever sees another's pages. */
static void numbers_wrap_without_mixing(void)
{
    struct guest *g = open_guest(CR4_PCIDE | CR4_PGE);

    tlb_flush_all(g->c);
    for (unsigned n = 0; n < 20000; n++) {
        bool other = n * 2654435761u >> 31;
        write_cr3(g, (other ? AT_L4_OTHER : AT_L4) | (n * 7 % 50 * 2 + other) | (n % 3 ? KEEP : 0));
        if (load(g, LOW) != (other ? 0xb : 0xa)) {
            CHECK(false && "the page of its own space");
            break;
        }
        if (n % 5 == 0)
            invlpg(g, HIGH);
        (void)load(g, HIGH);
    }
    guest_free(g);
}

static void rights_are_separate(void)
{
    struct guest *g = open_guest(CR4_SMAP);
    struct vcpu *c = g->c;

    CHECK_EQ(load(g, LOW), 0xa); /* as if EFLAGS.AC were set */
    RAISES(c, lin_ld64(c, LOW, MMU_SUPER_SMAP), VEC_PF, PFEC_P);
    put(g, AT_L1 + (LOW >> 12) * 8, PAGE_A | PTE_P, 8);
    tlb_flush_all(c);
    CHECK_EQ(load(g, LOW), 0xa);
    RAISES(c, lin_ld64(c, LOW, MMU_USER), VEC_PF, PFEC_P | PFEC_U);
    RAISES(c, lin_st64(c, LOW, 1, MMU_SUPER), VEC_PF, PFEC_P | PFEC_W);
    guest_free(g);
}

/* The first write must go through the walk: it sets the dirty bit. */
static void a_read_does_not_make_a_clean_page_writable(void)
{
    struct guest *g = open_guest(0);
    struct vcpu *c = g->c;

    CHECK_EQ(load(g, LOW), 0xa);
    CHECK(!(get(g, AT_L1 + (LOW >> 12) * 8, 8) & PTE_D));
    RUNS(c, lin_st64(c, LOW, 0x77, MMU_SUPER));
    CHECK(get(g, AT_L1 + (LOW >> 12) * 8, 8) & PTE_D);
    CHECK_EQ(get(g, PAGE_A, 8), 0x77);
    guest_free(g);
}

/* Two addresses in one slot: the later one wins, the earlier is walked again. */
static void slots_are_shared(void)
{
    struct guest *g = open_guest(0);
    gva_t far = LARGE * 2 + LOW; /* 1024 pages on */

    put(g, AT_L2 + 16, ALL | PTE_PS, 8);
    put(g, LOW, 0x55, 8);
    CHECK_EQ(load(g, LOW), 0xa);
    CHECK_EQ(load(g, far), 0x55);
    CHECK_EQ(load(g, LOW), 0xa);
    CHECK_EQ(load(g, far), 0x55);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(translations_stay_until_flushed);
    TEST_RUN(invlpg_drops_one_page_for_all_rights);
    TEST_RUN(invlpg_of_a_large_page);
    TEST_RUN(a_write_of_cr3_drops_what_is_not_global);
    TEST_RUN(a_private_page_in_the_upper_half_goes_with_cr3);
    TEST_RUN(switching_pge_drops_everything);
    TEST_RUN(pcids_keep_their_translations);
    TEST_RUN(invlpg_is_for_the_current_pcid);
    TEST_RUN(invpcid);
    TEST_RUN(a_large_page_of_one_pcid_does_not_hide_in_another);
    TEST_RUN(numbers_wrap_without_mixing);
    TEST_RUN(rights_are_separate);
    TEST_RUN(a_read_does_not_make_a_clean_page_writable);
    TEST_RUN(slots_are_shared);
    return test_result();
}
