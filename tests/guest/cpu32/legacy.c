/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions that long mode has lost or changed, built for 16-bit and for 32-bit guests: PUSHA,
   POPA, ENTER, LEAVE, BOUND, XLAT, decimal adjustment, SALC, moves of segment registers. */
#include "io.h"

u32 image[12], sp_before, sp_after, bp_after; /* named in the assembly */

static void pusha(void)
{
    static const u32 want[] = {8, 7, 6, 0, 4, 3, 2, 1};
    test("PUSHA and POPA");
    asm volatile("pushal\n movl %%esp, sp_before\n"
                 "movl $1, %%eax\n movl $2, %%ecx\n movl $3, %%edx\n movl $4, %%ebx\n"
                 "movl $6, %%ebp\n movl $7, %%esi\n movl $8, %%edi\n"
                 "pushal\n movl %%esp, sp_after\n"
                 "popl image\n popl image+4\n popl image+8\n popl image+12\n"
                 "popl image+16\n popl image+20\n popl image+24\n popl image+28\n"
                 "popal"
                 :
                 :
                 : "memory");
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(image[i], i == 3 ? sp_before : want[i]);
    CHECK_EQ(sp_before - sp_after, 32);
    asm volatile("movl %%esp, sp_before\n pushal\n"
                 "pushl $0x11\n pushl $0x22\n pushl $0x33\n pushl $0x44\n pushl $0x55\n"
                 "pushl $0x66\n pushl $0x77\n pushl $0x88\n popal\n"
                 "movl %%ebx, image\n movl %%ebp, image+4\n movl %%eax, image+8\n popal\n"
                 "movl %%esp, sp_after"
                 :
                 :
                 : "memory");
    CHECK_EQ(image[0], 0x44);
    CHECK_EQ(image[1], 0x66);
    CHECK_EQ(image[2], 0x11);
    CHECK_EQ(sp_before, sp_after);
    asm volatile("movl %%esp, sp_before\n pushaw\n movl %%esp, sp_after\n popaw" : : : "memory");
    CHECK_EQ(sp_before - sp_after, 16);
}

static void enter(void)
{
    test("ENTER and LEAVE");
    asm volatile(
        "pushl %%ebp\n movl $0x1234, %%ebp\n movl %%esp, sp_before\n enterl $24, $0\n"
        "movl %%esp, sp_after\n movl %%ebp, bp_after\n movl (%%ebp), %%eax\n"
        "movl %%eax, image\n leavel\n movl %%ebp, image+4\n movl %%esp, image+8\n popl %%ebp"
        :
        :
        : "eax", "memory");
    CHECK_EQ(sp_before - bp_after, 4);
    CHECK_EQ(bp_after - sp_after, 24);
    CHECK_EQ(image[0], 0x1234);
    CHECK_EQ(image[1], 0x1234);
    CHECK_EQ(image[2], sp_before);
    /* Level 3 copies the frame pointers of levels 1 and 2 from below the old EBP. */
    asm volatile("pushl %%ebp\n movl %%esp, %%ebp\n pushl $0x1111\n pushl $0x2222\n"
                 "movl %%ebp, image+24\n movl %%esp, sp_before\n enterl $8, $3\n"
                 "movl %%esp, sp_after\n movl %%ebp, bp_after\n"
                 "movl (%%ebp), %%eax\n movl %%eax, image\n"
                 "movl -4(%%ebp), %%eax\n movl %%eax, image+4\n"
                 "movl -8(%%ebp), %%eax\n movl %%eax, image+8\n"
                 "movl -12(%%ebp), %%eax\n movl %%eax, image+12\n"
                 "leavel\n movl %%esp, image+16\n addl $8, %%esp\n popl %%ebp"
                 :
                 :
                 : "eax", "memory");
    CHECK_EQ(sp_before - bp_after, 4);
    CHECK_EQ(bp_after - sp_after, 12 + 8);
    CHECK_EQ(image[0], image[6]);
    CHECK_EQ(image[1], 0x1111);
    CHECK_EQ(image[2], 0x2222);
    CHECK_EQ(image[3], bp_after);
    CHECK_EQ(image[4], sp_before);
    asm volatile("pushl %%ebp\n movl $0xaaaa5678, %%ebp\n movl %%esp, sp_before\n enterw $6, $1\n"
                 "movl %%esp, sp_after\n movzwl %%bp, %%eax\n movl %%eax, bp_after\n"
                 "movl sp_before, %%esp\n popl %%ebp"
                 :
                 :
                 : "eax", "memory");
    CHECK_EQ((u16)(sp_before - bp_after), 2);
    CHECK_EQ(sp_before - sp_after, 2 + 2 + 6);
}

static void bound(void)
{
    static const struct {
        int low, high;
    } bounds = {-5, 5};
    test("BOUND");
    CHECK_RUNS(asm volatile("boundl %0, %1" : : "r"(-5), "m"(bounds)));
    CHECK_RUNS(asm volatile("boundl %0, %1" : : "r"(5), "m"(bounds)));
    CHECK_TRAP_AT(BR, 0, asm volatile(AT "boundl %0, %1" : : "r"(6), "m"(bounds)));
    CHECK_TRAP_AT(BR, 0, asm volatile(AT "boundl %0, %1" : : "r"(-6), "m"(bounds)));
}

static void xlat(void)
{
    static const u8 table[256] = {[0x80] = 0x33, [5] = 0x44};
    u32 a = 0x12345680;
    test("XLAT");
    asm volatile("xlatb" : "+a"(a) : "b"(table), "m"(table));
    CHECK_EQ(a, 0x12345633);
}

