/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry of 16-bit guests: from flat protected mode down to real mode, everything in segment 0,
 * stack below E000h. C code is built by -m16 and runs with 32-bit operands and addresses below 64K.
 */
#include "multiboot.inc"

    .section .boot, "ax"
    .code32
    .globl start
start:
    load_low
    mask_pics
    movl $0xe000, %esp
    lgdt boot_gdtr
    ljmp $0x18, $to_real

    .text
    .code16
to_real:
    movw $0x20, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl %cr0, %eax
    andl $~1, %eax
    movl %eax, %cr0
    ljmpw $0, $real
real:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl $0xe000, %esp
    pushw $0
    popfw
    lidtl real_idtr
    calll ivt_init
    calll guest_main
    calll guest_finish

/* The IVT's stubs: 256 of 8 bytes. Traps in real mode push FLAGS, CS, IP. */
    .balign 16
    .globl real_stubs
real_stubs:
    vector = 0
    .rept 256
    .balign 8
    pushw $vector
    jmp real_trap
    vector = vector + 1
    .endr

real_trap:
    pushal
    pushw %ds
    pushw %es
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movzwl %sp, %esi
    movl $real_frame, %edi
    movl $(4 + 32 + 2 + 6), %ecx
    ss; rep; movsb (%esi), (%edi)
    movl %esp, real_frame_sp
    movw %ss, real_frame_ss
    movw %ax, %ss
    movl $0xf000, %esp              /* a stack of its own: SS:SP may be anything */
    calll trap16

    .globl trap_set, trap_return
trap_set:
    .code16
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
    retl

trap_return:
    movl 4(%esp), %eax
    xorl %edx, %edx
    movw %dx, %fs
    movw %dx, %gs
    movl (%eax), %ebx
    movl 4(%eax), %esi
    movl 8(%eax), %edi
    movl 12(%eax), %ebp
    movl 16(%eax), %esp
    pushl 24(%eax)
    popfl
    pushl 20(%eax)
    movl $1, %eax
    retl

    .data
    .balign 8
    .globl boot_gdt
boot_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
    .quad 0x00009b000000ffff, 0x000093000000ffff
boot_gdtr:
    .word boot_gdtr - boot_gdt - 1
    .long boot_gdt
    .globl real_idtr
real_idtr:
    .word 0x3ff
    .long 0

    .bss
    .balign 4
    .globl real_frame, real_frame_sp, real_frame_ss
real_frame:     .skip 48
real_frame_sp:  .skip 4
real_frame_ss:  .skip 4
