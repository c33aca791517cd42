/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/system.h"
#include "guest.h"

/* DR7 for breakpoint n: enabled globally; type 0 exec, 1 write, 2 port, 3 access; len is coded. */
#define DR7_OF(n, type, len) (2ull << 2 * (n) | (u64)((len) << 2 | (type)) << (16 + 4 * (n)))

enum { LEN1 = 0, LEN2 = 1, LEN8 = 2, LEN4 = 3 };

static __attribute__((noinline)) u64 read_dr(struct guest *g, unsigned n)
{
    u64 val = 0;

    RUNS(g->c, val = cpu_read_dr(g->c, n));
    return val;
}

static __attribute__((noinline)) void write_dr(struct guest *g, unsigned n, u64 val)
{
    RUNS(g->c, cpu_write_dr(g->c, n, val));
}

static void fixed_bits(void)
{
    struct guest *g = guest_long();

    CHECK_EQ(read_dr(g, 6), 0xffff0ff0);
    CHECK_EQ(read_dr(g, 7), 0x400);
    write_dr(g, 6, 0xffffffff);
    CHECK_EQ(read_dr(g, 6), 0xffffefff);
    write_dr(g, 6, 0);
    CHECK_EQ(read_dr(g, 6), 0xffff0ff0);
    write_dr(g, 7, 0xffffdfff);
    CHECK_EQ(read_dr(g, 7), 0xffff07ff);
    write_dr(g, 7, 0);
    write_dr(g, 3, 0x123456789abcdef0);
    CHECK_EQ(read_dr(g, 3), 0x123456789abcdef0);
    RAISES(g->c, cpu_write_dr(g->c, 6, BIT64(32)), VEC_GP, 0);
    RAISES(g->c, cpu_write_dr(g->c, 7, BIT64(63)), VEC_GP, 0);
    guest_free(g);
}

static void aliases(void)
{
    struct guest *g = guest_protected();

    write_dr(g, 5, 0x55);
    CHECK_EQ(read_dr(g, 7), 0x455);
    CHECK_EQ(read_dr(g, 4), 0xffff0ff0);
    g->c->cr4 |= CR4_DE;
    RAISES(g->c, cpu_write_dr(g->c, 5, 0), VEC_UD, 0);
    RAISES(g->c, cpu_read_dr(g->c, 4), VEC_UD, 0);
    RAISES(g->c, cpu_read_dr(g->c, 8), VEC_UD, 0);
    guest_free(g);
}

static void general_detect(void)
{
    struct guest *g = guest_protected();

    write_dr(g, 7, DR7_GD);
    RAISES(g->c, cpu_read_dr(g->c, 0), VEC_DB, 0);
    CHECK_EQ(g->c->excp.dr6, DR6_BD);
    RAISES(g->c, cpu_write_dr(g->c, 7, 0), VEC_DB, 0);
    g->c->cr4 |= CR4_DE;
    RAISES(g->c, cpu_read_dr(g->c, 5), VEC_UD, 0);
    guest_free(g);
}

static u64 after_access(struct guest *g, gva_t va, unsigned len, bool write)
{
    u64 hits;

    dr_check_data(g->c, va, len, write);
    hits = g->c->pending_db;
    g->c->pending_db = 0;
    return hits;
}

static void data_ranges(void)
{
    struct guest *g = guest_long();

    write_dr(g, 0, 0x1002);
    write_dr(g, 1, 0x2003); /* of 4 bytes: 0x2000 … 0x2003 */
    write_dr(g, 2, 0xfffffffffffffff8);
    write_dr(g, 7, DR7_OF(0, 1, LEN1) | DR7_OF(1, 3, LEN4) | DR7_OF(2, 3, LEN8));
    CHECK_EQ(after_access(g, 0x1002, 1, true), 1);
    CHECK_EQ(after_access(g, 0x1002, 1, false), 0);
    CHECK_EQ(after_access(g, 0x1000, 2, true), 0);
    CHECK_EQ(after_access(g, 0x1000, 4, true), 1);
    CHECK_EQ(after_access(g, 0x1003, 4, true), 0);
    CHECK_EQ(after_access(g, 0x2000, 1, false), 2);
    CHECK_EQ(after_access(g, 0x1ffd, 4, false), 2);
    CHECK_EQ(after_access(g, 0x2004, 1, false), 0);
    CHECK_EQ(after_access(g, 0xffffffffffffffff, 1, true), 4);
    CHECK_EQ(after_access(g, 0xffffffffffffff00, 8, true), 0);
    CHECK(dr_page_watched(g->c, 0x1000));
    CHECK(dr_page_watched(g->c, 0x2000));
    CHECK(!dr_page_watched(g->c, 0x3000));
    CHECK(dr_page_watched(g->c, 0xfffffffffffff000));
    CHECK(!dr_exec_armed(g->c));
    guest_free(g);
}

static void disabled_ones_show_with_enabled_ones(void)
{
    struct guest *g = guest_long();

    write_dr(g, 0, 0x1000);
    write_dr(g, 1, 0x1000);
    write_dr(g, 7, (u64)((LEN4 << 2 | 3) << 16) | DR7_OF(1, 1, LEN4)); /* 0 is off */
    CHECK_EQ(after_access(g, 0x1000, 4, true), 3);
    CHECK_EQ(after_access(g, 0x1000, 4, false), 0);
    guest_free(g);
}

