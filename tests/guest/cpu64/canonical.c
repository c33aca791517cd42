/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that are not canonical (48 bits): #GP(0), #SS(0) by stack references, and what does not
   look at the address at all. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define LOW_END  0x0000800000000000ull /* first bad one */
#define HIGH_END 0xffff7fffffffffffull /* last bad one */

static void data(void)
{
    static const u64 bad[] = {LOW_END, HIGH_END, 0x8000000000000000ull, 0x7fffffffffffffffull,
                              0x0001000000000000ull};
    test("data");
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_TRAP_AT(GP, 0, asm volatile(AT "movb (%0), %%al" : : "r"(bad[i]) : "eax"));
        CHECK_TRAP_AT(GP, 0, asm volatile(AT "movb %%al, (%0)" : : "r"(bad[i]) : "memory"));
        CHECK_TRAP_AT(SS, 0,
                      asm volatile("movq %0, %%rcx\n xchgq %%rbp, %%rcx\n" AT "movb (%%rbp), %%al"
                                   :
                                   : "r"(bad[i])
                                   : "rax", "rcx"));
        CHECK_TRAP_AT(SS, 0,
                      asm volatile("movq %0, %%rsp\n" AT "pushq %%rax"
                                   :
                                   : "r"(bad[i] + 8)
                                   : "memory"));
        CHECK_TRAP_AT(SS, 0,
                      asm volatile("movq %0, %%rsp\n" AT "popq %%rax"
                                   :
                                   : "r"(bad[i])
                                   : "rax"));
        CHECK_TRAP_AT(SS, 0, asm volatile("movq %0, %%rsp\n" AT "ret" : : "r"(bad[i])));
    }
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al" : : "r"(LOW_END - 1) : "eax"));
    CHECK_EQ(last_trap.cr2, LOW_END - 1);
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al" : : "r"(HIGH_END + 1) : "eax"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "lodsb" : : "S"(LOW_END) : "eax"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "stosb" : : "D"(LOW_END) : "memory"));
}

static void straddling(void)
{
    test("across the edge");
    page_map(LOW_END - 4096, (word)page_alloc(), PTE_P | PTE_W);
    CHECK_RUNS(asm volatile("movl (%0), %%eax" : : "r"(LOW_END - 4) : "eax"));
    CHECK_TRAP(GP, 0, asm volatile("movl (%0), %%eax" : : "r"(LOW_END - 2) : "eax"));
    CHECK_TRAP(GP, 0, asm volatile("movq %%rax, (%0)" : : "r"(LOW_END - 7) : "memory"));
    /* An instruction that ends at the edge: the next one is fetched beyond it. */
    u8 *page = (u8 *)LOW_END - 4096;
    page[4095] = 0x90;
    CHECK_TRAP(GP, 0, asm volatile("jmp *%0" : : "r"(LOW_END - 1)));
    CHECK_EQ(last_trap.ip, LOW_END);
}

static void code(void)
{
    test("branches");
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "jmp *%0" : : "r"(LOW_END)));
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("movq %%rsp, %%rsi\n" AT "call *%0"
                               :
                               : "r"(LOW_END)
                               : "rsi"));
    CHECK_EQ(last_trap.sp, last_trap.si);
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("pushq %0\n movq %%rsp, %%rsi\n" AT "ret"
                               :
                               : "r"(LOW_END)
                               : "rsi"));
    CHECK_EQ(last_trap.sp, last_trap.si);
    CHECK_TRAP_AT(GP, 0, asm volatile("pushq $8\n pushq %0\n" AT "lretq" : : "r"(LOW_END)));
}

/* The first address that is not canonical for registers: their width is the one the CPU is capable
   of, 57 bits where it has LA57, whatever CR4 says (5-Level Paging white paper, 2.2). */
static u64 register_edge(void)
{
    return 1ull << (cpuid(7, 0).ecx & BIT(16) ? 56 : 47);
}

static void msrs(void)
{
    static const u32 index[] = {MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS, MSR_LSTAR, MSR_CSTAR};
    u64 low = register_edge(), high = ~low;
    test("MSRs that hold an address");
    for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
        u64 old = rdmsr(index[i]);
        CHECK_TRAP(GP, 0, wrmsr(index[i], low));
        CHECK_TRAP(GP, 0, wrmsr(index[i], high));
        CHECK_EQ(rdmsr(index[i]), old);
        CHECK_RUNS(wrmsr(index[i], high + 1));
        CHECK_EQ(rdmsr(index[i]), high + 1);
        wrmsr(index[i], old);
    }
}

static void tables(void)
{
    test("LGDT and LIDT");
    struct dtr d = {0xff, register_edge()};
    CHECK_TRAP(GP, 0, asm volatile("lgdt %0" : : "m"(d)));
    CHECK_TRAP(GP, 0, asm volatile("lidt %0" : : "m"(d)));
}

static void no_access(void)
{
    test("no access, no fault");
    CHECK_RUNS(asm volatile("leaq (%0), %%rax" : : "r"(LOW_END) : "rax"));
    CHECK_RUNS(asm volatile("nopl (%0)" : : "r"(LOW_END)));
    CHECK_RUNS(asm volatile("prefetcht0 (%0)" : : "r"(LOW_END)));
    CHECK_RUNS(asm volatile("invlpg (%0)" : : "r"(LOW_END)));
    CHECK_TRAP(GP, 0, asm volatile("clflush (%0)" : : "r"(LOW_END)));
    word cr4 = get_cr4();
    if (cpuid(7, 0).ebx & 1) {
        set_cr4(cr4 | CR4_FSGSBASE);
        CHECK_TRAP(GP, 0, asm volatile("wrfsbase %0" : : "r"(register_edge())));
        set_cr4(cr4);
    }
    /* 32-bit addresses are zero-extended: never bad. */
    CHECK_RUNS(asm volatile("movb (%k0), %%al" : : "r"((word)no_access | LOW_END) : "rax"));
}

static void segment_bases(void)
{
    test("FS base");
    wrmsr(MSR_FS_BASE, LOW_END - 8);
    CHECK_TRAP(GP, 0, asm volatile("movb %%fs:8, %%al" : : : "eax"));
    CHECK_RUNS(asm volatile("movb %%fs:7, %%al" : : : "eax"));
    wrmsr(MSR_FS_BASE, 0x1000);
    CHECK_RUNS(asm volatile("movb %%fs:(%0), %%al" : : "r"((word)no_access - 0x1000) : "eax"));
    CHECK_RUNS(asm volatile("movb %%fs:(%0), %%al"
                            :
                            : "r"(-0x800ull)
                            : "eax")); /* the sum counts */
    wrmsr(MSR_FS_BASE, 0);
}

GUEST("canonical")
{
    idt_use_stack(SS);
    idt_use_stack(GP);
    data();
    straddling();
    code();
    msrs();
    tables();
    no_access();
    segment_bases();
}
