/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses to memory across the end of a page at every split: two pages that are no neighbours in
 * memory, or the second or first absent, or the second read-only. The outcome is the one of the
 * same instruction inside a page; at a fault nothing has been read or written.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define CODE_VA (TEST_BASE + 0x1000)
#define VA      (TEST_BASE + 0x6000)
#define RW      (PTE_P | PTE_W)

/* clang-format off */
/* FORM(bytes, whether it writes, base register, less the operand's address, undefined flags, text) */
FORM_TABLE(forms, "RBX=3; RSP=4; RSI=6; RDI=7\n"
           FORM(2, 0, RBX, 0, 0, "movw (%rbx), %ax")
           FORM(4, 0, RBX, 0, 0, "movl (%rbx), %eax")
           FORM(8, 0, RBX, 0, 0, "movq (%rbx), %rax")
           FORM(2, 0, RBX, 0, 0, "movzwl (%rbx), %r9d")
           FORM(4, 0, RBX, 0, 0, "movslq (%rbx), %r9")
           FORM(8, 0, RBX, 0, 0, "addq (%rbx), %rax")
           FORM(4, 0, RBX, 0, 0, "cmpl %ecx, (%rbx)")
           FORM(8, 0, RBX, 0, 0x10, "testq $0x1234567, (%rbx)")
           FORM(8, 0, RBX, 0, 0xd4, "imulq (%rbx), %r10")
           FORM(8, 0, RBX, 0, 0, "popcntq (%rbx), %r10")
           FORM(2, 1, RBX, 0, 0, "movw %ax, (%rbx)")
           FORM(4, 1, RBX, 0, 0, "movl $0x12345678, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "movq %r12, (%rbx)")
           FORM(4, 1, RBX, 0, 0, "movntil %r12d, (%rbx)")
           FORM(2, 1, RBX, 0, 0, "addw %ax, (%rbx)")
           FORM(4, 1, RBX, 0, 0, "subl %edx, (%rbx)")
           FORM(8, 1, RBX, 0, 0x10, "xorq %r8, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "incq (%rbx)")
           FORM(4, 1, RBX, 0, 0, "notl (%rbx)")
           FORM(8, 1, RBX, 0, 0x800, "rolq $9, (%rbx)")
           FORM(4, 1, RBX, 0, 0, "rcrl $1, (%rbx)")
           FORM(8, 1, RBX, 0, 0x810, "shldq $9, %rax, (%rbx)")
           FORM(4, 1, RBX, 0, 0x894, "btcl $13, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "xchgq %rax, (%rbx)")
           FORM(2, 1, RBX, 0, 0, "xchgw %cx, (%rbx)")
           FORM(4, 1, RBX, 0, 0, "xaddl %eax, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "lock xaddq %rax, (%rbx)")
           FORM(2, 1, RBX, 0, 0, "lock addw $0x1234, (%rbx)")
           FORM(4, 1, RBX, 0, 0x10, "lock orl %eax, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "lock decq (%rbx)")
           FORM(4, 1, RBX, 0, 0x894, "lock btsl $3, (%rbx)")
           FORM(4, 1, RBX, 0, 0, "cmpxchgl %ecx, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "lock cmpxchgq %rcx, (%rbx)")
           FORM(8, 1, RBX, 0, 0, "movl (%rsi), %eax; movl 4(%rsi), %edx; lock cmpxchg8b (%rbx)")
           FORM(8, 1, RSP, 8, 0, "pushq %rax")
           FORM(2, 1, RSP, 2, 0, "pushw %ax")
           FORM(8, 1, RSP, 8, 0, "pushq (%rsi)")
           FORM(8, 1, RSP, 8, 0, "call 1f; 1: nop")
           FORM(8, 0, RSP, 0, 0, "popq %rax")
           FORM(2, 0, RSP, 0, 0, "popw %ax")
           FORM(8, 1, RBX, 0, 0, "popq (%rbx)")
           FORM(8, 0, RBX, 0, 0, "pushq (%rbx)")
           FORM(8, 0, RSI, 0, 0, "movsq")
           FORM(8, 1, RDI, 0, 0, "movsq")
           FORM(4, 1, RDI, 0, 0, "stosl")
           FORM(2, 0, RSI, 0, 0, "lodsw")
           FORM(4, 0, RDI, 0, 0, "scasl")
           FORM(8, 0, RSI, 0, 0, "cmpsq")
           FORM(16, 0, RBX, 0, 0, "movups (%rbx), %xmm1")
           FORM(16, 1, RBX, 0, 0, "movdqu %xmm2, (%rbx)")
           FORM(8, 0, RBX, 0, 0, "movhps (%rbx), %xmm1")
           FORM(4, 0, RBX, 0, 0, "movss (%rbx), %xmm1")
           FORM(8, 1, RBX, 0, 0, "movlps %xmm2, (%rbx)")
           FORM(8, 0, RBX, 0, 0, "cvtsi2sdq (%rbx), %xmm1")
           FORM(8, 0, RBX, 0, 0, "fildll (%rbx); fistpll (%rsi)")
           FORM(10, 0, RBX, 0, 0, "fldt (%rbx); fstpt (%rsi)")
           FORM(10, 1, RBX, 0, 0, "fldt (%rsi); fstpt (%rbx)"));
/* clang-format on */

static page_aligned u8 code_page[4096], page[3][4096];
static __attribute__((aligned(64))) u8 good[4][64];
static struct regs in;
static struct {
    u8 operand[16], sse[256];
    u8 good[sizeof(good)];
} want;
static struct stop should;
static word absent;
static u32 faults;
static u64 pte_later, error_wanted;
static bool skip_write_bit;
static u8 before[16];
static word operand;
static u32 size;

static u8 *byte_at(word va)
{
    return va < VA + 4096 ? &page[2][va - VA] : &page[0][va - VA - 4096];
}

static void put_operand(void)
{
    for (u32 i = 0; i < 32; i++)
        *byte_at(VA + 4096 - 16 + i) = 0x5a;
    for (u32 i = 0; i < size; i++)
        *byte_at(operand + i) = before[i] = (u8)(0x13 + i * 0x15);
    for (u32 i = 0; i < sizeof(good); i++)
        ((u8 *)good)[i] = (u8)(i * 11);
}

static bool operand_is(const u8 *bytes)
{
    for (u32 i = 0; i < 32; i++) {
        word at = VA + 4096 - 16 + i;
        u8 v = at >= operand && at < operand + size ? bytes[at - operand] : 0x5a;
        if (*byte_at(at) != v)
            return false;
    }
    return true;
}

static bool on_trap(struct stop *s)
{
    if (s->vector != PF)
        return false;
    faults++;
    CHECK_EQ(s->cr2, absent == VA ? operand : VA + 4096);
    CHECK_EQ(s->error & ~(skip_write_bit ? (u64)PF_W : 0), error_wanted);
    CHECK(operand_is(before));
    page_map(absent, (word)byte_at(absent), pte_later);
    return faults == 1;
}

static void run(const struct form *f, struct stop *s)
{
    static __attribute__((aligned(16))) u8 fx[512];
    asm volatile("fninit\n fxsave64 %0" : "=m"(fx));
    for (u32 i = 0; i < 256; i++)
        fx[160 + i] = (u8)(i * 3);
    asm volatile("fxrstor64 %0" : : "m"(fx));
    put_operand();
    regs_pattern(&in, 9);
    in.ip = CODE_VA;
    in.flags = 2;
    in.r[RBX] = (word)good[0];
    in.r[RSP] = (word)good[1] + 32;
    in.r[RSI] = (word)good[2];
    in.r[RDI] = (word)good[3];
    in.r[f->arg[2]] = operand + f->arg[3];
    faults = 0;
    CHECK_EQ(regs_run(&in, s), STOP_VECTOR);
    s->regs.r[f->arg[2]] -= operand;
    s->regs.flags &= ~(word)f->arg[4];
}

static void compare(const struct stop *got, const struct stop *should)
{
    CHECK_REGS(&got->regs, &should->regs, 0);
    CHECK(operand_is(want.operand));
    CHECK(!memcmp(good, want.good, sizeof(good)));
    CHECK(!memcmp(got->fx + 160, want.sse, 256));
}

static void fault(const struct form *f, const char *name, word where, u64 pte, u64 error)
{
    static struct stop s;
    test_case(f->text, "across pages", name);
    absent = where;
    error_wanted = error;
    pte_later = RW;
    page_map(where, (word)byte_at(where), pte);
    run(f, &s);
    CHECK_EQ(faults, 1);
    compare(&s, &should);
}
static void one(const struct form *f)
{
    static struct stop s;
    bool writes = f->arg[1];
    size = f->arg[0];
    u8 *p = emit((u8 *)CODE_VA, f->code, f->size);
    EMIT(p, STOP_BYTES);
    operand = VA + 4096; /* inside a page */
    run(f, &should);
    memcpy(want.operand, page[0], sizeof(want.operand));
    memcpy(want.good, good, sizeof(good));
    memcpy(want.sse, should.fx + 160, 256);
    for (u32 split = 1; split < size; split++) {
        operand = VA + 4096 - split;
        test_case(f->text, "across pages", "both there");
        run(f, &s);
        compare(&s, &should);
        skip_write_bit = writes; /* it may read first */
        fault(f, "second absent", VA + 4096, 0, 0);
        fault(f, "first absent", VA, 0, 0);
        skip_write_bit = false;
        if (writes)
            fault(f, "second read-only", VA + 4096, PTE_P, PF_P | PF_W);
        if (writes)
            fault(f, "first read-only", VA, PTE_P, PF_P | PF_W);
    }
}

GUEST("data-across")
{
    regs_catch_all();
    regs_fix = on_trap;
    regs_save_sse = true;
    set_cr4(get_cr4() | CR4_OSFXSR);
    page_map(CODE_VA, (word)code_page, RW);
    page_map(VA, (word)page[2], RW);
    page_map(VA + 4096, (word)page[0], RW);
    for (const struct form *f = forms; f < forms_end; f++)
        one(f);
}
