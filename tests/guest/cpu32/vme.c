/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual-8086 mode extensions (SDM 3A 20.3-20.4): the redirection bitmap, VIF and VIP. */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define EXIT "int3\n"

void v86_enter(word ip, word flags);
asm(".pushsection .text\n"
    "v86_enter:\n"
    "movl 4(%esp), %eax\n movl 8(%esp), %ecx\n"
    "pushl $0\n pushl $0\n pushl $0\n pushl $0\n"
    "pushl $0x800\n pushl $0x1000\n pushl %ecx\n pushl $0\n pushl %eax\n"
    "xorl %eax, %eax\n xorl %ebx, %ebx\n xorl %ecx, %ecx\n iretl\n"
    ".popsection");

#define CODE86(name, text) LOW_CODE(".code16", name, text)
/* The handler of vector 50h in virtual-8086 mode: what it finds on its stack, and its flags. */
CODE86(isr, "movw %sp, %bp\n movw (%bp), %ax\n movw 4(%bp), %bx\n" EXIT);
CODE86(isr_iret, "movw $0x77, %cx\n iretw");
CODE86(v_int, "int $0x50\n");
CODE86(v_int_back, "int $0x51\n" EXIT);
CODE86(v_cli, "cli\n" EXIT);
CODE86(v_sti, "sti\n" EXIT);
CODE86(v_pushf, "pushfw\n popw %ax\n" EXIT);
CODE86(v_pushfd, "pushfl\n popl %eax\n" EXIT);
CODE86(v_popf_if, "pushw $0x202\n popfw\n" EXIT);
CODE86(v_popf_0, "pushw $0x2\n popfw\n" EXIT);
CODE86(v_popf_tf, "pushw $0x102\n popfw\n" EXIT);
CODE86(v_iret_if, "pushw $0x202\n pushw $0\n pushw $1f\n iretw\n1: " EXIT);

static u32 v86(const u8 *code, u32 flags)
{
    return TRAP(v86_enter((word)code, flags | FLAG_VM | 2));
}

#define CHECK_V86(vec, err, code, flags)                                                           \
    (v86(code, flags), check_trap(vec, err, "virtual-8086 code " #code, __LINE__))

static void redirect(u8 vector, bool to_v86)
{
    u8 bit = (u8)(1 << vector % 8);
    if (to_v86)
        task.redirect[vector / 8] &= (u8)~bit;
    else
        task.redirect[vector / 8] |= bit;
}

static void interrupts(void)
{
    test("INT n to the interrupt table of virtual-8086 mode");
    volatile u32 *ivt = (volatile u32 *)0;
    asm volatile("" : "+r"(ivt));
    ivt[0x50] = (word)isr;
    ivt[0x51] = (word)isr_iret;
    redirect(0x50, true);
    redirect(0x51, true);
    CHECK_V86(BP, 0, v_int, FLAG_VIF); /* IOPL 0: the image has IOPL 3 and VIF in the place of IF */
    CHECK_EQ(last_trap.ip, (word)isr_end);
    CHECK_EQ(last_trap.sp, 0x1000 - 6);
    CHECK_EQ((u16)last_trap.ax, (word)v_int_end);
    CHECK_EQ((u16)last_trap.bx, FLAG_IOPL | FLAG_IF | 2);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF), 0);
    CHECK_V86(BP, 0, v_int, FLAG_IF); /* VIF clear; the real IF stays */
    CHECK_EQ((u16)last_trap.bx, FLAG_IOPL | 2);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF), FLAG_IF);
    CHECK_V86(BP, 0, v_int, FLAG_IOPL | FLAG_IF); /* IOPL 3: the real flag, and it is cleared */
    CHECK_EQ((u16)last_trap.bx, FLAG_IOPL | FLAG_IF | 2);
    CHECK_EQ(last_trap.flags & FLAG_IF, 0);
    CHECK_V86(BP, 0, v_int_back, FLAG_VIF);
    CHECK_EQ((u16)last_trap.cx, 0x77);
    CHECK_EQ(last_trap.flags & FLAG_VIF, FLAG_VIF); /* IRET brought it back */
    CHECK_EQ(last_trap.sp, 0x1000);
}

static void not_redirected(void)
{
    test("INT n to protected mode");
    redirect(0x50, false);
    CHECK_V86(GP, 0, v_int, 0);
    CHECK_V86(0x50, 0, v_int, FLAG_IOPL);
    CHECK_EQ(last_trap.flags & FLAG_VM, FLAG_VM);
    redirect(0x50, true);
    set_cr4(get_cr4() & ~CR4_VME);
    CHECK_V86(GP, 0, v_int, 0);
    CHECK_V86(0x50, 0, v_int, FLAG_IOPL);
    set_cr4(get_cr4() | CR4_VME);
}

static void virtual_flag(void)
{
    test("CLI, STI, PUSHF, POPF, IRET at IOPL 0");
    CHECK_V86(BP, 0, v_sti, 0);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF), FLAG_VIF);
    CHECK_V86(BP, 0, v_cli, FLAG_VIF | FLAG_IF);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF), FLAG_IF);
    CHECK_V86(BP, 0, v_cli, FLAG_VIF | FLAG_VIP);
    CHECK_V86(GP, 0, v_sti, FLAG_VIP); /* an interrupt was waiting for it */
    CHECK_EQ(last_trap.ip, (word)v_sti);
    CHECK_V86(BP, 0, v_pushf, FLAG_VIF);
    CHECK_EQ(last_trap.ax, FLAG_IOPL | FLAG_IF | 2);
    CHECK_V86(BP, 0, v_pushf, FLAG_IF);
    CHECK_EQ(last_trap.ax, FLAG_IOPL | 2);
    CHECK_V86(GP, 0, v_pushfd, 0); /* only 16-bit forms */
    CHECK_V86(BP, 0, v_popf_if, 0);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF | FLAG_IOPL), FLAG_VIF);
    CHECK_V86(BP, 0, v_popf_0, FLAG_VIF | FLAG_IF);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF), FLAG_IF);
    CHECK_V86(GP, 0, v_popf_if, FLAG_VIP);
    CHECK_V86(BP, 0, v_popf_0, FLAG_VIP);
    CHECK_V86(GP, 0, v_popf_tf, 0);
    CHECK_V86(BP, 0, v_iret_if, 0);
    CHECK_EQ(last_trap.flags & (FLAG_VIF | FLAG_IF), FLAG_VIF);
    CHECK_V86(GP, 0, v_iret_if, FLAG_VIP);
}

GUEST("vme")
{
    if (!(cpuid(1, 0).edx & 2)) {
        print("the CPU has no VME\n");
        return;
    }
    idt_set(BP, KERNEL_CS, (word)trap_stubs + 16 * BP, AR_INT32 | AR_DPL3, 0);
    idt_set(0x50, KERNEL_CS, (word)trap_stubs + 16 * 0x50, AR_INT32 | AR_DPL3, 0);
    task.tss.iomap = TSS_IOMAP; /* the redirection bitmap is below it */
    memset(task.io, 0xff, sizeof(task.io));
    memset(task.redirect, 0xff, sizeof(task.redirect));
    set_cr4(get_cr4() | CR4_VME);
    interrupts();
    not_redirected();
    virtual_flag();
}
