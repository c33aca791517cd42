/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RSP as an operand of instructions that use it by themselves, and as any other register: which
 * value is pushed, when the address of a POP is computed, what XCHG, XADD and CMPXCHG leave in it.
 */
#include "desc.h"
#include "io.h"
#include "trap.h"
#include "xlat.h"

/*
 * S is RSP at the start; doublewords at S + 4n hold 1000h + n. FORM(RSP - S at the end, RAX at the
 * end, which of RAX (1) and the memory (2) are given less S, offset from S of a quadword, its
 * value).
 */
enum { RAX_S = 1, MEM_S = 2, NO_RAX = 4 };
/* clang-format off */
FORM_TABLE(forms, "RAX_S=1; MEM_S=2; NO_RAX=4\n"
           FORM(-8, 0, MEM_S, -8, 0, "xorl %eax, %eax; pushq %rsp")
           FORM(-8, 8, MEM_S | RAX_S, -8, 0, "pushq %rsp; leaq 16(%rsp), %rax")
           FORM(0x77, 0, 0, 0, 0, "xorl %eax, %eax; leaq 0x77(%rsp), %rdx; movq %rdx, (%rsp); popq %rsp; movq $0, -0x77(%rsp)")
           FORM(8, 0, MEM_S, 16, 0x55, "xorl %eax, %eax; leaq 0x55(%rsp), %rdx; movq %rdx, (%rsp); popq 8(%rsp)")
           FORM(8, 0, MEM_S, 8, 0x66, "xorl %eax, %eax; leaq 0x66(%rsp), %rdx; movq %rdx, (%rsp); popq (%rsp)")
           FORM(8, 0, MEM_S, 0, 0x66, "xorl %eax, %eax; leaq 0x66(%rsp), %rdx; movq %rdx, (%rsp); popq -8(%rsp)")
           FORM(-8, 0x1003, 0, 0, 0, "leaq 1f(%rip), %rdx; movq %rdx, 16(%rsp); movl 12(%rsp), %eax; movq $0, (%rsp); call *16(%rsp); 1: nop")
           FORM(-8, 7, 0, 8, 0, "movq $0, 8(%rsp); leaq 1f(%rip), %rdx; movq %rdx, (%rsp); movl $7, %eax; call *(%rsp); ud2; 1: nop")
           FORM(0, 9, 0, 8, 0, "movq $0, 8(%rsp); leaq 1f(%rip), %rdx; pushq %rdx; movl $9, %eax; leaq 8(%rsp), %rsp; jmp *-8(%rsp); ud2; 1: nop")
           FORM(24, 9, 0, 8, 0, "movq $0, 8(%rsp); movl $9, %eax; call 1f; jmp 2f; 1: ret $24; 2: nop")
           FORM(-8, 0x1002, NO_RAX, 0, 0, "movq $0, (%rsp); movq $0, -8(%rsp); pushq 8(%rsp)")
           FORM(-8, 0, 0, -8, 0x11, "xorl %eax, %eax; movq $0x11, (%rsp); pushq (%rsp)")
           FORM(-8, 0, 0, -8, -7, "xorl %eax, %eax; pushq $-7")
           FORM(-2, 0, NO_RAX, 0, 0, "movq $0, (%rsp); pushw $0x1234")
           FORM(0, 0x1234, 0, 0, 0, "movq $0, (%rsp); xorl %eax, %eax; pushw $0x1234; popw %ax")
           FORM(0, 0, RAX_S, 0, 0, "movq $0, (%rsp); movq %rsp, %rax; xchgq %rax, %rsp")
           FORM(0x10, 0, RAX_S, 0x10, 0, "movq $0, 16(%rsp); leaq 16(%rsp), %rax; xchgq %rax, %rsp")
           FORM(0x10, 0, MEM_S, 0, 0, "xorl %eax, %eax; leaq 16(%rsp), %rdx; movq %rsp, %rcx; movq %rdx, (%rsp); xchgq %rsp, (%rcx)")
           FORM(0x20, 0, RAX_S, 0, 0, "movq $0, (%rsp); movq $0x20, %rax; xaddq %rax, %rsp")
           FORM(0, 0x80, 0, 0, 0, "movq $0, (%rsp); movl $0x40, %eax; xaddq %rax, %rax")
           FORM(0, 0, RAX_S, 0, 0, "movq $0, (%rsp); movq %rsp, %rdx; xaddq %rsp, %rsp; movq %rsp, %rax; subq %rdx, %rax; movq %rdx, %rsp")
           FORM(0x30, 0, RAX_S, 0, 0, "movq $0, (%rsp); leaq 0x30(%rsp), %rdx; movq %rsp, %rax; cmpxchgq %rdx, %rsp")
           FORM(0, 0, RAX_S, 0, 0, "movq $0, (%rsp); movl $1, %eax; cmpxchgq %rdx, %rsp")
           FORM(0, 0, MEM_S, -16, 0, "xorl %eax, %eax; movq $3, -16(%rsp); movq $3, %rax; leaq -16(%rsp), %rdx; lock cmpxchgq %rsp, (%rdx); xorl %eax, %eax")
           FORM(0x18, 5, 0, 0, 0, "movl $5, %eax; movq $0, (%rsp); addq $0x18, %rsp")
           FORM(-0x18, 5, 0, 0, 0, "movl $5, %eax; movq $0x18, (%rsp); subq (%rsp), %rsp; movq $0, 0x18(%rsp)")
           FORM(0x40, 5, 0, 0, 0x40, "movl $5, %eax; movq $0x40, (%rsp); addq (%rsp), %rsp")
           FORM(0, 0, MEM_S, 8, -8, "xorl %eax, %eax; movq $-8, 8(%rsp); addq %rsp, 8(%rsp)")
           FORM(-0x28, 0, RAX_S, 0, 0, "movq $0, (%rsp); movq %rsp, %rbp; enter $0x20, $0; movq (%rbp), %rax")
           FORM(0, 0, RAX_S, -8, 0x77, "movq %rsp, %rbp; movq $0x77, %rdx; enter $0x20, $0; movq %rdx, (%rbp); movq %rbp, %rsp; addq $8, %rsp; movq %rsp, %rax")
           FORM(8, 0x21, 0, 8, 0, "movq $0, 8(%rsp); movq $0x21, (%rsp); movq %rsp, %rbp; subq $0x40, %rsp; leave; movq %rbp, %rax")
           FORM(0, 3, 0, 0, 3, "movq %rsp, %rbx; movq $3, (%rsp); movq %rsp, %r12; movq (%r12), %rax; movq %rbx, %rsp")
           FORM(0, 6, 0, 0, 3, "movq $3, (%rsp); movq %rsp, %r12; movq %rsp, %r13; xorl %eax, %eax; addq (%r12), %rax; addq (%r13), %rax")
           FORM(0, 12, 0, 0, 3, "movq $3, (%rsp); movq %rsp, %rbp; movq %rsp, %r13; xorl %edx, %edx; movq (%rbp,%rdx), %rax; addq (%r13,%rdx,8), %rax; addq (%rsp,%rdx), %rax; addq 0(%rbp), %rax")
           FORM(0, 0x1234, 0, 0, 0x1234, "movq $0x1234, (%rsp); pushq (%rsp); popq %rax")
           FORM(0, 0x42, 0, 0, 0x42, "pushfq; popq %rcx; movq $0x42, (%rsp); movq %rsp, %rdx; popq %rax; movq %rdx, %rsp")
           FORM(4, 0x1001, 0, 8, 0, "movq $0, 8(%rsp); movl 4(%rsp), %eax; leaq 4(%rsp), %rsp")
           FORM(0, 0x99, 0, 0, 0, "movq $0, (%rsp); movl %esp, %eax; movq %rsp, %rdx; movl %eax, %esp; subq %rdx, %rsp; leaq 0x99(%rsp), %rax; movq %rdx, %rsp")
           FORM(0, 0xab, 0, 0, 0, "movq $0, (%rsp); movq %rsp, %rdx; movb $0xab, %spl; movzbl %spl, %eax; movq %rdx, %rsp"));
/* clang-format on */

static u32 stack[256] __attribute__((aligned(64)));

static void one(const struct form *f)
{
    struct stop s;
    u8 code[128];
    u32 kind = f->arg[2];
    struct regs r = {.ip = (word)code, .flags = 2};
    word start = (word)&stack[128];
    u64 v;
    test(f->text);
    u8 *p = emit(code, f->code, f->size);
    EMIT(p, STOP_BYTES);
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 256; i++)
            stack[i] = 0x1000 + i - 128;
        r.r[RSP] = start;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.ip, (word)p + 2);
        CHECK_EQ(s.regs.r[RSP] - start, (word)(long)(int)f->arg[0]);
        if (!(kind & NO_RAX))
            CHECK_EQ(s.regs.r[RAX] - (kind & RAX_S ? start : 0), f->arg[1]);
        memcpy(&v, (u8 *)start + (long)(int)f->arg[3], 8);
        CHECK_EQ(v - (kind & MEM_S ? start : 0), (word)(long)(int)f->arg[4]);
    }
}

GUEST("stack-ops")
{
    regs_catch_all();
    for (const struct form *f = forms; f < forms_end; f++)
        one(f);
}
