/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two stores off one base register, whose displacements are the largest and the smallest there are:
 * the distance between them is no signed number of 32 bits, nor is the sum of a displacement and
 * what a PUSH or POP has moved the stack pointer by. A translator that checks both at once must
 * not go wrong there. Then operands and targets relative to RIP, so far away that the distance from
 * the start of the code's page is no signed number of 32 bits.
 *
 * FORM(base, bytes of RAX, at, bytes of RCX, at, text): what is stored, and at which displacement
 * from the base at the start; the last one is less 8 in DOWN, more 8 in UP.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "xlat.h"

#define BASE (TEST_BASE + 0x80001000)

enum { UP = 16, DOWN = 32 };
/* clang-format off */
FORM_TABLE(forms, "RBX=3; RSP=4; R9=9; R13=13; UP=16; DOWN=32\n"
           FORM(RBX, 8, 0, 1, 0x7fffffff, "movq %rax, (%rbx); movb %cl, 0x7fffffff(%rbx)")
           FORM(RBX, 8, 0, 4, 0x7ffffffe, "movq %rax, (%rbx); movl %ecx, 0x7ffffffe(%rbx)")
           FORM(RBX, 8, 8, 1, 0x7fffffff, "addq %rax, 8(%rbx); addb %cl, 0x7fffffff(%rbx)")
           FORM(RBX, 8, 0, 8, -0x80000000, "movq %rax, (%rbx); movq %rcx, -0x80000000(%rbx)")
           FORM(RBX, 8, -0x80000000, 2, 0x7ffffffe, "movq %rax, -0x80000000(%rbx); movw %cx, 0x7ffffffe(%rbx)")
           FORM(RBX, 4, 0x7ffffff8, 8, -0x80000000, "movl %eax, 0x7ffffff8(%rbx); movq %rcx, -0x80000000(%rbx)")
           FORM(RBX, 8, 0x7ffffff8, 8, -0x80000000, "movq %rax, 0x7ffffff8(%rbx); movq %rcx, -0x80000000(%rbx)")
           FORM(RBX, 8, 0x7fffff70, 8, 0x7ffffff8, "movq %rax, 0x7fffff70(%rbx); movq %rcx, 0x7ffffff8(%rbx)")
           FORM(R9, 8, 0, 1, 0x7fffffff, "movq %rax, (%r9); movb %cl, 0x7fffffff(%r9)")
           FORM(R9, 8, 0x7ffffffb, 8, -0x80000000, "movq %rax, 0x7ffffffb(%r9); movq %rcx, -0x80000000(%r9)")
           FORM(R13, 8, 0, 1, 0x7fffffff, "movq %rax, (%r13); movb %cl, 0x7fffffff(%r13)")
           FORM(RSP, 8, 0, 1, 0x7fffffff, "movq %rax, (%rsp); movb %cl, 0x7fffffff(%rsp)")
           FORM(RSP, 8, 0, 8, -0x80000000, "movq %rax, (%rsp); movq %rcx, -0x80000000(%rsp)")
           FORM(RSP, 8, -8, 1 + DOWN, 0x7fffffff, "pushq %rax; movb %cl, 0x7fffffff(%rsp)")
           FORM(RSP, 8, -8, 8 + DOWN, -0x80000000, "pushq %rax; movq %rcx, -0x80000000(%rsp)")
           FORM(RSP, 8, 16, 1 + UP, 0x7fffffff, "popq %rdx; movq %rax, 8(%rsp); movb %cl, 0x7fffffff(%rsp)")
           FORM(RSP, 8, 16, 8 + UP, 0x7ffffffc, "popq %rdx; movq %rax, 8(%rsp); movq %rcx, 0x7ffffffc(%rsp)"));
/* clang-format on */

static page_aligned u8 code_page[4096];
/* Two pages each where the smallest displacement leads, around the base, and at the largest. */
static page_aligned struct places {
    u8 byte[3][8192];
} now, want;
static const word places[3] = {BASE - 0x80001000, BASE - 0x1000, BASE + 0x7ffff000};

static void expect(word at, u64 value, u32 bytes)
{
    for (u32 i = 0; i < 3; i++)
        if (at >= places[i] && at < places[i] + 8192)
            memcpy(&want.byte[i][at - places[i]], &value, bytes);
}

static word displaced(u32 disp)
{
    return BASE + (word)(long)(int)disp;
}

