/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/walk.h"
#include "guest.h"

enum {
    AT_PML5 = 0x40000,
    AT_L4 = 0x41000,
    AT_L3 = 0x42000,
    AT_L2 = 0x43000,
    AT_L1 = 0x44000,
    AT_PD32 = 0x45000,
    AT_PT32 = 0x46000,
};

#define ALL (PTE_P | PTE_W | PTE_U)

static void feature(struct guest *g, enum x86_feature f)
{
    g->vm.model.word[f / 32] |= BIT(f % 32);
}

/* Walks; the error code in *pfec, -1 for none. */
static s64 walk(struct guest *g, gva_t va, unsigned mmu, u32 access, struct walk *w)
{
    u32 pfec = access;

    memset(w, 0, sizeof(*w));
    return page_walk(g->c, va, mmu, &pfec, w) ? -1 : (s64)pfec;
}

static struct guest *paging32(u64 cr4)
{
    struct guest *g = guest_new();

    g->c->cr0 |= CR0_PE | CR0_PG;
    g->c->cr3 = AT_PD32;
    g->c->cr4 = cr4;
    vcpu_update_mode(g->c);
    put(g, AT_PD32 + 4 * 4, AT_PT32 | ALL, 4); /* 16 MiB */
    put(g, AT_PT32 + 4 * 4, 0x12345000 | ALL, 4);
    return g;
}

static struct guest *paging_pae(void)
{
    struct guest *g = guest_new();

    g->c->cr0 |= CR0_PE | CR0_PG;
    g->c->cr4 = CR4_PAE;
    g->c->pdpte[1] = AT_L2 | PTE_P; /* 1 GiB */
    vcpu_update_mode(g->c);
    put(g, AT_L2 + 8, AT_L1 | ALL, 8);
    put(g, AT_L1 + 8, 0x2abcde000 | ALL, 8);
    return g;
}

static struct guest *paging_long(bool la57)
{
    struct guest *g = guest_new();

    g->c->cr0 |= CR0_PE | CR0_PG;
    g->c->cr4 = CR4_PAE | (la57 ? CR4_LA57 : 0);
    g->c->efer = EFER_LME | EFER_LMA;
    g->c->cr3 = la57 ? AT_PML5 : AT_L4;
    vcpu_update_mode(g->c);
    put(g, AT_PML5 + 3 * 8, AT_L4 | ALL, 8);
    put(g, AT_L4, AT_L3 | ALL, 8);
    put(g, AT_L3, AT_L2 | ALL, 8);
    put(g, AT_L2 + 8, AT_L1 | ALL, 8); /* 2 MiB */
    put(g, AT_L1 + 8, 0x2abcde000 | ALL, 8);
    return g;
}

#define VA32   0x1004000ull
#define VA_PAE 0x40201000ull
#define VA64   0x201000ull

static void without_paging_addresses_are_physical(void)
{
    struct guest *g = guest_new();
    struct walk w;

    CHECK_EQ(walk(g, 0x123456789, MMU_SUPER, PFEC_W, &w), -1);
    CHECK_EQ(w.gpa, 0x23456789);
    CHECK(w.writable && w.executable && !w.global && w.size == PAGE_SIZE);
    atomic_store(&g->vm.a20_mask, ~BIT64(20));
    CHECK_EQ(walk(g, 0x123456, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(w.gpa, 0x023456);
    guest_free(g);
}

static void two_levels_of_four_bytes(void)
{
    struct guest *g = paging32(0);
    struct walk w;

    CHECK_EQ(walk(g, VA32 + 0x678, MMU_USER, PFEC_U, &w), -1);
    CHECK_EQ(w.gpa, 0x12345678);
    CHECK(w.size == PAGE_SIZE && !w.writable && w.executable); /* clean: not writable yet */
    CHECK_EQ(walk(g, VA32 + 0x678, MMU_USER, PFEC_U | PFEC_W, &w), -1);
    CHECK(w.writable);
    CHECK_EQ(walk(g, VA32 + 0x1000, MMU_USER, PFEC_U | PFEC_W, &w), PFEC_U | PFEC_W);
    CHECK_EQ(walk(g, 0, MMU_SUPER, 0, &w), 0);
    CHECK_EQ(walk(g, 0x100000000ull + VA32, MMU_SUPER, 0, &w), -1); /* 32 bits of it count */
    guest_free(g);
}

static void accessed_and_dirty_bits_32(void)
{
    struct guest *g = paging32(0);
    struct walk w;

    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(get(g, AT_PD32 + 16, 4), AT_PT32 | ALL | PTE_A);
    CHECK_EQ(get(g, AT_PT32 + 16, 4), 0x12345000 | ALL | PTE_A);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, PFEC_W, &w), -1);
    CHECK_EQ(get(g, AT_PD32 + 16, 4), AT_PT32 | ALL | PTE_A);
    CHECK_EQ(get(g, AT_PT32 + 16, 4), 0x12345000 | ALL | PTE_A | PTE_D);
    CHECK_EQ(get(g, AT_PT32 + 20, 4), 0); /* the neighbour */
    guest_free(g);
}

