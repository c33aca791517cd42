/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Indirect jumps, calls and returns to many targets: addresses that agree in all bits a cache may
 * use but one (page offset, low 32 bits, sign), calls and returns that do not pair (changed return
 * addresses, stacks switched, retpolines), deep recursion, jump tables, the same address in code of
 * 64 and of 32 bits.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define PLACES 40u

static page_aligned u8 page[PLACES][4096];
static word at[PLACES];

static u32 call(word to)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(to) : "rcx", "rdx", "memory", "cc");
    return v;
}

static u32 jump(word to)
{
    u32 v;
    asm volatile("leaq 1f(%%rip), %%rcx\n pushq %%rcx\n jmp *%1\n1:"
                 : "=a"(v)
                 : "r"(to)
                 : "rcx", "rdx", "memory");
    return v;
}

static u32 by_ret(word to)
{
    u32 v;
    asm volatile("leaq 1f(%%rip), %%rcx\n pushq %%rcx\n pushq %1\n ret\n1:"
                 : "=a"(v)
                 : "r"(to)
                 : "rcx", "rdx", "memory");
    return v;
}

/* Pages whose addresses differ in one bit, or in the sign. */
static void build(void)
{
    for (u32 i = 0; i < PLACES; i++) {
        word va = TEST_BASE + 0x5000;
        if (i >= 1 && i < 28)
            va ^= BIT64(11 + i); /* bits 12 to 38 */
        else if (i >= 28 && i < 36)
            va += (i - 27) * 0x100000000ull * 3;
        else if (i >= 36)
            va = 0xffffff8000005000ull + (i - 36) * 0x100000000ull;
        at[i] = va;
        page_map(va, (word)page[i], PTE_P | PTE_W);
        memset(page[i], 0xcc, 4096);
        for (u32 k = 0; k < 4; k++) { /* at 0, 3FFh, 7FEh, BFDh: MOV EAX, n; RET */
            u8 *p = emit_le(EMIT(page[i] + k * 0x3ff, 0xb8), 10 * i + k, 4);
            EMIT(p, 0xc3);
        }
    }
}

static void many(void)
{
    u64 chance = 3;
    test("targets that agree in most bits of the address");
    for (u32 n = 0; n < 20000; n++) {
        u64 r = random64(&chance) >> 16;
        u32 i = (u32)r % PLACES, k = (u32)(r >> 20) & 3, v;
        word to = at[i] + k * 0x3ff;
        v = n % 3 == 0 ? call(to) : n % 3 == 1 ? jump(to) : by_ret(to);
        if (v != 10 * i + k && !CHECK_EQ(v, 10 * i + k))
            break;
    }
    CHECK(true);
}

/* RDX: where the changed return address leads; RAX counts. */
CODE(odd_returns, "xorl %eax, %eax\n movl $200, %ecx\n"
                  "1: call 5f\n addl $1, %eax\n"                        /* comes back here … */
                  "2: addl $0x10000, %eax\n decl %ecx\n jnz 1b\n ret\n" /* … or here */
                  "5: testl $1, %ecx\n jz 6f\n leaq 2b(%rip), %rdx\n movq %rdx, (%rsp)\n6: ret");
CODE(retpoline,
     "xorl %eax, %eax\n movl $300, %ecx\n1: leaq 5f(%rip), %rdx\n testl $1, %ecx\n jz 2f\n"
     "leaq 6f(%rip), %rdx\n2: call 3f\n4: pause\n lfence\n jmp 4b\n3: movq %rdx, (%rsp)\n ret\n"
     "5: addl $1, %eax\n jmp 7f\n6: addl $0x10000, %eax\n7: decl %ecx\n jnz 1b\n ret");
/* Call, and the callee throws its return address away; the stack is put right at the end. */
CODE(never_returns,
     "movq %rsp, %r8\n xorl %eax, %eax\n movl $100, %ecx\n1: call 2f\n ud2\n2: addl $1, %eax\n"
     "loop 1b\n movq %r8, %rsp\n ret");
CODE(recursion,
     "movl $1000, %ecx\n xorl %eax, %eax\n1: addl %ecx, %eax\n decl %ecx\n jz 2f\n call 1b\n"
     "2: addl $1, %eax\n ret");
