/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 32-bit trap entries: 256 stubs of 16 bytes, one frame layout (struct frame in trap.h). */
    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    vector = 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
    .else
    pushl $0
    .endif
    pushl $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    pushal
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    cld
    movl %esp, %ebx
    pushl %ebx
    call trap
    movl %ebx, %esp
    popl %gs
    popl %fs
    popl %es
    popl %ds
    popal
    addl $8, %esp
    iretl

    .globl trap_set, trap_return
trap_set:
    movl 4(%esp), %eax
    movl %ebx, (%eax)
    movl %esi, 4(%eax)
    movl %edi, 8(%eax)
    movl %ebp, 12(%eax)
    leal 4(%esp), %edx
    movl %edx, 16(%eax)
    movl (%esp), %edx
    movl %edx, 20(%eax)
    pushfl
    popl 24(%eax)
    xorl %eax, %eax
    ret

/* Flat segments again, whatever the trapped code had loaded. */
trap_return:
    movl 4(%esp), %ecx
    movl $0x10, %eax
    movl %eax, %ss
    movl 16(%ecx), %esp
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl (%ecx), %ebx
    movl 4(%ecx), %esi
    movl 8(%ecx), %edi
    movl 12(%ecx), %ebp
    pushl 20(%ecx)
    pushl 24(%ecx)
    popfl
    movl $1, %eax
    ret

/* void user_enter(word ip, word sp, word flags): CPL 3, all data segments flat. */
    .globl user_enter
user_enter:
    movl 4(%esp), %eax
    movl 8(%esp), %ecx
    movl 12(%esp), %edx
    movl $0x23, %ebx
    movl %ebx, %ds
    movl %ebx, %es
    movl %ebx, %fs
    movl %ebx, %gs
    pushl %ebx
    pushl %ecx
    pushl %edx
    pushl $0x1b
    pushl %eax
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    iretl
