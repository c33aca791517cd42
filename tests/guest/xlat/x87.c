/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 and MMX in code that is translated: registers that live through loops, through instructions
 * of other kinds and through faults; pointers to the last instruction; a control word that unmasks
 * in the middle of a block, and CR0.TS set there; what a store that faults leaves behind.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA     (TEST_BASE + 0x7000)
#define MASKED 0x37fu
#define ROUNDS 40u

static page_aligned u8 frame[4096];
static volatile u64 *pte;
static u16 cw;

static u16 status(void)
{
    u16 sw;
    asm volatile("fnstsw %0" : "=a"(sw));
    return sw;
}

/* The sum of i * 0.5 for i from 1 to 1000, by memory operands of every size. */
static void sums(void)
{
    static const u64 half = 0x3fe0000000000000ull;
    u32 i, out;
    u16 ten = 10;
    u64 large;
    test("a loop");
    for (u32 n = 0; n < ROUNDS; n++) {
        asm volatile("fninit\n fldz\n movl $1000, %1\n"
                     "1: movl %1, %0\n fildl %0\n fmull %2\n faddp\n decl %1\n jnz 1b\n fistpl %0"
                     : "=m"(out), "=&r"(i)
                     : "m"(half)
                     : "memory");
        CHECK_EQ(out, 250250);
        asm volatile("fildl %1\n fimuls %2\n fistpll %0" : "=m"(large) : "m"(out), "m"(ten));
        CHECK_EQ(large, 2502500);
    }
    CHECK_EQ(status() & 0x3fff, 0);
}

static void between(void)
{
    u32 out, flags = 0;
    test("instructions of other kinds between");
    for (u32 n = 0; n < ROUNDS; n++) {
        asm volatile("fninit\n fld1\n xorl %%eax, %%eax\n cpuid\n fld1\n rdtsc\n pushfq\n popfq\n"
                     "faddp\n movq %%cr0, %%rax\n fistpl %0"
                     : "=m"(out)
                     :
                     : "rax", "rbx", "rcx", "rdx", "cc");
        CHECK_EQ(out, 2);
        asm volatile("fldz\n fld1\n fcomi\n setnbe %b0\n fcmovnbe %%st(1), %%st\n fistpl %1\n"
                     "fstp %%st(0)"
                     : "+r"(flags), "=m"(out)
                     :
                     : "cc");
        CHECK_EQ(flags << 8 | out, 0x100); /* 1 is above 0 */
    }
}

CODE(pointers_code, "fldl (%rsi)\n fnstcw 32(%rdi)\n fsqrt\n fldcw 32(%rdi)\n fnsave (%rdi)\n ret");

static void pointers(void)
{
    static const u64 four = 0x4010000000000000ull;
    u32 e[32];
    test("FIP, FOP and FDP");
    for (u32 n = 0; n < ROUNDS; n++) {
        asm volatile("fninit\n call *%0" : : "r"(pointers_code), "S"(&four), "D"(e) : "memory");
        CHECK_EQ(e[3],
                 (u32)((word)pointers_code + 5)); /* FSQRT; control instructions do not count */
        CHECK_EQ(e[4], 0x1fau << 16 | KERNEL_CS);
        CHECK_EQ(e[5], (u32)(word)&four);
    }
}

/* The same instruction with its operand at other places has another ModRM byte. */
static void opcodes(void)
{
    static const u64 two = 0x4000000000000000ull;
    u32 e[7];
    test("FOP");
    asm volatile("fninit\n fldl (%1)\n fnstenv %0" : "=m"(e) : "D"(&two));
    CHECK_EQ(e[4] >> 16, 0x507);
    asm volatile("fninit\n fldl 8(%1)\n fnstenv %0" : "=m"(e) : "S"((word)&two - 8));
    CHECK_EQ(e[4] >> 16, 0x546);
}

CODE(unmask_code,
     "fldcw (%rsi)\n fld1\n fldz\n fdivrp\n movl $7, %eax\n fld1\n movl $8, %eax\n ret");

static void become(void)
{
    static page_aligned u8 text[4096];
    test("what was no instruction becomes FNINIT");
    memcpy(text, (const u8[]){0xdb, 0xe6, 0xc3}, 3);
    for (u32 n = 0; n < ROUNDS; n++) {
        *(volatile u8 *)&text[1] = 0xe6;
        CHECK_TRAP(UD, 0, asm volatile("call *%0" : : "r"(text) : "memory"));
        *(volatile u8 *)&text[1] = 0xe3;
        CHECK_RUNS(asm volatile("call *%0" : : "r"(text) : "memory"));
    }
}

