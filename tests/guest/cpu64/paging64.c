/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 4-level paging (SDM 3A 4.5-4.7): permissions over all levels with error codes, A and D, NX, large
   and huge pages, reserved bits, WP, INVLPG, global pages. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA (TEST_BASE + 0x12345000)
#define RW (PTE_P | PTE_W | PTE_U)

static page_aligned u8 data[2][4096];
static volatile u64 *entry[5]; /* for VA, by level */
static u64 address[5];         /* what they point to */
static volatile u8 *const at = (volatile u8 *)VA;

#define READ()  asm volatile(AT "movb (%0), %%al" : : "r"(at) : "eax")
#define WRITE() asm volatile(AT "movb $0xc3, (%0)" : : "r"(at) : "memory")
#define EXEC()  asm volatile("call *%0" : : "r"(at) : "memory")

CODE(user_read, "movabsq $0x10012345000, %rbx\n movb (%rbx), %al\n" EXIT_USER);
CODE(user_write, "movabsq $0x10012345000, %rbx\n movb $0xc3, (%rbx)\n" EXIT_USER);
CODE(user_exec, "movabsq $0x10012345000, %rbx\n call *%rbx\n" EXIT_USER);

/* All levels as usual, but for the given one. */
static void set(unsigned level, u64 flags)
{
    for (unsigned l = 1; l <= 4; l++)
        *entry[l] = address[l] | (l == level ? flags : RW);
    data[0][0] = 0xc3; /* RET */
    invlpg(at);
}

/* Vectors of a read, a write and an execution, and the error code without W and I. */
static void supervisor_case(unsigned level, u64 flags, u32 read, u32 write, u32 exec, u32 error)
{
    set(level, flags);
    CHECK_TRAP(read, error, READ());
    set(level, flags);
    CHECK_TRAP(write, error | PF_W, WRITE());
    set(level, flags);
    CHECK_TRAP(exec, error | PF_I, EXEC());
    if (exec == PF)
        CHECK_EQ(last_trap.ip, VA);
}

static void supervisor(void)
{
    test("supervisor");
    for (unsigned l = 1; l <= 4; l++) {
        supervisor_case(l, RW, NO_TRAP, NO_TRAP, NO_TRAP, 0);
        supervisor_case(l, RW & ~PTE_P, PF, PF, PF, 0);
        supervisor_case(l, PTE_P | PTE_U, NO_TRAP, PF, NO_TRAP, PF_P);
        supervisor_case(l, RW | PTE_NX, NO_TRAP, NO_TRAP, PF, PF_P);
        supervisor_case(l, PTE_P | PTE_W, NO_TRAP, NO_TRAP, NO_TRAP, 0);
        supervisor_case(l, RW | 1ull << 51, PF, PF, PF, PF_P | PF_RSVD);
    }
    supervisor_case(4, RW | PTE_PS, PF, PF, PF, PF_P | PF_RSVD); /* no pages at this level */
    set_cr0(get_cr0() & ~(word)CR0_WP);
    for (unsigned l = 1; l <= 4; l++)
        supervisor_case(l, PTE_P | PTE_U, NO_TRAP, NO_TRAP, NO_TRAP, 0);
    set_cr0(get_cr0() | CR0_WP);
}

static void user_case(unsigned level, u64 flags, u32 read, u32 write, u32 exec, u32 error)
{
    set(level, flags);
    CHECK_USER(read, read == PF ? error | PF_U : 0, user_read);
    set(level, flags);
    CHECK_USER(write, write == PF ? error | PF_U | PF_W : 0, user_write);
    set(level, flags);
    CHECK_USER(exec, exec == PF ? error | PF_U | PF_I : 0, user_exec);
}

static void user(void)
{
    test("user");
    for (unsigned l = 1; l <= 4; l++) {
        user_case(l, RW, USER_EXIT, USER_EXIT, USER_EXIT, 0);
        user_case(l, RW & ~PTE_P, PF, PF, PF, 0);
        user_case(l, PTE_P | PTE_W, PF, PF, PF, PF_P);
        CHECK_EQ(last_trap.cr2, VA);
        user_case(l, PTE_P | PTE_U, USER_EXIT, PF, USER_EXIT, PF_P);
        user_case(l, RW | PTE_NX, USER_EXIT, USER_EXIT, PF, PF_P);
    }
    set_cr0(get_cr0() & ~(word)CR0_WP);
    user_case(1, PTE_P | PTE_U, USER_EXIT, PF, USER_EXIT, PF_P);
    set_cr0(get_cr0() | CR0_WP);
}