static void one(const struct form *f)
{
    struct stop s;
    struct regs r;
    u32 bytes = f->arg[3] & 15;
    word shift = f->arg[3] & UP ? 8 : f->arg[3] & DOWN ? (word)-8 : 0;
    regs_pattern(&r, 3);
    r.ip = (word)code_page;
    r.flags = 2;
    r.r[f->arg[0]] = BASE;
    EMIT(emit(code_page, f->code, f->size), STOP_BYTES);
    for (u32 round = 0; round < 3; round++) {
        test_case(f->text, "far apart", round ? "again" : "first");
        memset(&now, 0, sizeof(now));
        memset(&want, 0, sizeof(want));
        expect(displaced(f->arg[2]), r.r[RAX], f->arg[1]);
        expect(displaced(f->arg[4]) + shift, r.r[RCX], bytes);
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[f->arg[0]], BASE + shift);
        CHECK(!memcmp(&now, &want, sizeof(now)));
    }
}

/* clang-format off */
/* FORM(0, displacement, 0, 0, 0, text) */
FORM_TABLE(relative,
           FORM(0, 0x7ffffff0, 0, 0, 0, "movq %rax, 0x7ffffff0(%rip)")
           FORM(0, -0x80000000, 0, 0, 0, "movq %rax, -0x80000000(%rip)")
           FORM(0, 0x7ffffff0, 0, 0, 0, "leaq 0x7ffffff0(%rip), %rdx; movq %rax, (%rdx)")
           FORM(0, 0x7ffffff0, 0, 0, 0, "leaq 0x7ffffff0(%rip), %r10; movq %rax, (%r10)")
           FORM(0, -0x80000000, 0, 0, 0, "leaq -0x80000000(%rip), %rdx; movq %rax, (%rdx)"));
FORM_TABLE(branches,
           FORM(0, 0x7ffffff0, 0, 0, 0, ".byte 0xe9; .long 0x7ffffff0")
           FORM(0, 0x7ffffff0, 0, 0, 0, ".byte 0xe8; .long 0x7ffffff0")
           FORM(0, 0x7ffffff0, 0, 0, 0, ".byte 0x0f, 0x84; .long 0x7ffffff0")
           FORM(0, -0x80000000, 0, 0, 0, ".byte 0xe9; .long -0x80000000")
           FORM(0, -0x80000000, 0, 0, 0, ".byte 0xe8; .long -0x80000000")
           FORM(0, -0x80000000, 0, 0, 0, ".byte 0x0f, 0x84; .long -0x80000000"));
/* clang-format on */

/* At the end of the page below the base; the first instruction's length is `size`. */
static void run_relative(const struct form *f, u32 size, bool branch)
{
    static __attribute__((aligned(16))) u8 stack[64];
    struct stop s;
    struct regs r;
    u8 *p = &now.byte[1][0xf80];
    word target = BASE - 0x80 + size + (word)(long)(int)f->arg[1];
    u8 *there = &now.byte[f->arg[1] >> 31 ? 0 : 2][target - places[f->arg[1] >> 31 ? 0 : 2]];
    regs_pattern(&r, 4);
    r.ip = BASE - 0x80;
    r.flags = FLAG_ZF | 2;
    r.r[RSP] = (word)stack + 32;
    for (u32 round = 0; round < 3; round++) {
        test_case(f->text, "relative to RIP", round ? "again" : "first");
        memset(&now, 0, sizeof(now));
        p = emit(&now.byte[1][0xf80], f->code, f->size);
        EMIT(p, STOP_BYTES);
        if (branch)
            EMIT(there, STOP_BYTES);
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.ip, branch ? target + 2 : BASE - 0x80 + f->size + 2);
        if (!branch)
            CHECK(!memcmp(there, &r.r[RAX], 8));
    }
}

GUEST("far-apart")
{
    regs_catch_all();
    for (u32 i = 0; i < 3; i++)
        for (u32 n = 0; n < 2; n++)
            page_map(places[i] + 4096 * n, (word)&now.byte[i][4096 * n], PTE_P | PTE_W);
    for (const struct form *f = forms; f < forms_end; f++)
        one(f);
    for (const struct form *f = relative; f < relative_end; f++)
        run_relative(f, 7, false);
    for (const struct form *f = branches; f < branches_end; f++)
        run_relative(f, f->size, true);
}
