/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry of 64-bit guests, in 32-bit protected mode: builds page tables and goes to long mode.
 * The boot map: the first 4 GiB at address 0 for the supervisor, and the first GiB once more at
 * USER_BASE (512 GiB) for everybody, both in 2 MiB pages.
 */
#include "multiboot.inc"

    .text
    .code32
    .globl start
start:
    load_low
    mask_pics
    movl $stack_top, %esp

    movl $boot_pd, %edi             /* 2048 entries: address | PS | W | P, user bit in tables */
    movl $0x83, %eax
    xorl %edx, %edx
1:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $8, %edi
    addl $0x200000, %eax
    cmpl $boot_pd + 4 * 4096, %edi
    jb 1b
    movl $0x87, %eax
2:  movl %eax, (%edi)               /* boot_user_pd follows boot_pd */
    addl $8, %edi
    addl $0x200000, %eax
    cmpl $boot_user_pd + 4096, %edi
    jb 2b
    movl $boot_pd + 7, boot_pdpt
    movl $boot_pd + 4096 + 7, boot_pdpt + 8
    movl $boot_pd + 8192 + 7, boot_pdpt + 16
    movl $boot_pd + 12288 + 7, boot_pdpt + 24
    movl $boot_user_pd + 7, boot_user_pdpt
    movl $boot_pdpt + 7, boot_pml4
    movl $boot_user_pdpt + 7, boot_pml4 + 8

    movl $boot_pml4, %eax
    movl %eax, %cr3
    call enter_long
    .code64
    movl $stack_top, %esp
    call desc_init
    call guest_main
    call guest_finish

    .code32
/* To 64-bit code after the call, on whatever CPU; CR3 is loaded. Changes EAX, ECX, EDX. */
    .globl enter_long
enter_long:
    movl $0x20, %eax                /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x901, %eax                /* NXE, LME, SCE */
    wrmsr
    movl $0x80010031, %eax          /* PG, WP, NE, ET, PE */
    movl %eax, %cr0
    lgdt boot_gdtr
    popl %edx
    ljmp $0x08, $3f
    .code64
3:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    jmp *%rdx

    .data
    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdtr:
    .word boot_gdtr - boot_gdt - 1
    .quad boot_gdt

    .bss
    .balign 4096
    .globl boot_pml4, boot_pdpt, boot_pd, boot_user_pdpt, boot_user_pd
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_user_pdpt: .skip 4096
boot_pd:        .skip 4 * 4096
boot_user_pd:   .skip 4096
    .balign 16
    .skip 32768
    .globl stack_top
stack_top:
