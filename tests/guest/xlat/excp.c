/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions other than page faults inside long blocks: all registers as the instruction found
 * them, RIP at it (behind it for traps), the error code; and what follows in the block has not
 * happened. Each in the middle, at the end and alone in a block, first run with operands that are
 * good, so that the same code has run before. #NM is repaired and the code goes on.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define CODE_VA (TEST_BASE + 0x1000)
#define BAD     0x0000900000000000ull /* not canonical with 4 levels; with 5, the guest has 4 */

static page_aligned u8 code_page[4096];
static __attribute__((aligned(64))) u8 good[256];

/* What makes an operand bad. */
enum { NONE, NONCANONICAL, MISALIGNED, ZERO, SMALL, SELECTOR };
/* FORM(register that is bad, how, vector, error, AFTER: a trap, text) */
enum { AFTER = 1, NEVER_GOOD = 2 };
/* clang-format off */
FORM_TABLE(forms, "RAX=0; RCX=1; RDX=2; RBX=3; RSP=4; RBP=5; RSI=6; RDI=7; R10=10; R13=13\n"
           "NONE=0; NONCANONICAL=1; MISALIGNED=2; ZERO=3; SMALL=4; SELECTOR=5; AFTER=1; NEVER_GOOD=2\n"
           "DE=0; BP=3; UD=6; SS=12; GP=13; STOP_V=0x32\n"
           FORM(RCX, ZERO, DE, 0, 0, "divq %rcx")
           FORM(RCX, ZERO, DE, 0, 0, "divl %ecx")
           FORM(RCX, ZERO, DE, 0, 0, "divw %cx")
           FORM(RCX, ZERO, DE, 0, 0, "divb %cl")
           FORM(RCX, ZERO, DE, 0, 0, "idivq %rcx")
           FORM(RCX, SMALL, DE, 0, 0, "divq %rcx")
           FORM(RCX, SMALL, DE, 0, 0, "idivl %ecx")
           FORM(RCX, SMALL, DE, 0, 0, "divb %cl")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "movq (%rbx), %rax")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "movb %al, (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "addl %esi, (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "lock xaddq %rdi, (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "xchgl %edi, (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "movq (%rbx,%rdx), %rbx")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "pushq (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "popq (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "movups (%rbx), %xmm0")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "movss %xmm1, (%rbx)")
           FORM(RBX, NONCANONICAL, GP, 0, 0, "fldl (%rbx)")
           FORM(RSI, NONCANONICAL, GP, 0, 0, "lodsq")
           FORM(RDI, NONCANONICAL, GP, 0, 0, "stosl")
           FORM(RSI, NONCANONICAL, GP, 0, 0, "movsb")
           FORM(RDI, NONCANONICAL, GP, 0, 0, "cmpsw")
           FORM(RDI, NONCANONICAL, GP, 0, 0, "scasq")
           FORM(RSP, NONCANONICAL, SS, 0, 0, "pushq %rax")
           FORM(RSP, NONCANONICAL, SS, 0, 0, "popq %rdx")
           FORM(RSP, NONCANONICAL, SS, 0, 0, "movq 8(%rsp), %rdx")
           FORM(RSP, NONCANONICAL, SS, 0, 0, "call 1f; nop; 1: nop")
           FORM(RBP, NONCANONICAL, SS, 0, 0, "addq %rdx, 16(%rbp)")
           FORM(RBP, NONCANONICAL, SS, 0, 0, "leave")
           FORM(R13, NONCANONICAL, GP, 0, 0, "addq %rdx, 16(%r13)")
           FORM(RBX, NONCANONICAL, GP, 0, NEVER_GOOD, "call *%rbx")
           FORM(RBX, NONCANONICAL, GP, 0, NEVER_GOOD, "jmp *%rbx")
           FORM(RBX, MISALIGNED, GP, 0, 0, "movaps (%rbx), %xmm2")
           FORM(RBX, MISALIGNED, GP, 0, 0, "movdqa %xmm3, (%rbx)")
           FORM(RBX, MISALIGNED, GP, 0, 0, "addps (%rbx), %xmm4")
           FORM(RBX, MISALIGNED, GP, 0, 0, "pand (%rbx), %xmm5")
           FORM(RBX, MISALIGNED, GP, 0, 0, "movntdq %xmm6, (%rbx)")
           FORM(RBX, MISALIGNED, GP, 0, 0, "fxsave (%rbx)")
           FORM(RBX, MISALIGNED, GP, 0, 0, "lock cmpxchg16b (%rbx)")
           FORM(RCX, SELECTOR, GP, 0x1f8, 0, "movl %ecx, %fs")
           FORM(RCX, SELECTOR, GP, 0x1f8, 0, "movl %ecx, %ds")
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, "ud2")
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, ".byte 0xf0, 0x8b, 0x03") /* LOCK MOV */
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, ".byte 0xf0, 0x01, 0xc8") /* LOCK ADD EAX, ECX */
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, ".byte 0x06")             /* PUSH ES */
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, ".byte 0x0f, 0x0b")
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, ".byte 0x8d, 0xc0")       /* LEA EAX, EAX */
           FORM(RBX, NONE, UD, 0, NEVER_GOOD, ".byte 0x0f, 0x20, 0xc8") /* MOV RAX, CR1 */
           FORM(RBX, NONE, BP, 0, AFTER | NEVER_GOOD, "int3")
           FORM(RBX, NONE, STOP_V, 0, AFTER | NEVER_GOOD, "int $0x32"));
FORM_TABLE(nm_forms,
           FORM(0, 0, 0, 0, 0, "fld1")
           FORM(0, 0, 0, 0, 0, "fildl (%rbx)")
           FORM(0, 0, 0, 0, 0, "movaps %xmm1, %xmm2")
           FORM(0, 0, 0, 0, 0, "addss (%rbx), %xmm2")
           FORM(0, 0, 0, 0, 0, "movups %xmm3, (%rbx)")
           FORM(0, 0, 0, 0, 0, "cvtsi2sd %rax, %xmm3")
           FORM(0, 0, 0, 0, 0, "pmovmskb %xmm3, %eax")
           FORM(0, 0, 0, 0, 0, "ldmxcsr default_mxcsr")
           FORM(0, 0, 0, 0, 0, "emms")
           FORM(0, 0, 0, 0, 0, "fxsave (%rbx)"));
/* The value in all lanes of both operands */
FORM_TABLE(xm_forms,
           FORM(0, 0x7f7fffff, 0, 0, 0, "addss %xmm1, %xmm0")  /* OE by FLT_MAX + FLT_MAX … */
           FORM(0, 0x7f7fffff, 0, 0, 0, "mulps %xmm1, %xmm0")
           FORM(0, 0x7f7fffff, 0, 0, 0, "addps (%rbx), %xmm0")
           FORM(0, 0, 0, 0, 0, "divss %xmm1, %xmm0")            /* IE by 0 / 0 */
           FORM(0, 0x7f7fffff, 0, 0, 0, "cvtss2si %xmm0, %rax") /* IE */
           FORM(0, 0xbf800000, 0, 0, 0, "sqrtps %xmm1, %xmm0"));
/* clang-format on */
u32 default_mxcsr = 0x1f80;

enum { MIDDLE, LAST, ALONE, POSITIONS };
static const char *const position_name[] = {"middle of a block", "last of a block", "alone"};
static struct block b;
static struct stop s;
static u8 *form_at, *form_end;

static void set_regs(u32 number)
{
    word *r = b.before.r;
    regs_pattern(&b.before, number);
    r[RAX] = 0x12345600000201;
    r[RDX] = 5;
    r[RCX] = 0x0706050403020107;
    r[RBX] = (word)good;
    r[RSP] = (word)good + 128;
    r[RBP] = (word)good + 64;
    r[R13] = r[RSI] = (word)good + 16;
    r[RDI] = (word)good + 32;
    b.before.flags = number & FLAG_CF;
}

static void build(const struct form *f, u32 position)
{
    u8 *p = block_prefix(&b, (u8 *)CODE_VA, position != ALONE);
    form_at = p;
    p = emit(p, f->code, f->size);
    form_end = p;
    b.before.ip = (word)form_at;
    if (position == MIDDLE)
        p = block_suffix(&b, p);
    EMIT(p, STOP_BYTES);
}

static void fill(void)
{
    static __attribute__((aligned(16))) u8 fx[512];
    for (u32 i = 0; i < 256; i++)
        good[i] = (u8)(i & 3 ? i : 0);
    asm volatile("fninit\n fxsave64 %0" : "=m"(fx));
    memset(fx + 160, 0x11, 256);
    asm volatile("fxrstor64 %0\n ldmxcsr default_mxcsr" : : "m"(fx));
}

static u64 sum(void)
{
    u64 v = 0;
    for (u32 i = 0; i < sizeof(good); i += 8)
        v = v * 31 + *(volatile u64 *)(good + i);
    return v;
}

