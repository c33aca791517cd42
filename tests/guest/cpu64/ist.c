/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks of handlers in 64-bit mode (SDM 3A 6.14): IST, alignment, SS:RSP always pushed, the null
   SS of an inner ring; and the double fault on its own stack. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

static u8 stacks[3][4096] page_aligned;
CODE(user_int, "int $0x40");
CODE(user_ud, "ud2");

#define TOP(n) ((word)stacks[n] + 4096)

static void same_ring(void)
{
    test("alignment and frame at CPL 0");
    for (word off = 0; off < 16; off += 3) {
        u64 at;
        CHECK_TRAP(0x40, 0,
                   asm volatile("movq %%rsp, %%rsi\n subq %0, %%rsi\n andq $~15, %%rsi\n"
                                "subq $128, %%rsi\n addq %0, %%rsi\n movq %%rsi, %%rsp\n"
                                "int $0x40"
                                :
                                : "r"(off)
                                : "rsi", "memory"));
        at = last_trap.si;
        CHECK_EQ(last_trap.sp, at);
        CHECK_EQ(last_trap.ss, KERNEL_DS);
        CHECK_EQ(last_trap.entry_sp, at & ~15ull);
        CHECK_EQ(last_trap.entry_ss, KERNEL_DS); /* no change of ring: SS stays */
    }
}

static void tables(void)
{
    test("IST");
    for (u8 n = 1; n <= 7; n++) {
        task.tss.ist[n - 1] = TOP(n % 3) - n; /* aligned down before the pushes */
        idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32 | AR_DPL3, n);
        CHECK_TRAP(0x40, 0, asm volatile("int $0x40"));
        CHECK_EQ(last_trap.entry_sp, TOP(n % 3) - 16);
        CHECK_EQ(user_run(user_int, 2), 0x40);
        CHECK_EQ(last_trap.entry_sp, TOP(n % 3) - 16);
        CHECK_EQ(last_trap.sp, USER(user_stack_top));
    }
    idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32 | AR_DPL3, 0);
    CHECK_EQ(user_run(user_int, 2), 0x40);
    CHECK_EQ(last_trap.entry_sp, trap_stack_top);
    CHECK_EQ(last_trap.entry_ss, 0); /* null, RPL is the new CPL */
}

static void double_faults(void)
{
    test("double fault");
    task.tss.ist[0] = TOP(0);
    idt_set(DF, KERNEL_CS, (word)trap_stubs + 16 * DF, AR_INT32, 1);
    idt_set(PF, KERNEL_CS, (word)trap_stubs + 16 * PF, AR_INT32, 0);
    CHECK_TRAP(DF, 0, asm volatile("movq %0, %%rsp\n pushq %%rax" : : "r"(TEST_BASE) : "memory"));
    CHECK_EQ(last_trap.entry_sp, TOP(0));
    CHECK_EQ(last_trap.sp, TEST_BASE);
    CHECK_TRAP(DF, 0,
               asm volatile("movq %0, %%rsp\n pushq %%rax"
                            :
                            : "r"(BIT64(47) + 64)
                            : "memory"));
    CHECK_EQ(last_trap.sp, BIT64(47) + 64);
    u64 rsp0 = task.tss.rsp[0];
    task.tss.rsp[0] = TEST_BASE; /* #UD, then #PF on the stack of ring 0: benign and #PF, no #DF */
    idt_set(PF, KERNEL_CS, (word)trap_stubs + 16 * PF, AR_INT32, 2);
    task.tss.ist[1] = TOP(1);
    CHECK_USER(PF, 2, user_ud);
    CHECK_EQ(last_trap.cr2, TEST_BASE - 8);
    CHECK_EQ(last_trap.cs, USER_CS64);
    task.tss.rsp[0] = BIT64(47) + 4096;
    idt_set(SS, KERNEL_CS, (word)trap_stubs + 16 * SS, AR_INT32, 2);
    CHECK_USER(SS, 1, user_ud); /* not canonical: #SS(0) with EXT */
    task.tss.rsp[0] = rsp0;
    idt_reset(PF);
    idt_reset(SS);
    idt_set(GP, KERNEL_CS, (word)trap_stubs + 16 * GP, AR_INT32 & 0x7f, 0);
    CHECK_TRAP(DF, 0, asm volatile("movb (%0), %%al" : : "r"(1ull << 47) : "eax"));
    idt_reset(GP);
    idt_reset(DF);
}

/* An IDT across two pages: #DF's gate is on the first, #PF's on the second, which goes away. */
static void table_gone(void)
{
    static page_aligned u8 copy[2][4096];
    test("page fault on the IDT");
    u64 va = TEST_BASE + 0x200000;
    struct dtr d = get_idtr(), split = {d.limit, va + 4096 - 9 * 16};
    task.tss.ist[0] = TOP(0);
    idt_set(DF, KERNEL_CS, (word)trap_stubs + 16 * DF, AR_INT32, 1);
    memcpy(copy[0] + 4096 - 9 * 16, (const void *)d.base, 4096);
    page_map(va, (word)copy[0], PTE_P | PTE_W);
    page_map(va + 4096, (word)copy[1], PTE_P | PTE_W);
    set_idtr(split);
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al" : : "r"(TEST_BASE) : "eax"));
    page_map(va + 4096, 0, 0);
    CHECK_TRAP(DF, 0, asm volatile("movb (%0), %%al" : : "r"(TEST_BASE) : "eax"));
    CHECK_TRAP(UD, 0, asm volatile("ud2"));       /* its gate is on the first page */
    CHECK_TRAP(DF, 0, asm volatile("int $0x20")); /* #PF on the gate, and again on #PF's own */
    set_idtr(d);
    idt_reset(DF);
}

GUEST("ist")
{
    same_ring();
    tables();
    double_faults();
    table_gone();
}