static void execution(void)
{
    struct guest *g = guest_long();

    CHECK(!dr_exec_armed(g->c));
    write_dr(g, 0, 0x1000);
    write_dr(g, 3, 0x1000);
    write_dr(g, 7, DR7_OF(3, 0, LEN1));
    CHECK(dr_exec_armed(g->c));
    CHECK(!dr_page_watched(g->c, 0x1000));
    CHECK_EQ(dr_match_exec(g->c, 0x1000), 0x9);
    CHECK_EQ(dr_match_exec(g->c, 0x1001), 0);
    write_dr(g, 7, 0);
    CHECK_EQ(dr_match_exec(g->c, 0x1000), 0);
    guest_free(g);
}

/* Through memory accesses: a page that was in the TLB is watched from the write of DR7 on. */
static void watched_pages_leave_the_tlb(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    RUNS(c, lin_write(c, 0x50010, 4, 1, c->mmu));
    CHECK_EQ(c->pending_db, 0);
    write_dr(g, 2, 0x50010);
    write_dr(g, 7, DR7_OF(2, 1, LEN4));
    RUNS(c, lin_write(c, 0x50020, 4, 1, c->mmu));
    CHECK_EQ(c->pending_db, 0);
    RUNS(c, lin_write(c, 0x50012, 1, 1, c->mmu));
    CHECK_EQ(c->pending_db, 4);
    guest_free(g);
}

static struct guest *with_ports(struct guest *g)
{
    bus_init(&g->vm.pio, "pio", &g->vm.lock);
    return g;
}

static void port_breakpoints(void)
{
    struct guest *g = with_ports(guest_protected());
    struct vcpu *c = g->c;

    write_dr(g, 0, 0x60);
    write_dr(g, 7, DR7_OF(0, 2, LEN2));
    RUNS(c, cpu_in(c, 0x60, 1));
    CHECK_EQ(c->pending_db, 0); /* CR4.DE is off */
    c->cr4 |= CR4_DE;
    RUNS(c, cpu_in(c, 0x62, 1));
    CHECK_EQ(c->pending_db, 0);
    RUNS(c, cpu_in(c, 0x61, 1));
    CHECK_EQ(c->pending_db, 1);
    c->pending_db = 0;
    RUNS(c, cpu_out(c, 0x5e, 4, 0));
    CHECK_EQ(c->pending_db, 1);
    guest_free(g);
}

/* The TSS of the guest has its bitmap at 100h. */
static void bitmap(struct guest *g, u16 port, bool deny)
{
    u8 *byte = ram(g, AT_TSS + 0x100 + port / 8u);

    *byte = (u8)(deny ? *byte | 1u << (port & 7) : *byte & ~(1u << (port & 7)));
}

static void io_permission(void)
{
    struct guest *g = with_ports(guest_protected());
    struct vcpu *c = g->c;
    u32 val = 0;

    RUNS(c, val = cpu_in(c, 0x80, 4));
    CHECK_EQ(val, 0xffffffff);
    to_level3(g);
    bitmap(g, 0x87, true);
    RUNS(c, cpu_check_port(c, 0x80, 4));
    RUNS(c, cpu_check_port(c, 0x86, 1));
    RAISES(c, cpu_in(c, 0x87, 1), VEC_GP, 0);
    RAISES(c, cpu_out(c, 0x84, 4, 0), VEC_GP, 0);
    RAISES(c, cpu_check_port(c, 0x86, 2), VEC_GP, 0);
    bitmap(g, 0x88, true); /* in the second byte of the two */
    bitmap(g, 0x87, false);
    RAISES(c, cpu_check_port(c, 0x86, 4), VEC_GP, 0);
    /* Limit 3ffh: the bytes for ports up to 17f7h and the one after are there. */
    RUNS(c, cpu_check_port(c, 0x17f7, 1));
    RAISES(c, cpu_check_port(c, 0x17f8, 1), VEC_GP, 0);
    RAISES(c, cpu_check_port(c, 0xffff, 1), VEC_GP, 0);
    c->eflags |= EFLAGS_IOPL;
    RUNS(c, cpu_check_port(c, 0x88, 1));
    c->eflags &= ~EFLAGS_IOPL;
    put(g, AT_TSS + 0x66, 0xffff, 2);
    RAISES(c, cpu_check_port(c, 0, 1), VEC_GP, 0);
    put(g, AT_TSS + 0x66, 0x100, 2);
    RUNS(c, cpu_check_port(c, 0, 1));
    c->tr.ar = AR_P | SYS_TSS16_BUSY;
    RAISES(c, cpu_check_port(c, 0, 1), VEC_GP, 0);
    c->tr.ar = AR_P | SYS_TSS32_BUSY;
    c->tr.limit = 0x66;
    RAISES(c, cpu_check_port(c, 0, 1), VEC_GP, 0);
    guest_free(g);
}

/* Virtual-8086 mode looks at the bitmap whatever IOPL is. */
static void io_permission_v86(void)
{
    struct guest *g = with_ports(guest_v86(3, false));

    RUNS(g->c, cpu_check_port(g->c, 0x60, 1));
    bitmap(g, 0x60, true);
    RAISES(g->c, cpu_check_port(g->c, 0x60, 1), VEC_GP, 0);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(fixed_bits);
    TEST_RUN(aliases);
    TEST_RUN(general_detect);
    TEST_RUN(data_ranges);
    TEST_RUN(disabled_ones_show_with_enabled_ones);
    TEST_RUN(execution);
    TEST_RUN(watched_pages_leave_the_tlb);
    TEST_RUN(port_breakpoints);
    TEST_RUN(io_permission);
    TEST_RUN(io_permission_v86);
    return test_result();
}
