/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GDT, IDT and TSS of 64-bit guests, and their tables on further CPUs. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

struct gate64 {
    u64 low, high;
};

page_aligned struct task task;
__attribute__((aligned(16))) u8 trap_stack[STACK_SIZE], user_stack[STACK_SIZE];
static __attribute__((aligned(16))) struct gate64 idt[256];

void idt_set(u8 vector, u16 sel, word offset, u32 ar, u8 ist)
{
    volatile struct gate64 *g = &idt[vector];
    g->low = (offset & 0xffff) | (u64)sel << 16 | (u64)ist << 32 | (u64)(ar & 0xff) << 40 |
             (offset >> 16 & 0xffff) << 48;
    g->high = offset >> 32;
}

void idt_reset(u8 vector)
{
    idt_set(vector, KERNEL_CS, (word)(trap_stubs + 16 * vector),
            vector == USER_EXIT ? AR_INT32 | AR_DPL3 : AR_INT32, 0);
}

void idt_use_stack(u8 vector)
{
    task.tss.ist[0] = trap_stack_top;
    idt_set(vector, KERNEL_CS, (word)(trap_stubs + 16 * vector),
            vector == USER_EXIT ? AR_INT32 | AR_DPL3 : AR_INT32, 1);
}

void tss_load(void)
{
    gdt_set(TSS_SEL, (u32)(word)&task, TSS_LIMIT, AR_TSS32);
    gdt[(TSS_SEL >> 3) + 1] = (word)&task >> 32;
    asm volatile("ltr %w0" : : "r"(TSS_SEL) : "memory");
}

void desc_load(void)
{
    set_gdtr((struct dtr){sizeof(gdt) - 1, (word)gdt});
    set_idtr((struct dtr){sizeof(idt) - 1, (word)idt});
}

void desc_init(void)
{
    gdt_set(KERNEL_CS, 0, 0xfffff, AR_CODE | AR_L | AR_G);
    gdt_set(KERNEL_DS, 0, 0xfffff, AR_DATA | AR_DB | AR_G);
    gdt_set(USER_CS32, 0, 0xfffff, AR_CODE | AR_DPL3 | AR_DB | AR_G);
    gdt_set(USER_DS, 0, 0xfffff, AR_DATA | AR_DPL3 | AR_DB | AR_G);
    gdt_set(USER_CS64, 0, 0xfffff, AR_CODE | AR_DPL3 | AR_L | AR_G);
    gdt_set(CS32_SEL, 0, 0xfffff, AR_CODE | AR_DB | AR_G);
    gdt_set(CS16_SEL, 0, 0xffff, AR_CODE);
    gdt_set(DS16_SEL, 0, 0xffff, AR_DATA);
    for (unsigned v = 0; v < 256; v++)
        idt_reset((u8)v);
    desc_load();
    task.tss.rsp[0] = trap_stack_top;
    task.tss.iomap = TSS_LIMIT + 1;
    task.io[8192] = 0xff;
    tss_load();
    asm volatile("lldt %w0" : : "r"(0));
}

u32 user_run(const void *code, word flags)
{
    return TRAP(user_enter(USER(code), USER(user_stack_top), flags));
}