static void faults_leave_the_bits_alone(void)
{
    struct guest *g = paging32(0);
    struct walk w;

    put(g, AT_PT32 + 16, (0x12345000 | ALL) & ~PTE_W, 4);
    CHECK_EQ(walk(g, VA32, MMU_USER, PFEC_U | PFEC_W, &w), PFEC_P | PFEC_U | PFEC_W);
    CHECK_EQ(get(g, AT_PD32 + 16, 4), AT_PT32 | ALL);
    CHECK_EQ(get(g, AT_PT32 + 16, 4), (0x12345000 | ALL) & ~PTE_W);
    put(g, AT_PT32 + 16, 0, 4);
    CHECK_EQ(walk(g, VA32, MMU_USER, PFEC_U, &w), PFEC_U);
    CHECK_EQ(get(g, AT_PD32 + 16, 4), AT_PT32 | ALL);
    guest_free(g);
}

static void four_megabytes_with_pse(void)
{
    struct guest *g = paging32(CR4_PSE);
    struct walk w;

    g->vm.model.phys_bits = 36;
    put(g, AT_PD32 + 16, 0x00c00000 | ALL | PTE_PS, 4);
    CHECK_EQ(walk(g, 0x1123456, MMU_USER, PFEC_U | PFEC_W, &w), -1);
    CHECK_EQ(w.gpa, 0xd23456);
    CHECK(w.size > PAGE_SIZE && w.writable);
    CHECK_EQ(get(g, AT_PD32 + 16, 4), 0x00c00000 | ALL | PTE_PS | PTE_A | PTE_D);
    /* PSE-36: bits 16:13 are address bits 35:32, bit 12 is PAT, bit 21 is reserved. */
    put(g, AT_PD32 + 16, 0x00c00000 | 0xb << 13 | BIT(12) | ALL | PTE_PS, 4);
    CHECK_EQ(walk(g, 0x1123456, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(w.gpa, 0xb00d23456);
    put(g, AT_PD32 + 16, 0x00c00000 | BIT(21) | ALL | PTE_PS, 4);
    CHECK_EQ(walk(g, 0x1123456, MMU_SUPER, 0, &w), PFEC_P | PFEC_RSVD);
    put(g, AT_PD32 + 16, 0x00c00000 | BIT(17) | ALL | PTE_PS, 4); /* address bit 36 of 36 */
    CHECK_EQ(walk(g, 0x1123456, MMU_SUPER, PFEC_W, &w), PFEC_P | PFEC_RSVD | PFEC_W);
    /* Without PSE the bit says nothing. */
    g->c->cr4 = 0;
    put(g, AT_PD32 + 16, AT_PT32 | ALL | PTE_PS, 4);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(w.gpa, 0x12345000);
    guest_free(g);
}

static void pae(void)
{
    struct guest *g = paging_pae();
    struct walk w;

    CHECK_EQ(walk(g, VA_PAE + 0xfff, MMU_USER, PFEC_U | PFEC_W, &w), -1);
    CHECK_EQ(w.gpa, 0x2abcdefff);
    CHECK_EQ(get(g, AT_L2 + 8, 8), AT_L1 | ALL | PTE_A);
    CHECK_EQ(get(g, AT_L1 + 8, 8), 0x2abcde000 | ALL | PTE_A | PTE_D);
    CHECK_EQ(walk(g, 0x80201000, MMU_SUPER, 0, &w), 0); /* another PDPTE */
    put(g, AT_L2 + 16, 0x40600000 | ALL | PTE_PS, 8);
    CHECK_EQ(walk(g, 0x40512345, MMU_USER, PFEC_U, &w), -1);
    CHECK_EQ(w.gpa, 0x40712345);
    CHECK(w.size > PAGE_SIZE);
    put(g, AT_L2 + 16, 0x40600000 | BIT(13) | ALL | PTE_PS, 8);
    CHECK_EQ(walk(g, 0x40512345, MMU_USER, PFEC_U, &w), PFEC_P | PFEC_RSVD | PFEC_U);
    put(g, AT_L2 + 16, 0x40600000 | BIT(12) | ALL | PTE_PS, 8); /* PAT */
    CHECK_EQ(walk(g, 0x40512345, MMU_USER, PFEC_U, &w), -1);
    guest_free(g);
}

static void reserved_bits_of_wide_entries(void)
{
    struct guest *g = paging_pae();
    struct walk w;

    for (unsigned bit = 40; bit < 64; bit++) { /* phys_bits is 40 */
        put(g, AT_L1 + 8, 0x1000 | ALL | BIT64(bit), 8);
        CHECK_EQ(walk(g, VA_PAE, MMU_SUPER, 0, &w), PFEC_P | PFEC_RSVD);
    }
    guest_free(g);
    g = paging_long(false);
    for (unsigned bit = 40; bit < 64; bit++) {
        bool ignored = bit >= 52 && bit < 63;
        put(g, AT_L1 + 8, 0x1000 | ALL | BIT64(bit), 8);
        CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), ignored ? -1 : (s64)(PFEC_P | PFEC_RSVD));
    }
    put(g, AT_L1 + 8, 0x1000 | ALL, 8);
    put(g, AT_L4, AT_L3 | ALL | PTE_PS, 8);
    CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), PFEC_P | PFEC_RSVD);
    put(g, AT_L4, AT_L3 | ALL | BIT64(45), 8);
    CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), PFEC_P | PFEC_RSVD);
    put(g, AT_L4, (AT_L3 | ALL | BIT64(45)) & ~PTE_P, 8); /* not present: nothing is looked at */
    CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), 0);
    guest_free(g);
}

