/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions of every length across the end of a page, at every split, in the middle of other
 * code: the pages are no neighbours in memory. The second page is there, or absent or not
 * executable and then repaired. What comes out must be what the same instruction does inside a
 * page.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define VA   (TEST_BASE + 0x6000)
#define LEAS 6 /* in front and behind */

/* clang-format off */
/* FORM(whether it jumps, flags that are undefined afterwards, …) */
FORM_TABLE(forms,
           FORM(0, 0, 0, 0, 0, "addl %ecx, %eax")
           FORM(0, 0, 0, 0, 0, "addq %rcx, %rax")
           FORM(0, 0, 0, 0, 0, "adcq $-3, %r8")
           FORM(0, 0, 0, 0, 0, "cmpl $0x12345678, %eax")
           FORM(0, 0, 0, 0, 0, "addl $0x12345678, %ecx")
           FORM(0, 0, 0, 0, 0, "addq $0x12345678, %r9")
           FORM(0, 0, 0, 0, 0, "movl $0x12345678, %eax")
           FORM(0, 0, 0, 0, 0, "movabsq $0x123456789abcdef0, %r10")
           FORM(0, 0, 0, 0, 0, "addl $0x12345678, 0x11(%rbx)")
           FORM(0, 0, 0, 0, 0, "addq $0x12345678, 0x00000011(%rbx,%rdx,4)")
           FORM(0, 0, 0, 0, 0, "addq $0x12345678, 0x00000091(%rbx,%rdx,4)")
           FORM(0, 0, 0, 0, 0, "movl $0x12345678, %fs:0x91(%rbx,%rdx,4)")
           FORM(0, 0, 0, 0, 0, ".byte 0x2e, 0x48, 0xb8; .quad 0x1122334455667788")
           FORM(0, 0, 0, 0, 0, ".byte 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x48, 0xb8; .quad 0x1122334455667788")
           FORM(0, 0, 0, 0, 0, ".fill 14, 1, 0x66; nop")
           FORM(0, 0, 0, 0, 0, ".fill 13, 1, 0x66; .byte 0x01, 0xc8")
           FORM(0, 0, 0, 0, 0, ".fill 5, 1, 0x2e; lock addl $0x12345678, 0x11(%rbx,%rdx)")
           FORM(0, 0, 0, 0, 0, "lock cmpxchgq %r9, 0x91(%rbx)")
           FORM(0, 0, 0, 0, 0, "pushq $0x12345678; popq %rax")
           FORM(0, 0, 0, 0, 0, "nopw 0x12345678(%rbx,%rdx)")
           FORM(0, 0, 0, 0, 0, "bswapq %r13")
           FORM(0, 0xd4, 0, 0, 0, "imulq $0x12345, 0x8(%rbx), %r14")
           FORM(0, 0x810, 0, 0, 0, "shldq $7, %rax, %r15")
           FORM(0, 0, 0, 0, 0, "movzbl 0x12(%rbx), %eax")
           FORM(0, 0, 0, 0, 0, "setc 0x91(%rbx)")
           FORM(0, 0, 0, 0, 0, "cmovncq 0x91(%rbx), %r11")
           FORM(1, 0, 0, 0, 0, "jmp .+4; .byte 0xcc, 0xcc")
           FORM(1, 0, 0, 0, 0, ".byte 0xe9; .long 3; .byte 0xcc, 0xcc, 0xcc")
           FORM(1, 0, 0, 0, 0, "cmpl %eax, %eax; .byte 0x0f, 0x84; .long 2; .byte 0xcc, 0xcc")
           FORM(1, 0, 0, 0, 0, "call .+6; nop; popq %r12; subq %rsi, %r12; addq %rdi, %r12")
           FORM(0, 0, 0, 0, 0, "leaq 0x12345(%rip), %r12; subq %rsi, %r12; addq %rdi, %r12")
           FORM(0, 0, 0, 0, 0, "pushq %rdi; pushq %rsi; leaq 8(%rbx), %rsi; movq %rbx, %rdi; movl $3, %ecx; rep movsb; popq %rsi; popq %rdi")
           FORM(0, 0, 0, 0, 0, "movups 0x00000091(%rbx), %xmm9; movq %xmm9, %rax")
           FORM(0, 0, 0, 0, 0, "pshufd $0x1b, 0x10(%rbx,%rdx,8), %xmm3; movq %xmm3, %rax")
           FORM(0, 0, 0, 0, 0, "movq %rax, %xmm1; cvtsi2sdq 0x8(%rbx), %xmm1; movq %xmm1, %rdx")
           FORM(0, 0, 0, 0, 0, "pushq $1; fildl (%rsp); fldl 0x8(%rbx); faddp; fistpll (%rsp); popq %rax"));
