/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include "cpu/exclusive.h"
#include "cpu/system.h"

enum {
    AT_PT = 0x40000,
    PAGE_1 = 0x100000, /* consecutive pages */
    PAGE_2 = 0x101000,
    PAGE_3 = 0x102000,
    DEVICE = 0x10000000,
};

#define ALL  (PTE_P | PTE_W | PTE_U)
#define EDGE ((u64)PAGE_2)

struct dev {
    u8 reg[PAGE_SIZE];
    unsigned reads, writes, last_size;
    u64 last_off;
};

static struct dev dev;

static u64 dev_read(void *opaque, u64 off, unsigned size)
{
    u64 val = 0;

    dev.reads++;
    dev.last_off = off;
    dev.last_size = size;
    memcpy(&val, dev.reg + off, size);
    return val;
}

static void dev_write(void *opaque, u64 off, unsigned size, u64 val)
{
    dev.writes++;
    dev.last_off = off;
    dev.last_size = size;
    memcpy(dev.reg + off, &val, size);
}

static const struct bus_ops dev_ops = {.read = dev_read, .write = dev_write, .max_size = 8};

static void map(struct guest *g, gva_t va, u64 entry)
{
    put(g, AT_PT + (va >> 12) * 8, entry, 8);
    tlb_flush_all(g->c);
}

/* Long mode, the first 2 MiB in small pages, then a device. */
static struct guest *open_guest(void)
{
    struct guest *g = guest_long();

    memset(&dev, 0, sizeof(dev));
    for (unsigned n = 0; n < 512; n++)
        put(g, AT_PT + n * 8, n << 12 | ALL, 8);
    put(g, AT_PD, AT_PT | ALL, 8);
    if (bus_claim(&g->vm.mmio, DEVICE, DEVICE + 0xfff, &dev_ops, NULL, "dev"))
        abort();
    tlb_flush_all(g->c);
    for (unsigned n = 0; n < 64; n++)
        put(g, EDGE - 32 + n, n, 1);
    vcpu_guest_enter(g->c); /* it stops the world, which it is then part of */
    return g;
}

static __attribute__((noinline)) u64 load(struct guest *g, gva_t va, unsigned size)
{
    u64 v = ~0ull;

    RUNS(g->c, v = lin_read(g->c, va, size, MMU_SUPER));
    return v;
}

static __attribute__((noinline)) void store(struct guest *g, gva_t va, unsigned size, u64 val)
{
    RUNS(g->c, lin_write(g->c, va, size, val, MMU_SUPER));
}

static __attribute__((noinline)) bool exchange(struct guest *g, gva_t va, unsigned size, u64 *old,
                                               u64 new)
{
    bool ok = false;

    RUNS(g->c, ok = lin_cmpxchg(g->c, va, size, old, new, MMU_SUPER));
    return ok;
}

static void accesses_cross_pages(void)
{
    struct guest *g = open_guest();

    map(g, PAGE_2, PAGE_3 | ALL); /* neighbours in linear space only */
    for (unsigned n = 0; n < 8; n++)
        put(g, PAGE_3 + n, 0xf0 + n, 1);
    for (unsigned round = 0; round < 2; round++) { /* without and with TLB entries */
        CHECK_EQ(load(g, EDGE - 1, 2), 0xf01f);
        CHECK_EQ(load(g, EDGE - 3, 4), 0xf01f1e1d);
        CHECK_EQ(load(g, EDGE - 2, 4), 0xf1f01f1e);
        CHECK_EQ(load(g, EDGE - 5, 8), 0xf2f1f01f1e1d1c1b);
    }
    store(g, EDGE - 3, 8, 0x1122334455667788);
    CHECK_EQ(get(g, PAGE_2 - 3, 3), 0x667788);
    CHECK_EQ(get(g, PAGE_3, 5), 0x1122334455);
    CHECK_EQ(get(g, PAGE_3 + 5, 1), 0xf5);
    CHECK_EQ(get(g, PAGE_2 - 4, 1), 0x1c);
    guest_free(g);
}