/* op AL/AX with given flags: result AX in the low half, CF AF ZF SF PF above it. */
#define DECIMAL(op)                                                                                \
    static u32 do_##op(u32 ax, u32 flags)                                                          \
    {                                                                                              \
        u32 f;                                                                                     \
        asm volatile("pushl %2\n popfl\n " #op "\n pushfl\n popl %1"                               \
                     : "+a"(ax), "=r"(f)                                                           \
                     : "r"(flags | 2)                                                              \
                     : "cc");                                                                      \
        return (ax & 0xffff) | (f & (FLAG_CF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_PF)) << 16;      \
    }
DECIMAL(daa)
DECIMAL(das)
DECIMAL(aaa)
DECIMAL(aas)

#define F(flags) ((u32)(flags) << 16)

static void decimal(void)
{
    test("DAA and DAS");
    CHECK_EQ(do_daa(0x0f, 0), 0x15 | F(FLAG_AF));
    CHECK_EQ(do_daa(0x9a, 0), 0x00 | F(FLAG_AF | FLAG_CF | FLAG_ZF | FLAG_PF));
    CHECK_EQ(do_daa(0x99, FLAG_AF), 0x9f | F(FLAG_AF | FLAG_SF | FLAG_PF));
    CHECK_EQ(do_daa(0x10, FLAG_CF), 0x70 | F(FLAG_CF));
    CHECK_EQ(do_daa(0xa0, 0), 0x00 | F(FLAG_CF | FLAG_ZF | FLAG_PF));
    CHECK_EQ(do_daa(0x45, 0), 0x45 | F(0));
    CHECK_EQ(do_das(0x0f, 0), 0x09 | F(FLAG_AF | FLAG_PF));
    CHECK_EQ(do_das(0x00, FLAG_AF), 0xfa | F(FLAG_AF | FLAG_CF | FLAG_SF | FLAG_PF));
    CHECK_EQ(do_das(0x9a, 0), 0x34 | F(FLAG_AF | FLAG_CF));
    CHECK_EQ(do_das(0x70, FLAG_CF), 0x10 | F(FLAG_CF));
    test("AAA and AAS");
    u32 keep = F(FLAG_CF | FLAG_AF); /* the others are undefined */
    CHECK_EQ(do_aaa(0x000f, 0) & (keep | 0xffff), 0x0105 | keep);
    CHECK_EQ(do_aaa(0x0009, 0) & (keep | 0xffff), 0x0009);
    CHECK_EQ(do_aaa(0x0109, FLAG_AF) & (keep | 0xffff), 0x020f | keep);
    CHECK_EQ(do_aaa(0x00fb, 0) & (keep | 0xffff), 0x0201 | keep); /* the carry goes into AH */
    CHECK_EQ(do_aas(0x020f, 0) & (keep | 0xffff), 0x0109 | keep);
    CHECK_EQ(do_aas(0x0209, 0) & (keep | 0xffff), 0x0209);
    CHECK_EQ(do_aas(0x0202, FLAG_AF) & (keep | 0xffff), 0x000c | keep);
    test("AAM, AAD, SALC");
    u32 a = 0x1234ff63;
    asm volatile("aam" : "+a"(a) : : "cc");
    CHECK_EQ(a, 0x12340909);
    a = 0x1234ff63;
    asm volatile("aam $7" : "+a"(a) : : "cc");
    CHECK_EQ(a, 0x12340e01);
    a = 0x12340909;
    asm volatile("aad" : "+a"(a) : : "cc");
    CHECK_EQ(a, 0x12340063);
    a = 0x12340203;
    asm volatile("aad $16" : "+a"(a) : : "cc");
    CHECK_EQ(a, 0x12340023);
    CHECK_TRAP_AT(DE, 0, asm volatile(AT "aam $0" : : "a"(1)));
    asm volatile("stc\n .byte 0xd6" : "+a"(a) : : "cc");
    CHECK_EQ(a, 0x123400ff);
    asm volatile("clc\n .byte 0xd6" : "+a"(a) : : "cc");
    CHECK_EQ(a, 0x12340000);
}
#undef F

static void flags_in_ah(void)
{
    u32 a = 0xd5ff, f;
    test("SAHF and LAHF");
    asm volatile("sahf\n pushfl\n popl %1" : "+a"(a), "=r"(f) : : "cc");
    CHECK_EQ(f & FLAG_ARITH & ~FLAG_OF, 0xd5);
    a = 0;
    asm volatile("stc\n lahf" : "+a"(a) : : "cc");
    CHECK_EQ(a >> 8 & 3, 3);
}

static void other_forms(void)
{
    u32 a = 0xffffffff, f;
    test("other encodings");
    asm volatile("stc\n .byte 0x82, 0xc0, 0x01\n pushfl\n popl %1" /* ADD AL, 1 in group 82h */
                 : "+a"(a), "=r"(f)
                 :
                 : "cc");
    CHECK_EQ(a, 0xffffff00);
    CHECK_EQ(f & (FLAG_CF | FLAG_ZF), FLAG_CF | FLAG_ZF);
    asm volatile("pushw %%ds\n pushl %%es\n popl %0\n popw %%ds" : "=r"(a));
    CHECK_EQ((u16)a, ({
                 u32 es;
                 asm("movl %%es, %0" : "=r"(es));
                 (u16) es;
             }));
    asm volatile("clc\n cmc\n pushfl\n popl %0\n std\n cld" : "=r"(f) : : "cc");
    CHECK_EQ(f & FLAG_CF, FLAG_CF);
}

GUEST("legacy")
{
    pusha();
    enter();
    bound();
    xlat();
    decimal();
    flags_in_ah();
    other_forms();
}
