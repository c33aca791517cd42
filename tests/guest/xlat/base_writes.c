/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A base register that changes between two accesses by it: by every instruction that can write to
 * it, by name or not. The second access must go to the new address. Which that is, the instruction
 * alone has told before.
 */
#include "io.h"
#include "trap.h"
#include "xlat.h"

#define FRESH  0x1800000 /* memory that was no code before */
#define REGION 0x2000000 /* where registers point to, and RAX, so that products do, too */
#define SMALL  0x800100
#define LIMIT  0x3f00000 /* of the addresses that may come out */

enum { SSE42 = 1, BMI, FSGSBASE };
/* clang-format off */
/* FORM(base, what the CPU must have, 0, 0, 0, text) */
FORM_TABLE(forms, "RAX=0; RCX=1; RDX=2; RBX=3; RSP=4; RBP=5; RSI=6; R9=9; R12=12; SSE42=1; BMI=2; FSGSBASE=3\n"
           FORM(RAX, 0, 0, 0, 0, "addb $0x70, %al")
           FORM(RAX, 0, 0, 0, 0, "orb $0x71, %al")
           FORM(RAX, 0, 0, 0, 0, "andb $0x0f, %al")
           FORM(RAX, 0, 0, 0, 0, "xorb $0x31, %al")
           FORM(RAX, 0, 0, 0, 0, "stc; adcl $0x18, %eax")
           FORM(RAX, 0, 0, 0, 0, "sbbq $0x12345, %rax")
           FORM(RAX, 0, 0, 0, 0, "subw $0x1234, %ax")
           FORM(RAX, 0, 0, 0, 0, "addq $0x18, %rax")
           FORM(RBX, 0, 0, 0, 0, "addl $0x1234567, %ebx")
           FORM(R9, 0, 0, 0, 0, "addq $0x18, %r9")
           FORM(R12, 0, 0, 0, 0, "subq $0x18, %r12")
           FORM(RSP, 0, 0, 0, 0, "addq $0x18, %rsp")
           FORM(RSP, 0, 0, 0, 0, "leaq 0x20(%rsp), %rsp")
           FORM(RSP, 0, 0, 0, 0, "leave")
           FORM(RBP, 0, 0, 0, 0, "leaq 0x200(%rsp), %rsp; movq %rbx, (%rsp); popq %rbp")
           FORM(RBP, 0, 0, 0, 0, "movq %rbx, 0x20(%rbp); leave")
           FORM(RBX, 0, 0, 0, 0, "pushq %rcx; popq %rbx")
           FORM(RBX, 0, 0, 0, 0, "movq %rcx, 40(%rbx); movq 40(%rbx), %rbx")
           FORM(RBX, 0, 0, 0, 0, "incq %rbx")
           FORM(RBX, 0, 0, 0, 0, "incb %bh")
           FORM(RAX, 0, 0, 0, 0, "movb $0x7a, %ah")
           FORM(RCX, 0, 0, 0, 0, "addb %bh, %ch")
           FORM(RCX, 0, 0, 0, 0, "movw $0x1230, %cx")
           FORM(RCX, 0, 0, 0, 0, "movl %ebx, %ecx")
           FORM(RCX, 0, 0, 0, 0, "movzwl %bx, %ecx")
           FORM(RCX, 0, 0, 0, 0, "movl $0x2345678, %ecx")
           FORM(RCX, 0, 0, 0, 0, "movabsq $0x2345678, %rcx")
           FORM(RCX, 0, 0, 0, 0, "xorl %ecx, %ecx")
           FORM(RCX, 0, 0, 0, 0, "setc %cl")
           FORM(RCX, 0, 0, 0, 0, "cmpq %rcx, %rcx; cmovzq %rbx, %rcx")
           FORM(RCX, 0, 0, 0, 0, "bsfq %rbx, %rcx")
           FORM(RCX, 0, 0, 0, 0, "bsrq %rbx, %rcx")
           FORM(RCX, 0, 0, 0, 0, "popcntq %rbx, %rcx")
           FORM(RCX, 0, 0, 0, 0, "btsq $4, %rcx")
           FORM(RCX, 0, 0, 0, 0, "btcl %edx, %ecx")
           FORM(RCX, 0, 0, 0, 0, "shrq $3, %rcx")
           FORM(RCX, 0, 0, 0, 0, "rorw $3, %cx")
           FORM(RCX, 0, 0, 0, 0, "shrdq $5, %rdx, %rcx; shrq $7, %rcx; andl $0x3ffffff, %ecx")
           FORM(RAX, 0, 0, 0, 0, "movl $4, %r10d; mulq %r10")
           FORM(RDX, 0, 0, 0, 0, "movl $4, %r10d; mulq %r10")
           FORM(RAX, 0, 0, 0, 0, "movl $3, %r10d; mull %r10d")
           FORM(RDX, 0, 0, 0, 0, "movl $0x100000, %r10d; mull %r10d")
           FORM(RAX, 0, 0, 0, 0, "movl $5, %r10d; imulq %r10")
           FORM(RDX, 0, 0, 0, 0, "movl $5, %r10d; imulq %r10")
           FORM(RAX, 0, 0, 0, 0, "movb $0x71, %cl; mulb %cl")
           FORM(RDX, 0, 0, 0, 0, "movw $0x71, %cx; mulw %cx")
           FORM(RAX, 0, 0, 0, 0, "movl $2, %ecx; imulq %rcx, %rax")
           FORM(RAX, 0, 0, 0, 0, "imulq $5, %rax, %rax")
           FORM(RAX, 0, 0, 0, 0, "movl $2, %ecx; xorl %edx, %edx; divq %rcx")
           FORM(RDX, 0, 0, 0, 0, "movl $7, %ecx; xorl %edx, %edx; divl %ecx")
           FORM(RAX, 0, 0, 0, 0, "cmpxchgq %rcx, %rbx")
           FORM(RAX, 0, 0, 0, 0, "cmpxchgl %ecx, %ebx")
           FORM(RBX, 0, 0, 0, 0, "movq %rbx, %rax; cmpxchgq %rcx, %rbx")
           FORM(RAX, 0, 0, 0, 0, "cmpxchgq %rcx, 32(%rbx)")
           FORM(RAX, 0, 0, 0, 0, "lock cmpxchgq %rcx, 32(%rax); andl $0x3fffff0, %eax")
           FORM(RAX, 0, 0, 0, 0, "xchgq %rax, %rbx")
           FORM(RBX, 0, 0, 0, 0, "xchgq %rax, %rbx")
           FORM(RAX, 0, 0, 0, 0, "xchgl %eax, %ebx")
           FORM(RCX, 0, 0, 0, 0, "xchgq %rcx, %rbx")
           FORM(RBX, 0, 0, 0, 0, "xchgq %rcx, %rbx")
           FORM(RCX, 0, 0, 0, 0, "xchgb %ch, %bl")
           FORM(RSI, 0, 0, 0, 0, "movl $0x20, %ecx; xaddq %rcx, %rsi")
           FORM(RCX, 0, 0, 0, 0, "movl $0x20, %esi; xaddq %rcx, %rsi; andl $0xff, %esi; leaq 3(%rcx), %rcx")
           FORM(RSI, 0, 0, 0, 0, "movl $0x20, %ecx; xaddq %rsi, %rcx")
           FORM(RCX, 0, 0, 0, 0, "movl $0x02010002, %ecx; bswapl %ecx")
           FORM(RDX, 0, 0, 0, 0, "cqto")
           FORM(RDX, 0, 0, 0, 0, "cltd")
           FORM(RAX, 0, 0, 0, 0, "movb $0x33, %al; cbtw")
           FORM(RAX, 0, 0, 0, 0, "cwtl")
           FORM(RAX, 0, 0, 0, 0, "testl %eax, %eax; lahf")
           FORM(RCX, 0, 0, 0, 0, "loop 1f; 1: nop")
           FORM(RSI, 0, 0, 0, 0, "lodsq")
           FORM(RAX, 0, 0, 0, 0, "movl $1, %eax; lodsw")
           FORM(RAX, 0, 0, 0, 0, "rdtsc; andl $0xff0, %eax; xorl %eax, %eax")
           FORM(RDX, 0, 0, 0, 0, "rdtsc; xorl %edx, %edx")
           FORM(RBX, 0, 0, 0, 0, "xorl %eax, %eax; cpuid; andl $0xffffff, %ebx")
           FORM(RAX, 0, 0, 0, 0, "movq %xmm0, %rax")
           FORM(RAX, 0, 0, 0, 0, "movd %xmm0, %eax")
           FORM(RAX, 0, 0, 0, 0, "pmovmskb %xmm1, %eax")
           FORM(RAX, 0, 0, 0, 0, "pextrw $1, %xmm1, %eax")
           FORM(RAX, 0, 0, 0, 0, "cvtsi2sdq %rbx, %xmm2; cvttsd2siq %xmm2, %rax")
           FORM(RAX, SSE42, 0, 0, 0, "pextrd $0, %xmm0, %eax")
           FORM(RCX, SSE42, 0, 0, 0, "pcmpistri $0x08, %xmm1, %xmm0")
           FORM(RCX, SSE42, 0, 0, 0, "movl $5, %eax; movl $6, %edx; pcmpestri $0x18, %xmm1, %xmm0")
           FORM(RCX, SSE42, 0, 0, 0, "crc32q %rbx, %rcx; andl $0xffffff, %ecx")
           FORM(RCX, BMI, 0, 0, 0, "andnq %rbx, %rdx, %rcx")
           FORM(RCX, BMI, 0, 0, 0, "blsrq %rbx, %rcx")
           FORM(RCX, BMI, 0, 0, 0, "movq %rbx, %rdx; movl $1, %eax; mulxq %rax, %rcx, %rsi")
           FORM(RSI, BMI, 0, 0, 0, "movq %rbx, %rdx; movl $1, %eax; mulxq %rax, %rcx, %rsi")
           FORM(RCX, BMI, 0, 0, 0, "rorxq $1, %rbx, %rcx")
           FORM(RCX, BMI, 0, 0, 0, "movl $2, %eax; shrxq %rax, %rbx, %rcx")
           FORM(RCX, FSGSBASE, 0, 0, 0, "wrfsbase %rbx; rdfsbase %rcx"));
