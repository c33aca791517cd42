/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 16-bit protected mode: D=0 code segments, B=0 stacks, and the way between them and 32 bits. */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define STOP "int $0x31\n"
LOW_CODE(".code16", c_stop, STOP);
/* Comes by a 32-bit far call, so leaves by a 32-bit far return. */
LOW_CODE(".code16", c_return, "movl $0x11112222, %eax\n movw $0x3333, %ax\n lretl");
LOW_CODE(".code16", c_push, "movl %esp, %esi\n pushw $1\n pushl $2\n callw 1f\n1: " STOP);
LOW_CODE(".code16", c_jump, "movw $1f, %ax\n orl $0x50000, %eax\n jmpw *%ax\n1: " STOP);
LOW_CODE(".code16", c_jump32, "movl $0x10000, %eax\n jmpl *%eax\n");
LOW_CODE(".code16", c_addr,
         "movl $0x9001, %ebx\n movl $0x99998fff, %esi\n xorl %edi, %edi\n"
         "movb $0x42, (0x9001)\n movb 2(%si), %al\n" STOP);
LOW_CODE(".code16", c_loop, "movl $0x10002, %ecx\n xorl %eax, %eax\n1: incw %ax\n loop 1b\n" STOP);
LOW_CODE(".code16", c_iret, "pushw $2\n pushw $0x48\n pushw $1f\n iretw\n1: " STOP);
LOW_CODE(".code16", c_lidt, "sidtl (0x9010)\n sidtw (0x9020)\n" STOP);
LOW_CODE(".code16", c_ud, "ud2");

#define RUN16(code)                                                                                \
    TRAP(asm volatile("lcall %0, %1"                                                               \
                      :                                                                            \
                      : "i"(CS16_SEL), "i"(code)                                                   \
                      : "eax", "ebx", "ecx", "esi", "edi", "memory"))
#define CHECK_STOP(code) ((void)RUN16(code), check_trap(0x31, 0, "16-bit code " #code, __LINE__))

static void code(void)
{
    test("16-bit code, 32-bit stack");
    u32 a;
    asm volatile("lcall %1, $c_return" : "=a"(a) : "i"(CS16_SEL));
    CHECK_EQ(a, 0x11113333);
    CHECK_STOP(c_stop);
    CHECK_EQ(last_trap.ip, (word)c_stop_end);
    CHECK_EQ(last_trap.cs, CS16_SEL);
    CHECK_STOP(c_push);
    CHECK_EQ(last_trap.si - last_trap.entry_sp, 2 + 4 + 2); /* STOP's own frame is below that */
    CHECK_STOP(c_jump);
    (void)RUN16(c_jump32);
    check_trap(GP, 0, "jump past the limit", __LINE__);
    CHECK_STOP(c_addr);
    CHECK_EQ((u8)last_trap.ax, 0x42);
    CHECK_STOP(c_loop);
    CHECK_EQ((u16)last_trap.ax, 2);
    CHECK_EQ(last_trap.cx, 0x10000);
    CHECK_STOP(c_iret);
    (void)RUN16(c_ud);
    check_trap(UD, 0, "UD2", __LINE__);
    CHECK_EQ(last_trap.ip, (word)c_ud);
}

static void tables(void)
{
    test("SIDT stores the whole base");
    memset((void *)0x9010, 0, 32);
    CHECK_STOP(c_lidt);
    CHECK_EQ(*(volatile u16 *)0x9010, 256 * 8 - 1);
    CHECK_EQ(*(volatile u32 *)0x9012, get_idtr().base);
    CHECK_EQ(*(volatile u32 *)0x9022, get_idtr().base); /* with 16-bit operands too */
}

u32 sp_seen; /* written by the assembly */

static void stack(void)
{
    test("16-bit stack");
    asm volatile("movl %%esp, %%ebx\n movl %0, %%eax\n movl %%eax, %%ss\n movl $0x77770000, %%esp\n"
                 "pushl $0x12345678\n movl %%esp, sp_seen\n movl %1, %%ss\n movl %%ebx, %%esp"
                 :
                 : "i"(DS16_SEL), "r"(KERNEL_DS)
                 : "eax", "ebx", "memory");
    CHECK_EQ(sp_seen, 0x7777fffc);
    CHECK_EQ(*(volatile u32 *)0xfffc, 0x12345678);
    asm volatile("movl %%esp, %%ebx\n movl %0, %%eax\n movl %%eax, %%ss\n movl $0x7777fffc, %%esp\n"
                 "popl %%ecx\n movl %%esp, sp_seen\n movl %1, %%ss\n movl %%ebx, %%esp"
                 :
                 : "i"(DS16_SEL), "r"(KERNEL_DS)
                 : "eax", "ebx", "ecx", "memory");
    CHECK_EQ(sp_seen, 0x77770000);
    asm volatile("movl %%esp, %%ebx\n movl %%ebp, %%edx\n movl %0, %%eax\n movl %%eax, %%ss\n"
                 "movl $0x77779100, %%esp\n movl $0x66660000, %%ebp\n enterl $16, $0\n"
                 "movl %%esp, sp_seen\n movl %%ebp, %%ecx\n movl %2, %%ss\n movl %%ebx, %%esp\n"
                 "movl %%edx, %%ebp\n movl %%ecx, %1"
                 :
                 : "i"(DS16_SEL), "m"(*(u32 *)0x9030), "r"(KERNEL_DS)
                 : "eax", "ebx", "ecx", "edx", "memory");
    CHECK_EQ(sp_seen, 0x777790ec);
}

static void limit(void)
{
    test("limit of a 16-bit code segment");
    gdt_set(FREE_SEL, 0, (word)c_stop - 1, AR_CODE);
    CHECK_TRAP(GP, 0, asm volatile("lcall %0, $c_stop" : : "i"(FREE_SEL)));
    gdt_set(FREE_SEL, 0, (word)c_stop, AR_CODE); /* the INT is cut in two */
    CHECK_TRAP(GP, 0, asm volatile("lcall %0, $c_stop" : : "i"(FREE_SEL)));
    CHECK_EQ(last_trap.cs, FREE_SEL);
    CHECK_EQ(last_trap.ip, (word)c_stop);
}

GUEST("code16")
{
    code();
    tables();
    stack();
    limit();
}
