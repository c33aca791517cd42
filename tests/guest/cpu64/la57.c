/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 5-level paging (SDM 3A 4.5.4): going there through compatibility mode with paging off, addresses
   of 57 bits, and that CR4.LA57 cannot change in long mode. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA (1ull << 52)

static page_aligned u64 pml5[512], data[512];

/* void set_levels(word cr3, word cr4): out of long mode and back, in 32-bit code at CPL 0. */
void set_levels(word cr3, word cr4);
asm(".pushsection .text\n"
    "set_levels:\n"
    "pushq %rbx\n ljmp *far_32\n"
    "1: .code32\n"
    "movl %cr0, %eax\n andl $0x7fffffff, %eax\n movl %eax, %cr0\n"
    "movl %esi, %cr4\n movl %edi, %cr3\n"
    "movl %cr0, %eax\n orl $0x80000000, %eax\n movl %eax, %cr0\n"
    "ljmp $0x08, $2f\n"
    ".code64\n"
    "2: popq %rbx\n ret\n"
    "far_32: .long 1b\n .word 0x40\n"
    ".popsection");

static void five_levels(void)
{
    test("57-bit addresses");
    CHECK_EQ(get_cr4() & CR4_LA57, CR4_LA57);
    page_map(VA, (word)data, PTE_P | PTE_W);
    data[0] = 0x1234567;
    CHECK_EQ(*(volatile u64 *)VA, 0x1234567);
    CHECK_EQ(pml5[VA >> 48 & 511] & PTE_A, PTE_A);
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al" : : "r"(1ull << 47) : "eax"));
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al" : : "r"((1ull << 56) - 1) : "eax"));
    CHECK_TRAP(GP, 0, asm volatile("movb (%0), %%al" : : "r"(1ull << 56) : "eax"));
    CHECK_TRAP(GP, 0, asm volatile("movb (%0), %%al" : : "r"(1ull << 63) : "eax"));
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al" : : "r"(~0ull << 56) : "eax"));
    CHECK_RUNS(wrmsr(MSR_FS_BASE, 1ull << 50));
    CHECK_TRAP(GP, 0, wrmsr(MSR_FS_BASE, 1ull << 56));
    wrmsr(MSR_FS_BASE, 0);
    pml5[511] = PTE_P | PTE_W | PTE_PS | (word)data;
    CHECK_TRAP(PF, PF_P | PF_RSVD, asm volatile("movb (%0), %%al" : : "r"(~0ull << 48) : "eax"));
    pml5[511] = 0;
}

static void no_change(void)
{
    test("LA57 is fixed in long mode");
    CHECK_TRAP(GP, 0, set_cr4(get_cr4() ^ CR4_LA57));
}

GUEST("la57")
{
    if (!(cpuid(7, 0).ecx & BIT(16))) {
        test("absent");
        CHECK_TRAP(GP, 0, set_cr4(get_cr4() | CR4_LA57));
        return;
    }
    word cr3 = get_cr3(), cr4 = get_cr4();
    no_change();
    pml5[0] = cr3 | PTE_P | PTE_W | PTE_U;
    set_levels((word)pml5, cr4 | CR4_LA57);
    five_levels();
    no_change();
    set_levels(cr3, cr4);
    test("back to 4 levels");
    CHECK_TRAP(GP, 0, asm volatile("movb (%0), %%al" : : "r"(VA) : "eax"));
}