static void a_crossing_write_is_whole_or_not_at_all(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    map(g, PAGE_2, PAGE_2 | PTE_P | PTE_U);
    RAISES(c, lin_st64(c, EDGE - 4, ~0ull, MMU_SUPER), VEC_PF, PFEC_P | PFEC_W);
    CHECK_EQ(c->excp.cr2, EDGE);
    CHECK_EQ(get(g, EDGE - 4, 4), 0x1f1e1d1c);
    map(g, PAGE_2, 0);
    RAISES(c, lin_ld16(c, EDGE - 1, MMU_USER), VEC_PF, PFEC_U);
    CHECK_EQ(c->excp.cr2, EDGE);
    map(g, PAGE_1, 0); /* the lower page first */
    RAISES(c, lin_ld16(c, EDGE - 1, MMU_USER), VEC_PF, PFEC_U);
    CHECK_EQ(c->excp.cr2, EDGE - 1);
    guest_free(g);
}

static void a_refused_crossing_access_leaves_the_second_page_clean(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    map(g, PAGE_1, PAGE_1 | PTE_P | PTE_U);
    RAISES(c, lin_st64(c, EDGE - 4, ~0ull, MMU_SUPER), VEC_PF, PFEC_P | PFEC_W);
    CHECK(!(get(g, AT_PT + (PAGE_2 >> 12) * 8, 8) & (PTE_A | PTE_D)));
    guest_free(g);
}

static void probes_change_bits_of_entries_only(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    gpa_t pte = AT_PT + (PAGE_1 >> 12) * 8;

    RUNS(c, lin_probe_read(c, EDGE - 8, 16, MMU_SUPER));
    CHECK_EQ(get(g, pte, 8), PAGE_1 | ALL | PTE_A);
    CHECK_EQ(get(g, pte + 8, 8), PAGE_2 | ALL | PTE_A);
    RUNS(c, lin_probe_write(c, EDGE - 8, 8, MMU_SUPER));
    CHECK_EQ(get(g, pte, 8), PAGE_1 | ALL | PTE_A | PTE_D);
    CHECK_EQ(get(g, pte + 8, 8), PAGE_2 | ALL | PTE_A);
    CHECK_EQ(get(g, EDGE - 8, 8), 0x1f1e1d1c1b1a1918);
    map(g, PAGE_2, 0);
    RAISES(c, lin_probe_write(c, EDGE - 8, 9, MMU_SUPER), VEC_PF, PFEC_W);
    RUNS(c, lin_probe_write(c, EDGE - 8, 8, MMU_SUPER));
    RAISES(c, lin_probe_read(c, EDGE - 100, 512, MMU_SUPER), VEC_PF, 0);
    guest_free(g);
}

static void the_canonical_hole(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    RAISES(c, lin_ld8(c, BIT64(47), MMU_SUPER), VEC_GP, 0);
    RAISES(c, lin_ld8(c, BIT64(47), MMU_SUPER | MMU_STACK), VEC_SS, 0);
    RAISES(c, lin_st8(c, ~0ull << 47 ^ BIT64(46) ^ BIT64(47), 0, MMU_SUPER), VEC_GP, 0);
    RAISES(c, lin_ld64(c, BIT64(47) - 4, MMU_SUPER), VEC_GP, 0); /* ends in it */
    RAISES(c, lin_ld64(c, BIT64(47) - 8, MMU_SUPER), VEC_PF, 0);
    RAISES(c, lin_st16(c, BIT64(47) - 1, 0, MMU_SUPER | MMU_STACK), VEC_SS, 0);
    RAISES(c, lin_ld8(c, ~0ull << 47, MMU_SUPER), VEC_PF, 0);
    guest_free(g);
}

static void addresses_wrap_at_four_gigabytes_outside_long_mode(void)
{
    struct guest *g = guest_protected();

    put(g, 0, 0x1122334455667788, 8);
    /* No paging: the top of the space is no RAM, its bottom is. */
    CHECK_EQ(load(g, 0xfffffffe, 4), 0x7788ffff);
    store(g, 0xfffffffd, 8, 0x0102030405060708);
    CHECK_EQ(get(g, 0, 8), 0x1122330102030405);
    guest_free(g);
}

