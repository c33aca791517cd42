/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of data exchanged in a hot loop, and rights taken from pages that were just used:
 * read-only, not present, supervisor, no-execute; CR0.WP, SMAP's AC and SMEP switched between two
 * accesses; the privilege level changed. What was allowed in the last round must fault in this one,
 * and the other way round; the accessed and dirty bits come again when they were cleared.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define VA  (TEST_BASE + 0x7000)
#define RW  (PTE_P | PTE_W)
#define RWU (PTE_P | PTE_W | PTE_U)

static page_aligned u8 frame[2][4096];
static volatile u64 *pte;
static u8 *const at = (u8 *)VA;

/* R8 counts loads of [RSI]; between two of them the entry (RBX) is changed by XOR with RDX. */
CODE(exchange_loads, "xorl %eax, %eax\n movl $1000, %ecx\n1: shlq $1, %rax\n addq (%rsi), %rax\n"
                     "xorq %rdx, (%rbx)\n invlpg (%rsi)\n subq (%rsi), %rax\n addq $1, %rax\n"
                     "rorq $1, %rax\n decl %ecx\n jnz 1b\n ret");
CODE(exchange_stores, "movl $1000, %ecx\n1: incq (%rsi)\n xorq %rdx, (%rbx)\n invlpg (%rsi)\n"
                      "addq $3, (%rsi)\n xorq %rdx, (%rbx)\n invlpg (%rsi)\n loop 1b\n ret");
CODE(exchange_cr3, "movl $500, %ecx\n movq %cr3, %rdi\n1: incq (%rsi)\n xorq %rdx, (%rbx)\n"
                   "movq %rdi, %cr3\n pushq (%rsi)\n popq %rax\n leaq 5(%rax), %rax\n"
                   "movq %rax, (%rsi)\n loop 1b\n ret");

static void run_exchange(const u8 *text)
{
    u64 differ = (word)frame[0] ^ (word)frame[1];
    *pte = (word)frame[0] | RW | PTE_A | PTE_D;
    invlpg(at);
    asm volatile("call *%2"
                 : "+d"(differ)
                 : "b"(pte), "r"(text), "S"(VA)
                 : "rax", "rcx", "rdi", "memory", "cc");
}

static void exchange(void)
{
    volatile u64 *f0 = (u64 *)frame[0], *f1 = (u64 *)frame[1];
    test("stores to a page that is exchanged in the loop");
    *f0 = *f1 = 0;
    run_exchange(exchange_stores);
    CHECK_EQ(*f0, 1000);
    CHECK_EQ(*f1, 3000);
    test("PUSH, MOV and CR3 with a page that is exchanged in the loop");
    *f0 = 0, *f1 = 1000000;
    run_exchange(exchange_cr3); /* 0: INC, 1: +5, then 1: INC, 0: +5 … */
    CHECK_EQ(*f0, 250 * 6);
    CHECK_EQ(*f1, 1000000 + 250 * 6);
    test("loads from a page that is exchanged in the loop");
    *f0 = 5, *f1 = 4;
    u64 want = 0;
    for (u32 i = 0; i < 1000; i++) {
        want = want * 2 + (i & 1 ? 4 : 5);
        want -= i & 1 ? 5 : 4;
        want += 1;
        want = want >> 1 | want << 63;
    }
    u64 got, differ = (word)frame[0] ^ (word)frame[1];
    *pte = (word)frame[0] | RW;
    invlpg(at);
    asm volatile("call *%3"
                 : "=a"(got), "+d"(differ)
                 : "b"(pte), "r"(exchange_loads), "S"(VA)
                 : "rcx", "memory", "cc");
    CHECK_EQ(got, want);
}

CODE(hot_access, "movl $50, %ecx\n1: movq (%rdi), %rax\n movq %rax, (%rdi)\n addl $1, 8(%rdi)\n"
                 "pushq %rax\n popq (%rdi)\n decl %ecx\n jnz 1b\n ret");
CODE(hot_load, "movl $50, %ecx\n1: addq (%rdi), %rax\n decl %ecx\n jnz 1b\n ret");
static const u8 function[] = {0xb8, 7, 0, 0, 0, 0xc3};

static void run(const void *text)
{
    asm volatile("call *%0" : : "r"(text), "D"(VA) : "rax", "rcx", "memory", "cc");
}

static void set(u64 flags)
{
    *pte = (word)frame[0] | flags;
    invlpg(at);
}

static void taken(void)
{
    memcpy(frame[0] + 64, function, sizeof(function));
    for (u32 round = 0; round < 20; round++) {
        test("rights of supervisor code");
        set(RW);
        CHECK_RUNS(run(hot_access));
        CHECK_RUNS(run(at + 64));
        set(PTE_P);
        CHECK_RUNS(run(hot_load));
        CHECK_TRAP(PF, PF_P | PF_W, run(hot_access));
        CHECK_EQ(last_trap.cr2, VA);
        CHECK_EQ(last_trap.cx, 50);
        CHECK_RUNS(run(at + 64));
        set(PTE_P | PTE_W | PTE_NX);
        CHECK_RUNS(run(hot_access));
        CHECK_TRAP(PF, PF_P | PF_I, run(at + 64));
        CHECK_EQ(last_trap.ip, VA + 64);
        set(0);
        CHECK_TRAP(PF, 0, run(hot_load));
        CHECK_TRAP(PF, PF_W, *(volatile u8 *)(at + 1) = 0);
        CHECK_TRAP(PF, PF_I, run(at + 64));
    }
}

