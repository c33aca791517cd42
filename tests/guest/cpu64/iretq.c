/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IRET in 64-bit mode (SDM 2A, 3A 6.14.3): five values whatever the privilege, operand sizes, null
   SS, the checks and their error codes, data segments on the way out. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define SPARE FREE_SEL
CODE(stop, "int $0x31");
CODE(user_stop, "nop\n" EXIT_USER);
CODE(stop32, ".code32\n int $0x31\n .code64");

/* IRETQ to the given state; the trap that ends it is recorded. */
#define IRETQ(ip, cs, flags, sp, ss)                                                               \
    TRAP(asm volatile("pushq %0\n pushq %1\n pushq %2\n pushq %3\n pushq %4\n iretq"               \
                      :                                                                            \
                      : "r"((word)(ss)), "r"((word)(sp)), "r"((word)(flags)), "r"((word)(cs)),     \
                        "r"((word)(ip))                                                            \
                      : "memory"))
#define CHECK_IRETQ(vec, err, ...)                                                                 \
    (IRETQ(__VA_ARGS__), check_trap(vec, err, #__VA_ARGS__, __LINE__))

static void same_ring(void)
{
    test("CPL 0 to CPL 0");
    CHECK_IRETQ(0x31, 0, stop, KERNEL_CS, FLAG_CF | FLAG_ID | 2, trap_stack_top, KERNEL_DS);
    CHECK_EQ(last_trap.sp, trap_stack_top);
    CHECK_EQ(last_trap.flags, FLAG_CF | FLAG_ID | 2);
    CHECK_EQ(last_trap.ss, KERNEL_DS);
    CHECK_IRETQ(0x31, 0, stop, KERNEL_CS, 2, trap_stack_top, 0); /* null is good enough below 3 */
    CHECK_EQ(last_trap.ss, 0);
    CHECK_IRETQ(0x31, 0, stop, KERNEL_CS, FLAG_IOPL | FLAG_VM | 2, trap_stack_top, KERNEL_DS);
    CHECK_EQ(last_trap.flags & (FLAG_IOPL | FLAG_VM), FLAG_IOPL); /* VM stays 0 */
}

static void to_user(void)
{
    test("CPL 0 to CPL 3");
    CHECK_IRETQ(USER_EXIT, 0, USER(user_stop), USER_CS64, FLAG_IF | FLAG_RF | 2,
                USER(user_stack_top), USER_DS);
    CHECK_EQ(last_trap.cs, USER_CS64);
    CHECK_EQ(last_trap.flags, FLAG_IF | 2); /* RF lasts for one instruction */
    u16 fs, gs;
    gdt_set(SPARE, 0, 0xfffff, AR_DATA | AR_DB | AR_G);
    asm volatile("movl %0, %%fs\n movl %1, %%gs" : : "r"(SPARE), "r"(USER_DS));
    (void)IRETQ(USER(user_stop), USER_CS64, 2, USER(user_stack_top), USER_DS);
    asm volatile("movw %%fs, %0\n movw %%gs, %1" : "=r"(fs), "=r"(gs));
    CHECK_EQ(fs, 0); /* DPL 0 data is out of reach: null */
    CHECK_EQ(gs, USER_DS);
    asm volatile("movl %0, %%gs" : : "r"(0));
}

static void checks(void)
{
    test("checks");
    word sp = USER(user_stack_top);
    CHECK_IRETQ(GP, 0, stop, 0, 2, sp, KERNEL_DS);
    CHECK_IRETQ(GP, KERNEL_DS, stop, KERNEL_DS, 2, sp, KERNEL_DS);
    CHECK_IRETQ(GP, GDT_SLOTS * 8, stop, GDT_SLOTS * 8, 2, sp, KERNEL_DS);
    gdt_set(SPARE, 0, 0xfffff, 0x1a | AR_L);
    CHECK_IRETQ(NP, SPARE, stop, SPARE, 2, sp, KERNEL_DS);
    gdt_set(SPARE, 0, 0xfffff, 0x9a | AR_L | AR_DB);
    CHECK_IRETQ(GP, SPARE, stop, SPARE, 2, sp, KERNEL_DS);
    CHECK_IRETQ(GP, KERNEL_CS, stop, KERNEL_CS | 3, 2, sp, USER_DS); /* RPL 3, DPL 0 */
    CHECK_IRETQ(GP, USER_CS64 & ~3, stop, USER_CS64 & ~3, 2, sp, KERNEL_DS);
    CHECK_IRETQ(GP, 0, USER(user_stop), USER_CS64, 2, sp, 0); /* null SS in ring 3 */
    CHECK_IRETQ(GP, 0, USER(user_stop), USER_CS64, 2, sp, 3);
    CHECK_IRETQ(GP, KERNEL_DS, USER(user_stop), USER_CS64, 2, sp, KERNEL_DS);
    CHECK_IRETQ(GP, USER_DS & ~3, stop, KERNEL_CS, 2, sp, USER_DS);
    gdt_set(SPARE, 0, 0xfffff, 0x72);
    CHECK_IRETQ(SS, SPARE, USER(user_stop), USER_CS64, 2, sp, SPARE | 3);
    CHECK_IRETQ(GP, 0, BIT64(47), KERNEL_CS, 2, trap_stack_top, KERNEL_DS);
    CHECK_TRAP(GP, 0, set_flags(FLAG_NT); asm volatile("iretq")); /* no nested tasks here */
}

static void sizes(void)
{
    test("operand sizes");
    CHECK_TRAP(0x31, 0,
               asm volatile("movl %%ss, %%eax\n subq $20, %%rsp\n movl $stop, (%%rsp)\n"
                            "movl $8, 4(%%rsp)\n movl $0x200ad7, 8(%%rsp)\n"
                            "movl $trap_stack + 4096, 12(%%rsp)\n movl %%eax, 16(%%rsp)\n"
                            "iretl"
                            :
                            :
                            : "rax", "memory"));
    CHECK_EQ(last_trap.flags, 0x200ad7);
    CHECK_EQ(last_trap.sp, (word)trap_stack + 4096);
    extern u8 low_stop[];
    CHECK_TRAP(0x31, 0,
               asm volatile("movl %%ss, %%eax\n subq $10, %%rsp\n movw %w0, (%%rsp)\n"
                            "movw $8, 2(%%rsp)\n movw $0xd7, 4(%%rsp)\n"
                            "movw $0x9100, 6(%%rsp)\n movw %%ax, 8(%%rsp)\n iretw"
                            :
                            : "r"(low_stop)
                            : "rax", "memory"));
    CHECK_EQ(last_trap.flags & 0xffff, 0xd7);
    CHECK_EQ(last_trap.sp, 0x9100);
}
LOW_CODE(".code64", low_stop, "int $0x31");

static void to_compatibility(void)
{
    test("to compatibility mode");
    CHECK_IRETQ(0x31, 0, stop32, CS32_SEL, 2, trap_stack_top, KERNEL_DS);
    CHECK_EQ(last_trap.cs, CS32_SEL);
    CHECK_EQ(last_trap.sp, trap_stack_top);
    CHECK_IRETQ(GP, 0, stop32, CS32_SEL, 2, trap_stack_top, 0); /* null SS */
}

GUEST("iretq")
{
    idt_use_stack(0x31);
    same_ring();
    to_user();
    checks();
    sizes();
    to_compatibility();
}
