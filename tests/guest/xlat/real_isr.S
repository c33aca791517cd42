/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A handler in real mode for real_alias.c: counts, and changes the flags. */
    .text
    .code16
    .globl real_isr, ints
real_isr:
    incl %cs:ints
    cmpw %ax, %ax
    iretw

    .bss
    .balign 4
ints:
    .skip 4
