/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A handler in real mode for real-int.c: notes its flags and stack pointer. */
    .text
    .code16
    .globl isr_flags, seen_flags, seen_sp
isr_flags:
    pushfw
    popw seen_flags
    movw %sp, seen_sp
    iretw

    .bss
    .balign 4
seen_flags: .skip 2
seen_sp:    .skip 2