static void devices(void)
{
    struct guest *g = open_guest();

    map(g, PAGE_2, DEVICE | ALL);
    store(g, EDGE + 8, 8, 0x1122334455667788);
    CHECK(dev.writes == 1 && dev.last_size == 8 && dev.last_off == 8);
    CHECK_EQ(load(g, EDGE + 10, 2), 0x5566);
    CHECK(dev.reads == 1 && dev.last_size == 2 && dev.last_off == 10);
    dev.reg[0] = 0xdd;
    CHECK_EQ(load(g, EDGE - 1, 2), 0xdd1f); /* half RAM, half device */
    CHECK(dev.last_size == 1 && dev.last_off == 0);
    CHECK_EQ(load(g, EDGE + 8, 8), 0x1122334455667788); /* never from the TLB */
    CHECK_EQ(dev.reads, 3);
    map(g, PAGE_2, 0x20000000 | ALL);
    CHECK_EQ(load(g, EDGE, 4), 0xffffffff);
    guest_free(g);
}

static void the_local_apic_hides_what_is_there(void)
{
    struct guest *g = open_guest();

    map(g, PAGE_2, 0xfee00000 | ALL);
    CHECK_EQ(load(g, EDGE + 0x30, 4) & 0xff, 0x14); /* version */
    store(g, EDGE + 0x80, 4, 0x55);
    CHECK_EQ(lapic_tpr(g->c->lapic), 0x55);
    CHECK(g->c->leave);
    CHECK(lapic_set_base(g->c->lapic, 0x100000 | LAPIC_BASE_BSP | LAPIC_BASE_EN, false,
                         BIT64(40) - 1)); /* over RAM */
    tlb_flush_all(g->c);
    CHECK_EQ(load(g, PAGE_1 + 0x80, 4), 0x55);
    guest_free(g);
}

static void alignment_checks(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    u8 buf[16];

    for (unsigned round = 0; round < 2; round++) {
        RAISES(c, lin_ld16(c, PAGE_1 + 1, MMU_USER_AC), VEC_AC, 0);
        RAISES(c, lin_st32(c, PAGE_1 + 2, 0, MMU_USER_AC), VEC_AC, 0);
        RAISES(c, lin_ld64(c, PAGE_1 + 4, MMU_USER_AC), VEC_AC, 0);
        RUNS(c, lin_ld64(c, PAGE_1 + 8, MMU_USER_AC));
        RUNS(c, lin_ld8(c, PAGE_1 + 1, MMU_USER_AC));
        RUNS(c, lin_ld32(c, PAGE_1 + 1, MMU_USER));
    }
    /* Whoever reads bytes has checked its operand itself. */
    RUNS(c, lin_read_bytes(c, PAGE_1 + 1, buf, 16, MMU_USER_AC));
    guest_free(g);
}

static void bytes_of_any_length(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    static u8 buf[512], back[512];

    for (unsigned n = 0; n < sizeof(buf); n++)
        buf[n] = (u8)(n * 7);
    for (unsigned round = 0; round < 2; round++) {
        RUNS(c, lin_write_bytes(c, EDGE - 101, buf, 512, MMU_SUPER));
        RUNS(c, lin_read_bytes(c, EDGE - 101, back, 512, MMU_SUPER));
        CHECK(!memcmp(buf, back, 512));
        CHECK(!memcmp(ram(g, PAGE_2 - 101), buf, 512));
    }
    memset(back, 0, sizeof(back));
    map(g, PAGE_2, PAGE_2 | PTE_P);
    RUNS(c, lin_write_bytes(c, EDGE - 101, back, 101, MMU_USER));
    RAISES(c, lin_write_bytes(c, EDGE - 101, buf, 102, MMU_USER), VEC_PF, PFEC_P | PFEC_W | PFEC_U);
    CHECK_EQ(get(g, EDGE - 101, 8), 0);
    map(g, PAGE_2, DEVICE | ALL);
    RUNS(c, lin_write_bytes(c, EDGE - 3, buf, 16, MMU_USER));
    CHECK(!memcmp(dev.reg, buf + 3, 13));
    CHECK_EQ(dev.writes, 3); /* 8, 4 and 1 bytes */
    guest_free(g);
}