static word bad_value(const struct form *f, word old)
{
    switch (f->arg[1]) {
    case NONCANONICAL:
        return BAD;
    case MISALIGNED:
        return old + 8;
    case ZERO:
        return 0;
    case SMALL:
        return 1;
    case SELECTOR:
        return 0x1f8; /* an empty descriptor */
    }
    return old;
}

/* With the same code: good operands first, if it can have them. */
static void one(const struct form *f, u32 number, u32 position)
{
    test_case(f->text, position_name[position], "of exceptions");
    set_regs(number);
    if (f->arg[1] == SELECTOR)
        b.before.r[f->arg[0]] = KERNEL_DS;
    if (f->arg[1] == SMALL || f->arg[1] == ZERO)
        b.before.r[RDX] = 0, b.before.r[RAX] = 0x201;
    build(f, position);
    for (u32 i = 0; i < 2 && !(f->arg[4] & NEVER_GOOD); i++) {
        fill();
        CHECK_EQ(regs_run(&b.start, &s), STOP_VECTOR);
    }
    set_regs(number);
    b.before.r[f->arg[0]] = bad_value(f, b.before.r[f->arg[0]]);
    if (f->arg[1] == SMALL)
        b.before.r[RDX] = 0x7f, b.before.r[RAX] = 0x12345600000201;
    build(f, position);
    for (u32 i = 0; i < 2; i++) {
        fill();
        u64 before = sum();
        CHECK_EQ(regs_run(&b.start, &s), f->arg[2]);
        CHECK_EQ(s.error, f->arg[3]);
        b.before.ip = (word)(f->arg[4] & AFTER ? form_end : form_at);
        CHECK_REGS(&s.regs, &b.before, 0);
        CHECK_EQ(sum(), before);
    }
}

static bool on_nm(struct stop *stop)
{
    if (stop->vector != NM)
        return false;
    CHECK_REGS(&stop->regs, &b.before, 0);
    set_cr0(get_cr0() & ~(word)CR0_TS);
    return true;
}

static void not_available(void)
{
    u32 number = 0;
    for (const struct form *f = nm_forms; f < nm_forms_end; f++)
        for (u32 position = 0; position < POSITIONS; position++) {
            static struct stop want;
            test_case(f->text, position_name[position], "CR0.TS");
            set_regs(++number);
            build(f, position);
            fill();
            regs_run(&b.start, &want);
            u64 end = sum();
            fill();
            regs_fix = on_nm;
            set_cr0(get_cr0() | CR0_TS);
            CHECK_EQ(regs_run(&b.start, &s), STOP_VECTOR);
            CHECK_EQ(get_cr0() & CR0_TS, 0);
            set_cr0(get_cr0() & ~(word)CR0_TS);
            regs_fix = NULL;
            CHECK_REGS(&s.regs, &want.regs, 0);
            CHECK_EQ(sum(), end);
        }
}

/* Exceptions of SSE arithmetic, unmasked: the destination register is not written. */
static void numeric(void)
{
    u32 number = 0;
    for (const struct form *f = xm_forms; f < xm_forms_end; f++)
        for (u32 position = 0; position < POSITIONS; position++) {
            u32 v[4] = {f->arg[1], f->arg[1], f->arg[1], f->arg[1]}, mxcsr = 0x1f80, after[4];
            test_case(f->text, position_name[position], "#XM");
            set_regs(++number);
            build(f, position);
            fill();
            memcpy(good, v, 16);
            for (u32 i = 0; i < 3; i++) {
                asm volatile("ldmxcsr %0\n movups %1, %%xmm0\n movups %1, %%xmm1"
                             :
                             : "m"(mxcsr), "m"(v));
                CHECK_EQ(regs_run(&b.start, &s), i < 2 ? STOP_VECTOR : XM);
                mxcsr = i == 1 ? 0 : 0x1f80;
            }
            CHECK_REGS(&s.regs, &b.before, 0);
            asm volatile("movups %%xmm0, %0" : "=m"(after));
            CHECK(!memcmp(after, v, 16));
        }
    asm volatile("ldmxcsr default_mxcsr");
}

GUEST("excp")
{
    u32 number = 0;
    regs_catch_all();
    regs_catch(0x32);
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    page_map(CODE_VA, (word)code_page, PTE_P | PTE_W);
    for (const struct form *f = forms; f < forms_end; f++)
        for (u32 position = 0; position < POSITIONS; position++)
            one(f, ++number, position);
    not_available();
    numeric();
}
