/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two-level paging (SDM 3A 4.3): permissions and error codes, WP, accessed and dirty bits, 4 MiB
   pages, 36-bit page-size extension, global pages, CR2, and CR3 in a task switch. */
#include "desc.h"
#include "io.h"
#include "trap.h"

enum { P = 1, W = 2, U = 4, A = 32, D = 64, PS = 128, G = 256 };
#define VA      0x40000000u /* what the tests map */
#define PF_P    1u
#define PF_W    2u
#define PF_U    4u
#define PF_RSVD 8u

static u32 dir[1024] page_aligned, table[1024] page_aligned, dir2[1024] page_aligned;
static u8 data[2][4096] page_aligned;
static volatile u32 *const pde = &dir[VA >> 22], *const pte = &table[0];
static volatile u8 *const at = (volatile u8 *)VA;

#define READ()  asm volatile(AT "movb (%0), %%al" : : "r"(at) : "eax")
#define WRITE() asm volatile(AT "movb $1, (%0)" : : "r"(at) : "memory")

/* CPL 3 with the address in EBX: user_run clears registers, so it is built in. */
CODE(user_read, "movl $0x40000000, %ebx\n movb (%ebx), %al\n" EXIT_USER);
CODE(user_write, "movl $0x40000000, %ebx\n movb $1, (%ebx)\n" EXIT_USER);
CODE(user_exec, "movl $0x40000000, %ebx\n jmp *%ebx");

static void set(u32 pde_flags, u32 pte_flags)
{
    *pde = (word)table | pde_flags;
    *pte = (word)data[0] | pte_flags;
    invlpg(at);
}

static void start(void)
{
    for (u32 i = 0; i < 1024; i++)
        dir[i] = i << 22 | PS | U | W | P;
    *pde = 0;
    memcpy(dir2, dir, sizeof(dir));
    set_cr3((word)dir);
    set_cr4(get_cr4() | CR4_PSE);
    set_cr0(get_cr0() | CR0_PG | CR0_WP);
}

static void permissions(void)
{
    test("permissions");
    for (u32 bits = 0; bits < 64; bits++) {
        u32 d = bits & 7, t = bits >> 3, both = d & t;
        u32 read = both & P ? NO_TRAP : PF, write = (both & (P | W)) == (P | W) ? NO_TRAP : PF;
        u32 error = both & P ? PF_P : 0;
        set(d, t);
        CHECK_TRAP(read, error, READ());
        CHECK_TRAP(write, error | PF_W, WRITE());
        CHECK_EQ((user_run(user_read, 2) << 8) | bits,
                 (((both & (P | U)) == (P | U)) ? USER_EXIT : PF) << 8 | bits);
        if (last_trap.vector == PF)
            CHECK_EQ(last_trap.error << 8 | bits, (error | PF_U) << 8 | bits);
        CHECK_EQ((user_run(user_write, 2) << 8) | bits,
                 (both == (P | U | W) ? USER_EXIT : PF) << 8 | bits);
        if (last_trap.vector == PF) {
            CHECK_EQ(last_trap.error << 8 | bits, (error | PF_U | PF_W) << 8 | bits);
            CHECK_EQ(last_trap.cr2, VA);
        }
    }
    set_cr0(get_cr0() & ~CR0_WP);
    set(P, P);
    CHECK_RUNS(WRITE());
    set(P | U, P | U);
    CHECK_RUNS(WRITE()); /* WP is off: the supervisor writes anywhere */
    CHECK_USER(PF, PF_P | PF_U | PF_W, user_write);
    set_cr0(get_cr0() | CR0_WP);
    set(P, P | U);
    CHECK_USER(PF, PF_P | PF_U, user_exec); /* no I bit without NX and SMEP */
}

static void accessed_and_dirty(void)
{
    test("A and D");
    set(P | W, P | W);
    READ();
    CHECK_EQ(*pde & (A | D), A);
    CHECK_EQ(*pte & (A | D), A);
    WRITE();
    CHECK_EQ(*pte & (A | D), A | D);
    set(P | W, P | W);
    WRITE();
    CHECK_EQ(*pde & (A | D), A);
    CHECK_EQ(*pte & (A | D), A | D);
    set(P, P);
    CHECK_TRAP(PF, PF_P | PF_W, WRITE());
    CHECK_EQ(*pte & D, 0);
    set(P | W, W);
    CHECK_TRAP(PF, 0, READ());
    CHECK_EQ(*pte & A, 0);
    set(P | W, P | W);
    *pte |= A | D;
    *pde |= A;
    CHECK_RUNS(asm volatile("lock incb (%0)" : : "r"(at) : "memory"));
}

static void large(void)
{
    test("4 MiB pages");
    put8(data[0], 0x77);
    *pde = ((word)data & 0xffc00000) | PS | P | W;
    invlpg(at);
    CHECK_EQ(at[(word)data & 0x3fffff], 0x77);
    CHECK_EQ(*pde & (A | D), A);
    at[(word)data & 0x3fffff] = 5;
    CHECK_EQ(data[0][0], 5);
    CHECK_EQ(*pde & (A | D), A | D);
    *pde = ((word)data & 0xffc00000) | PS | P | W | BIT(21); /* reserved */
    invlpg(at);
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    CHECK_TRAP(PF, PF_P | PF_RSVD | PF_W, WRITE());
}