static void compare_and_exchange(void)
{
    struct guest *g = open_guest();

    for (unsigned round = 0; round < 2; round++)
        for (unsigned size = 1; size <= 8; size *= 2) {
            u64 mask = size_mask(size), old = 0x1716151413121110 & mask;
            put(g, EDGE - 16, 0x1716151413121110, 8);
            CHECK(exchange(g, EDGE - 16, size, &old, 0xa9a8a7a6a5a4a3a2));
            CHECK_EQ(old, 0x1716151413121110 & mask);
            CHECK_EQ(get(g, EDGE - 16, 8),
                     (0xa9a8a7a6a5a4a3a2 & mask) | (0x1716151413121110 & ~mask));
            old = 1;
            CHECK(!exchange(g, EDGE - 16, size, &old, 0));
            CHECK_EQ(old, 0xa9a8a7a6a5a4a3a2 & mask);
        }
    guest_free(g);
}

static void compare_and_exchange_across_pages(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    u64 old = 0x2322212019f1e1d0;

    map(g, PAGE_2, PAGE_3 | ALL);
    put(g, PAGE_3, 0x43424140, 4);
    CHECK(!exchange(g, EDGE - 4, 8, &old, 1));
    CHECK_EQ(old, 0x434241401f1e1d1c);
    CHECK(exchange(g, EDGE - 4, 8, &old, 0x1122334455667788));
    CHECK_EQ(get(g, PAGE_2 - 4, 4), 0x55667788);
    CHECK_EQ(get(g, PAGE_3, 4), 0x11223344);
    CHECK(!c->exclusive);
    map(g, PAGE_2, PAGE_3 | PTE_P | PTE_U);
    static u64 guess;
    guess = 5; /* wrong: write permission is needed even so */
    RAISES(c, if (lin_cmpxchg(c, EDGE - 4, 8, &guess, 0, MMU_SUPER)) abort(), VEC_PF,
           PFEC_P | PFEC_W);
    RAISES(c, if (lin_cmpxchg(c, EDGE, 1, &guess, 0, MMU_SUPER)) abort(), VEC_PF, PFEC_P | PFEC_W);
    CHECK(!c->exclusive);
    guest_free(g);
}

static void compare_and_exchange_with_a_device(void)
{
    struct guest *g = open_guest();
    u64 old = 0;

    map(g, PAGE_2, DEVICE | ALL);
    CHECK(exchange(g, EDGE + 4, 4, &old, 7));
    CHECK_EQ(dev.reg[4], 7);
    CHECK(!exchange(g, EDGE + 4, 4, &old, 9));
    CHECK_EQ(old, 7);
    CHECK(dev.reads == 2 && dev.writes == 1);
    CHECK(!g->c->exclusive);
    guest_free(g);
}

static void sixteen_bytes(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    static u64 old[2];
    const u64 new[2] = {0x1111, 0x2222};
    static bool ok;

    put(g, PAGE_1, 0xaa, 8);
    put(g, PAGE_1 + 8, 0xbb, 8);
    old[0] = 0xaa;
    old[1] = 0;
    RUNS(c, ok = lin_cmpxchg16(c, PAGE_1, old, new, MMU_SUPER));
    CHECK(!ok && old[0] == 0xaa && old[1] == 0xbb);
    RUNS(c, ok = lin_cmpxchg16(c, PAGE_1, old, new, MMU_SUPER));
    CHECK(ok);
    CHECK_EQ(get(g, PAGE_1 + 8, 8), 0x2222);
    map(g, PAGE_2, DEVICE | ALL);
    old[0] = old[1] = 0;
    RUNS(c, ok = lin_cmpxchg16(c, EDGE, old, new, MMU_SUPER));
    CHECK(ok && dev.reg[8] == 0x22);
    guest_free(g);
}

