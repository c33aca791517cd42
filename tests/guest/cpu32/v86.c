/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual-8086 mode without its extensions (SDM 3A 20.2-20.4): entry by IRET, the frame of a trap,
   what is IOPL-sensitive, the I/O bitmap, segments and limits. */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define LOW_SS 0x800 /* stack at 9000h and below */
#define LOW_SP 0x1000
#define EXIT   "int3\n" /* not IOPL-sensitive */

void v86_enter(word ip, word flags);
asm(".pushsection .text\n"
    "v86_enter:\n"
    "movl 4(%esp), %eax\n movl 8(%esp), %ecx\n"
    "pushl $0x4444\n pushl $0x3333\n pushl $0x2222\n pushl $0x1111\n" /* GS FS DS ES */
    "pushl $0x800\n pushl $0x1000\n pushl %ecx\n pushl $0\n pushl %eax\n"
    "xorl %eax, %eax\n xorl %ecx, %ecx\n iretl\n"
    ".popsection");

#define CODE86(name, text) LOW_CODE(".code16", name, text)
CODE86(v_exit, EXIT);
CODE86(v_int, "int $0x40");
CODE86(v_cli, "cli\n" EXIT);
CODE86(v_sti, "sti\n" EXIT);
CODE86(v_pushf, "pushfw\n popw %ax\n" EXIT);
CODE86(v_pushfd, "pushfl\n popl %eax\n" EXIT);
CODE86(v_popf, "pushw $0x0ad7\n popfw\n" EXIT);
CODE86(v_popfd, "pushl $0x240002\n popfl\n" EXIT);
CODE86(v_iret, "pushfw\n pushw $0\n pushw $1f\n iretw\n1: " EXIT);
CODE86(v_in, "inb $0x61, %al\n" EXIT);
CODE86(v_hlt, "hlt");
CODE86(v_cr0, "movl %cr0, %eax");
CODE86(v_lgdt, "lgdtw (0)");
CODE86(v_lmsw, "lmsw %ax");
CODE86(v_smsw, "smsw %ax\n" EXIT);
CODE86(v_sldt, "sldt %ax");
CODE86(v_lar, "larw %ax, %ax");
CODE86(v_arpl, "arplw %ax, %ax");
CODE86(v_lldt, "lldt %ax");
CODE86(v_clts, "clts");
CODE86(v_rdmsr, "rdmsr");
CODE86(v_limit, "movw $0xffff, %bx\n movw (%bx), %ax");
CODE86(v_limit32, "movl $0x10000, %ebx\n addr32 movb (%ebx), %al");
CODE86(v_stack, "movw $0xffff, %bp\n movw (%bp), %ax");
CODE86(v_segs, "movw $0x123, %ax\n movw %ax, %ds\n movw %ax, %es\n movw %ax, %fs\n movw %ax, %gs\n"
               "movw $8, %bx\n movb $0x5a, (%bx)\n" EXIT);
CODE86(v_far, "lcallw $0x10, $(1f - 0x100)\n" EXIT "1: movw %cs, %dx\n lretw");
CODE86(v_into, "movb $0x7f, %al\n addb $1, %al\n into");
CODE86(v_loop, "movw $0, %ax\n ljmpw $0, $1f\n 1: " EXIT);

static u32 v86(const u8 *code, u32 flags)
{
    return TRAP(v86_enter((word)code, flags | FLAG_VM | 2));
}

