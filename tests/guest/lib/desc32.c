/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GDT, IDT and TSS of 32-bit guests. */
#include "desc.h"
#include "io.h"
#include "trap.h"

page_aligned struct task task;
__attribute__((aligned(16))) u8 trap_stack[STACK_SIZE], user_stack[STACK_SIZE];
static __attribute__((aligned(16))) u64 idt[256];

void idt_set(u8 vector, u16 sel, word offset, u32 ar, u8 ist)
{
    (void)ist;
    *(volatile u64 *)&idt[vector] =
        (offset & 0xffff) | (u64)sel << 16 | (u64)(ar & 0xff) << 40 | (u64)(offset >> 16) << 48;
}

void idt_reset(u8 vector)
{
    idt_set(vector, KERNEL_CS, (word)(trap_stubs + 16 * vector),
            vector == USER_EXIT ? AR_INT32 | AR_DPL3 : AR_INT32, 0);
}

void tss_load(void)
{
    gdt_set(TSS_SEL, (word)&task, TSS_LIMIT, AR_TSS32);
    asm volatile("ltr %w0" : : "r"(TSS_SEL) : "memory");
}

void desc_init(void)
{
    gdt_set(KERNEL_CS, 0, 0xfffff, AR_CODE | AR_DB | AR_G);
    gdt_set(KERNEL_DS, 0, 0xfffff, AR_DATA | AR_DB | AR_G);
    gdt_set(USER_CS32, 0, 0xfffff, AR_CODE | AR_DPL3 | AR_DB | AR_G);
    gdt_set(USER_DS, 0, 0xfffff, AR_DATA | AR_DPL3 | AR_DB | AR_G);
    gdt_set(CS32_SEL, 0, 0xfffff, AR_CODE | AR_DB | AR_G);
    gdt_set(CS16_SEL, 0, 0xffff, AR_CODE);
    gdt_set(DS16_SEL, 0, 0xffff, AR_DATA);
    set_gdtr((struct dtr){sizeof(gdt) - 1, (word)gdt});
    for (unsigned v = 0; v < 256; v++)
        idt_reset((u8)v);
    set_idtr((struct dtr){sizeof(idt) - 1, (word)idt});
    task.tss.ss0 = KERNEL_DS;
    task.tss.esp0 = trap_stack_top;
    task.tss.iomap = TSS_LIMIT + 1;
    task.io[8192] = 0xff;
    tss_load();
    asm volatile("lldt %w0" : : "r"(0));
}

u32 user_run(const void *code, word flags)
{
    return TRAP(user_enter((word)code, user_stack_top, flags));
}