static __attribute__((noinline)) bool alone(struct guest *g, gva_t va, unsigned size)
{
    bool yes = false;

    RUNS(g->c, yes = lin_needs_exclusive(g->c, va, size, MMU_SUPER));
    return yes;
}

static void what_locked_instructions_need(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    static bool yes;

    CHECK(!alone(g, PAGE_1, 8));
    CHECK(!alone(g, PAGE_1 + 1, 8)); /* a split cache line is the host's business */
    CHECK(alone(g, EDGE - 4, 8));
    map(g, PAGE_2, DEVICE | ALL);
    CHECK(alone(g, EDGE, 1));
    map(g, PAGE_2, PAGE_2 | PTE_P);
    RAISES(c, yes = lin_needs_exclusive(c, EDGE, 1, MMU_SUPER), VEC_PF, PFEC_P | PFEC_W);
    CHECK(!yes);
    guest_free(g);
}

/* Writes to a page that code was decoded from never go by the TLB. */
static void writes_to_code_pages_tell(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;
    struct mem_page *page = &g->vm.mem->pages[PAGE_1 >> PAGE_SHIFT];
    static u64 old[2];
    u64 one = 0;

    store(g, PAGE_1, 8, 0);
    CHECK(lin_ptr_write(c, PAGE_1, 8, MMU_SUPER) != NULL);
    atomic_store(&page->has_code, 1);
    tlb_forget_code_writes(c);
    CHECK(lin_ptr_write(c, PAGE_1, 8, MMU_SUPER) == NULL);
    CHECK_EQ(page->code_gen, 1); /* the entry may have been written through before */
    c->leave = false;
    store(g, PAGE_1 + 8, 4, 1);
    CHECK(page->code_gen == 2 && c->leave);
    CHECK(exchange(g, PAGE_1, 8, &one, 1));
    CHECK_EQ(page->code_gen, 3);
    RUNS(c, if (lin_cmpxchg16(c, PAGE_1 + 16, old, old, MMU_SUPER)) c->leave = false);
    CHECK_EQ(page->code_gen, 4);
    store(g, EDGE - 1, 2, 0);
    CHECK_EQ(page->code_gen, 5);
    CHECK_EQ(load(g, PAGE_1, 8), 1);
    CHECK(lin_ptr_write(c, PAGE_1, 8, MMU_SUPER) == NULL);
    guest_free(g);
}

static void data_breakpoints_end_the_block(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    store(g, PAGE_1, 8, 0);
    c->dr[0] = PAGE_1 + 4;
    RUNS(c, cpu_write_dr(c, 7, 1 | 1 << 16 | 3 << 18)); /* 4 bytes, writes */
    c->leave = false;
    CHECK_EQ(load(g, PAGE_1 + 4, 4), 0);
    store(g, PAGE_1, 4, 0);
    CHECK(c->pending_db == 0 && !c->leave);
    store(g, PAGE_1 + 7, 1, 0);
    CHECK(c->pending_db == 1 && c->leave);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(accesses_cross_pages);
    TEST_RUN(a_crossing_write_is_whole_or_not_at_all);
    TEST_RUN(a_refused_crossing_access_leaves_the_second_page_clean);
    TEST_RUN(probes_change_bits_of_entries_only);
    TEST_RUN(the_canonical_hole);
    TEST_RUN(addresses_wrap_at_four_gigabytes_outside_long_mode);
    TEST_RUN(devices);
    TEST_RUN(the_local_apic_hides_what_is_there);
    TEST_RUN(alignment_checks);
    TEST_RUN(bytes_of_any_length);
    TEST_RUN(compare_and_exchange);
    TEST_RUN(compare_and_exchange_across_pages);
    TEST_RUN(compare_and_exchange_with_a_device);
    TEST_RUN(sixteen_bytes);
    TEST_RUN(what_locked_instructions_need);
    TEST_RUN(writes_to_code_pages_tell);
    TEST_RUN(data_breakpoints_end_the_block);
    return test_result();
}
