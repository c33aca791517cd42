/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel with a PVH entry point that says on the first serial port what it was given: its command
 * line if the start info is right, the letter of what is wrong if not.
 */
#define COM1     0x3f8
#define CMDLINE  24             /* in the start info */
#define RSDP     32
#define MEMMAP   40
#define ENTRIES  48
#define ENTRY    24
#define TYPE_RAM 1

        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 4, 18        /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start

        .text
        .code32
        .globl  start
start:  mov     $stack, %esp
        mov     $'m', %al
        cmpl    $0x336ec578, (%ebx)
        jne     wrong
        mov     $'g', %al
        sub     $8, %esp
        sgdt    (%esp)
        mov     2(%esp), %esi
        cmpl    $0x00cf9b00, 0x0c(%esi)
        jne     wrong
        mov     %ds, %ecx       /* a segment of that table, loaded anew */
        mov     %ecx, %ss
        mov     $'r', %al
        mov     RSDP(%ebx), %esi
        cmpl    $0x20445352, (%esi)     /* "RSD " */
        jne     wrong

        /* There is RAM at 1 MiB, and memory that firmware keeps. */
        mov     $'e', %al
        xor     %edx, %edx
        mov     MEMMAP(%ebx), %esi
        mov     ENTRIES(%ebx), %ecx
        cmp     $2, %ecx
        jb      wrong
1:      mov     $1, %ah
        cmpl    $TYPE_RAM, 16(%esi)
        jne     2f
        mov     $2, %ah
        cmpl    $0x100000, (%esi)
        je      2f
        xor     %ah, %ah
2:      or      %ah, %dl
        add     $ENTRY, %esi
        dec     %ecx
        jnz     1b
        cmp     $3, %dl
        jne     wrong

        mov     CMDLINE(%ebx), %esi
3:      lodsb
        test    %al, %al
        jz      4f
        call    put
        jmp     3b
4:      mov     $'\n', %al
        call    put
5:      hlt
        jmp     5b

wrong:  call    put
        mov     $'?', %al
        call    put
        jmp     4b

put:    mov     $COM1, %dx
        out     %al, %dx
        ret

        .bss
        .balign 16
        .space  4096
stack:
        .section .note.GNU-stack, "", @progbits
