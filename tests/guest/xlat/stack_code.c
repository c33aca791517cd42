/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks at odd places: on a page that becomes code (pushed there, run, and pushed over again; at
 * the stack's address or another one), beside the code that uses it, at the end of the canonical
 * addresses.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define STACK_VA (TEST_BASE + 0x7000)
#define ALIAS    0x100000  /* from there to the page's other address */
#define FRESH    0x1000000 /* memory that was no code before */
#define RW       (PTE_P | PTE_W)
#define START    0x800 /* RSP, in its page */

static u8 *fresh = (u8 *)FRESH;

/* Two pages, the first at the stack's address. */
static u8 *new_page(void)
{
    u8 *page = fresh;
    fresh += 8192;
    page_map(STACK_VA, (word)page, RW);
    page_map(STACK_VA + ALIAS, (word)page, RW);
    return page;
}

/* Code in the stack's page: MOV EAX, n; RET; two bytes that are never reached. */

#define FUNCTION(n) (0x9090c300000000b8ull | (u64)(n) << 8)
/* clang-format off */
FORM_TABLE(writers,
           FORM(0, 0, 0, 0, 0, "pushq %rax")
           FORM(0, 0, 0, 0, 0, "movq %rax, 0x400(%rsp); pushq 0x400(%rsp)")
           FORM(0, 0, 0, 0, 0, "movq %rax, -8(%rsp); leaq -8(%rsp), %rsp")
           FORM(0, 0, 0, 0, 0, "pushq %rcx; movq %rax, (%rsp)")
           FORM(0, 0, 0, 0, 0, "pushq $0; pushq %rbp; addq %rax, 8(%rsp); popq %rbp")
           FORM(0, 0, 0, 0, 0, "leaq -8(%rsp), %rsp; movl %eax, (%rsp); movq %rax, %rsi; shrq $32, %rsi; movl %esi, 4(%rsp)")
           FORM(0, 0, 0, 0, 0, "movq %rax, %xmm0; movups %xmm0, -8(%rsp); leaq -8(%rsp), %rsp"));
/* clang-format on */

/* RSI: the function, at the stack's address or by R9 bytes away. */
CODE(calls, "leaq (%rsp,%r9), %rsi\n pushq %rbp\n popq %rbp\n movq %rax, %r10\n call *%rsi\n"
            "addq %rax, %rdi\n leaq 0x700(%r10), %rax\n popq %rdx\n decl %ecx\n");

static void own_code(const struct form *f, u32 rounds, u64 alias)
{
    static struct stop s;
    u8 *page = new_page();
    struct regs r = {.ip = (word)page + 4096, .flags = 2};
    memset(page, 0xcc, 4096);
    u8 *p = emit(page + 4096, f->code, f->size);
    p = emit(p, calls, (size_t)(calls_end - calls));
    p = EMIT(p, 0x0f, 0x85); /* JNZ */
    p = emit_le(p, r.ip - (word)(p + 4), 4);
    EMIT(p, STOP_BYTES);
    regs_pattern(&r, 5);
    r.r[RAX] = FUNCTION(100);
    r.r[RCX] = rounds;
    r.r[RDI] = 0;
    r.r[R9] = alias;
    r.r[RSP] = STACK_VA + START;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.r[RDI], 100 * rounds + 7 * rounds * (rounds - 1) / 2);
    CHECK_EQ(s.regs.r[RDX], FUNCTION(100 + 7 * (rounds - 1)));
    CHECK_EQ(s.regs.r[RSP], STACK_VA + START);
}

static void own_page(void)
{
    for (const struct form *f = writers; f < writers_end; f++)
        for (u32 alias = 0; alias < 2; alias++) {
            test_case(f->text, "code in the stack's page",
                      alias ? "run at another address" : "run there");
            for (u32 n = 1; n < 40; n = 2 * n + 1)
                own_code(f, n, alias * ALIAS);
        }
}

/* The stack grows in the page of the code that pushes. */
CODE(pushes, "1: pushq %rcx\n pushq %rax\n popq %rdx\n addq (%rsp), %rax\n call 2f\n popq %rbx\n"
             "decl %ecx\n jnz 1b\n" STOP "2: addq 8(%rsp), %rax\n ret");

static void beside_code(void)
{
    static struct stop s;
    u8 *page = new_page();
    test("a stack beside the code that uses it");
    memcpy(page + 0x100, pushes, (size_t)(pushes_end - pushes));
    for (u32 i = 1; i < 100; i = 2 * i + 1) {
        struct regs r = {.ip = STACK_VA + 0x100, .flags = 2};
        r.r[RSP] = STACK_VA + START + 8 * i;
        r.r[RCX] = i;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RAX], i * (i + 1));
        CHECK_EQ(s.regs.r[RBX], 1);
        CHECK_EQ(s.regs.r[RSP], STACK_VA + START + 8 * i);
    }
}

/* The last canonical address of the lower half. */

#define LAST_PAGE 0x7ffffffff000ull
CODE(pops, "pushq %rax\n popq %rax\n pops_from: popq %r9\n popq %r10\n popq %r11\n popq %r12\n"
           "popq %r13\n popq %r14\n popq %r15\n popq %r8\n" STOP);
extern u8 pops_from[];

static void canonical(void)
{
    static page_aligned u8 frame[4096];
    static struct stop s;
    test("POP at the end of the canonical addresses");
    page_map(LAST_PAGE, (word)frame, RW);
    for (u32 i = 0; i < 512; i++)
        ((u64 *)frame)[i] = i;
    for (u32 left = 1; left <= 64; left++) {
        struct regs r = {.ip = (word)pops, .flags = 2}, should;
        regs_pattern(&r, left);
        r.r[RSP] = LAST_PAGE + 4096 - left;
        r.r[RAX] = 0x1122334455667788;
        should = r;
        for (u32 n = 0; n < left / 8; n++)
            memcpy(&should.r[n == 7 ? R8 : R9 + n], frame + 4096 - left + 8 * n, 8);
        should.r[RSP] += left & ~7u;
        should.ip = (word)pops_from + 2 * (left / 8);
        bool all = left == 64;
        should.ip += 2 * all;
        CHECK_EQ(regs_run(&r, &s), all ? STOP_VECTOR : SS);
        CHECK_EQ(s.error, 0);
        CHECK_REGS(&s.regs, &should, 0);
    }
}

GUEST("stack-code")
{
    regs_catch_all();
    set_cr4(get_cr4() | CR4_OSFXSR);
    asm volatile("fninit");
    own_page();
    beside_code();
    canonical();
}
