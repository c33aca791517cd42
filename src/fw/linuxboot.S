/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An option ROM that boots a Linux kernel from fw_cfg. Firmware has set the machine up by then, and
 * the kernel's own real-mode code asks it for the memory map and the video mode, as with any boot
 * loader.
 *
 * Each of the items setup, command line, kernel and initrd is three keys: where, how many bytes,
 * and the bytes, which one DMA transfer brings.
 */
#include "fw/optrom.inc"

        rom_begin linuxboot_rom, "Linux kernel (--kernel)"

        /* A 32-bit item -> EAX. Key in AX. */
item32: mov     $PORT_SELECT, %dx
        out     %ax, %dx
        mov     $PORT_DATA, %dx
        mov     $4, %cx
1:      in      %dx, %al
        ror     $8, %eax
        loop    1b
        ret

        /* Brings the item whose keys are DI (address), SI (size) and BX (bytes) to its place. */
        /* The descriptor is at BP on the stack: control, length, address high and low. */
bring:  mov     %si, %ax
        call    item32
        test    %eax, %eax
        jz      2f
        bswap   %eax
        mov     %eax, DMA_LENGTH(%bp)
        mov     %di, %ax
        call    item32
        bswap   %eax
        mov     %eax, DMA_ADDRESS + 4(%bp)
        movl    $0, DMA_ADDRESS(%bp)
        movzwl  %bx, %eax
        shl     $16, %eax
        or      $DMA_SELECT | DMA_READ, %al
        bswap   %eax
        mov     %eax, DMA_CONTROL(%bp)
        xor     %eax, %eax
        mov     %ss, %ax
        shl     $4, %eax
        movzwl  %bp, %ecx
        add     %ecx, %eax
        bswap   %eax
        mov     $PORT_DMA, %dx
        out     %eax, %dx
1:      mov     DMA_CONTROL(%bp), %eax          /* 0 when done */
        bswap   %eax
        test    $DMA_ERROR, %al
        jnz     failed
        test    %eax, %eax
        jnz     1b
2:      ret

boot:   cli
        cld
        mov     $0x9000, %ax                    /* below the EBDA, above what is loaded */
        mov     %ax, %ss
        mov     $0x8000, %sp
        sub     $16, %sp
        mov     %sp, %bp
        mov     $0x16, %di                      /* setup */
        mov     $0x17, %si
        mov     $0x18, %bx
        call    bring
        mov     $0x13, %di                      /* command line */
        mov     $0x14, %si
        mov     $0x15, %bx
        call    bring
        mov     $0x07, %di                      /* kernel */
        mov     $0x08, %si
        mov     $0x11, %bx
        call    bring
        mov     $0x0a, %di                      /* initrd */
        mov     $0x0b, %si
        mov     $0x12, %bx
        call    bring
        mov     $0x16, %ax
        call    item32
        shr     $4, %eax                        /* the segment of setup */
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %fs
        mov     %ax, %gs
        mov     %ax, %ss
        mov     $0xfff0, %sp
        add     $0x20, %ax
        push    %ax
        push    $0
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        lret
        rom_end linuxboot_rom, 512