/* clang-format on */

static const u64 xmm[2][2] = {{REGION + 0x12340, 7}, {0x0102030405068081, 0x8111111111111111}};

static void put_word(word at, u64 v)
{
    *(volatile u64 *)at = v;
}

static u64 get_word(word at)
{
    return *(volatile u64 *)at;
}

static bool can_run(u32 needs)
{
    struct cpuid leaf7 = cpuid(7, 0);
    switch (needs) {
    case SSE42:
        return cpuid(1, 0).ecx & BIT(20);
    case BMI:
        return (leaf7.ebx & BIT(3)) && (leaf7.ebx & BIT(8)) && (get_cr4() & CR4_OSXSAVE);
    case FSGSBASE:
        return leaf7.ebx & BIT(0);
    }
    return true;
}

static struct regs registers(const u8 *code)
{
    struct regs r = {.ip = (word)code, .flags = 2};
    for (u32 i = 0; i < 16; i++)
        r.r[i] = REGION + i * 0x11000 + 0x104;
    r.r[RAX] = SMALL;
    asm volatile("movups %0, %%xmm0\n movups %1, %%xmm1" : : "m"(xmm[0]), "m"(xmm[1]));
    for (u32 i = 0; i < 16; i++) /* what is loaded is an address, too */
        for (u32 k = 0; k < 16; k++)
            put_word(r.r[i] - 64 + 8 * k, REGION + 0x200000 + i * 0x3000 + k * 0x100);
    return r;
}

