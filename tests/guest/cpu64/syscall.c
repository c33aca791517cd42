/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSCALL and SYSRET in long mode (SDM 2B, APM 3), from 64-bit and compatibility mode. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define ALL_FLAGS                                                                                  \
    (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF | FLAG_DF | FLAG_IF | FLAG_IOPL |   \
     FLAG_NT | FLAG_AC | FLAG_ID | 2)

CODE(entry, "int $0x31");
CODE(entry_back, "movq %rsp, %rsi\n sysretq");
CODE(user_call, "syscall\n" EXIT_USER);
CODE(user_nop, EXIT_USER);
CODE(user_sysret, "sysretq");
CODE(sysret32_to, ".code32\n movl %eax, %eax\n .byte 0x40\n int $0x30\n .code64"); /* INC EAX */

static bool is_intel(void)
{
    return cpuid(0, 0).ebx == 0x756e6547;
}

static void call(void)
{
    test("SYSCALL");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    wrmsr(MSR_STAR, 0x0018000800000000ull);
    wrmsr(MSR_LSTAR, (word)entry);
    wrmsr(MSR_SFMASK, 0);
    CHECK_EQ(user_run(user_call, ALL_FLAGS), 0x31);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.ss, KERNEL_DS);
    CHECK_EQ(last_trap.ip, (word)entry_end);
    CHECK_EQ(last_trap.sp, USER(user_stack_top)); /* RSP is not switched */
    CHECK_EQ(last_trap.cx, USER(user_call_end) - 2);
    CHECK_EQ(last_trap.flags, ALL_FLAGS);
    wrmsr(MSR_SFMASK, FLAG_IF | FLAG_DF | FLAG_AC | FLAG_NT | FLAG_CF);
    CHECK_EQ(user_run(user_call, ALL_FLAGS), 0x31);
    CHECK_EQ(last_trap.flags, ALL_FLAGS & ~(FLAG_IF | FLAG_DF | FLAG_AC | FLAG_NT | FLAG_CF));
    CHECK_TRAP(0x31, 0, asm volatile("syscall" : : : "rcx", "r11", "memory")); /* CPL 0 too */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~1ull);
    CHECK_USER(UD, 0, user_call);
    CHECK_USER(UD, 0, user_sysret);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    CHECK_USER(GP, 0, user_sysret);
}

static void back(void)
{
    test("SYSRET");
    wrmsr(MSR_SFMASK, FLAG_IF | FLAG_CF);
    wrmsr(MSR_LSTAR, (word)entry_back);
    CHECK_EQ(user_run(user_call, ALL_FLAGS), USER_EXIT);
    CHECK_EQ(last_trap.cs, USER_CS64);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.ip, USER(user_call_end));
    CHECK_EQ(last_trap.flags, ALL_FLAGS);
    CHECK_EQ(last_trap.sp, last_trap.si);
    /* RF and VM of R11 are dropped, reserved bits as well. */
    CHECK_TRAP(
        USER_EXIT, 0,
        asm volatile("movq %1, %%r11\n movq %2, %%rsp\n sysretq"
                     :
                     : "c"(USER(user_nop)), "r"(~0ull & ~(word)FLAG_TF), "r"(USER(user_stack_top))
                     : "r11", "memory"));
    CHECK_EQ(last_trap.flags & ~(word)(FLAG_VIF | FLAG_VIP), ALL_FLAGS);
    page_map_user32();
    CHECK_TRAP(USER_EXIT, 0,
               asm volatile("movl $2, %%r11d\n movq %2, %%rsp\n sysretl"
                            :
                            : "c"((word)USER32(sysret32_to) | 0xffffffff00000000ull), "a"(5),
                              "r"((word)USER32(user_stack_top))
                            : "r11", "memory"));
    CHECK_EQ(last_trap.cs, USER_CS32);
    CHECK_EQ(last_trap.ip, (word)USER32(sysret32_to_end)); /* only ECX counts */
    CHECK_EQ(last_trap.ax, 6);
}

static void noncanonical(void)
{
    test("SYSRET to an address that is not canonical");
    CHECK_TRAP(GP, 0,
               asm volatile("movl $2, %%r11d\n sysretq"
                            :
                            : "c"(BIT64(47))
                            : "r11", "memory"));
    CHECK_EQ(last_trap.cs, is_intel() ? KERNEL_CS : USER_CS64); /* before or after the return */
}

CODE(compat_call, ".code32\n movl %esp, %ebx\n syscall\n int $0x30\n .code64");

static void compatibility(void)
{
    test("SYSCALL in compatibility mode");
    wrmsr(MSR_CSTAR, (word)entry);
    wrmsr(MSR_LSTAR, (word)entry_back);
    u32 vector = TRAP(asm volatile("pushq %0\n pushq %1\n pushq $2\n pushq %2\n pushq %3\n iretq"
                                   :
                                   : "i"(USER_DS), "r"((word)USER32(user_stack_top)),
                                     "i"(USER_CS32), "r"((word)USER32(compat_call))
                                   : "memory"));
    CHECK_EQ(vector, is_intel() ? UD : 0x31);
    if (vector == 0x31) {
        CHECK_EQ(last_trap.ip, (word)entry_end); /* CSTAR, 64-bit */
        CHECK_EQ(last_trap.cx, (word)USER32(compat_call_end) - 2);
    }
}

GUEST("syscall")
{
    idt_use_stack(0x31); /* RSP is the user's in these handlers */
    call();
    back();
    noncanonical();
    compatibility();
}