CODE(tail_calls,
     "movl $300, %ecx\n xorl %eax, %eax\n jmp 1f\n3: ret\n1: leaq 2f(%rip), %rdx\n pushq %rdx\n"
     "jmp 3b\n ud2\n2: addl $1, %eax\n loop 1b\n ret");
/* Two stacks take turns: R8 and RSP are exchanged in each step. */
CODE(coroutines,
     "xorl %eax, %eax\n movl $200, %ecx\n leaq 8f(%rip), %rdx\n subq $8, %r8\n movq %rdx, (%r8)\n"
     "1: call 9f\n addl $1, %eax\n decl %ecx\n jnz 1b\n ret\n"
     "8: addl $0x100, %eax\n call 9f\n addl $0x10000, %eax\n call 9f\n jmp 8b\n"
     "9: xchgq %rsp, %r8\n ret");

static u32 run(const u8 *text)
{
    static u64 second_stack[128];
    register u64 r8 asm("r8") = (word)&second_stack[120];
    u32 v;
    asm volatile("call *%2" : "=a"(v), "+r"(r8) : "r"(text) : "rcx", "rdx", "memory", "cc");
    return v;
}

static void unpaired(void)
{
    for (u32 n = 0; n < 5; n++) {
        test("changed return addresses");
        CHECK_EQ(run(odd_returns), 100 + 200 * 0x10000);
        test("retpolines");
        CHECK_EQ(run(retpoline), 150 + 150 * 0x10000);
        test("calls that do not return");
        CHECK_EQ(run(never_returns), 100);
        test("deep recursion");
        CHECK_EQ(run(recursion), 500500 + 1000);
        test("returns without calls");
        CHECK_EQ(run(tail_calls), 300);
        test("two stacks");
        CHECK_EQ(run(coroutines), 200 + 100 * 0x100 + 100 * 0x10000);
    }
}

static void tables(void)
{
    static page_aligned u8 text[4096];
    static const u8 *table[256];
    test("a jump table of 256");
    for (u32 i = 0; i < 256; i++) { /* ADD EAX, i; JMP RDX */
        u8 *p = EMIT(text + 12 * i, 0x05);
        p = emit_le(p, i, 4);
        EMIT(p, 0xff, 0xe2);
        table[i] = text + 12 * i;
    }
    u32 v = 0, want = 0;
    u64 chance = 9;
    for (u32 n = 0; n < 20000; n++) {
        u32 i = (u32)(random64(&chance) >> 30) & 255;
        asm volatile("leaq 1f(%%rip), %%rdx\n jmp *(%1,%q2,8)\n1:"
                     : "+a"(v)
                     : "r"(table), "r"((u64)i)
                     : "rdx", "memory", "cc");
        want += i;
    }
    CHECK_EQ(v, want);
}

/* At one low address: 64-bit code and 32-bit code reach it by an indirect jump. MOV EAX, 1; (INC
   EAX or REX NOP); JMP RCX or ECX to a landing of the mode. */
LOW_CODE(".code32", shared_code, "movl $1, %eax\n .byte 0x40\n nop\n jmp *%ecx");
LOW_CODE(".code32", from32, "movl $shared_code, %edx\n movl $1f, %ecx\n jmp *%edx\n nop\n1: " STOP);
CODE(from64, "movl $shared_code, %edx\n leaq 1f(%rip), %rcx\n jmp *%rdx\n nop\n1: " STOP);

static void two_modes(void)
{
    static u8 stack[256] __attribute__((aligned(16)));
    test("the same target in 64-bit and 32-bit code");
    for (u32 n = 0; n < 500; n++) {
        struct stop s;
        bool old = n * 7 & 8;
        struct regs r = {
            .ip = (word)(old ? from32 : from64), .flags = 2, .cs = old ? CS32_SEL : KERNEL_CS};
        r.r[RSP] = (word)stack + 128;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ((u32)s.regs.r[RAX], old ? 2 : 1);
    }
}

GUEST("targets")
{
    regs_catch_all();
    build();
    many();
    unpaired();
    tables();
    two_modes();
}
