/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMIs that meet a 64-bit system's other states: programs of CPL 3, compatibility mode, address
   spaces that are not one to one, PCIDs, the window of the stack. */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "page.h"
#include "smi.h"
#include "trap.h"

#define SMI_SELF (ICR_SELF | ICR_ASSERT | ICR_SMI)
#define USER_ICR (TEST_BASE + 0x300)

static volatile struct smi *const box = (volatile struct smi *)(word)(SMBASE + SMI_BOX);

static u32 saved(u32 at)
{
    return get32((void *)(word)(SMBASE + at));
}

CODE(user_code, "movq $0x10000000300, %rbx\n movq $0x1234567890abcdef, %r15\n movl $0x44200, %eax\n"
                "pushq $0x77\n movl %eax, (%rbx)\n jmp 1f\n1: popq %rcx\n movq %r15, %rdx\n"
                "cpuid_at: int $0x30");

static void user(void)
{
    test("CPL 3");
    page_map(TEST_BASE, 0xfee00000, PTE_P | PTE_W | PTE_U | PTE_PCD);
    box->count = 0;
    CHECK_USER_EXITS(user_code);
    CHECK_EQ(last_trap.cs & 3, 3);
    CHECK_EQ(last_trap.dx, 0x1234567890abcdef);
    CHECK_EQ(last_trap.cx, 0x77);
    CHECK_EQ(box->count, 1);
    CHECK_EQ(saved(0xfe20) & 3, 3);
    CHECK_EQ(saved(0xfe20) >> 21 & 3, 3); /* DPL of SS */
    CHECK_EQ(saved(0xfec8) >> 24, 3);
    CHECK_EQ(saved(0xff80), 0x90abcdef); /* R15 */
    CHECK_EQ(saved(0xff84), 0x12345678);
}

LOW_CODE(".code32", compat,
         "movl $0x44200, %eax\n movl $0xfee00300, %ebx\n movl %eax, (%ebx)\n"
         "outb %al, $0x80\n movl $0x55, %ecx\n int $0x31");

static void compatibility(void)
{
    test("compatibility mode");
    static struct {
        u32 off;
        u16 sel;
    } __attribute__((packed)) target;
    box->count = 0;
    target.off = (u32)(word)compat;
    target.sel = CS32_SEL;
    CHECK_TRAP(0x31, 0, asm volatile("ljmpl *%0" : : "m"(target) : "rax", "rbx", "rcx", "memory"));
    CHECK_EQ(last_trap.cs, CS32_SEL);
    CHECK_EQ((u32)last_trap.cx, 0x55);
    CHECK_EQ(box->count, 1);
    CHECK_EQ(saved(0xfe10) & 0xffff, CS32_SEL);
}

/* The page at SMBASE + 0x8000 is mapped elsewhere: what the mode sees is physical. */
static void address_spaces(void)
{
    test("paging");
    u32 *one = page_alloc(), *two = page_alloc();
    volatile u32 *at = (volatile u32 *)(TEST_BASE + 0x5000);
    *one = 0x11111111;
    *two = 0x22222222;
    page_map((word)at, (word)one, PTE_P | PTE_W);
    box->count = 0;
    for (u32 i = 0; i < 4; i++) {
        CHECK_EQ(*at, 0x11111111);
        apic_ipi(0, SMI_SELF);
        page_map((word)at, (word)two, PTE_P | PTE_W);
        CHECK_EQ(*at, 0x22222222);
        apic_ipi(0, SMI_SELF);
        page_map((word)at, (word)one, PTE_P | PTE_W);
    }
    CHECK_EQ(box->count, 8);
    CHECK_EQ(box->at_101000, get32((void *)0x101000));
}

static void pcids(void)
{
    test("PCID");
    if (!(cpuid(1, 0).ecx & BIT(17)))
        return;
    word cr3 = get_cr3(), cr4 = get_cr4();
    set_cr4(cr4 | CR4_PCIDE);
    set_cr3(cr3 | 5);
    box->count = 0;
    apic_ipi(0, SMI_SELF);
    CHECK_EQ(get_cr3(), cr3 | 5);
    CHECK_EQ(get_cr4(), cr4 | CR4_PCIDE);
    CHECK_EQ(box->count, 1);
    CHECK_EQ(box->cr4, 0);
    set_cr3(cr3);
    set_cr4(cr4);
}

static void efer(void)
{
    test("MSRs");
    wrmsr(MSR_FS_BASE, 0x123456789000);
    wrmsr(MSR_KERNEL_GS, 0xffff800000001000);
    u64 efer = rdmsr(MSR_EFER);
    apic_ipi(0, SMI_SELF);
    CHECK_EQ(rdmsr(MSR_FS_BASE), 0x123456789000);
    CHECK_EQ(rdmsr(MSR_KERNEL_GS), 0xffff800000001000);
    CHECK_EQ(rdmsr(MSR_EFER), efer);
    CHECK_TRAP(GP, 0, rdmsr(0x9e)); /* SMBASE, in the mode only */
}

GUEST("smm-modes")
{
    memcpy((void *)(word)(SMBASE + SMI_ENTRY), smi_handler,
           (size_t)(smi_handler_end - smi_handler));
    memset((void *)(word)(SMBASE + SMI_BOX), 0, sizeof(struct smi));
    apic_enable();
    user();
    compatibility();
    address_spaces();
    pcids();
    efer();
}
