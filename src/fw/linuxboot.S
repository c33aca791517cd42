/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An option ROM that boots a Linux kernel from fw_cfg: a Bootstrap Entry Vector (BIOS Boot
 * Specification 1.01, section 3.3) in a Plug and Play expansion header (PnP BIOS 1.0a, appendix B).
 * Firmware has set the machine up by then, and the kernel's own real-mode code asks it for the
 * memory map and the video mode, as with any boot loader.
 *
 * Each of the items setup, command line, kernel and initrd is three keys: where, how many bytes,
 * and the bytes, which one DMA transfer brings (fw_cfg's interface: QEMU's docs/specs/fw_cfg).
 * linux_rom.c fills in the checksums.
 */
        .section .rodata
        .code16
        .globl  linuxboot_rom
        .globl  linuxboot_rom_end
        .balign 16
linuxboot_rom:
        .byte   0x55, 0xaa
        .byte   (rom_end - linuxboot_rom) / 512
        jmp     init
        .org    linuxboot_rom + 0x18
        .word   0                               /* no PCI data structure */
        .word   pnp - linuxboot_rom

        .balign 16
pnp:    .ascii  "$PnP"
        .byte   1, 2                            /* version; length in 16 bytes */
        .word   0                               /* no other header */
        .byte   0
        .byte   0                               /* checksum */
        .long   0
        .word   maker - linuxboot_rom
        .word   product - linuxboot_rom
        .byte   0, 0, 0                         /* device type */
        .byte   0
        .word   0                               /* no boot connection vector */
        .word   0
        .word   boot - linuxboot_rom            /* bootstrap entry vector */
        .word   0
        .word   0

maker:  .asciz  "Domus"
product: .asciz "Linux kernel (--kernel)"

        /* Nothing to prepare. AX 20h: an IPL device is attached. */
init:   mov     $0x20, %ax
        lret

#define PORT_SELECT 0x510
#define PORT_DATA   0x511
#define PORT_DMA    0x518                       /* its low half; big-endian */

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
        mov     %eax, 4(%bp)
        mov     %di, %ax
        call    item32
        bswap   %eax
        mov     %eax, 12(%bp)
        movl    $0, 8(%bp)
        movzwl  %bx, %eax
        shl     $16, %eax
        or      $0x0a, %al                      /* select and read */
        bswap   %eax
        mov     %eax, 0(%bp)
        xor     %eax, %eax
        mov     %ss, %ax
        shl     $4, %eax
        movzwl  %bp, %ecx
        add     %ecx, %eax
        bswap   %eax
        mov     $PORT_DMA, %dx
        out     %eax, %dx
1:      mov     0(%bp), %eax                    /* 0 when done */
        bswap   %eax
        test    $1, %al
        jnz     failed
        test    %eax, %eax
        jnz     1b
2:      ret

failed: mov     $0x0e21, %ax                    /* "!", and back to the BIOS for the next device */
        xor     %bx, %bx
        int     $0x10
        int     $0x18

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
        .org    linuxboot_rom + 511
        .byte   0                               /* checksum */
rom_end:
linuxboot_rom_end:
        .section .note.GNU-stack, "", @progbits
