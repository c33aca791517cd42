/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An option ROM that boots a kernel which is entered in 32-bit protected mode (Multiboot, PVH).
 * kernel_rom.c has laid it out; what only firmware knows is asked here: the memory map (INT 15h
 * E820h; ACPI 6.4, section 15.1), the base memory, and where the ACPI tables are.
 */
#include "fw/kernelboot.h"
#include "fw/optrom.inc"

#define WORK        0x90000             /* FIRMWARE_LOW_END: this ROM's memory, its offsets: */
#define DESCRIPTOR  0x00
#define HEAD        0x10
#define RECORD      0x40
#define BASE_KIB    0x48
#define MAP         0x50
#define ENTRY_LEN   20                  /* of the map as firmware gives it; a kernel's is … */
#define GAP         4                   /* … LATE_STRIDE: so much more */
#define STACK       0x8000

#define ENTRY_BASE  0
#define ENTRY_SIZE  8
#define ENTRY_TYPE  16
#define RAM         1
#define SMAP        0x534d4150

#define CODE        0x08                /* LOADER_CS_OTHER */
#define DATA        0x10

#define BIOS_EBDA   0x40e
#define RSDP_LEN    20
#define MIB         0x100000

        rom_begin kernelboot_rom, "Kernel (--kernel)"

        /* Brings the next ECX bytes to address EAX; EBX is the control word, and then one that */
        /* goes on reading. */
bring:  bswap   %eax
        mov     %eax, DESCRIPTOR + DMA_ADDRESS + 4
        movl    $0, DESCRIPTOR + DMA_ADDRESS
        bswap   %ecx
        mov     %ecx, DESCRIPTOR + DMA_LENGTH
        bswap   %ebx
        mov     %ebx, DESCRIPTOR + DMA_CONTROL
        mov     $WORK + DESCRIPTOR, %eax
        bswap   %eax
        mov     $PORT_DMA, %dx
        out     %eax, %dx
1:      mov     DESCRIPTOR + DMA_CONTROL, %eax  /* 0 when done */
        bswap   %eax
        test    $DMA_ERROR, %al
        jnz     failed
        test    %eax, %eax
        jnz     1b
        mov     $DMA_READ, %ebx
        ret

boot:   cli
        cld
        mov     $WORK >> 4, %ax
        mov     %ax, %ss
        mov     $STACK, %sp
        mov     %ax, %ds
        mov     %ax, %es
        mov     $KERNELBOOT_DATA << 16 | DMA_SELECT | DMA_READ, %ebx
        mov     $WORK + HEAD, %eax
        mov     $HEAD_LEN, %ecx
        call    bring
1:      mov     $WORK + RECORD, %eax
        mov     $RECORD_LEN, %ecx
        call    bring
        mov     RECORD + RECORD_ADDRESS, %eax
        mov     RECORD + RECORD_SIZE, %ecx
        test    %ecx, %ecx
        jz      map
        call    bring
        jmp     1b

        /* The memory map -> MAP, BP entries. */
map:    sti
        xor     %ebx, %ebx
        xor     %ebp, %ebp
        mov     $MAP, %di
1:      mov     $0xe820, %eax
        mov     $SMAP, %edx
        mov     $ENTRY_LEN, %ecx
        int     $0x15
        jc      2f
        cmp     $SMAP, %eax
        jne     2f
        inc     %bp
        add     $ENTRY_LEN, %di
        cmp     HEAD + HEAD_ROOM, %bp
        je      2f
        test    %ebx, %ebx
        jnz     1b
2:      test    %bp, %bp
        jz      failed
        int     $0x12
        movzwl  %ax, %eax
        mov     %eax, BASE_KIB
        mov     $0x2401, %ax                    /* A20 on */
        int     $0x15

        cli
        cld
        lgdtl   HEAD + HEAD_GDT_LIMIT
        xor     %eax, %eax
        mov     %cs, %ax
        shl     $4, %eax
        add     $protected - kernelboot_rom, %eax
        pushl   $CODE
        pushl   %eax
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        lretl

        .code32
protected:
        mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     $WORK + STACK, %esp
        mov     $WORK, %ebx
        xor     %eax, %eax                      /* KiB from 1 MiB on */
        mov     %ebp, %edx
        lea     MAP(%ebx), %esi
        mov     HEAD + HEAD_MAP(%ebx), %edi
1:      cmpl    $MIB, ENTRY_BASE(%esi)
        jne     2f
        cmpl    $0, ENTRY_BASE + 4(%esi)
        jne     2f
        cmpl    $RAM, ENTRY_TYPE(%esi)
        jne     2f
        mov     ENTRY_SIZE(%esi), %eax          /* RAM below 4 GiB has less than that */
        shr     $10, %eax
2:      mov     $ENTRY_LEN / 4, %ecx
        rep movsl
        add     $GAP, %edi
        dec     %edx
        jnz     1b

        mov     HEAD + HEAD_MEMORY(%ebx), %edi
        test    %edi, %edi
        jz      3f
        mov     BASE_KIB(%ebx), %ecx
        mov     %ecx, (%edi)
        mov     %eax, 4(%edi)
3:      mov     HEAD + HEAD_LENGTH(%ebx), %edi
        imul    HEAD + HEAD_UNIT(%ebx), %ebp
        mov     %ebp, (%edi)
        mov     HEAD + HEAD_RSDP(%ebx), %edi
        test    %edi, %edi
        jz      enter
        call    find_rsdp
        mov     %esi, (%edi)

enter:  mov     HEAD + HEAD_EAX(%ebx), %eax
        mov     HEAD + HEAD_ENTRY(%ebx), %ecx
        mov     HEAD + HEAD_EBX(%ebx), %ebx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        jmp     *%ecx

        /* The ACPI root pointer (ACPI 6.4, section 5.2.5.1) -> ESI, 0 if there is none. */
find_rsdp:
        movzwl  BIOS_EBDA, %esi
        shl     $4, %esi
        lea     0x400(%esi), %ecx
        call    scan
        test    %esi, %esi
        jnz     1f
        mov     $0xe0000, %esi
        mov     $MIB, %ecx
        call    scan
1:      ret

        /* From ESI up to ECX -> ESI. */
scan:   cmpl    $0x20445352, (%esi)             /* "RSD " */
        jne     2f
        cmpl    $0x20525450, 4(%esi)            /* "PTR " */
        jne     2f
        xor     %eax, %eax
        mov     $RSDP_LEN, %edx
1:      add     -1(%esi, %edx), %al
        dec     %edx
        jnz     1b
        test    %al, %al
        jz      3f
2:      add     $16, %esi
        cmp     %ecx, %esi
        jb      scan
        xor     %esi, %esi
3:      ret

        rom_end kernelboot_rom, 1024
