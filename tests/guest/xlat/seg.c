/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry to code of CPL 3 with segments of its own. */
#include "seg.h"

_Noreturn void seg_enter(const struct seg_regs *r);
asm(".pushsection .text\n"
    "seg_enter: movl 4(%esp), %eax\n pushl 44(%eax)\n pushl 16(%eax)\n pushl 36(%eax)\n"
    "pushl 40(%eax)\n pushl 32(%eax)\n movw 56(%eax), %fs\n movw 60(%eax), %gs\n movw 52(%eax), "
    "%es\n"
    "pushl 48(%eax)\n movl 4(%eax), %ecx\n movl 8(%eax), %edx\n movl 12(%eax), %ebx\n"
    "movl 20(%eax), %ebp\n movl 24(%eax), %esi\n movl 28(%eax), %edi\n movl (%eax), %eax\n"
    "popl %ds\n iretl\n.popsection");

void seg_set(u32 sel, u32 base, u32 limit, u32 ar)
{
    if (limit > 0xfffff)
        gdt_set((u16)sel, base, limit >> 12, ar | AR_G);
    else
        gdt_set((u16)sel, base, limit, ar);
}

struct seg_regs seg_flat(const void *code)
{
    return (struct seg_regs){
        .ip = (u32)code,
        .flags = 2,
        .cs = USER_CS32,
        .ss = FLAT,
        .ds = FLAT,
        .es = FLAT,
        .fs = FLAT,
        .gs = FLAT,
        .sp = user_stack_top - 64,
    };
}

u32 seg_run(const struct seg_regs *r)
{
    return TRAP(seg_enter(r));
}