static void write_protect(void)
{
    test("CR0.WP");
    word cr0 = get_cr0();
    set(PTE_P);
    for (u32 i = 0; i < 20; i++) {
        set_cr0(cr0 & ~(word)CR0_WP);
        CHECK_RUNS(run(hot_access));
        set_cr0(cr0);
        CHECK_TRAP(PF, PF_P | PF_W, run(hot_access));
        CHECK_RUNS(run(hot_load));
    }
}

static void write_bits(void)
{
    test("accessed and dirty bits come again");
    for (u32 i = 0; i < 40; i++) {
        set(RW | PTE_A | PTE_D);
        run(hot_access);
        set(RW);
        run(hot_load);
        CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A); /* known to the TLB as not dirty */
        run(hot_access);
        CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A | PTE_D);
        set(RW);
        run(at + 64);
        CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A);
    }
}

CODE(user_access, "movq $0x10000007000, %rdi\n movl $20, %ecx\n1: movq (%rdi), %rax\n"
                  "movq %rax, (%rdi)\n decl %ecx\n jnz 1b\n" EXIT_USER);
CODE(user_load, "movq $0x10000007000, %rdi\n movl $20, %ecx\n1: movq (%rdi), %rax\n decl %ecx\n"
                "jnz 1b\n" EXIT_USER);
CODE(user_call, "movq $0x10000007040, %rdi\n call *%rdi\n" EXIT_USER);

static void levels(void)
{
    test("user and supervisor take turns on a page");
    for (u32 i = 0; i < 20; i++) {
        set(RWU);
        CHECK_RUNS(run(hot_access));
        CHECK_USER_EXITS(user_access);
        CHECK_USER_EXITS(user_call);
        set(RW);
        CHECK_RUNS(run(hot_access));
        CHECK_USER(PF, PF_P | PF_U, user_access);
        CHECK_USER(PF, PF_P | PF_U | PF_I, user_call);
        CHECK_EQ(last_trap.ip, VA + 64);
        CHECK_RUNS(run(at + 64));
        set(PTE_P | PTE_U);
        CHECK_USER_EXITS(user_load);
        CHECK_USER(PF, PF_P | PF_U | PF_W, user_access);
        word cr0 = get_cr0();
        set_cr0(cr0 & ~(word)CR0_WP);
        CHECK_RUNS(run(hot_access));
        CHECK_USER(PF, PF_P | PF_U | PF_W, user_access); /* WP is for the supervisor alone */
        set_cr0(cr0);
        set(RWU | PTE_NX);
        CHECK_USER(PF, PF_P | PF_U | PF_I, user_call);
        CHECK_USER_EXITS(user_access);
    }
}

static void smap_smep(void)
{
    u32 features = cpuid(7, 0).ebx;
    set(RWU);
    for (u32 i = 0; i < 20 && (features & BIT(7)); i++) {
        test("SMEP");
        CHECK_RUNS(run(at + 64));
        set_cr4(get_cr4() | CR4_SMEP);
        CHECK_TRAP(PF, PF_P | PF_I, run(at + 64));
        CHECK_USER_EXITS(user_call);
        CHECK_TRAP(PF, PF_P | PF_I, run(at + 64));
        set_cr4(get_cr4() & ~(word)CR4_SMEP);
    }
    for (u32 i = 0; i < 20 && (features & BIT(20)); i++) {
        test("SMAP, and AC switched in a block");
        CHECK_RUNS(run(hot_load));
        set_cr4(get_cr4() | CR4_SMAP);
        CHECK_TRAP(PF, PF_P, run(hot_load));
        CHECK_TRAP(PF, PF_P | PF_W,
                   asm volatile("stac\n movq (%0), %%rax\n movq %%rax, (%0)\n clac\n"
                                "movl $3, %%ecx\n movq %%rax, (%0)"
                                :
                                : "r"(VA)
                                : "rax", "rcx", "memory"));
        CHECK_EQ(last_trap.cx, 3); /* the one behind CLAC */
        CHECK_USER_EXITS(user_access);
        CHECK_TRAP(PF, PF_P, run(hot_load));
        set_flags(get_flags() | FLAG_AC);
        CHECK_RUNS(run(hot_access));
        set_flags(get_flags() & ~(word)FLAG_AC);
        CHECK_TRAP(PF, PF_P, run(hot_load));
        set_cr4(get_cr4() & ~(word)CR4_SMAP);
    }
}

GUEST("rights")
{
    pte = page_map(VA, (word)frame[0], RW);
    exchange();
    taken();
    write_protect();
    write_bits();
    levels();
    smap_smep();
}
