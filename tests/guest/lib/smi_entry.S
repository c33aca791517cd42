/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handler that smi_init copies to SMBASE + 8000h: 16-bit code that finds its data, struct smi
 * of smi.h, at SMBASE + 9000h and its stack below B000h there. Offsets of fields as in smi.h.
 */
#define BOX(off) %cs:(0x9000 + (off))

    .section .rodata
    .code16
    .globl smi_handler, smi_handler_end
smi_handler:
    movw %cs, %ax
    movw %ax, %ss
    movl $0xb000, %esp
    pushfl
    popl BOX(12)
    movl %cr0, %eax
    movl %eax, BOX(4)
    movl %cr4, %eax
    movl %eax, BOX(8)
    movl %dr7, %eax
    movl %eax, BOX(16)
    movw %cs, BOX(20)
    movl $0x101000, %ebx            /* limits are 4 GiB, addresses physical */
    movl %ds:(%ebx), %eax
    movl %eax, BOX(24)
    incl BOX(0)

    movl BOX(0), %eax               /* changes of the save area, at the given call or at all */
    cmpl $0, BOX(32)
    je 1f
    cmpl BOX(32), %eax
    jne 3f
1:  movw $(0x9000 + 64), %si
2:  movw %cs:(%si), %bx
    testw %bx, %bx
    jz 3f
    movl %cs:4(%si), %eax
    movl %eax, %cs:(%bx)
    addw $8, %si
    jmp 2b

3:  movl BOX(36), %eax              /* what to do, once */
    movl $0, BOX(36)
    testb $1, %al
    jz 4f
    movl $0xfee00300, %ebx          /* IPI to this CPU */
    movl BOX(40), %edx
    movl %edx, %ds:(%ebx)
    outb %al, $0x80
4:  testb $2, %al
    jz 6f
    movw $0, %bx                    /* IRET, with an interrupt table at 0 */
    movw %bx, %es
    movl %es:8, %ecx
    movw $(0x8000 + nmi - smi_handler), %es:8
    movw %cs, %es:10
    lidtl %cs:(0x8000 + real_idt - smi_handler)
    pushfw
    pushw %cs
    pushw $(0x8000 + 5f - smi_handler)
    iretw
5:  nop
    movl %ecx, %es:8
6:  movl $2000, %ecx                /* time for whatever must not come */
7:  outb %al, $0x80
    loopl 7b
    movl BOX(0), %eax
    movl %eax, BOX(28)              /* calls when this one ends */
    rsm
nmi:
    incl BOX(44)
    iretw
real_idt:
    .word 0x3ff
    .long 0
smi_handler_end:
