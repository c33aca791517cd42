/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of a device in memory (the local APIC's task priority and LVT) by many instructions,
 * which run on RAM before and after: the same code in a loop takes RAM and the device in turns. RAM
 * in the neighbouring pages of the device's, up to the last byte.
 */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define VA  (TEST_BASE + 0x6000) /* RAM, the APIC, RAM */
#define DEV (VA + 4096)
#define RW  (PTE_P | PTE_W)

/* clang-format off */
/* FORM(0, …): the outcome on a doubleword in RAM says what it must be in the register. The register
   has 8 bits that can be written, and takes accesses of 32 bits alone. */
FORM_TABLE(forms, "RBX=3; RSP=4; RSI=6; RDI=7\n"
           FORM(RBX, 0, 0, 0, 0, "movl (%rbx), %eax")
           FORM(RBX, 0, 0, 0, 0, "movl %eax, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "movl $0x35, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "addl %eax, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "addl (%rbx), %edx")
           FORM(RBX, 0, 0, 0, 0, "adcl $3, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "subl (%rbx), %edx")
           FORM(RBX, 0, 0, 0, 0, "andl $0xf3, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "orl $0x44, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "xorl $0x44, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "cmpl $0x21, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "testl %edx, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "incl (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "decl (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "xchgl %eax, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "xaddl %eax, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "lock addl $1, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "lock orl $0x44, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "movl $0x21, %eax; cmpxchgl %ecx, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "movl $0x21, %eax; lock cmpxchgl %ecx, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "btsl $3, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "btl $5, (%rbx); setc %al")
           FORM(RBX, 0, 0, 0, 0, "shll $1, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "cmovncl (%rbx), %r8d")
           FORM(RBX, 0, 0, 0, 0, "imull (%rbx), %r10d")
           FORM(RBX, 0, 0, 0, 0, "xorl %edx, %edx; divl (%rbx)")
           FORM(RSI, 0, 0, 0, 0, "lodsl; leaq -4(%rsi), %rsi")
           FORM(RDI, 0, 0, 0, 0, "stosl; leaq -4(%rdi), %rdi")
           FORM(RSI, 0, 0, 0, 0, "movsl; leaq -4(%rdi), %rdi; leaq -4(%rsi), %rsi")
           FORM(RDI, 0, 0, 0, 0, "movsl; leaq -4(%rdi), %rdi; leaq -4(%rsi), %rsi")
           FORM(RDI, 0, 0, 0, 0, "movl $1, %ecx; rep movsl; leaq -4(%rdi), %rdi; leaq -4(%rsi), %rsi")
           FORM(RDI, 0, 0, 0, 0, "scasl; leaq -4(%rdi), %rdi")
           FORM(RBX, 0, 0, 0, 0, "movd (%rbx), %xmm0; movd %xmm0, %eax")
           FORM(RBX, 0, 0, 0, 0, "movd %ecx, %xmm0; movss %xmm0, (%rbx)")
           FORM(RBX, 0, 0, 0, 0, "movntil %ecx, (%rbx)"));
/* clang-format on */

static page_aligned u8 code_page[4096], ram[2][4096];
static __attribute__((aligned(64))) u8 stack[256];
static u32 other[4];

static void run(const struct form *f, word at, struct stop *s)
{
    struct regs r = {0};
    regs_pattern(&r, 2);
    r.ip = (word)code_page;
    r.flags = 2;
    r.r[RAX] = 0x21, r.r[RCX] = 0x36, r.r[RDX] = 0x55;
    r.r[RBX] = r.r[RSI] = r.r[RDI] = (word)other;
    r.r[RSP] = (word)stack + 128;
    other[0] = 0x2b;
    *(volatile u32 *)at = 0x21;
    r.r[f->arg[0]] = at;
    CHECK_EQ(regs_run(&r, s), STOP_VECTOR);
    s->regs.r[f->arg[0]] -= at;
}

/* On RAM, then on the register, many times; undefined flags are not looked at. */
static void one(const struct form *f)
{
    struct stop want, got;
    test_case(f->text, "on RAM and on TPR", "in turns");
    u8 *p = emit(code_page, f->code, f->size);
    EMIT(p, STOP_BYTES);
    for (u32 i = 0; i < 20; i++) {
        word at = VA + (i & 1 ? 4096 - 4 : 2 * 4096);
        run(f, at, &want);
        u32 value = *(volatile u32 *)at, other_value = other[0];
        run(f, DEV + APIC_TPR, &got);
        want.regs.flags = got.regs.flags = 0;
        CHECK_REGS(&got.regs, &want.regs, 0);
        CHECK_EQ(*(volatile u32 *)(DEV + APIC_TPR), value);
        CHECK_EQ(apic_read(APIC_TPR), value);
        CHECK_EQ(other[0], other_value);
        apic_write(APIC_TPR, 0);
    }
}

/* RDI: a table of addresses, all increments go through the same instructions. */
CODE(turns, "xorl %eax, %eax\n1: movq (%rdi,%rax,8), %rbx\n addl $1, (%rbx)\n movl (%rbx), %edx\n"
            "addl $2, %edx\n movl %edx, (%rbx)\n addl %edx, %r8d\n incl %eax\n cmpl %ecx, %eax\n"
            "jb 1b\n" STOP);

static void in_turns(void)
{
    static word at[120];
    struct stop s;
    struct regs r = {.ip = (word)turns, .flags = 2};
    test("one loop over RAM and two registers");
    memset(ram, 0, sizeof(ram));
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_TIMER, LVT_MASKED);
    for (u32 i = 0; i < 120; i++)
        at[i] = (word[]){VA + 4092, DEV + APIC_TPR, VA + 8192, DEV + APIC_LVT_TIMER}[i & 3];
    for (u32 round = 0; round < 2; round++) {
        r.r[RDI] = (word)at, r.r[RCX] = 40, r.r[RSP] = (word)stack + 128;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    }
    CHECK_EQ(get32((void *)(VA + 4092)), 60);
    CHECK_EQ(get32((void *)(VA + 8192)), 60);
    CHECK_EQ(apic_read(APIC_TPR), 60);
    CHECK_EQ(apic_read(APIC_LVT_TIMER), LVT_MASKED | 60);
    apic_write(APIC_TPR, 0);
}

static void neighbours(void)
{
    test("RAM right before and behind the device");
    u8 *end = (u8 *)DEV, *behind = (u8 *)DEV + 4096;
    for (u32 i = 1; i <= 64; i++) {
        put8(end - i, (u8)i);
        put8(behind + i - 1, (u8)(i * 3));
    }
    for (u32 i = 8; i <= 64; i++) {
        u64 v;
        memcpy(&v, end - i, 8);
        CHECK_EQ(*(volatile u64 *)(end - i), v);
        CHECK_EQ((u8) * (volatile u64 *)(end - i), (u8)i);
        CHECK_EQ((u8) * (volatile u64 *)(behind + i - 8), (u8)((i - 7) * 3));
    }
    CHECK_EQ(ram[0][4095], 1);
    CHECK_EQ(ram[1][0], 3);
}

/* The page of a device becomes RAM and the other way round, in hot code. */
static void exchanged(void)
{
    test("the device's page is exchanged for RAM");
    for (u32 i = 0; i < 40; i++) {
        page_map(DEV, i & 1 ? (word)ram[0] : 0xfee00000u, i & 1 ? RW : RW | PTE_PCD);
        volatile u32 *at = (volatile u32 *)(DEV + APIC_TPR);
        for (u32 k = 0; k < 3; k++) {
            *at = 0x10 + k;
            *at += i;
        }
        CHECK_EQ(*at, 0x12 + i);
        CHECK_EQ(apic_read(APIC_TPR), 0x12 + (i & ~1u));
    }
    apic_write(APIC_TPR, 0);
}

GUEST("mmio")
{
    regs_catch_all();
    set_cr4(get_cr4() | CR4_OSFXSR);
    apic_enable();
    page_map(VA, (word)ram[0], RW);
    page_map(DEV, 0xfee00000u, RW | PTE_PCD);
    page_map(DEV + 4096, (word)ram[1], RW);
    for (const struct form *f = forms; f < forms_end; f++)
        one(f);
    in_turns();
    neighbours();
    exchanged();
}
