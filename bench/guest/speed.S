/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Multiboot guest that executes known numbers of instructions, in 64-bit mode with 4 KiB pages,
 * interrupts off. The word scale=N on its command line (1 to 999) multiplies the numbers.
 * It writes on COM1, for each loop,
 *   "loop NAME" LF, then "done INSTRUCTIONS TICKS" LF (hexadecimal), and at the end "end" LF;
 * TICKS is what the TSC advanced, which in Bochs is the number of instructions executed.
 * An iteration of a repeated string instruction counts as one instruction.
 */
#define PAGES (16 << 8) /* 16 MiB are mapped */
#define WALK_BASE 0x800000
#define WALK_MASK 0x3ffff8 /* 4 MiB, in steps of 8 bytes */
#define STRING_FROM 0x600000
#define STRING_TO 0x700000

    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 0, -0x1badb002

    .bss
    .balign 4096
pml4: .skip 4096
pdpt: .skip 4096
pd:   .skip 4096
pt:   .skip PAGES * 8
stack: .skip 4096
stack_top:
array: .skip 256

    .data
    .balign 8
gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:
    .word gdtr - gdt - 1
    .long gdt, 0
    .balign 16
doubles: .double 1.0, 1.5, 0.999, 0.001

    .text
    .code32
    .globl start
start:
    cli
    cld
    movl $stack_top, %esp
    movl 16(%ebx), %ebp             /* the command line */

    movl $pt, %edi
    movl $0x03, %eax
1:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $8, %edi
    addl $0x1000, %eax
    cmpl $pt + PAGES * 8, %edi
    jb 1b
    movl $pd, %edi
    movl $pt + 3, %eax
2:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x1000, %eax
    cmpl $pt + PAGES * 8, %eax
    jb 2b
    movl $pd + 3, pdpt
    movl $pdpt + 3, pml4

    movl $pml4, %eax
    movl %eax, %cr3
    movl $0x620, %eax               /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax                /* LME */
    wrmsr
    movl $0x80010033, %eax          /* PG, WP, NE, ET, MP, PE */
    movl %eax, %cr0
    lgdt gdtr
    ljmp $0x08, $main

    .code64
main:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $stack_top, %esp
    call serial_init
    call parse_scale                /* R15: the scale */

/* name; how often the loop goes round at scale 1; instructions of one round */
.macro measure name rounds instructions
    leaq name_\name(%rip), %rsi
    call print
    movq $\rounds, %r14
    imulq %r15, %r14                /* R14: rounds, which the loop counts down */
    movq %r14, %r13
    imulq $\instructions, %r13
    rdtsc
    shlq $32, %rdx
    leaq (%rax, %rdx), %r12
    call loop_\name
    rdtsc
    shlq $32, %rdx
    addq %rdx, %rax
    subq %r12, %rax
    call report
.endm
    measure integer 2000000, 40
    measure memory  2000000, 16
    measure string  30000, 2070
    measure sse     2000000, 16
    leaq text_end(%rip), %rsi
    call print
1:  hlt
    jmp 1b

/* Arithmetic, shifts, loads and stores that hit, a call, two branches that go either way. */
    .balign 64
loop_integer:
    leaq array(%rip), %rdi
    movl $0x12345678, %eax
    xorl %ebx, %ebx
    xorl %edx, %edx
    movl $7, %r8d
1:  imull $1664525, %eax, %eax      /*  1 */
    addl $1013904223, %eax          /*  2 */
    movl %eax, %ecx                 /*  3 */
    shrl $24, %ecx                  /*  4 */
    andl $31, %ecx                  /*  5 */
    movq (%rdi, %rcx, 8), %rdx      /*  6 */
    addq %rax, %rdx                 /*  7 */
    rolq $5, %rdx                   /*  8 */
    movq %rdx, (%rdi, %rcx, 8)      /*  9 */
    testl $0x10000, %eax            /* 10 */
    jz 2f                           /* 11 */
    addq %rdx, %rbx                 /* 12 */
    jmp 3f                          /* 13 */
2:  subq %rdx, %rbx                 /* 12 */
    xorq %rax, %rbx                 /* 13 */
3:  pushq %rbx                      /* 14 */
    call 6f                         /* 15, and 5 in the function */
    popq %rbx                       /* 21 */
    leaq 3(%rbx, %rdx, 2), %rsi     /* 22 */
    movzbl %sil, %r9d               /* 23 */
    sarq $3, %rsi                   /* 24 */
    xorq %rsi, %r8                  /* 25 */
    notq %r9                        /* 26 */
    orq %r9, %r8                    /* 27 */
    movl %r8d, 4(%rdi)              /* 28 */
    cmpq %r8, %rbx                  /* 29 */
    jb 4f                           /* 30 */
    incq %rbx                       /* 31 */
    jmp 5f                          /* 32 */
4:  decq %rbx                       /* 31 */
    negq %r8                        /* 32 */