static void unmask(void)
{
    test("FLDCW that unmasks");
    for (u32 n = 0; n < ROUNDS; n++) {
        word ax;
        cw = MASKED;
        asm volatile("fninit\n call *%1" : "=a"(ax) : "r"(unmask_code), "S"(&cw) : "memory");
        CHECK_EQ(ax, 8);
        CHECK_EQ(status() & 0xff, 4);
        cw = MASKED & ~4u;
        CHECK_TRAP(MF, 0,
                   asm volatile("fninit\n call *%0"
                                :
                                : "r"(unmask_code), "S"(&cw)
                                : "rax", "memory"));
        CHECK_EQ(last_trap.ax, 7);
        asm volatile("fnclex\n fninit");
    }
}

static void task_switched(void)
{
    u32 out;
    test("CR0.TS in a block");
    for (u32 n = 0; n < ROUNDS; n++) {
        asm volatile("fninit\n fld1");
        CHECK_TRAP(NM, 0,
                   asm volatile("fadd %%st(0)\n movq %%cr0, %%rax\n orq $8, %%rax\n"
                                "movq %%rax, %%cr0\n movl $9, %%eax\n fadd %%st(0)"
                                :
                                :
                                : "rax"));
        CHECK_EQ(last_trap.ax, 9);
        asm volatile("clts\n fistpl %0" : "=m"(out));
        CHECK_EQ(out, 2);
    }
}

static void stores(void)
{
    u64 out;
    test("a store that faults");
    for (u32 n = 0; n < ROUNDS; n++) {
        *pte = (word)frame | PTE_P;
        invlpg((void *)VA);
        asm volatile("fninit\n fldpi\n fld1");
        CHECK_TRAP(PF, PF_P | PF_W, asm volatile("fstpl (%0)" : : "r"(VA) : "memory"));
        CHECK_EQ(status() >> 11 & 7, 6); /* not popped */
        *pte = (word)frame | PTE_P | PTE_W;
        invlpg((void *)VA);
        CHECK_RUNS(asm volatile("fstpl (%0)" : : "r"(VA) : "memory"));
        CHECK_EQ(*(volatile u64 *)VA, 0x3ff0000000000000ull);
        asm volatile("fstpl %0" : "=m"(out));
        CHECK_EQ(out, 0x400921fb54442d18ull);
    }
}

static void mmx(void)
{
    u64 out;
    u16 tags[14];
    test("MMX");
    if (!(cpuid(1, 0).edx & BIT(23)))
        return;
    for (u32 n = 0; n < ROUNDS; n++) {
        asm volatile("fninit\n movl $3, %%eax\n movd %%eax, %%mm1\n movl $100, %%ecx\n"
                     "1: paddd %%mm1, %%mm2\n decl %%ecx\n jnz 1b\n xorl %%eax, %%eax\n cpuid\n"
                     "psubd %%mm2, %%mm2\n paddd %%mm1, %%mm2\n movq %%mm2, %0\n fnstenv %1"
                     : "=m"(out), "=m"(tags)
                     :
                     : "rax", "rbx", "rcx", "rdx", "cc");
        CHECK_EQ(out, 3);
        CHECK_EQ(tags[4] & 0x000c, 0x0008);
        asm volatile("emms\n fld1\n fistpll %0" : "=m"(out));
        CHECK_EQ(out, 1);
    }
}

/* No XMM register is named, but MXCSR counts. */
static void from_memory_to_mmx(void)
{
    static const float in[2] = {1.25f, -1.25f};
    static const u64 want[4] = {0xffffffff00000001, 0xfffffffe00000001, 0xffffffff00000002,
                                0xffffffff00000001};

    test("CVTPS2PI of memory");
    if (!(cpuid(1, 0).edx & BIT(25)))
        return;
    set_cr4(get_cr4() | CR4_OSFXSR);
    for (u32 n = 0; n < ROUNDS; n++) {
        u32 mxcsr = 0x1f80 | (n & 3) << 13, after;
        u64 out;
        asm volatile("ldmxcsr %2\n emms\n cvtps2pi %3, %%mm0\n movq %%mm0, %0\n emms\n stmxcsr %1"
                     : "=m"(out), "=m"(after)
                     : "m"(mxcsr), "m"(*(const u64 *)in));
        CHECK_EQ(out, want[n & 3]);
        CHECK_EQ(after, mxcsr | 0x20);
    }
}

GUEST("x87 in blocks")
{
    pte = page_map(VA, (word)frame, PTE_P | PTE_W);
    set_cr0(get_cr0() | CR0_NE);
    sums();
    between();
    pointers();
    opcodes();
    become();
    unmask();
    task_switched();
    stores();
    mmx();
    from_memory_to_mmx();
}