#define CHECK_V86(vec, err, code, iopl)                                                            \
    (v86(code, (iopl) << 12), check_trap(vec, err, "virtual-8086 code " #code, __LINE__))

static void frame(void)
{
    test("frame of a trap");
    CHECK_V86(BP, 0, v_exit, 0u);
    CHECK_EQ(last_trap.ip, (word)v_exit_end);
    CHECK_EQ(last_trap.cs, 0);
    CHECK_EQ(last_trap.flags & ~FLAG_RF, FLAG_VM | 2);
    CHECK_EQ(last_trap.sp, LOW_SP);
    CHECK_EQ(last_trap.ss, LOW_SS);
    CHECK_EQ((u16)last_trap.es, 0x1111);
    CHECK_EQ((u16)last_trap.ds, 0x2222);
    CHECK_EQ((u16)last_trap.fs, 0x3333);
    CHECK_EQ((u16)last_trap.gs, 0x4444);
    CHECK_EQ(last_trap.entry_sp, trap_stack_top); /* nine doublewords below it */
    CHECK_EQ(last_trap.entry_ss, KERNEL_DS);
}

u32 handler_segs_out = 1;
void v86_handler_segs(void);
asm(".pushsection .text\n v86_handler_segs:\n"
    "movl %ds, %eax\n movl %es, %ebx\n orl %ebx, %eax\n movl %fs, %ebx\n orl %ebx, %eax\n"
    "movl %gs, %ebx\n orl %ebx, %eax\n ss movl %eax, handler_segs_out\n int $0x31\n .popsection");

static void handler_segments(void)
{
    test("segments in the handler are null");
    idt_set(BP, KERNEL_CS, (word)v86_handler_segs, AR_INT32 | AR_DPL3, 0);
    CHECK_V86(0x31, 0, v_exit, 0u);
    CHECK_EQ(handler_segs_out, 0);
    idt_set(BP, KERNEL_CS, (word)trap_stubs + 16 * BP, AR_INT32 | AR_DPL3, 0);
}

static void iopl_sensitive(void)
{
    static const u8 *const code[] = {v_cli, v_sti, v_pushf, v_pushfd, v_popf, v_popfd, v_iret};
    test("IOPL");
    for (unsigned i = 0; i < ARRAY_SIZE(code); i++) {
        for (u32 iopl = 0; iopl < 3; iopl++) {
            CHECK_EQ(v86(code[i], iopl << 12) | i << 8, GP | i << 8);
            CHECK_EQ(last_trap.error, 0);
        }
        CHECK_EQ(v86(code[i], 3 << 12) | i << 8, BP | i << 8);
    }
    CHECK_V86(GP, 0, v_int, 0u);
    CHECK_EQ(last_trap.ip, (word)v_int);
    CHECK_V86(0x40, 0, v_int, 3u);
    CHECK_EQ(last_trap.ip, (word)v_int_end);
    CHECK_V86(OF, 0, v_into, 0u);
    CHECK_EQ(last_trap.ip, (word)v_into_end);
}

static void flag_values(void)
{
    test("flags at IOPL 3");
    v86(v_cli, FLAG_IOPL | FLAG_IF);
    CHECK_EQ(last_trap.flags & FLAG_IF, 0);
    v86(v_sti, FLAG_IOPL);
    CHECK_EQ(last_trap.flags & FLAG_IF, FLAG_IF);
    v86(v_pushf, FLAG_IOPL | FLAG_IF);
    CHECK_EQ(last_trap.ax, FLAG_IOPL | FLAG_IF | 2);
    v86(v_pushfd, FLAG_IOPL | FLAG_ID);
    CHECK_EQ(last_trap.ax, FLAG_IOPL | FLAG_ID | 2); /* VM reads as 0 */
    v86(v_popf, FLAG_IOPL | FLAG_IF);
    CHECK_EQ(last_trap.flags & ~FLAG_RF, FLAG_VM | FLAG_IOPL | 0xad7);
    v86(v_popfd, FLAG_IOPL | FLAG_IF);
    CHECK_EQ(last_trap.flags & ~FLAG_RF, FLAG_VM | FLAG_IOPL | 0x240002); /* IOPL, VM stay */
}

static void gates(void)
{
    test("gates from virtual-8086 mode");
    idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32, 0);
    CHECK_V86(GP, 0x40 * 8 + 2, v_int, 3u); /* gate DPL 0 */
    gdt_set(FREE_SEL, 0, 0xfffff, 0x9f | AR_DB | AR_G);
    idt_set(0x40, FREE_SEL, (word)trap_stubs + 16 * 0x40, AR_INT32 | AR_DPL3, 0);
    CHECK_V86(GP, FREE_SEL, v_int, 3u); /* conforming handler */
    gdt_set(FREE_SEL, 0, 0xfffff, 0xbb | AR_DB | AR_G);
    CHECK_V86(GP, FREE_SEL, v_int, 3u); /* handler not in ring 0 */
    idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32 | AR_DPL3, 0);
}

static void ports(void)
{
    test("I/O bitmap, whatever IOPL is");
    task.tss.iomap = (u16)(TSS_LIMIT + 1);
    CHECK_V86(GP, 0, v_in, 3u);
    task.tss.iomap = TSS_IOMAP;
    memset(task.io, 0xff, sizeof(task.io));
    CHECK_V86(GP, 0, v_in, 3u);
    task.io[0x61 / 8] = (u8)~2;
    CHECK_V86(BP, 0, v_in, 3u);
    CHECK_V86(BP, 0, v_in, 0u);
    task.tss.iomap = (u16)(TSS_LIMIT + 1);
}

static void instructions(void)
{
    static const u8 *const gp[] = {v_hlt, v_cr0, v_lgdt, v_lmsw, v_clts, v_rdmsr};
    static const u8 *const ud[] = {v_sldt, v_lar, v_arpl, v_lldt};
    test("instructions");
    for (unsigned i = 0; i < ARRAY_SIZE(gp); i++)
        CHECK_EQ(v86(gp[i], FLAG_IOPL) | i << 8, GP | i << 8);
    for (unsigned i = 0; i < ARRAY_SIZE(ud); i++)
        CHECK_EQ(v86(ud[i], FLAG_IOPL) | i << 8, UD | i << 8);
    CHECK_V86(BP, 0, v_smsw, 0u);
    CHECK_EQ(last_trap.ax & 1, 1);
}

static void segments(void)
{
    test("segments");
    CHECK_V86(GP, 0, v_limit, 0u);
    CHECK_V86(GP, 0, v_limit32, 0u);
    CHECK_V86(SS, 0, v_stack, 0u);
    CHECK_V86(BP, 0, v_segs, 0u);
    CHECK_EQ((u16)last_trap.ds, 0x123);
    CHECK_EQ((u16)last_trap.gs, 0x123);
    CHECK_EQ(*(volatile u8 *)0x1238, 0x5a);
    CHECK_V86(BP, 0, v_far, 0u);
    CHECK_EQ((u16)last_trap.dx, 0x10);
    CHECK_EQ(last_trap.cs, 0);
    CHECK_V86(BP, 0, v_loop, 0u);
}

GUEST("v86")
{
    idt_set(BP, KERNEL_CS, (word)trap_stubs + 16 * BP, AR_INT32 | AR_DPL3, 0);
    idt_set(OF, KERNEL_CS, (word)trap_stubs + 16 * OF, AR_INT32 | AR_DPL3, 0);
    idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32 | AR_DPL3, 0);
    frame();
    handler_segments();
    iopl_sensitive();
    flag_values();
    gates();
    ports();
    instructions();
    segments();
}
