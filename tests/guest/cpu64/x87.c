/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 state and exceptions (SDM 1 chapter 8): arithmetic, #MF at the next waiting instruction, the
   status word, FSAVE and FNSTENV images, FXSAVE, and #MF by NE. */
#include "desc.h"
#include "io.h"
#include "trap.h"

static __attribute__((aligned(64))) u8 image[512], image2[512];
static u16 cw, sw;

static u16 status(void)
{
    asm volatile("fnstsw %0" : "=m"(sw));
    return sw;
}

static void control(u16 v)
{
    cw = v;
    asm volatile("fldcw %0" : : "m"(cw));
}

static void arithmetic(void)
{
    u64 r;
    u16 c;
    test("arithmetic");
    asm volatile("fninit\n fnstcw %0" : "=m"(cw));
    CHECK_EQ(cw, 0x37f);
    CHECK_EQ(status(), 0);
    static const u64 three = 0x4008000000000000ull, seven = 0x401c000000000000ull;
    asm volatile("fldl %1\n fdivl %2\n fstpl %0" : "=m"(r) : "m"(seven), "m"(three));
    CHECK_EQ(r, 0x4002aaaaaaaaaaabull);
    CHECK_EQ(status() & 0x3f, 0x20); /* inexact */
    asm volatile("fnclex\n fld1\n fldz\n fcompp\n fnstsw %0" : "=m"(c));
    CHECK_EQ(c & 0x4500, 0x0100); /* ST(0) = 0 is below 1 */
    static const u16 ten = 10;
    u16 out;
    asm volatile("filds %1\n fsqrt\n fistps %0" : "=m"(out) : "m"(ten));
    CHECK_EQ(out, 3);
    control(0x37f | 0xc00);
    static const u64 almost = 0x4007ae147ae147aeull; /* 2.96 */
    asm volatile("fldl %1\n fistps %0" : "=m"(out) : "m"(almost));
    CHECK_EQ(out, 2); /* round to zero */
    control(0x37f);
    u8 bcd[10];
    static const u32 big = 1234567;
    asm volatile("fildl %1\n fbstp %0" : "=m"(bcd) : "m"(big));
    CHECK_EQ(bcd[0] | bcd[1] << 8 | bcd[2] << 16 | bcd[3] << 24, 0x01234567);
}

static void stack(void)
{
    test("register stack");
    asm volatile("fninit\n fld1\n fldz");
    CHECK_EQ(status() >> 11 & 7, 6);
    asm volatile("fninit\n fnclex\n fstp %st(0)");
    CHECK_EQ(status() & 0x241, 0x41); /* underflow: IE, SF, C1 = 0 */
    asm volatile("fninit");
    for (int i = 0; i < 9; i++)
        asm volatile("fld1");
    CHECK_EQ(status() & 0x241, 0x241); /* overflow: C1 = 1 */
    asm volatile("fninit\n fld1\n ffree %st(0)\n fxam");
    CHECK_EQ(status() & 0x4500, 0x4100); /* empty */
    asm volatile("fninit\n fldz\n fxam");
    CHECK_EQ(status() & 0x4500, 0x4000);
}

static void exceptions(void)
{
    test("#MF");
    word cr0 = get_cr0();
    set_cr0(cr0 | CR0_NE);
    asm volatile("fninit");
    control(0x37b);                                   /* division by zero not masked */
    CHECK_RUNS(asm volatile("fld1\n fldz\n fdivrp")); /* pending, not yet seen */
    CHECK_EQ(status() & 0x8084, 0x8084);
    CHECK_TRAP_AT(MF, 0, asm volatile(AT "fwait"));
    CHECK_TRAP_AT(MF, 0, asm volatile(AT "fld1"));
    CHECK_RUNS(asm volatile("fnstsw %%ax" : : : "eax"));
    CHECK_RUNS(asm volatile("fnclex"));
    CHECK_RUNS(asm volatile("fwait"));
    asm volatile("fninit");
    control(0x37e); /* invalid not masked */
    CHECK_RUNS(asm volatile("fldz\n fldz\n fdivp"));
    CHECK_TRAP(MF, 0, asm volatile("fsqrt"));
    asm volatile("fnclex\n fninit");
    set_cr0(cr0);
}

