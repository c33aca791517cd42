/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Self-modifying code (SDM 3A 11.6, 8.1.3): the next instruction, the same block, another page, an
   instruction across pages, through another mapping, by string instructions, in a loop. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA (TEST_BASE + 0x90000)
static page_aligned u8 code[4 * 4096];
static const u8 template[] = {0xb8, 1, 0, 0, 0, 0xc3}; /* MOV EAX, 1; RET */

static u32 call(const void *at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "memory");
    return v;
}

static void another_block(void)
{
    test("another block");
    memcpy(code, template, sizeof(template));
    CHECK_EQ(call(code), 1);
    for (u8 i = 2; i < 50; i++) {
        put8(code + 1, i);
        CHECK_EQ(call(code), i);
    }
    memcpy(code + 8, code, 6);
    put8(code, 0xb9); /* MOV ECX, …: EAX stays */
    u32 v;
    asm volatile("movl $77, %%eax\n call *%1" : "=a"(v) : "r"(code) : "ecx", "memory");
    CHECK_EQ(v, 77);
}

static void next_instruction(void)
{
    u32 v;
    test("the next instruction");
    for (u32 i = 0; i < 5; i++) {
        asm volatile("movb %b1, 1f + 1(%%rip)\n1: movl $0, %0" : "=&a"(v) : "q"(i + 3) : "memory");
        CHECK_EQ(v, i + 3);
    }
}

static void loop(void)
{
    u32 v;
    test("a loop that counts in its own immediate");
    asm volatile("movl $20, %%ecx\n"
                 "1: movl $100, %0\n"
                 "incl 1b + 1(%%rip)\n"
                 "loop 1b"
                 : "=a"(v)
                 :
                 : "rcx", "memory", "cc");
    CHECK_EQ(v, 119);
}

static void pages(void)
{
    test("across pages");
    u8 *at = code + 4096 - 3; /* the immediate is cut in two */
    memcpy(at, template, sizeof(template));
    CHECK_EQ(call(at), 1);
    put8(at + 1, 9);
    CHECK_EQ(call(at), 9);
    put8(at + 3, 1); /* on the second page */
    CHECK_EQ(call(at), 0x10009);
    put8(at + 4, 2);
    CHECK_EQ(call(at), 0x2010009);
    memcpy(code + 3 * 4096, template, sizeof(template));
    for (u8 i = 1; i < 20; i++) {
        put8(code + 3 * 4096 + 1, i);
        CHECK_EQ(call(code + 3 * 4096), i);
    }
}

static void aliases(void)
{
    test("through another mapping");
    page_map(VA, (word)code, PTE_P | PTE_W);
    page_map(VA + 4096, (word)code, PTE_P);
    u8 *write = (u8 *)VA, *run = (u8 *)VA + 4096;
    memcpy(write, template, sizeof(template));
    for (u8 i = 1; i < 20; i++) {
        put8(write + 1, i);
        CHECK_EQ(call(run), i);
        put8(write + 1, (u8)(i + 100));
        CHECK_EQ(call(code), i + 100);
    }
    test("another page at the same address");
    memcpy(code + 4096, template, sizeof(template));
    memcpy(code + 8192, template, sizeof(template));
    put8(code + 8192 + 1, 2);
    for (unsigned i = 0; i < 10; i++) {
        page_map(VA, (word)code + 4096 * (1 + (i & 1)), PTE_P);
        CHECK_EQ(call((void *)VA), 1 + (i & 1));
    }
}

static void strings(void)
{
    test("by string instructions");
    u8 other[] = {0xb8, 42, 0, 0, 0, 0xc3};
    memcpy(code, template, sizeof(template));
    CHECK_EQ(call(code), 1);
    void *d = code;
    const void *s = other;
    u64 n = sizeof(other);
    asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    CHECK_EQ(call(code), 42);
    /* REP STOSB in the code that follows itself. */
    memset(code + 64, 0x90, 64);
    memcpy(code + 64, "\xf3\xaa", 2);
    code[64 + 40] = 0xc3;
    d = code + 64 + 8, n = 16;
    asm volatile("call *%2" : "+D"(d), "+c"(n) : "r"(code + 64), "a"(0x90) : "memory");
    CHECK_EQ(n, 0);
    CHECK_EQ(call(code), 42);
}

static void stack(void)
{
    test("by pushes");
    memcpy(code, template, sizeof(template));
    CHECK_EQ(call(code), 1);
    asm volatile("movq %%rsp, %%rbx\n movq %0, %%rsp\n pushq %1\n movq %%rbx, %%rsp"
                 :
                 : "r"(code + 8), "r"(0x9090c300000007b8ull)
                 : "rbx", "memory");
    CHECK_EQ(call(code), 7);
}

static void many(void)
{
    test("many blocks");
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 128; i++) {
            u8 *at = code + i * 64;
            memcpy(at, template, sizeof(template));
            put8(at + 1, (u8)(i + round));
        }
        u32 sum = 0;
        for (unsigned i = 0; i < 128; i++)
            sum += call(code + i * 64);
        CHECK_EQ(sum, 127 * 128 / 2 + 128 * round);
    }
}

GUEST("smc")
{
    another_block();
    next_instruction();
    loop();
    pages();
    aliases();
    strings();
    stack();
    many();
}
