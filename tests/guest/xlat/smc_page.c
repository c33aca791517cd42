/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that hold code and data, or now this and now that: hot data beside hot code, a small
   just-in-time compiler in one page and over several, direct calls to code that was replaced,
   instructions that overlap, stores that reach over into code, stacks on a page of code. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define PAGES 8
static page_aligned u8 code[PAGES * 4096];

static u32 call(const void *at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "rcx", "rdx", "memory", "cc");
    return v;
}

/* MOV EAX, v; RET */
static void put_function(u8 *p, u32 v)
{
    *p = 0xb8;
    put32(p + 1, v);
    put8(p + 5, 0xc3);
}

static void hot_data(void)
{
    test("data beside code that runs");
    memset(code, 0xcc, 4096);
    u8 *f = code + 0x7f8;
    for (u32 round = 0; round < 12; round++) {
        put_function(f, round);
        bool ok = true;
        for (u32 i = 0; i < 400; i++) {
            u32 at = i * 52 & 0xffc;
            if (at < 0x7f4 || at > 0x800) /* what is not the function */
                put32(code + at, i);
            put8(f - 1, (u8)i);
            put8(f + 6, (u8)i);
            ok = ok && call(f) == round && *(volatile u8 *)(f + 6) == (u8)i;
        }
        CHECK(ok);
    }
    test("data beside code: after many writes the code is changed");
    for (u32 i = 0; i < 3000; i++) {
        put32(code + 0x100, i);
        if ((i & 255) == 255)
            put_function(f, i);
        if (i >= 255 && call(f) != (i + 1) / 256 * 256 - 1) {
            CHECK_EQ(call(f), (i + 1) / 256 * 256 - 1);
            break;
        }
    }
}

CODE(own_counter, "incl 1f(%rip)\n movl 1f(%rip), %eax\n ret\n1: .long 0");
CODE(own_loop,
     "movl $500, %ecx\n"
     "2: addl $3, 1f(%rip)\n movl 1f(%rip), %eax\n loop 2b\n ret\n .balign 4\n1: .long 0");

static void own_data(void)
{
    test("a function that counts behind its own end");
    memcpy(code, own_counter, (size_t)(own_counter_end - own_counter));
    bool ok = true;
    for (u32 i = 1; i <= 500; i++)
        ok = ok && call(code) == i;
    CHECK(ok);
    test("a loop that counts behind its own end");
    memcpy(code + 64, own_loop, (size_t)(own_loop_end - own_loop));
    for (u32 i = 1; i <= 4; i++)
        CHECK_EQ(call(code + 64), i * 1500);
    put8(code + 64 + 11, 7); /* the 3 of ADDL */
    CHECK_EQ(call(code + 64), 6000 + 500 * 7);
}

/* A function of some shape that returns n; at most 24 bytes. */
static u8 *put_shape(u8 *p, u32 n)
{
    switch (n % 4) {
    case 0:
        p = EMIT(p, 0xb8);
        p = emit_le(p, n, 4);
        return EMIT(p, 0xc3);
    case 1: /* MOV EAX; ADD EAX, 77; RET */
        p = EMIT(p, 0xb8);
        p = emit_le(p, n - 77, 4);
        return EMIT(p, 0x83, 0xc0, 77, 0xc3);
    case 2: /* XOR EAX, EAX; JMP +3; INT3…; LEA EAX, [RAX + n]; RET */
        p = EMIT(p, 0x31, 0xc0, 0xeb, 3, 0xcc, 0xcc, 0xcc, 0x8d, 0x80);
        p = emit_le(p, n, 4);
        return EMIT(p, 0xc3);
    }
    /* MOV ECX, 5; MOV EAX, n - 5; 1: INC EAX; DEC ECX; JNZ 1b; RET */
    p = EMIT(p, 0xb9, 5, 0, 0, 0, 0xb8);
    p = emit_le(p, n - 5, 4);
    return EMIT(p, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xfa, 0xc3);
}

