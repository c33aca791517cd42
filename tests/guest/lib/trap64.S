/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 64-bit trap entries: 256 stubs of 16 bytes, one frame layout (struct frame in trap.h). */
    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    vector = 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $~15, %rsp
    call trap
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .globl trap_set, trap_return
trap_set:
    movq %rbx, (%rdi)
    movq %rbp, 8(%rdi)
    movq %r12, 16(%rdi)
    movq %r13, 24(%rdi)
    movq %r14, 32(%rdi)
    movq %r15, 40(%rdi)
    leaq 8(%rsp), %rdx
    movq %rdx, 48(%rdi)
    movq (%rsp), %rdx
    movq %rdx, 56(%rdi)
    xorl %eax, %eax
    ret

/* Flags as at boot: a trap may have come with any of AC, NT, TF, DF set. */
trap_return:
    movl $0x10, %eax
    movl %eax, %ss
    movq 48(%rdi), %rsp
    movl %eax, %ds
    movl %eax, %es
    movq (%rdi), %rbx
    movq 8(%rdi), %rbp
    movq 16(%rdi), %r12
    movq 24(%rdi), %r13
    movq 32(%rdi), %r14
    movq 40(%rdi), %r15
    pushq 56(%rdi)
    pushq $2
    popfq
    movl $1, %eax
    ret

/* void user_enter(word ip, word sp, word flags): CPL 3, 64-bit code. */
    .globl user_enter
user_enter:
    movl $0x23, %eax
    movl %eax, %ds
    movl %eax, %es
    pushq %rax
    pushq %rsi
    pushq %rdx
    pushq $0x2b
    pushq %rdi
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    iretq