static void four_levels(void)
{
    struct guest *g = paging_long(false);
    struct walk w;

    CHECK_EQ(walk(g, VA64 + 0x123, MMU_USER, PFEC_U | PFEC_W, &w), -1);
    CHECK_EQ(w.gpa, 0x2abcde123);
    CHECK_EQ(get(g, AT_L4, 8), AT_L3 | ALL | PTE_A);
    CHECK_EQ(get(g, AT_L3, 8), AT_L2 | ALL | PTE_A);
    CHECK_EQ(get(g, AT_L2 + 8, 8), AT_L1 | ALL | PTE_A);
    CHECK_EQ(get(g, AT_L1 + 8, 8), 0x2abcde000 | ALL | PTE_A | PTE_D);
    put(g, AT_L2 + 16, 0x600000 | ALL | PTE_PS | PTE_G, 8);
    g->c->cr4 |= CR4_PGE;
    CHECK_EQ(walk(g, 0x4fffff, MMU_USER, PFEC_U, &w), -1);
    CHECK_EQ(w.gpa, 0x6fffff);
    CHECK(w.size > PAGE_SIZE && w.global);
    put(g, AT_L3 + 8, 0x80000000 | ALL | PTE_PS, 8);
    CHECK_EQ(walk(g, 0x52345678, MMU_USER, PFEC_U, &w), PFEC_P | PFEC_RSVD | PFEC_U);
    feature(g, X86_PDPE1GB);
    CHECK_EQ(walk(g, 0x52345678, MMU_USER, PFEC_U, &w), -1);
    CHECK_EQ(w.gpa, 0x92345678);
    put(g, AT_L3 + 8, 0x80000000 | BIT(29) | ALL | PTE_PS, 8);
    CHECK_EQ(walk(g, 0x52345678, MMU_USER, PFEC_U, &w), PFEC_P | PFEC_RSVD | PFEC_U);
    guest_free(g);
}