static void jit(u32 bytes, u32 functions, const char *name)
{
    test(name);
    u8 *p = code;
    u64 state = 1;
    u8 *old = NULL;
    u32 old_n = 0;
    for (u32 i = 0; i < functions; i++) {
        if (p + 32 > code + bytes)
            p = code + (i & 7), old = NULL;
        u32 n = (u32)random64(&state);
        u8 *f = p;
        p = put_shape(p, n);
        if (call(f) != n && !CHECK_EQ(call(f), n))
            return;
        if (old && call(old) != old_n && !CHECK_EQ(call(old), old_n))
            return;
        if (i % 3 == 0)
            old = f, old_n = n;
    }
    CHECK(true);
}

static void direct_calls(void)
{
    test("a direct call to a function that is replaced");
    memset(code, 0xcc, sizeof(code));
    static const u32 where[] = {0x100, 0x1100, 0x2ff0};
    for (u32 k = 0; k < ARRAY_SIZE(where); k++) {
        u8 *to = code + where[k];
        u8 *p = emit_rel32(code, 0xe8, to);
        p = EMIT(p, 0xff, 0xc0, 0xc3); /* INC EAX; RET */
        emit_rel32(code + 0x40, 0xe9, to);
        for (u32 i = 0; i < 50; i++) {
            put_function(to, i);
            if (i & 1)
                put_shape(to, i * 4 + 3);
            u32 want = i & 1 ? i * 4 + 3 : i;
            CHECK_EQ(call(code), want + 1);
            CHECK_EQ(call(code + 0x40), want);
        }
    }
    test("the displacement of a call and of a jump is patched");
    for (u32 i = 0; i < 64; i++) {
        u8 *to = code + (i * 0x230 & 0x3ff0) + 0x80;
        put_function(to, i);
        put32(code + 1, (u32)(to - (code + 5)));
        put32(code + 0x41, (u32)(to - (code + 0x45)));
        CHECK_EQ(call(code), i + 1);
        CHECK_EQ(call(code + 0x40), i);
    }
}

static void conditional(void)
{
    test("the condition of a jump is patched in a loop");
    /* XOR EAX, EAX; MOV ECX, 40; 1: XORB $1, 2f; CMP ECX, ECX; 2: JE +2; INC EAX; DEC ECX; JNZ 1b
     */
    static const u8 text[] = {0x31, 0xc0, 0xb9, 40,   0,    0,    0,    0x80, 0x35,
                              2,    0,    0,    0,    1,    0x39, 0xc9, 0x74, 0x02,
                              0xff, 0xc0, 0xff, 0xc9, 0x75, 0xef, 0xc3};
    memcpy(code + 0x300, text, sizeof(text));
    CHECK_EQ(call(code + 0x300), 20);
    CHECK_EQ(call(code + 0x300), 20);
}

static void lengths(void)
{
    test("instructions change their length");
    static const u8 text[][8] = {
        {0xb8, 0x40, 0x40, 0x90, 0xc3, 0xc3}, /* MOV EAX, c3904040; RET */
        {0x31, 0xc0, 0x40, 0x90, 0xc3, 0xc3}, /* XOR EAX, EAX; REX NOP; RET */
        {0x6a, 0x40, 0x58, 0x90, 0xc3, 0xc3}, /* PUSH 40h; POP RAX; NOP; RET */
        {0x66, 0xb8, 0x40, 0x90, 0xc3, 0xc3}, /* MOV AX, 9040h; RET */
    };
    static const u32 want[] = {0xc3904040, 0, 0x40, 0x9040};
    u8 *p = code + 0x500;
    for (u32 i = 0; i < 40; i++) {
        u32 k = i * 7 % 4 ^ (i >> 3 & 3);
        put8(p, text[k][0]), put8(p + 1, text[k][1]);
        put8(p + 2, text[k][2]), put8(p + 3, text[k][3]);
        put8(p + 4, text[k][4]), put8(p + 5, text[k][5]);
        CHECK_EQ(call(p) & (k == 3 ? 0xffff : ~0u), want[k]);
    }
    test("two ways to read the same bytes");
    static const u8 two[] = {0xb8, 0xb8, 5, 0, 0, 0, 0xc3}; /* +0: MOV EAX, 5B8h; ADD BL, AL */
    memcpy(p, two, sizeof(two));
    put8(p + 5, 0x90), put8(p + 6, 0xc3); /* +0: MOV EAX, 5B8h; NOP; RET; +1: MOV EAX, 90000005h */
    for (u8 i = 0; i < 20; i++) {
        put8(p + 2, i);
        CHECK_EQ(call(p), 0xb8u | (u32)i << 8);
        CHECK_EQ(call(p + 1), 0x90000000u | i);
    }
}

