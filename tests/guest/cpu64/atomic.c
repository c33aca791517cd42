/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CMPXCHG in all widths, CMPXCHG8B and 16B, XADD, XCHG, the locked forms of the rest, bit
   operations with large offsets, and string instructions with 64-bit counts, on one CPU. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

static __attribute__((aligned(16))) u64 mem[8];

static void cmpxchg(void)
{
    u64 a;
    bool z;
    test("CMPXCHG");
    mem[0] = 0x1122334455667788ull;
    a = 0x88;
    asm volatile("lock cmpxchgb %b3, %1" : "+a"(a), "+m"(mem[0]), "=@ccz"(z) : "r"(0xffull));
    CHECK(z && mem[0] == 0x11223344556677ffull);
    a = 0xdeadbeef00000000ull;
    asm volatile("lock cmpxchgl %k3, %1" : "+a"(a), "+m"(mem[0]), "=@ccz"(z) : "r"(1ull));
    CHECK(!z);
    CHECK_EQ(a, 0x556677ff); /* a 32-bit load zero-extends */
    a = 0xdeadbeef556677ffull;
    asm volatile("cmpxchgl %k3, %1" : "+a"(a), "+m"(mem[0]), "=@ccz"(z) : "r"(1ull));
    CHECK(z && mem[0] == 0x1122334400000001ull);
    CHECK_EQ(a, 0xdeadbeef556677ffull); /* success leaves all of RAX */
    asm volatile("cmpxchgq %3, %1" : "+a"(a), "+m"(mem[0]), "=@ccz"(z) : "r"(5ull));
    CHECK(!z && a == 0x1122334400000001ull);
    u64 r = 0xffffffff00000007ull;
    a = 7;
    asm volatile("cmpxchgl %k3, %k1" : "+a"(a), "+r"(r), "=@ccz"(z) : "r"(9ull));
    CHECK(z && r == 9);
}

static void wide(void)
{
    u64 a = 1, d = 2, b = 3, c = 4;
    bool z;
    test("CMPXCHG8B and CMPXCHG16B");
    mem[0] = 0x0000000200000001ull;
    asm volatile("lock cmpxchg8b %0" : "+m"(mem[0]), "+a"(a), "+d"(d), "=@ccz"(z) : "b"(b), "c"(c));
    CHECK(z && mem[0] == 0x0000000400000003ull);
    a = d = ~0ull;
    asm volatile("lock cmpxchg8b %0" : "+m"(mem[0]), "+a"(a), "+d"(d), "=@ccz"(z) : "b"(b), "c"(c));
    CHECK(!z && a == 3 && d == 4);
    if (!(cpuid(1, 0).ecx & BIT(13)))
        return;
    mem[0] = 0x11, mem[1] = 0x22, a = 0x11, d = 0x22;
    asm volatile("lock cmpxchg16b %0"
                 : "+m"(*(u64(*)[2])mem), "+a"(a), "+d"(d), "=@ccz"(z)
                 : "b"(0x33ull), "c"(0x44ull));
    CHECK(z && mem[0] == 0x33 && mem[1] == 0x44);
    asm volatile("lock cmpxchg16b %0"
                 : "+m"(*(u64(*)[2])mem), "+a"(a), "+d"(d), "=@ccz"(z)
                 : "b"(0x33ull), "c"(0x44ull));
    CHECK(!z && a == 0x33 && d == 0x44);
    CHECK_TRAP_AT(GP, 0,
                  asm volatile(AT "lock cmpxchg16b (%0)"
                               :
                               : "r"((u8 *)mem + 8)
                               : "rax", "rdx", "memory"));
}

static void others(void)
{
    u64 r;
    bool c;
    test("XADD, XCHG, BTS");
    mem[0] = 10, r = 5;
    asm volatile("lock xaddq %0, %1" : "+r"(r), "+m"(mem[0]) : : "cc");
    CHECK(r == 10 && mem[0] == 15);
    r = 0xffffffff00000001ull;
    asm volatile("xchgl %k0, %1" : "+r"(r), "+m"(mem[0]));
    CHECK(r == 15 && mem[0] == 1);
    mem[2] = 0;
    asm volatile("lock btsq %2, %1" : "=@ccc"(c), "+m"(mem[0]) : "r"(130ull) : "memory");
    CHECK(!c && mem[2] == 4); /* the offset reaches outside the operand */
    asm volatile("btq %2, %1" : "=@ccc"(c) : "m"(mem[3]), "r"(-62ll));
    CHECK(c);
    asm volatile("lock btcl %2, %1" : "=@ccc"(c), "+m"(mem[2]) : "i"(2));
    CHECK(c && mem[2] == 0);
    asm volatile("lock negq %0" : "+m"(mem[0]) : : "cc");
    CHECK_EQ(mem[0], -1ull);
    asm volatile("lock notb %0" : "+m"(mem[0]));
    CHECK_EQ(mem[0], ~0ull << 8);
    asm volatile("lock subb $1, %0" : "+m"(mem[0]) : : "cc");
    CHECK_EQ(mem[0] & 0xff, 0xff);
}

static void strings(void)
{
    test("string instructions with 64-bit registers");
    u64 n = 3;
    void *d = mem;
    asm volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(0x1234) : "memory");
    CHECK(d == mem + 3 && n == 0 && mem[2] == 0x1234);
    n = BIT64(32);
    d = mem;
    asm volatile("addr32 rep stosb" : "+D"(d), "+c"(n) : "a"(0) : "memory");
    CHECK_EQ(mem[0], 0x1234); /* ECX is 0: nothing is done */
    n = 0xffffffff00000002ull;
    d = mem;
    asm volatile("addr32 rep stosq" : "+D"(d), "+c"(n) : "a"(7) : "memory");
    CHECK_EQ(n, 0);
    CHECK(mem[1] == 7 && mem[2] == 0x1234);
}

static void bits(void)
{
    u64 v = 0x5555;
    bool z;
    test("BSF, BSR, BSWAP, shifts");
    asm volatile("bsfq %2, %0" : "+r"(v), "=@ccz"(z) : "r"(0ull));
    CHECK(z);
    asm volatile("bsrq %2, %0" : "+r"(v), "=@ccz"(z) : "r"(BIT64(63) | 1));
    CHECK(!z && v == 63);
    v = 0x0102030405060708ull;
    asm volatile("bswapq %0" : "+r"(v));
    CHECK_EQ(v, 0x0807060504030201ull);
    asm volatile("shlq %b1, %0" : "+r"(v) : "c"(64) : "cc");
    CHECK_EQ(v, 0x0807060504030201ull); /* the count is masked */
    u32 w = 0x80000001;
    asm volatile("roll %b1, %0" : "+r"(w) : "c"(33) : "cc");
    CHECK_EQ(w, 3);
    v = 1;
    asm volatile("shldq $4, %1, %0" : "+r"(v) : "r"(0xf000000000000000ull) : "cc");
    CHECK_EQ(v, 0x1f);
    v = 0xffffffffffffffffull;
    asm volatile("movl $5, %k0" : "+r"(v));
    CHECK_EQ(v, 5);
    asm volatile("movq $-1, %0\n movw $5, %w0" : "+r"(v));
    CHECK_EQ(v, 0xffffffffffff0005ull);
}

GUEST("atomic")
{
    cmpxchg();
    wide();
    others();
    strings();
    bits();
}
