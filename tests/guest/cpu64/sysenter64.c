/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSENTER and SYSEXIT in long mode (SDM 2B): to 64-bit code with full-width MSRs, back to 64-bit
   and to 32-bit code. CPUs of AMD have neither in long mode (APM 3). */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define SYSENTER_CS  0x174
#define SYSENTER_ESP 0x175
#define SYSENTER_EIP 0x176

CODE(entry, "int $0x31");
CODE(user_enter64, "sysenter");
CODE(user_after, EXIT_USER);
CODE(user_exit, "sysexitq");
CODE(user_after32, ".code32\n .byte 0x40\n int $0x30\n .code64"); /* INC EAX */
CODE(compat_enter, ".code32\n sysenter\n .code64");

static void absent(void)
{
    test("not in long mode");
    CHECK_USER(UD, 0, user_enter64);
    CHECK_TRAP(UD, 0, asm volatile("sysexitl" : : "c"(0), "d"(0)));
}

static void enter(void)
{
    test("SYSENTER");
    wrmsr(SYSENTER_CS, KERNEL_CS);
    wrmsr(SYSENTER_ESP, USER(trap_stack_top)); /* above 4 GiB: nothing is cut */
    wrmsr(SYSENTER_EIP, USER_BASE + (word)entry);
    CHECK_EQ(user_run(user_enter64, FLAG_IF | FLAG_CF | 2), 0x31);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.ss, KERNEL_DS);
    CHECK_EQ(last_trap.ip, USER(entry_end));
    CHECK_EQ(last_trap.sp, USER(trap_stack_top));
    CHECK_EQ(last_trap.flags, FLAG_CF | 2);
    wrmsr(SYSENTER_CS, 0);
    CHECK_USER(GP, 0, user_enter64);
    wrmsr(SYSENTER_CS, KERNEL_CS);
    page_map_user32();
    CHECK_TRAP(0x31, 0,
               asm volatile("pushq %0\n pushq %1\n pushq $2\n pushq %2\n pushq %3\n iretq"
                            :
                            : "i"(USER_DS), "r"((word)USER32(user_stack_top)), "i"(USER_CS32),
                              "r"((word)USER32(compat_enter))
                            : "memory"));
    CHECK_EQ(last_trap.ip, USER(entry_end)); /* from compatibility mode, to the same 64-bit code */
    CHECK_EQ(last_trap.cs, KERNEL_CS);
}

static void leave(void)
{
    test("SYSEXIT");
    CHECK_TRAP(USER_EXIT, 0,
               asm volatile("sysexitq"
                            :
                            : "c"(USER(user_stack_top)), "d"(USER(user_after))
                            : "memory"));
    CHECK_EQ(last_trap.cs, KERNEL_CS + 0x20 + 3);
    CHECK_EQ(last_trap.ss, KERNEL_CS + 0x28 + 3);
    CHECK_EQ(last_trap.sp, USER(user_stack_top));
    CHECK_TRAP(
        USER_EXIT, 0,
        asm volatile("sysexitl"
                     :
                     : "a"(1), "d"((word)USER32(user_after32)), "c"((word)USER32(user_stack_top))
                     : "memory"));
    CHECK_EQ(last_trap.cs, KERNEL_CS + 0x10 + 3);
    CHECK_EQ(last_trap.ss, KERNEL_CS + 0x18 + 3);
    CHECK_EQ(last_trap.ax, 2);
    CHECK_TRAP(GP, 0, asm volatile("sysexitq" : : "c"(0ull), "d"(BIT64(63))));
    CHECK_USER(GP, 0, user_exit);
}

GUEST("sysenter64")
{
    idt_use_stack(0x31);
    if (cpuid(0, 0).ebx != 0x756e6547) {
        absent();
        return;
    }
    enter();
    leave();
}
