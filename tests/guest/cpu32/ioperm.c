/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IOPL and the I/O permission bitmap at CPL 3; CLI, STI, POPF and the protected-mode virtual
   interrupt flag (SDM 1 18.5, 3A 20.4); privileged instructions at CPL 3. */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define PORT 0x61 /* readable without effect */

CODE(user_inb, "movl $0x61, %edx\n inb %dx, %al\n" EXIT_USER);
CODE(user_inb_imm, "inb $0x61, %al\n" EXIT_USER);
CODE(user_inw, "movl $0x61, %edx\n inw %dx, %ax\n" EXIT_USER);
CODE(user_inl, "movl $0x61, %edx\n inl %dx, %eax\n" EXIT_USER);
CODE(user_in_ffff, "movl $0xffff, %edx\n inb %dx, %al\n" EXIT_USER);
CODE(user_inw_ffff, "movl $0xffff, %edx\n inw %dx, %ax\n" EXIT_USER);
CODE(user_insb, "movl $0x61, %edx\n movl %esp, %edi\n subl $4, %edi\n insb\n" EXIT_USER);
CODE(user_cli, "cli\n" EXIT_USER);
CODE(user_sti, "sti\n" EXIT_USER);
CODE(user_popf, "pushl $0x200202\n popfl\n pushfl\n popl %eax\n" EXIT_USER);
CODE(user_popf0, "pushl $0x3000\n popfl\n pushfl\n popl %eax\n" EXIT_USER);

static const u8 *const port_code[] = {user_inb, user_inb_imm, user_insb};

static void bitmap(bool allowed, u32 port)
{
    memset(task.io, 0xff, sizeof(task.io));
    if (allowed)
        task.io[port / 8] &= (u8) ~(1 << port % 8);
}

static u32 at_iopl(const u8 *code, u32 iopl)
{
    return user_run(code, iopl << 12 | 2);
}

static void by_iopl(void)
{
    test("IOPL");
    task.tss.iomap = (u16)(TSS_LIMIT + 1); /* no bitmap */
    for (u32 iopl = 0; iopl < 4; iopl++)
        for (unsigned i = 0; i < ARRAY_SIZE(port_code); i++) {
            u32 v = at_iopl(port_code[i], iopl);
            CHECK_EQ(v << 8 | iopl, (iopl == 3 ? USER_EXIT : GP) << 8 | iopl);
        }
}

static void by_bitmap(void)
{
    test("I/O bitmap");
    task.tss.iomap = TSS_IOMAP;
    bitmap(true, PORT);
    for (unsigned i = 0; i < ARRAY_SIZE(port_code); i++)
        CHECK_EQ(at_iopl(port_code[i], 0), USER_EXIT);
    CHECK_USER(GP, 0, user_inw); /* 62h is not allowed */
    task.io[PORT / 8] = (u8)~6;  /* 61h and 62h */
    CHECK_USER_EXITS(user_inw);
    CHECK_USER(GP, 0, user_inl);
    task.io[PORT / 8] = (u8)~0x1e;
    CHECK_USER_EXITS(user_inl);
    bitmap(false, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(port_code); i++)
        CHECK_EQ(at_iopl(port_code[i], 0), GP);
    bitmap(true, 0xffff);
    CHECK_USER_EXITS(user_in_ffff);
    CHECK_USER(GP, 0, user_inw_ffff); /* the byte behind the bitmap has all bits set */
}

static void bitmap_limit(void)
{
    test("I/O bitmap and the TSS limit");
    bitmap(true, PORT);
    task.tss.iomap = TSS_IOMAP;
    gdt_set(TSS_SEL, (word)&task, TSS_IOMAP + PORT / 8 + 1, AR_TSS32);
    asm volatile("ltr %w0" : : "r"(TSS_SEL));
    CHECK_USER_EXITS(user_inb);
    gdt_set(TSS_SEL, (word)&task, TSS_IOMAP + PORT / 8, AR_TSS32); /* two bytes are read */
    asm volatile("ltr %w0" : : "r"(TSS_SEL));
    CHECK_USER(GP, 0, user_inb);
    gdt_set(TSS_SEL, (word)&task, 0x66 + 1, AR_TSS32);
    asm volatile("ltr %w0" : : "r"(TSS_SEL));
    CHECK_USER(GP, 0, user_inb);
    task.tss.iomap = (u16)(TSS_LIMIT + 1);
    tss_load();
}

static void interrupt_flag(void)
{
    test("CLI, STI and POPF");
    CHECK_USER(GP, 0, user_cli);
    CHECK_USER(GP, 0, user_sti);
    CHECK_EQ(at_iopl(user_cli, 3), USER_EXIT);
    CHECK_EQ(last_trap.flags & FLAG_IF, 0);
    CHECK_EQ(at_iopl(user_sti, 3), USER_EXIT);
    CHECK_EQ(last_trap.flags & FLAG_IF, FLAG_IF);
    CHECK_EQ(at_iopl(user_popf, 0), USER_EXIT); /* IF and IOPL stay, without a fault */
    CHECK_EQ(last_trap.ax, 0x200002);
    CHECK_EQ(at_iopl(user_popf0, 0), USER_EXIT);
    CHECK_EQ(last_trap.ax & (FLAG_IOPL | FLAG_IF), 0);
    CHECK_EQ(at_iopl(user_popf, 3), USER_EXIT);
    CHECK_EQ(last_trap.ax, 0x203202);
    CHECK_EQ(user_run(user_popf0, FLAG_IF | FLAG_IOPL | 2), USER_EXIT);
    CHECK_EQ(last_trap.ax & (FLAG_IOPL | FLAG_IF), FLAG_IOPL);
    CHECK_EQ(user_run(user_popf0, FLAG_IF | 2), USER_EXIT);
    CHECK_EQ(last_trap.ax & (FLAG_IOPL | FLAG_IF), FLAG_IF);
}