static void five_levels(void)
{
    struct guest *g = paging_long(true);
    struct walk w;

    CHECK_EQ(walk(g, 3ull << 48 | VA64, MMU_SUPER, PFEC_W, &w), -1);
    CHECK_EQ(w.gpa, 0x2abcde000);
    CHECK_EQ(get(g, AT_PML5 + 24, 8), AT_L4 | ALL | PTE_A);
    CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), 0);
    put(g, AT_PML5 + 511 * 8, AT_L4 | ALL | PTE_PS, 8);
    CHECK_EQ(walk(g, ~0ull << 48 | VA64, MMU_SUPER, 0, &w), PFEC_P | PFEC_RSVD);
    guest_free(g);
}

/* Rights are the AND over all levels. */
static void rights_of_all_levels_count(void)
{
    static const gpa_t at[] = {AT_L4, AT_L3, AT_L2 + 8, AT_L1 + 8};
    struct guest *g = paging_long(false);
    struct walk w;

    g->c->cr0 |= CR0_WP;
    for (unsigned n = 0; n < ARRAY_SIZE(at); n++) {
        u64 entry = get(g, at[n], 8);
        put(g, at[n], entry & ~PTE_W, 8);
        CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_W, &w), PFEC_P | PFEC_W);
        CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), -1);
        CHECK(!w.writable);
        put(g, at[n], entry & ~PTE_U, 8);
        CHECK_EQ(walk(g, VA64, MMU_USER, PFEC_U, &w), PFEC_P | PFEC_U);
        CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_W, &w), -1);
        g->c->efer |= EFER_NXE;
        put(g, at[n], entry | PTE_NX, 8);
        CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_I, &w), PFEC_P | PFEC_I);
        CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), -1);
        CHECK(!w.executable);
        g->c->efer &= ~EFER_NXE;
        put(g, at[n], entry, 8);
    }
    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_I, &w), -1);
    guest_free(g);
}

static void write_protection_of_the_supervisor(void)
{
    struct guest *g = paging_long(false);
    struct walk w;

    put(g, AT_L1 + 8, (0x1000 | ALL) & ~PTE_W, 8);
    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_W, &w), -1);
    CHECK(w.writable);
    CHECK(get(g, AT_L1 + 8, 8) & PTE_D);
    CHECK_EQ(walk(g, VA64, MMU_USER, PFEC_U | PFEC_W, &w), PFEC_P | PFEC_U | PFEC_W);
    g->c->cr0 |= CR0_WP;
    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_W, &w), PFEC_P | PFEC_W);
    guest_free(g);
}

static void smep_and_smap(void)
{
    struct guest *g = paging_long(false);
    struct walk w;

    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_W, &w), -1); /* it is dirty now */
    CHECK(w.writable);
    CHECK_EQ(walk(g, VA64, MMU_SUPER_SMAP, PFEC_I, &w), -1);
    CHECK(!w.readable && !w.writable); /* a fetch allows no data access */
    g->c->cr4 |= CR4_SMEP;
    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_I, &w), PFEC_P | PFEC_I);
    CHECK_EQ(walk(g, VA64, MMU_USER, PFEC_I | PFEC_U, &w), -1);
    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_W, &w), -1);
    CHECK(!w.executable); /* not as a side effect of data accesses either */
    CHECK_EQ(walk(g, VA64, MMU_SUPER_SMAP, 0, &w), PFEC_P);
    CHECK_EQ(walk(g, VA64, MMU_SUPER_SMAP, PFEC_W, &w), PFEC_P | PFEC_W);
    put(g, AT_L1 + 8, (0x1000 | ALL) & ~PTE_U, 8);
    CHECK_EQ(walk(g, VA64, MMU_SUPER_SMAP, PFEC_W, &w), -1);
    CHECK_EQ(walk(g, VA64, MMU_SUPER, PFEC_I, &w), -1);
    guest_free(g);
}