static void reach_over(void)
{
    test("a store from the page before reaches into code");
    u8 *f = code + 4096;
    for (u32 size = 2; size <= 16; size *= 2)
        for (u32 i = 0; i < 12; i++) {
            put_function(f, 1);
            CHECK_EQ(call(f), 1);
            u8 bytes[16], *at = f - size / 2;
            memcpy(bytes, at, 16);
            bytes[size / 2] = i & 1 ? 0xb9 : 0xb8; /* MOV ECX: EAX stays */
            if (size > 2)
                bytes[size / 2 + 1] = (u8)(40 + i);
            if (size == 2)
                asm volatile("movw %w0, (%1)" : : "r"(*(u16 *)bytes), "r"(at) : "memory");
            else if (size == 4)
                asm volatile("xchgl %0, (%1)" : : "r"(*(u32 *)bytes), "r"(at) : "memory");
            else if (size == 8)
                asm volatile("movq %0, (%1)" : : "r"(*(u64 *)bytes), "r"(at) : "memory");
            else
                asm volatile("movups %0, %%xmm0\n movups %%xmm0, (%1)"
                             :
                             : "m"(bytes), "r"(at)
                             : "memory");
            u32 v;
            asm volatile("movl $9, %%eax\n call *%1" : "=&a"(v) : "r"(f) : "rcx", "memory");
            CHECK_EQ(v, i & 1 ? 9 : size > 2 ? 40 + i : 1);
        }
}

static void and_back(void)
{
    test("code, data, code again");
    u8 *page = code + 2 * 4096;
    for (u32 i = 0; i < 60; i++) {
        u32 at = i * 89 & 0xfff0;
        put_function(page + at % 4080, i);
        CHECK_EQ(call(page + at % 4080), i);
        u64 *data = (u64 *)page, sum = 0;
        for (u32 k = 0; k < 512; k++)
            data[k] = k * i;
        for (u32 k = 0; k < 512; k++)
            sum += *(volatile u64 *)&data[k];
        CHECK_EQ(sum, 512 * 511 / 2 * i);
    }
}

CODE(int_handler, "iretq");

/* A return address with bytes B0 xx C3 at its start is MOV AL, xx; RET where it is pushed. */
static void stacks(void)
{
    u8 *page = (u8 *)0xc34000ull, *slot = page + 0x808; /* INT aligns RSP */
    static const char *const name[] = {"CALL writes code", "INT writes code"};
    idt_set(0x40, KERNEL_CS, (word)int_handler, AR_INT32, 0);
    for (u32 i = 0; i < 20; i++) {
        u8 n = (u8)(i * 3 + 0x41);
        test(name[i & 1]);
        put_function(slot, 0x100);
        CHECK_EQ(call(slot), 0x100);
        u8 *end = (u8 *)(0xc300b0ull | n << 8); /* where the pushed address points */
        u8 *start =
            i & 1 ? EMIT(end - 2, 0xcd, 0x40) - 2 : emit_rel32(end - 5, 0xe8, page + 0x10) - 5;
        EMIT(page + 0x10, 0xc3);
        EMIT(end, 0xff, 0xe6); /* JMP RSI */
        u32 v;
        asm volatile("movq %%rsp, %%rbx\n movq %1, %%rsp\n leaq 1f(%%rip), %%rsi\n jmp *%2\n"
                     "1: movq %%rbx, %%rsp\n xorl %%eax, %%eax\n call *%3"
                     : "=&a"(v)
                     : "r"(i & 1 ? slot + 40 : slot + 8), "r"(start), "r"(slot)
                     : "rbx", "rcx", "rdx", "rsi", "memory", "cc");
        CHECK_EQ(v, n);
    }
}

GUEST("smc-page")
{
    set_cr4(get_cr4() | CR4_OSFXSR);
    hot_data();
    own_data();
    jit(4096, 3000, "JIT in a page");
    jit(PAGES * 4096, 4000, "JIT in several pages");
    direct_calls();
    conditional();
    lengths();
    reach_over();
    and_back();
    stacks();
}