static void no_extension(void)
{
    /* With PSE off the PS bit is ignored. The identity map must be 4 KiB pages then. */
    static u32 low[4][1024] page_aligned;
    test("PS without CR4.PSE");
    for (u32 t = 0; t < 4; t++)
        for (u32 i = 0; i < 1024; i++)
            low[t][i] = t << 22 | i << 12 | W | P | U;
    for (u32 t = 0; t < 4; t++)
        dir[t] = (word)low[t] | W | P | U;
    set_cr3((word)dir);
    set_cr4(get_cr4() & ~CR4_PSE);
    *pde = (word)table | PS | P | W;
    *pte = (word)data[1] | P | W;
    data[1][0] = 0x3c;
    invlpg(at);
    CHECK_EQ(*at, 0x3c);
    set_cr4(get_cr4() | CR4_PSE);
}

static void global(void)
{
    test("global pages");
    set_cr4(get_cr4() & ~CR4_PGE);
    set_cr4(get_cr4() | CR4_PGE);
    put8(data[0], 1);
    put8(data[1], 2);
    set(P | W, P | W | G);
    CHECK_EQ(*at, 1);
    *pte = (word)data[1] | P | W | G;
    set_cr3(get_cr3());
    u8 kept = *at; /* may be either: the TLB may forget at any time */
    CHECK(kept == 1 || kept == 2);
    invlpg(at);
    CHECK_EQ(*at, 2);
    *pte = (word)data[0] | P | W | G;
    set_cr4(get_cr4() & ~CR4_PGE);
    CHECK_EQ(*at, 1);
    *pte = (word)data[1] | P | W;
    set_cr3(get_cr3());
    CHECK_EQ(*at, 2);
}

static void crossing(void)
{
    test("accesses across pages");
    *pde = (word)table | P | W;
    table[0] = (word)data[1] | P | W; /* the pages in reverse order */
    table[1] = (word)data[0] | P | W;
    set_cr3(get_cr3());
    put32(data[1] + 4092, 0x44332211);
    put32(data[0], 0x88776655);
    CHECK_EQ(get32(at + 4094), 0x66554433);
    CHECK_RUNS(put32(at + 4093, 0xddccbbaa));
    CHECK_EQ(get32(data[1] + 4092), 0xccbbaa11);
    CHECK_EQ(data[0][0], 0xdd);
    table[1] = 0;
    invlpg(at + 4096);
    CHECK_TRAP(PF, PF_W, put32(at + 4093, 0));
    CHECK_EQ(last_trap.cr2, VA + 4096);
    CHECK_EQ(get32(data[1] + 4092), 0xccbbaa11); /* nothing was written */
    CHECK_TRAP(PF, 0,
               asm volatile("pushl %0\n popl (%1)"
                            :
                            : "m"(*(u32 *)(VA + 4094)), "r"(data)
                            : "memory"));
}

static void task_cr3(void)
{
    static struct tss32 t2;
    static u8 stack2[4096] page_aligned;
    extern u8 other_task[];
    test("CR3 of a task");
    set(P | W, P | W);
    memcpy(dir2, dir, sizeof(dir));
    dir2[VA >> 22] = (0 << 22) | PS | P | W; /* VA is address 0 there */
    t2 = (struct tss32){.cr3 = (word)dir2,
                        .eip = (word)other_task,
                        .eflags = 2,
                        .esp = (word)stack2 + 4096,
                        .cs = KERNEL_CS,
                        .ss = KERNEL_DS,
                        .ds = KERNEL_DS,
                        .es = KERNEL_DS,
                        .iomap = sizeof(t2)};
    task.tss.cr3 = (word)dir;
    gdt_set(FREE_SEL, (word)&t2, sizeof(t2) - 1, AR_TSS32);
    put32(data[0], 0x1111);
    volatile u32 *low = (volatile u32 *)0x9000;
    *low = 0x2222;
    CHECK_TRAP(0x31, 0, asm volatile("ljmp %0, $0" : : "i"(FREE_SEL) : "memory"));
    CHECK_EQ(last_trap.ax, 0x2222);
    CHECK_EQ(get_cr3(), (word)dir2);
    set_cr3((word)dir);
    CHECK_EQ(get32(at), 0x1111);
}
CODE(other_task, "movl 0x40009000, %eax\n int $0x31");

static void pse36(void)
{
    test("36-bit page-size extension");
    if (!(cpuid(1, 0).edx & BIT(17)))
        return;
    set_cr4(get_cr4() | CR4_PSE);
    *pde = BIT(13) | PS | P | W; /* physical 4 GiB: nothing there, but no reserved-bit fault */
    invlpg(at);
    CHECK_RUNS(READ());
    CHECK_EQ(last_trap.vector, NO_TRAP);
}

GUEST("paging32")
{
    start();
    permissions();
    accessed_and_dirty();
    large();
    no_extension();
    global();
    crossing();
    task_cr3();
    pse36();
}