5:  setb %r10b                      /* 33 */
    movslq 4(%rdi), %r11            /* 34 */
    adcq %r11, %r8                  /* 35 */
    cmovzq %rbx, %r8                /* 36 */
    btl $3, %r8d                    /* 37 */
    sbbq %rdx, %rdx                 /* 38 */
    decq %r14                       /* 39 */
    jnz 1b                          /* 40 */
    ret
6:  movq 16(%rsp), %r9              /* 16 */
    shlq $2, %r9                    /* 17 */
    subq %r9, %rdx                  /* 18 */
    xchgq %rdx, %r9                 /* 19 */
    ret                             /* 20 */

/* Loads and stores all over 4 MiB. */
    .balign 64
loop_memory:
    movl $WALK_BASE, %edi
    movl $1, %eax
    xorl %ebx, %ebx
1:
.rept 2
    imull $1664525, %eax, %eax
    addl $1013904223, %eax
    movl %eax, %ecx
    shrl $9, %ecx
    andl $WALK_MASK, %ecx
    addq (%rdi, %rcx), %rbx
    movq %rbx, (%rdi, %rcx)
.endr
    decq %r14
    jnz 1b
    ret

/* Moves, fills, searches in vain and compares, of 1024 to 8 elements: 2056, and 14 to set up. */
    .balign 64
loop_string:
1:  movl $STRING_FROM, %esi
    movl $STRING_TO, %edi
    movl $1024, %ecx
    rep movsb
    xorl %eax, %eax
    movl $512, %ecx
    rep stosw
    movl $STRING_TO + 1024, %edi
    movl $256, %ecx
    incl %eax
    repne scasb
    movl $STRING_FROM, %esi
    movl $STRING_TO, %edi
    movl $256, %ecx
    repe cmpsb
    movl $8, %ecx
    rep movsq
    decq %r14
    jnz 1b
    ret

/* Two doubles at once, and one. */
    .balign 64
loop_sse:
    leaq doubles(%rip), %rdi
    leaq array(%rip), %rsi
    movapd (%rdi), %xmm0
    movapd 16(%rdi), %xmm1
    movapd %xmm0, %xmm2
    xorpd %xmm5, %xmm5
1:  mulpd %xmm1, %xmm0
    addpd (%rdi), %xmm0
    movapd %xmm0, %xmm3
    subpd %xmm2, %xmm3
    mulsd %xmm3, %xmm3
    addsd %xmm3, %xmm2
    sqrtsd %xmm3, %xmm4
    divsd 8(%rdi), %xmm4
    maxpd %xmm1, %xmm2
    unpcklpd %xmm4, %xmm3
    minpd (%rdi), %xmm2
    cvttsd2si %xmm4, %eax
    cvtsi2sd %eax, %xmm5
    movsd %xmm5, (%rsi)
    decq %r14
    jnz 1b
    ret

report:
    movq %rax, %rbx
    leaq text_done(%rip), %rsi
    call print
    movq %r13, %rax
    call print_hex
    movb $' ', %al
    call putc
    movq %rbx, %rax
    call print_hex
    movb $'\n', %al
    jmp putc

print:
    lodsb
    testb %al, %al
    jz 1f
    call putc
    jmp print
1:  ret

print_hex:                          /* RAX, 16 digits; changes RCX, RBP */
    movq %rax, %rbp
    movl $16, %ecx
1:  rolq $4, %rbp
    movl %ebp, %eax
    andl $15, %eax
    addb $'0', %al
    cmpb $'9', %al
    jbe 2f
    addb $'a' - '9' - 1, %al
2:  call putc
    decl %ecx
    jnz 1b
    ret

putc:                               /* AL; changes RDX, R8 */
    movl %eax, %r8d
    movl $0x3fd, %edx
1:  inb %dx, %al
    testb $0x20, %al                /* the transmitter takes a byte */
    jz 1b
    movl %r8d, %eax
    movl $0x3f8, %edx
    outb %al, %dx
    ret

serial_init:
    movl $0x3fb, %edx
    movb $0x80, %al
    outb %al, %dx
    movl $0x3f8, %edx
    movb $1, %al                    /* 115200 baud */
    outb %al, %dx
    movl $0x3f9, %edx
    xorl %eax, %eax
    outb %al, %dx
    movl $0x3fb, %edx
    movb $3, %al
    outb %al, %dx
    ret

parse_scale:
    movl %ebp, %esi
1:  lodsb
    testb %al, %al
    jz 3f
    cmpb $'=', %al
    jne 1b
    xorl %r15d, %r15d
2:  lodsb
    subb $'0', %al
    cmpb $9, %al
    ja 4f
    movzbl %al, %eax
    imull $10, %r15d, %r15d
    addl %eax, %r15d
    jmp 2b
3:  movl $1, %r15d
4:  ret

    .section .rodata
name_integer: .asciz "loop integer\n"
name_memory:  .asciz "loop memory\n"
name_string:  .asciz "loop string\n"
name_sse:     .asciz "loop sse\n"
text_done:    .asciz "done "
text_end:     .asciz "end\n"
