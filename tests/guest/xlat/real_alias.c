/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real mode: the same code by many pairs of CS and IP, code changed through other segments,
   segments changed in the middle of a block, interrupts in a hot loop. */
#include "io.h"
#include "real.h"

static u8 code[64] __attribute__((aligned(16)));
static struct {
    u16 off, sel;
} far;

/* A far call of what is in `code` by the segment k. */
static u32 call(u16 k)
{
    u32 v;
    far.off = (u16)((u32)code - 16 * k);
    far.sel = k;
    asm volatile("lcallw *%1" : "=a"(v) : "m"(far) : "ecx", "edx", "memory", "cc");
    return v;
}

static void addresses(void)
{
    static const u8 pushes[] = {0xe8, 0, 0, 0x58, 0xcb}; /* CALL +0; POP AX; LRET */
    test("the return address is IP's");
    memcpy(code, pushes, sizeof(pushes));
    for (u16 n = 0; n < 300; n++) {
        u16 k = n * 7 % 16;
        CHECK_EQ(call(k) & 0xffff, (u16)((u32)code - 16 * k + 3));
    }
    test("near jumps stay in the segment");
    static const u8 back[] = {0xe8, 1,    0,   0xcb,
                              0x58, 0xff, 0xe0}; /* CALL +1; LRET; POP AX; JMP AX */
    memcpy(code, back, sizeof(back));
    for (u16 n = 0; n < 300; n++) {
        u16 k = n * 5 % 16;
        CHECK_EQ(call(k) & 0xffff, (u16)((u32)code - 16 * k + 3));
    }
}

static void modified(void)
{
    test("code changed through another segment");
    static const u8 text[] = {0x66, 0xb8, 1, 0, 0, 0, 0xcb}; /* MOV EAX, imm32; LRET */
    memcpy(code, text, sizeof(text));
    for (u32 n = 0; n < 200; n++) {
        u16 k = n % 16;
        asm volatile("movw %w0, %%fs\n movl %1, %%fs:2(%2)\n movw %3, %%fs"
                     :
                     : "r"(k), "r"(n * 0x10001), "r"((u32)code - 16 * k), "r"((u16)0)
                     : "memory");
        CHECK_EQ(call((u16)(n * 3 % 16)), n * 0x10001);
    }
}

static void segments(void)
{
    test("FS changed in a block");
    static u8 data[64] __attribute__((aligned(16)));
    for (u8 i = 0; i < 64; i++)
        data[i] = i;
    u16 base = (u16)((u32)data >> 4);
    for (u16 n = 0; n < 100; n++) {
        u32 a = 0, c = 0, d = 0;
        u16 one = base + n % 3, two = base + n / 3 % 3;
        asm volatile("movw %3, %%fs\n movb %%fs:5, %b0\n movw %4, %%fs\n movb %%fs:5, %b1\n"
                     "movw %3, %%fs\n movb %%fs:6, %b2\n movw %5, %%fs"
                     : "+a"(a), "+c"(c), "+d"(d)
                     : "r"(one), "r"(two), "r"((u16)0)
                     : "memory");
        CHECK_EQ(a, 16 * (n % 3) + 5);
        CHECK_EQ(c, 16 * (n / 3 % 3) + 5);
        CHECK_EQ(d, 16 * (n % 3) + 6);
    }
}

extern u8 real_isr[];
extern u32 ints; /* counted there */

static void interrupts(void)
{
    test("interrupts in a loop, flags live");
    ivt_set(0x60, 0, real_isr);
    for (u32 n = 1; n < 4; n++) {
        u32 left = 500, taken = 0;
        ints = 0;
        asm volatile("1: subl $1, %0\n int $0x60\n jz 2f\n incl %1\n jmp 1b\n2:"
                     : "+r"(left), "+r"(taken)
                     :
                     : "memory", "cc");
        CHECK_EQ(left, 0);
        CHECK_EQ(taken, 499);
        CHECK_EQ(ints, 500);
    }
    ivt_reset(0x60);
}

GUEST("real-alias")
{
    addresses();
    modified();
    segments();
    interrupts();
}
