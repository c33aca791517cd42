/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alignment: #AC at CPL 3 with CR0.AM and EFLAGS.AC (SDM 3A 6.15), and #GP of the aligned vector
   accesses. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

CODE(u_word, "movw 1(%rsp), %ax\n" EXIT_USER);
CODE(u_long, "movl -2(%rsp), %eax\n" EXIT_USER);
CODE(u_quad, "movq -4(%rsp), %rax\n" EXIT_USER);
CODE(u_write, "movl %eax, -6(%rsp)\n" EXIT_USER);
CODE(u_byte, "movb -1(%rsp), %al\n" EXIT_USER);
CODE(u_good, "movq -8(%rsp), %rax\n movl -12(%rsp), %eax\n movw -14(%rsp), %ax\n" EXIT_USER);
CODE(u_push, "subq $4, %rsp\n pushq %rax\n" EXIT_USER);
CODE(u_xmm, "movups 1(%rsp), %xmm0\n" EXIT_USER);
CODE(u_lea, "leaq 1(%rsp), %rax\n movb (%rax), %al\n" EXIT_USER);

static void checks(word flags, u32 want)
{
    static const u8 *const code[] = {u_word, u_long, u_quad, u_write, u_push};
    for (unsigned i = 0; i < ARRAY_SIZE(code); i++) {
        CHECK_EQ(user_run(code[i], flags) | i << 8, want | i << 8);
        if (want == AC) {
            CHECK_EQ(last_trap.error, 0);
            CHECK_EQ(last_trap.ip, USER(code[i]) + (i == 4 ? 4 : 0));
        }
    }
    CHECK_EQ(user_run(u_byte, flags), USER_EXIT);
    CHECK_EQ(user_run(u_good, flags), USER_EXIT);
    CHECK_EQ(user_run(u_xmm, flags), USER_EXIT); /* unaligned forms are exempt */
    CHECK_EQ(user_run(u_lea, flags), USER_EXIT);
}

static __attribute__((aligned(64))) u8 buf[64];

GUEST("align")
{
    set_cr4(get_cr4() | CR4_OSFXSR);
    test("AM and AC clear");
    checks(2, USER_EXIT);
    test("AM clear");
    checks(FLAG_AC | 2, USER_EXIT);
    set_cr0(get_cr0() | CR0_AM);
    test("AC clear");
    checks(2, USER_EXIT);
    test("both set");
    checks(FLAG_AC | 2, AC);
    test("CPL 0");
    set_flags(FLAG_AC | 2);
    CHECK_RUNS(asm volatile("movl 1(%0), %%eax" : : "r"(buf) : "eax"));
    set_flags(2);
    test("aligned vector accesses");
    CHECK_RUNS(asm volatile("movaps (%0), %%xmm0" : : "r"(buf)));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movaps (%0), %%xmm0" : : "r"(buf + 8)));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movdqa %%xmm0, (%0)" : : "r"(buf + 1) : "memory"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "addps (%0), %%xmm0" : : "r"(buf + 4)));
    CHECK_RUNS(asm volatile("addss (%0), %%xmm0" : : "r"(buf + 1)));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "fxsave (%0)" : : "r"(buf + 4) : "memory"));
}
