/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where SIPI sends a CPU: real mode at a page's start below 1 MiB, and on to long mode. */
    .section .low, "awx"
    .balign 4096
    .code16
    .globl smp_entry
smp_entry:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl smp_gdtr
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $1f
    .code32
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $1, %ebx
    lock xaddl %ebx, smp_next
    movl %ebx, %esp
    incl %esp
    shll $14, %esp                  /* STACK_SIZE */
    addl $smp_stacks, %esp
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $enter_long, %eax
    call *%eax
    .code64
    movl %esp, %esp
    movl %ebx, %edi
    movl $smp_ap_main, %eax
    call *%rax

    .balign 8
smp_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
smp_gdtr:
    .word smp_gdtr - smp_gdt - 1
    .long smp_gdt