static void virtual_interrupts(void)
{
    test("PVI");
    if (!(cpuid(1, 0).edx & 2))
        return;
    set_cr4(get_cr4() | CR4_PVI);
    CHECK_EQ(at_iopl(user_sti, 0), USER_EXIT);
    CHECK_EQ(last_trap.flags & (FLAG_IF | FLAG_VIF), FLAG_VIF);
    CHECK_EQ(user_run(user_cli, FLAG_VIF | FLAG_IF | 2), USER_EXIT);
    CHECK_EQ(last_trap.flags & (FLAG_IF | FLAG_VIF), FLAG_IF);
    CHECK_EQ(user_run(user_sti, FLAG_VIP | 2), GP);
    CHECK_EQ(user_run(user_cli, FLAG_VIP | 2), USER_EXIT);
    CHECK_EQ(at_iopl(user_sti, 3), USER_EXIT); /* IOPL 3: the real flag */
    CHECK_EQ(last_trap.flags & (FLAG_IF | FLAG_VIF), FLAG_IF);
    set_cr4(get_cr4() & ~CR4_PVI);
}

CODE(user_hlt, "hlt");
CODE(user_lgdt, "lgdt (%esp)");
CODE(user_lidt, "lidt (%esp)");
CODE(user_lldt, "lldt %ax");
CODE(user_ltr, "ltr %ax");
CODE(user_clts, "clts");
CODE(user_lmsw, "lmsw %ax");
CODE(user_cr0, "movl %cr0, %eax");
CODE(user_set_cr3, "movl %eax, %cr3");
CODE(user_cr8, ".byte 0x0f, 0x20, 0xd0\n"); /* MOV EAX, CR2 */
CODE(user_dr7, "movl %dr7, %eax");
CODE(user_invlpg, "invlpg (%esp)");
CODE(user_invd, "invd");
CODE(user_wbinvd, "wbinvd");
CODE(user_rdmsr, "movl $0x10, %ecx\n rdmsr");
CODE(user_wrmsr, "movl $0x10, %ecx\n wrmsr");
CODE(user_rdtsc, "rdtsc\n" EXIT_USER);

static void privileged(void)
{
    static const u8 *const code[] = {
        user_hlt, user_lgdt,    user_lidt, user_lldt, user_ltr,    user_clts, user_lmsw,
        user_cr0, user_set_cr3, user_cr8,  user_dr7,  user_invlpg, user_invd, user_wbinvd,
    };
    test("privileged instructions");
    for (unsigned i = 0; i < ARRAY_SIZE(code); i++) {
        CHECK_EQ(at_iopl(code[i], 3) | i << 8, GP | i << 8);
        CHECK_EQ(last_trap.error, 0);
        CHECK_EQ(last_trap.ip, (word)code[i]);
    }
    CHECK_USER(GP, 0, user_rdmsr);
    CHECK_USER(GP, 0, user_wrmsr);
    CHECK_USER_EXITS(user_rdtsc);
    set_cr4(get_cr4() | CR4_TSD);
    CHECK_USER(GP, 0, user_rdtsc);
    CHECK_RUNS((void)rdtsc());
    set_cr4(get_cr4() & ~CR4_TSD);
}

CODE(user_sgdt, "subl $16, %esp\n sgdt (%esp)\n" EXIT_USER);
CODE(user_sidt, "subl $16, %esp\n sidt (%esp)\n" EXIT_USER);
CODE(user_sldt, "sldt %eax\n" EXIT_USER);
CODE(user_str, "str %eax\n" EXIT_USER);
CODE(user_smsw, "smsw %eax\n" EXIT_USER);

static void umip(void)
{
    static const u8 *const code[] = {user_sgdt, user_sidt, user_sldt, user_str, user_smsw};
    test("UMIP");
    bool have = cpuid(7, 0).ecx & 4;
    for (unsigned i = 0; i < ARRAY_SIZE(code); i++)
        CHECK_EQ(at_iopl(code[i], 0), USER_EXIT);
    if (!have)
        return;
    set_cr4(get_cr4() | CR4_UMIP);
    for (unsigned i = 0; i < ARRAY_SIZE(code); i++)
        CHECK_EQ(at_iopl(code[i], 0), GP);
    CHECK_RUNS(asm volatile("smsw %%eax" : : : "eax"));
    set_cr4(get_cr4() & ~CR4_UMIP);
}

GUEST("ioperm")
{
    by_iopl();
    by_bitmap();
    bitmap_limit();
    interrupt_flag();
    virtual_interrupts();
    privileged();
    umip();
}