/* Bit 4 of the error code exists with NX or SMEP only. */
static void fetches_are_reported_where_they_can_be_refused(void)
{
    struct guest *g = paging_long(false);
    struct walk w;

    CHECK_EQ(walk(g, 0, MMU_USER, PFEC_U | PFEC_I, &w), PFEC_U);
    g->c->efer |= EFER_NXE;
    CHECK_EQ(walk(g, 0, MMU_USER, PFEC_U | PFEC_I, &w), PFEC_U | PFEC_I);
    guest_free(g);
    g = paging32(0);
    g->c->efer |= EFER_NXE; /* without PAE: no NX */
    CHECK_EQ(walk(g, 0, MMU_USER, PFEC_U | PFEC_I, &w), PFEC_U);
    g->c->cr4 |= CR4_SMEP;
    CHECK_EQ(walk(g, 0, MMU_USER, PFEC_U | PFEC_I, &w), PFEC_U | PFEC_I);
    guest_free(g);
}

static void global_pages(void)
{
    struct guest *g = paging32(0);
    struct walk w;

    put(g, AT_PT32 + 16, 0x12345000 | ALL | PTE_G, 4);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK(!w.global);
    g->c->cr4 = CR4_PGE;
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK(w.global);
    put(g, AT_PT32 + 16, 0x12345000 | ALL, 4); /* only the last entry's bit counts */
    put(g, AT_PD32 + 16, AT_PT32 | ALL | PTE_G, 4);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK(!w.global);
    guest_free(g);
}

static void tables_outside_ram_read_as_ones(void)
{
    struct guest *g = paging_long(false);
    struct walk w;

    g->c->cr3 = 0x10000000;
    CHECK_EQ(walk(g, VA64, MMU_SUPER, 0, &w), PFEC_P | PFEC_RSVD);
    guest_free(g);
    g = paging32(0);
    put(g, AT_PD32 + 16, 0x10000000 | ALL, 4);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, PFEC_W, &w), -1);
    CHECK_EQ(w.gpa, 0xfffff000);
    guest_free(g);
}

/* A20 off: bit 20 of all physical addresses is 0, those of tables too. */
static void a20_masks_tables_and_result(void)
{
    struct guest *g = paging32(0);
    struct walk w;

    put(g, AT_PT32 + 16, 0x12355000 | ALL, 4);
    g->c->cr3 = AT_PD32 | BIT(20);
    atomic_store(&g->vm.a20_mask, ~BIT64(20));
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(w.gpa, 0x12255000);
    guest_free(g);
}

/* Entries in a page that code was decoded from: their accessed bits are changes of code. */
static void updates_count_as_code_changes(void)
{
    struct guest *g = paging32(0);
    struct mem_page *page = &g->vm.mem->pages[AT_PT32 >> PAGE_SHIFT];
    struct walk w;

    atomic_store(&page->has_code, 1);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(page->code_gen, 1);
    CHECK_EQ(walk(g, VA32, MMU_SUPER, 0, &w), -1);
    CHECK_EQ(page->code_gen, 1);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(without_paging_addresses_are_physical);
    TEST_RUN(two_levels_of_four_bytes);
    TEST_RUN(accessed_and_dirty_bits_32);
    TEST_RUN(faults_leave_the_bits_alone);
    TEST_RUN(four_megabytes_with_pse);
    TEST_RUN(pae);
    TEST_RUN(reserved_bits_of_wide_entries);
    TEST_RUN(four_levels);
    TEST_RUN(five_levels);
    TEST_RUN(rights_of_all_levels_count);
    TEST_RUN(write_protection_of_the_supervisor);
    TEST_RUN(smep_and_smap);
    TEST_RUN(fetches_are_reported_where_they_can_be_refused);
    TEST_RUN(global_pages);
    TEST_RUN(tables_outside_ram_read_as_ones);
    TEST_RUN(a20_masks_tables_and_result);
    TEST_RUN(updates_count_as_code_changes);
    return test_result();
}
