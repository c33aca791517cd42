/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pairs of exceptions make a double fault (SDM 3A table 6-5), by gates that are not present;
   the double fault comes through a task gate, on a stack of its own. */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define T2 FREE_SEL

static struct tss32 t2;
static u8 stack2[4096] page_aligned;
CODE(df_task, "movl (%esp), %edx\n int $0x31");
CODE(user_ud, "ud2");

static void reset_task(void)
{
    tss_load();
    asm volatile("clts");
    t2 = (struct tss32){.eip = (word)df_task,
                        .esp = (word)stack2 + 4096,
                        .eflags = 2,
                        .cs = KERNEL_CS,
                        .ss = KERNEL_DS,
                        .ds = KERNEL_DS,
                        .es = KERNEL_DS,
                        .fs = KERNEL_DS,
                        .gs = KERNEL_DS,
                        .edx = 77,
                        .iomap = sizeof(t2)};
    gdt_set(T2, (word)&t2, sizeof(t2) - 1, AR_TSS32);
}

static void hide(u8 vector)
{
    idt_set(vector, KERNEL_CS, (word)trap_stubs + 16 * vector, AR_INT32 & 0x7f, 0);
}

static void check_double_fault(int line)
{
    check_trap(0x31, 0, "want a double fault", line);
    check_eq(last_trap.dx, 0, "error code", line); /* always there, always 0 */
    check_eq(last_trap.entry_sp, (word)stack2 + 4096 - 4, "stack pointer", line);
    check_eq(t2.link, TSS_SEL, "link", line);
    reset_task();
}

static void pairs(void)
{
    test("contributory after contributory");
    hide(GP);
    (void)TRAP(asm volatile("movl %0, %%fs" : : "r"(GDT_SLOTS * 8))); /* #GP, then #NP */
    check_double_fault(__LINE__);
    idt_reset(GP);
    hide(DE);
    (void)TRAP(asm volatile("divb %%cl" : : "c"(0), "a"(1) : "cc"));
    check_double_fault(__LINE__);
    idt_reset(DE);
    idt_set(SS, 0, 0, AR_INT32, 0); /* #SS, then #GP(0) */
    gdt_set(FREE_SEL + 8, 0, 0xfffff, 0x13 | AR_DB | AR_G);
    (void)TRAP(asm volatile("movl %0, %%ss" : : "r"(FREE_SEL + 8)));
    check_double_fault(__LINE__);
    idt_reset(SS);
    test("benign first: no double fault");
    hide(UD);
    CHECK_TRAP(NP, UD * 8 + 3, asm volatile("ud2"));
    idt_reset(UD);
    hide(BP);
    CHECK_TRAP(NP, BP * 8 + 2, asm volatile("int3"));
    idt_reset(BP);
    hide(0x40);
    CHECK_TRAP(NP, 0x40 * 8 + 2, asm volatile("int $0x40"));
    idt_reset(0x40);
}

static void no_stack(void)
{
    test("no stack to push on");
    /* A stack segment that ends at 0: every push past it is #SS, and so is #SS's own. */
    gdt_set(FREE_SEL + 16, 0, 0, AR_DATA | AR_DB | AR_G);
    (void)TRAP(asm volatile("movl %0, %%ss\n movl $0x2000, %%esp\n pushl %%eax"
                            :
                            : "r"(FREE_SEL + 16)
                            : "memory"));
    check_double_fault(__LINE__);
    CHECK_EQ(task.tss.ss, FREE_SEL + 16);
    u16 ss0 = task.tss.ss0;
    task.tss.ss0 = KERNEL_CS; /* the stack of ring 0 is bad: #UD, then #TS, and again #TS */
    (void)user_run(user_ud, 2);
    check_double_fault(__LINE__);
    task.tss.ss0 = ss0;
    CHECK_EQ(task.tss.cs, USER_CS32);
}

GUEST("doublefault")
{
    idt_set(DF, T2, 0, AR_TASK, 0);
    reset_task();
    pairs();
    no_stack();
}