static void accessed_and_dirty(void)
{
    test("A and D");
    set(1, RW);
    READ();
    for (unsigned l = 1; l <= 4; l++)
        CHECK_EQ(*entry[l] & (PTE_A | PTE_D), PTE_A);
    WRITE();
    CHECK_EQ(*entry[1] & (PTE_A | PTE_D), PTE_A | PTE_D);
    for (unsigned l = 2; l <= 4; l++)
        CHECK_EQ(*entry[l] & PTE_D, 0);
    set(1, PTE_P);
    CHECK_TRAP(PF, PF_P | PF_W, WRITE());
    CHECK_EQ(*entry[1] & PTE_D, 0);
    set(1, RW);
    CHECK_USER_EXITS(user_read);
    CHECK_EQ(*entry[1] & (PTE_A | PTE_D), PTE_A);
    set(1, RW); /* a read first, with D clear, must not hide the later write */
    READ();
    asm volatile("lock orb $0, (%0)" : : "r"(at) : "memory");
    CHECK_EQ(*entry[1] & PTE_D, PTE_D);
    set(1, RW);
    EXEC();
    CHECK_EQ(*entry[1] & (PTE_A | PTE_D), PTE_A);
}

static void large(void)
{
    test("2 MiB pages");
    u64 base = (word)data & ~0x1fffffull, off = (word)data & 0x1fffff;
    volatile u8 *p = (volatile u8 *)((VA & ~0x1fffffull) + off);
    set(1, RW);
    data[0][0] = 0x55;
    *entry[2] = base | RW | PTE_PS;
    invlpg(at);
    CHECK_EQ(*p, 0x55);
    CHECK_EQ(*entry[2] & (PTE_A | PTE_D), PTE_A);
    *p = 0x66;
    CHECK_EQ(data[0][0], 0x66);
    CHECK_EQ(*entry[2] & PTE_D, PTE_D);
    *entry[2] = base | RW | PTE_PS | BIT(12); /* PAT: fine */
    invlpg(at);
    CHECK_EQ(*p, 0x66);
    for (unsigned bit = 13; bit < 21; bit++) {
        *entry[2] = base | RW | PTE_PS | BIT(bit);
        invlpg(at);
        CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    }
    test("1 GiB pages");
    *entry[3] = RW | PTE_PS;
    invlpg(at);
    if (!(cpuid(0x80000001, 0).edx & BIT(26))) {
        CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
        return;
    }
    p = (volatile u8 *)((VA & ~0x3fffffffull) + (word)data);
    CHECK_EQ(*p, 0x66);
    *p = 0x77;
    CHECK_EQ(data[0][0], 0x77);
    CHECK_EQ(*entry[3] & (PTE_A | PTE_D), PTE_A | PTE_D);
    *entry[3] = RW | PTE_PS | BIT(13);
    invlpg(at);
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    *entry[3] = RW | PTE_PS | BIT(29);
    invlpg(at);
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
}

static void no_nx(void)
{
    test("NX without EFER.NXE is reserved");
    set(1, RW | PTE_NX);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)BIT(11));
    invlpg(at);
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    set(1, RW & ~PTE_P);
    CHECK_TRAP(PF, 0, EXEC()); /* the I bit needs NXE or SMEP */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
}

static void invalidation(void)
{
    test("INVLPG and CR3");
    set(1, RW);
    data[0][1] = 1;
    data[1][1] = 2;
    CHECK_EQ(at[1], 1);
    *entry[1] = (word)data[1] | RW;
    invlpg(at + 4095);
    CHECK_EQ(at[1], 2);
    *entry[1] = (word)data[0] | RW;
    set_cr3(get_cr3());
    CHECK_EQ(at[1], 1);
    *entry[1] = (word)data[1] | PTE_P; /* fewer rights: a fault may come only after INVLPG… */
    invlpg(at);
    CHECK_TRAP(PF, PF_P | PF_W, WRITE());
    *entry[1] = (word)data[1] | RW; /* …but more rights must work without one */
    CHECK_RUNS(WRITE());
    *entry[1] = 0;
    invlpg(at);
    CHECK_TRAP(PF, 0, READ());
    *entry[1] = (word)data[1] | RW; /* not-present entries are never cached */
    CHECK_RUNS(READ());
    set_cr4(get_cr4() | CR4_PGE);
    *entry[1] = (word)data[0] | RW | PTE_G;
    invlpg(at);
    CHECK_EQ(at[1], 1);
    *entry[1] = (word)data[1] | RW;
    set_cr4(get_cr4() & ~(word)CR4_PGE); /* flushes global ones as well */
    CHECK_EQ(at[1], 2);
}

static void implicit(void)
{
    test("descriptor tables are supervisor accesses");
    /* The GDT is not user-accessible, yet a segment load at CPL 3 works. */
    extern u8 user_load[];
    CHECK_USER_EXITS(user_load);
}
CODE(user_load, "movl $0x23, %eax\n movl %eax, %es\n" EXIT_USER);

GUEST("paging64")
{
    page_map(VA, (word)data[0], RW);
    for (unsigned l = 1; l <= 4; l++) {
        entry[l] = page_entry(VA, l);
        address[l] = *entry[l] & PTE_ADDR;
    }
    supervisor();
    user();
    accessed_and_dirty();
    large();
    no_nx();
    invalidation();
    implicit();
}
