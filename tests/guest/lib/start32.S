/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry of 32-bit guests: multiboot leaves flat protected mode without a usable stack or GDT. */
#include "multiboot.inc"

    .text
    .code32
    .globl start
start:
    load_low
    mask_pics
    movl $stack_top, %esp
    lgdt boot_gdtr
    ljmp $0x08, $1f
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    pushl $0
    popfl
    call desc_init
    call guest_main
    call guest_finish

    .data
    .balign 8
boot_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
boot_gdtr:
    .word boot_gdtr - boot_gdt - 1
    .long boot_gdt

    .bss
    .balign 16
    .skip 32768
    .globl stack_top
stack_top:
