/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FS and GS bases: MSRs, SWAPGS, the FSGSBASE instructions, segment loads, and addressing. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

/* Not static: named in the assembly. */
u64 one[4] = {0x1111, 0x1112, 0x1113, 0x1114};
static u64 two[4] = {0x2221, 0x2222, 0x2223, 0x2224};
CODE(user_swapgs, "swapgs");
CODE(user_rdfsbase, "rdfsbase %rax\n" EXIT_USER);
CODE(user_wrgsbase, "movl $0x1234, %ecx\n wrgsbase %rcx\n rdgsbase %rax\n" EXIT_USER);

static u64 gs0(void)
{
    u64 v;
    asm volatile("movq %%gs:0, %0" : "=r"(v));
    return v;
}

static u64 fs8(void)
{
    u64 v;
    asm volatile("movq %%fs:8, %0" : "=r"(v));
    return v;
}

static void msrs(void)
{
    test("MSRs");
    wrmsr(MSR_FS_BASE, (word)one);
    wrmsr(MSR_GS_BASE, (word)two);
    CHECK_EQ(fs8(), 0x1112);
    CHECK_EQ(gs0(), 0x2221);
    CHECK_EQ(rdmsr(MSR_FS_BASE), (word)one);
    u64 v;
    asm volatile(".byte 0x65\n leaq 8, %0" : "=r"(v));
    CHECK_EQ(v, 8); /* LEA knows no segment */
    wrmsr(MSR_GS_BASE, (word)two + 0x100000000ull);
    asm volatile("movq %%gs:(%1), %0" : "=r"(v) : "r"(-0x100000000ll));
    CHECK_EQ(v, 0x2221);
    wrmsr(MSR_GS_BASE, (word)two - 0x7000);
    u32 off = 0x7008;
    asm volatile("movq %%gs:(%k1), %0" : "=r"(v) : "r"((word)off)); /* 32-bit offset, 64-bit base */
    CHECK_EQ(v, 0x2222);
}

static void swapgs(void)
{
    test("SWAPGS");
    wrmsr(MSR_GS_BASE, (word)one);
    wrmsr(MSR_KERNEL_GS, (word)two);
    CHECK_EQ(gs0(), 0x1111);
    asm volatile("swapgs");
    CHECK_EQ(gs0(), 0x2221);
    CHECK_EQ(rdmsr(MSR_GS_BASE), (word)two);
    CHECK_EQ(rdmsr(MSR_KERNEL_GS), (word)one);
    CHECK_USER(GP, 0, user_swapgs);
    CHECK_EQ(rdmsr(MSR_GS_BASE), (word)two);
    CHECK_TRAP(UD, 0, asm volatile("lcall *far_swapgs")); /* not in compatibility mode */
}
asm(".pushsection .rodata\n far_swapgs: .long 1f\n .word 0x40\n .popsection\n"
    ".pushsection .text\n .code32\n 1: .byte 0x0f, 0x01, 0xf8\n .code64\n .popsection");

static void loads(void)
{
    test("segment loads");
    gdt_set(FREE_SEL, 0x12345678, 0xfffff, AR_DATA | AR_DB | AR_G);
    wrmsr(MSR_FS_BASE, 0x5555555555ull);
    asm volatile("movl %0, %%fs" : : "r"(FREE_SEL));
    CHECK_EQ(rdmsr(MSR_FS_BASE), 0x12345678);
    wrmsr(MSR_FS_BASE, (word)one); /* the selector stays */
    u16 sel;
    asm volatile("movw %%fs, %0" : "=r"(sel));
    CHECK_EQ(sel, FREE_SEL);
    CHECK_EQ(fs8(), 0x1112);
    asm volatile("movl %0, %%ds" : : "r"(FREE_SEL)); /* bases of DS, ES, SS do not count */
    CHECK_EQ(one[1], 0x1112);
    asm volatile("movl %0, %%ds" : : "r"(KERNEL_DS));
    CHECK_RUNS(asm volatile("movl %0, %%fs\n movl %0, %%gs\n movl %0, %%es" : : "r"(0)));
    CHECK_RUNS(asm volatile("movl %0, %%ds\n movb one, %%al"
                            :
                            : "r"(0)
                            : "eax")); /* null is fine */
    CHECK_RUNS(asm volatile("movl %0, %%ss\n movl %1, %%ss" : : "r"(0), "r"(KERNEL_DS)));
}

static void instructions(void)
{
    test("RDFSBASE and others");
    if (!(cpuid(7, 0).ebx & 1))
        return;
    CHECK_TRAP(UD, 0, asm volatile("rdfsbase %%rax" : : : "rax"));
    set_cr4(get_cr4() | CR4_FSGSBASE);
    u64 v;
    asm volatile("wrfsbase %1\n rdfsbase %0" : "=r"(v) : "r"((word)two));
    CHECK_EQ(v, (word)two);
    CHECK_EQ(fs8(), 0x2222);
    CHECK_EQ(rdmsr(MSR_FS_BASE), (word)two);
    asm volatile("movq $-1, %%rax\n wrgsbase %k1\n rdgsbase %0"
                 : "=r"(v)
                 : "r"(0x8765432187654321ull)
                 : "rax");
    CHECK_EQ(v, 0x87654321); /* 32 bits: zero-extended */
    asm volatile("movq $-1, %0\n rdgsbase %k0" : "=r"(v));
    CHECK_EQ(v, 0x87654321);
    CHECK_USER_EXITS(user_rdfsbase);
    CHECK_EQ(last_trap.ax, (word)two);
    CHECK_USER_EXITS(user_wrgsbase);
    CHECK_EQ(last_trap.ax, 0x1234);
    set_cr4(get_cr4() & ~(word)CR4_FSGSBASE);
    CHECK_USER(UD, 0, user_rdfsbase);
}

GUEST("fsgs")
{
    msrs();
    swapgs();
    loads();
    instructions();
}