/* MOV R8, [base + 8], or the other way round */
static u8 *put_access(u8 *p, u32 base, u32 reg, bool store, u8 disp)
{
    p = EMIT(p, (u8)(0x4c | base >> 3), store ? 0x89 : 0x8b,
             (u8)(0x40 | (reg & 7) << 3 | (base & 7)));
    if ((base & 7) == RSP)
        p = EMIT(p, 0x24);
    return EMIT(p, disp);
}

static word after_alone(const struct form *f, u8 *code)
{
    struct regs r = registers(code);
    struct stop s;
    u8 *p = put_access(code, f->arg[0], R8, false, 8);
    p = emit(p, f->code, f->size);
    EMIT(p, STOP_BYTES);
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    word to = s.regs.r[f->arg[0]];
    if (to >= LIMIT)
        guest_fatal("%s leads to %lx", f->text, (unsigned long)to);
    return to;
}

/* R8 is loaded, the base changes, R14 is stored, and R15 loaded. */
static void put_row(const struct form *f, u8 *p)
{
    u32 base = f->arg[0];
    p = put_access(p, base, R8, false, 8);
    p = emit(p, f->code, f->size);
    p = put_access(p, base, R14, true, 16);
    p = put_access(p, base, R15, false, 24);
    EMIT(p, STOP_BYTES);
}

static void run_row(u32 base, const u8 *code, word to)
{
    struct regs r = registers(code);
    struct stop s;
    u64 first = get_word(r.r[base] + 8), old = get_word(r.r[base] + 16);
    bool apart = to + 24 <= r.r[base] + 16 || to >= r.r[base] + 24;
    put_word(to + 24, 0x1234567800000000 | to);
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.r[base], to);
    CHECK_EQ(s.regs.r[R8], first);
    CHECK_EQ(s.regs.r[R15], 0x1234567800000000 | to);
    CHECK_EQ(get_word(to + 16), r.r[R14]);
    if (apart)
        CHECK_EQ(get_word(r.r[base] + 16), old);
}

static void one(const struct form *f, u8 *code)
{
    word to = after_alone(f, code);
    put_row(f, code + 128);
    for (u32 i = 0; i < 3; i++)
        run_row(f->arg[0], code + 128, to);
}

GUEST("base-writes")
{
    u8 *code = (u8 *)FRESH;
    regs_catch_all();
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    if (cpuid(1, 0).ecx & BIT(26)) {
        set_cr4(get_cr4() | CR4_OSXSAVE);
        asm volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
    }
    if (can_run(FSGSBASE))
        set_cr4(get_cr4() | CR4_FSGSBASE);
    asm volatile("fninit");
    for (const struct form *f = forms; f < forms_end; f++) {
        test(f->text);
        if (can_run(f->arg[1]))
            one(f, code);
        code += 256;
    }
}
