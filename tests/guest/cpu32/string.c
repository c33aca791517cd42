/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String instructions: directions, overlaps, 16-bit addresses, repeat counts, and faults in the
   middle, which leave the registers at the element that faulted (SDM 2B REP). */
#include "desc.h"
#include "io.h"
#include "trap.h"

static u8 a[64], b[64];

static void fill(void)
{
    for (unsigned i = 0; i < 64; i++) {
        a[i] = (u8)i;
        b[i] = (u8)(0x80 + i);
    }
}

static void moves(void)
{
    u8 *s = a, *d = b;
    u32 n = 5;
    test("MOVS");
    fill();
    asm volatile("cld\n rep movsl" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK(s == a + 20 && d == b + 20 && n == 0);
    CHECK_EQ(memcmp(a, b, 20), 0);
    CHECK_EQ(b[20], 0x80 + 20);
    s = a + 63, d = b + 63, n = 4;
    asm volatile("std\n rep movsb\n cld" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK(s == a + 59 && d == b + 59);
    CHECK_EQ(b[60], 60);
    CHECK_EQ(b[59], 0x80 + 59);
    s = a, d = b, n = 0;
    asm volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK(s == a && d == b);
    test("MOVS on itself");
    fill();
    s = a, d = a + 1, n = 63;
    asm volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK_EQ(a[63], 0);
    CHECK_EQ(a[32], 0);
    fill();
    s = a, d = a + 3, n = 10;
    asm volatile("rep movsl" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK_EQ(a[3], 0);
    CHECK_EQ(a[6], 3); /* read before it was written */
    CHECK_EQ(a[10], 7);
    CHECK_EQ(a[7], 1);
    CHECK_EQ(a[5], 2);
}

static void compares(void)
{
    u8 *s = a, *d = b;
    u32 n = 64;
    bool z;
    test("CMPS and SCAS");
    memset(a, 7, 64);
    memset(b, 7, 64);
    b[10] = 8;
    asm volatile("repe cmpsb" : "+S"(s), "+D"(d), "+c"(n), "=@ccz"(z) : : "memory");
    CHECK(s == a + 11 && d == b + 11 && n == 53 && !z);
    s = a, d = b, n = 64;
    b[10] = 7;
    asm volatile("repe cmpsb" : "+S"(s), "+D"(d), "+c"(n), "=@ccz"(z) : : "memory");
    CHECK(n == 0 && z);
    d = b, n = 64, b[20] = 9;
    asm volatile("repne scasb" : "+D"(d), "+c"(n), "=@ccz"(z) : "a"(9) : "memory");
    CHECK(d == b + 21 && n == 43 && z);
    d = b, n = 0;
    asm volatile("cmpl $1, %1\n repe scasb" : "+D"(d), "+c"(n), "=@ccz"(z) : "a"(9) : "memory");
    CHECK(!z && d == b); /* no iteration, no flags */
    s = a, d = b;
    bool c;
    a[0] = 1, b[0] = 2;
    asm volatile("cmpsb" : "+S"(s), "+D"(d), "=@ccc"(c) : : "memory");
    CHECK(c); /* [ESI] - [EDI] */
}

static void loads_and_stores(void)
{
    u8 *s = a + 1, *d = b;
    u32 n = 3, v = 0xaaaaaaaa;
    test("LODS and STOS");
    fill();
    asm volatile("rep lodsw" : "+S"(s), "+c"(n), "+a"(v) : : "memory");
    CHECK_EQ(v, 0xaaaa0605);
    CHECK(s == a + 7);
    n = 4;
    asm volatile("rep stosl" : "+D"(d), "+c"(n) : "a"(0x01020304) : "memory");
    CHECK(d == b + 16 && b[15] == 1 && b[12] == 4 && b[16] == 0x90);
}

static void small_addresses(void)
{
    u32 s = 0xabcd0000 | 0x9000, d = 0x12349100, n = 0x55550004;
    volatile u8 *low = (volatile u8 *)0x9000;
    test("16-bit addresses");
    for (unsigned i = 0; i < 4; i++)
        low[i] = (u8)(i + 1);
    asm volatile("addr16 rep movsb" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK_EQ(s, 0xabcd9004);
    CHECK_EQ(d, 0x12349104);
    CHECK_EQ(n, 0x55550000);
    CHECK_EQ(low[0x103], 4);
    volatile u8 *zero = (volatile u8 *)0;
    asm volatile("" : "+r"(zero));
    zero[0xffff] = 0x11, zero[0] = 0x22;
    s = 0x7777ffff, d = 0x9200, n = 2;
    asm volatile("addr16 rep movsb" : "+S"(s), "+D"(d), "+c"(n) : : "memory");
    CHECK_EQ(s, 0x77770001); /* SI wraps */
    CHECK_EQ(low[0x200] | low[0x201] << 8, 0x2211);
}

static void faults(void)
{
    test("faults in the middle");
    fill();
    gdt_set(FREE_SEL, (word)a, 9, AR_DATA | AR_DB);
    gdt_set(FREE_SEL + 8, (word)b, 0xfff, AR_DATA | AR_DB);
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("movl %0, %%fs\n" AT "rep movsl %%fs:(%%esi), %%es:(%%edi)"
                               :
                               : "r"(FREE_SEL), "S"(0), "D"(b), "c"(5)
                               : "memory"));
    CHECK_EQ(last_trap.si, 8);
    CHECK_EQ(last_trap.di, (word)b + 8);
    CHECK_EQ(last_trap.cx, 3);
    CHECK_EQ(b[7], 7);
    CHECK_EQ(b[8], 0x88);
    CHECK_EQ(last_trap.flags & FLAG_RF, FLAG_RF);
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("movl %0, %%es\n movl $20, %%ecx\n xorl %%edi, %%edi\n" AT
                               "rep stosb"
                               :
                               : "r"(FREE_SEL), "a"(0x55)
                               : "ecx", "edi", "memory"));
    CHECK_EQ(last_trap.di, 10);
    CHECK_EQ(last_trap.cx, 10);
    CHECK_EQ(a[9], 0x55);
    CHECK_EQ(a[10], 10);
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("movl %0, %%fs\n std\n" AT "rep lodsb %%fs:(%%esi), %%al"
                               :
                               : "r"(FREE_SEL), "S"(2), "c"(9)
                               : "eax", "memory"));
    CHECK_EQ(last_trap.si, 0xffffffff);
    CHECK_EQ(last_trap.cx, 6);
    CHECK_RUNS(asm volatile("movl %0, %%fs\n rep lodsb %%fs:(%%esi), %%al"
                            :
                            : "r"(0), "S"(0), "c"(0)
                            : "eax", "memory")); /* nothing is touched */
}

GUEST("string")
{
    moves();
    compares();
    loads_and_stores();
    small_addresses();
    faults();
}