/* clang-format on */

static page_aligned u8 page[2][4096];
static __attribute__((aligned(64))) u8 memory[512];
static struct regs in;
static word start, after; /* of the code and behind it */
static u32 faults;
static bool jumps;
static u32 undefined; /* flags */
static u64 first_fault_error;

static void build(const struct form *f, word form_at)
{
    u8 *p = (u8 *)form_at - 7 * LEAS;
    start = (word)p;
    for (u32 i = 0; i < LEAS; i++)
        p = emit_lea(p, R8 + i % 8, i);
    p = emit(p, f->code, f->size);
    for (u32 i = 0; i < LEAS; i++)
        p = emit_lea(p, RAX, i + 1);
    after = (word)p + 2;
    EMIT(p, STOP_BYTES);
}

static void run(struct stop *s, word form_at)
{
    for (u32 i = 0; i < sizeof(memory); i++)
        memory[i] = (u8)(i * 7);
    regs_pattern(&in, 3);
    in.ip = start;
    in.flags = FLAG_CF | 2;
    in.r[RBX] = (word)memory + 128;
    in.r[RDX] = 16;
    in.r[RSP] = (word)memory + 96;
    in.r[RSI] = form_at; /* for what depends on the address */
    in.r[RDI] = 0x5555;
    faults = 0;
    CHECK_EQ(regs_run(&in, s), STOP_VECTOR);
    CHECK_EQ(s->regs.ip, after);
    s->regs.ip = s->regs.r[RSI] = 0;
    s->regs.flags &= ~(word)undefined;
}

static u64 sum(void)
{
    u64 v = 0;
    for (u32 i = 128; i < sizeof(memory); i += 8)
        v = v * 31 + *(volatile u64 *)(memory + i);
    return v;
}

/* RIP must be at an instruction that needs the second page: the form starts at RSI. */
static bool on_trap(struct stop *s)
{
    if (s->vector != PF)
        return false;
    faults++;
    if (jumps && s->regs.ip > VA + 4096) /* over the first bytes there */
        CHECK_EQ(s->cr2, s->regs.ip);
    else
        CHECK_EQ(s->cr2, VA + 4096);
    CHECK_EQ(s->error, first_fault_error);
    CHECK_IN(s->regs.ip, s->regs.r[RSI], VA + 4096 + (jumps ? 8 : 0));
    if (s->regs.ip == s->regs.r[RSI])
        for (u32 i = 0; i < 8; i++)
            CHECK_EQ(s->regs.r[R8 + i], in.r[R8 + i] + (i < LEAS ? i : 0));
    page_map(VA + 4096, (word)page[0], PTE_P | PTE_W);
    return faults == 1;
}

static void check_same(const struct stop *got, const struct stop *want, u64 memory_sum)
{
    CHECK_REGS(&got->regs, &want->regs, 0);
    CHECK_EQ(sum(), memory_sum);
}

static void one(const struct form *f)
{
    static struct stop want, got;
    static const struct {
        const char *name;
        u64 pte, error;
    } kinds[] = {{"second page absent", 0, PF_I},
                 {"second page not executable", PTE_NX | PTE_P, PF_P | PF_I}};
    word inside = VA + 4096 + 1024;
    jumps = f->arg[0], undefined = f->arg[1];
    build(f, inside);
    run(&want, inside);
    u64 memory_sum = sum();
    for (u32 split = 1; split <= f->size; split++) {
        word at = VA + 4096 - split;
        build(f, at);
        test_case(f->text, "across pages", "both there");
        for (u32 i = 0; i < 2; i++) {
            run(&got, at);
            check_same(&got, &want, memory_sum);
        }
        for (u32 k = 0; k < ARRAY_SIZE(kinds); k++) {
            test_case(f->text, "across pages", kinds[k].name);
            first_fault_error = kinds[k].error;
            page_map(VA + 4096, (word)page[0], kinds[k].pte);
            run(&got, at);
            CHECK_EQ(faults, 1);
            check_same(&got, &want, memory_sum);
        }
    }
}

GUEST("code-across")
{
    regs_catch_all();
    regs_fix = on_trap;
    set_cr4(get_cr4() | CR4_OSFXSR);
    asm volatile("fninit");
    page_map(VA, (word)page[1], PTE_P | PTE_W);
    page_map(VA + 4096, (word)page[0], PTE_P | PTE_W);
    for (const struct form *f = forms; f < forms_end; f++)
        one(f);
}