static void environment(void)
{
    test("FNSTENV, FNSAVE, FRSTOR");
    asm volatile("fninit\n fld1\n fldz\n fldpi\n");
    memset(image, 0xee, sizeof(image));
    asm volatile("fnstenv %0" : "=m"(image));
    u32 e[7];
    memcpy(e, image, 28);
    CHECK_EQ(e[0] & 0xffff, 0x37f);
    CHECK_EQ(e[1] >> 11 & 7, 5);
    CHECK_EQ(e[2] & 0xffff, 0x13ff); /* 7: valid, 6: zero, 5: valid, the rest empty */
    CHECK_EQ(e[0] >> 16, 0xffff);
    u16 now;
    asm volatile("fnstcw %0" : "=m"(now));
    CHECK_EQ(now, 0x37f); /* FNSTENV masks all exceptions afterwards */
    asm volatile("fnsave %0" : "=m"(image));
    CHECK_EQ(status(), 0); /* and FNSAVE initializes */
    static const u8 pi[10] = {0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0x00, 0x40};
    CHECK_EQ(memcmp(image + 28, pi, 10), 0);
    asm volatile("frstor %0" : : "m"(image));
    CHECK_EQ(status() >> 11 & 7, 5);
    u64 d;
    asm volatile("fstp %%st(0)\n fstp %%st(0)\n fstpl %0" : "=m"(d));
    CHECK_EQ(d, 0x3ff0000000000000ull);
    asm volatile("fninit\n fld1");
    asm volatile(".byte 0x66\n fnsave %0" : "=m"(image2)); /* 16-bit image: 94 bytes */
    CHECK_EQ(image2[0] | image2[1] << 8, 0x37f);
    CHECK_EQ(image2[4] | image2[5] << 8, 0x3fff);
    CHECK_EQ(image2[14 + 9], 0x3f);
}

static void fxsave(void)
{
    test("FXSAVE and FXRSTOR");
    set_cr4(get_cr4() | CR4_OSFXSR);
    memset(image, 0xee, sizeof(image));
    asm volatile("fninit\n fld1\n fldpi\n fxsave64 %0" : "=m"(image));
    CHECK_EQ(image[0] | image[1] << 8, 0x37f);
    CHECK_EQ((image[2] | image[3] << 8) >> 11 & 7, 6);
    CHECK_EQ(image[4], 0xc0); /* the abridged tag: registers 6 and 7 are in use */
    CHECK_EQ(image[32 + 8] | image[32 + 9] << 8, 0x4000);
    CHECK_EQ(image[464], 0xee); /* bytes 464 to 511 are not touched */
    u32 mxcsr;
    memcpy(&mxcsr, image + 24, 4);
    CHECK_EQ(mxcsr, 0x1f80);
    memcpy(image2, image, 512);
    image2[4] = 0x80;
    asm volatile("fninit\n fxrstor64 %0\n fnstenv %1" : : "m"(image2), "m"(image));
    CHECK_EQ(image[8] | image[9] << 8, 0x3fff); /* 1.0 in register 7 alone */
    memset(image2 + 24, 0xff, 4);
    CHECK_TRAP(GP, 0, asm volatile("fxrstor %0" : : "m"(image2))); /* reserved MXCSR bits */
    asm volatile("fninit");
}

static void mmx(void)
{
    u64 v;
    test("MMX and the tag word");
    if (!(cpuid(1, 0).edx & BIT(23)))
        return;
    asm volatile(
        "fninit\n movl $5, %%eax\n movd %%eax, %%mm3\n paddd %%mm3, %%mm3\n movq %%mm3, %0\n"
        "fnstenv %1"
        : "=m"(v), "=m"(image)
        :
        : "eax");
    CHECK_EQ(v, 10);
    CHECK_EQ((image[8] | image[9] << 8) & 0x00c0, 0x0080); /* in use: a special value */
    CHECK_EQ((image[4] | image[5] << 8) >> 11 & 7, 0);
    asm volatile("emms\n fnstenv %0" : "=m"(image));
    CHECK_EQ(image[8] | image[9] << 8, 0xffff);
}

GUEST("x87")
{
    arithmetic();
    stack();
    exceptions();
    environment();
    fxsave();
    mmx();
}
