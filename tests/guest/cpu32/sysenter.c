/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSENTER and SYSEXIT in 32-bit mode, and SYSCALL and SYSRET where legacy mode has them (CPUs of
   AMD); SDM 2B, APM 3. Built for 32-bit guests. */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define SYSENTER_CS  0x174
#define SYSENTER_ESP 0x175
#define SYSENTER_EIP 0x176

CODE(entry, "int $0x31");
CODE(entry_exit, "movl $user_after, %edx\n movl $0x11223340, %ecx\n sysexit");
CODE(user_enter_code, "sti_flag: sysenter");
CODE(user_after, EXIT_USER);
CODE(user_sysexit, "sysexit");
CODE(user_syscall, "movl $0x5555, %ecx\n syscall\n" EXIT_USER);
CODE(syscall_entry, "int $0x31");
CODE(syscall_return, "sysret");

static void enter(void)
{
    test("SYSENTER");
    wrmsr(SYSENTER_CS, KERNEL_CS);
    wrmsr(SYSENTER_ESP, trap_stack_top);
    wrmsr(SYSENTER_EIP, (word)entry);
    CHECK_EQ(user_run(user_enter_code, FLAG_IF | FLAG_AC | 2), 0x31);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.entry_ss, KERNEL_DS);
    CHECK_EQ(last_trap.entry_sp, trap_stack_top);
    CHECK_EQ(last_trap.flags & (FLAG_IF | FLAG_AC), FLAG_AC); /* IF is cleared, nothing else */
    /* Segments are flat whatever the GDT says. */
    gdt_set(KERNEL_DS, 0, 0xfffff, AR_DATA | AR_DB | AR_G);
    wrmsr(SYSENTER_CS, 0);
    CHECK_USER(GP, 0, user_enter_code);
    wrmsr(SYSENTER_CS, 3);
    CHECK_USER(GP, 0, user_enter_code);
    wrmsr(SYSENTER_CS, KERNEL_CS | 3); /* the low bits do not count */
    CHECK_USER(0x31, 0, user_enter_code);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    wrmsr(SYSENTER_CS, KERNEL_CS);
    CHECK_TRAP(0x31, 0, asm volatile("sysenter" : : : "memory")); /* from CPL 0 as well */
}

static void leave(void)
{
    test("SYSEXIT");
    wrmsr(SYSENTER_EIP, (word)entry_exit);
    CHECK_USER(USER_EXIT, 0, user_enter_code);
    CHECK_EQ(last_trap.cs, USER_CS32);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.sp, 0x11223340);
    CHECK_EQ(last_trap.ip, (word)user_after_end);
    CHECK_USER(GP, 0, user_sysexit);
    wrmsr(SYSENTER_CS, 0);
    CHECK_TRAP(GP, 0, asm volatile("sysexit" : : "c"(0), "d"(0)));
}

static bool vendor_is_amd(void)
{
    return cpuid(0, 0).ebx == 0x68747541;
}

static void syscall32(void)
{
    test("SYSCALL in legacy mode");
    if (cpuid(0x80000000, 0).eax < 0x80000001 || !(cpuid(0x80000001, 0).edx & BIT(11))) {
        CHECK_USER(UD, 0, user_syscall);
        return;
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    if (!vendor_is_amd()) { /* Intel: only in 64-bit code */
        CHECK_USER(UD, 0, user_syscall);
        CHECK_TRAP(UD, 0, asm volatile("sysret" : : "c"(0)));
        return;
    }
    wrmsr(MSR_STAR, (u64)0x18 << 48 | (u64)KERNEL_CS << 32 | (word)syscall_entry);
    CHECK_EQ(user_run(user_syscall, FLAG_IF | 2), 0x31);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.entry_ss, KERNEL_DS);
    CHECK_EQ(last_trap.cx, (word)user_syscall_end - 2);
    CHECK_EQ(last_trap.flags & FLAG_IF, 0);
    CHECK_TRAP(USER_EXIT, 0,
               asm volatile("movl %%esp, %%esi\n sysret"
                            :
                            : "c"((word)user_after)
                            : "esi", "memory"));
    CHECK_EQ(last_trap.cs, 0x1b);
    CHECK_EQ(last_trap.ss, 0x23);
    CHECK_EQ(last_trap.sp, last_trap.si);
    CHECK_EQ(last_trap.flags & FLAG_IF, FLAG_IF);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~1ull);
    CHECK_USER(UD, 0, user_syscall);
}

GUEST("sysenter")
{
    enter();
    leave();
    syscall32();
}
