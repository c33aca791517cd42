/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LAR, LSL, VERR, VERW and ARPL in protected mode, for every descriptor type (SDM 2A, 2B). */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define S0 FREE_SEL

struct answer {
    bool zf;
    u32 value;
};

static struct answer lar(u32 sel)
{
    struct answer a = {.value = 0xdeadbeef};
    asm volatile("larl %2, %0" : "+r"(a.value), "=@ccz"(a.zf) : "r"(sel));
    if (a.zf)
        a.value &= ~0xf0000u; /* the limit's bits are undefined here */
    return a;
}

static struct answer lsl(u32 sel)
{
    struct answer a = {.value = 0xdeadbeef};
    asm volatile("lsll %2, %0" : "+r"(a.value), "=@ccz"(a.zf) : "r"(sel));
    return a;
}

static bool verr(u32 sel)
{
    bool zf;
    asm volatile("verr %w1" : "=@ccz"(zf) : "r"(sel));
    return zf;
}

static bool verw(u32 sel)
{
    bool zf;
    asm volatile("verw %w1" : "=@ccz"(zf) : "r"(sel));
    return zf;
}

/* Bit n: system type n is valid outside long mode. */
#define LAR_TYPES 0x1a3e /* TSS 1, LDT 2, TSS 3, gates 4 and 5, TSS 9 and 11, call gate 12 */
#define LSL_TYPES 0x0a0e

static void types(void)
{
    test("all types");
    for (u32 type = 0; type < 32; type++) {
        u32 ar = 0x80 | type | 0x5000; /* AVL and D/B come back as well */
        gdt_set(S0, 0x12345678, 0x54321, ar);
        bool system = type < 16;
        bool lar_ok = !system || (LAR_TYPES >> type & 1);
        bool lsl_ok = !system || (LSL_TYPES >> type & 1);
        struct answer a = lar(S0), l = lsl(S0);
        CHECK_EQ(a.zf << 8 | type, lar_ok << 8 | type);
        CHECK_EQ(a.value, lar_ok ? ar << 8 : 0xdeadbeef);
        CHECK_EQ(l.zf << 8 | type, lsl_ok << 8 | type);
        CHECK_EQ(l.value, lsl_ok ? 0x54321 : 0xdeadbeef);
        bool code = type & 8;
        CHECK_EQ(verr(S0) << 8 | type, (!system && (!code || (type & 2))) << 8 | type);
        CHECK_EQ(verw(S0) << 8 | type, (!system && !code && (type & 2)) << 8 | type);
    }
}

static void granularity(void)
{
    test("LSL with granularity, 16-bit forms");
    gdt_set(S0, 0, 0x12345, AR_DATA | AR_G);
    CHECK_EQ(lsl(S0).value, 0x12345fff);
    u32 v = 0xabcd0000;
    asm volatile("lslw %w1, %w0" : "+r"(v) : "r"(S0));
    CHECK_EQ(v, 0xabcd5fff);
    v = 0xabcd0000;
    asm volatile("larw %w1, %w0" : "+r"(v) : "r"(S0));
    CHECK_EQ(v, 0xabcd9300);
    gdt_set(S0, 0, 0xfff, 0x13); /* not present: still readable by LAR and LSL */
    CHECK(lar(S0).zf);
    CHECK(lsl(S0).zf);
    CHECK(verr(S0)); /* and the P bit is not looked at */
}

static void privilege(void)
{
    test("privilege");
    gdt_set(S0, 0, 0xfff, AR_DATA);
    CHECK(!lar(S0 | 3).zf);
    CHECK(!lsl(S0 | 1).zf);
    CHECK(!verr(S0 | 3));
    CHECK(!verw(S0 | 3));
    gdt_set(S0, 0, 0xfff, 0x9e); /* conforming code: no check */
    CHECK(lar(S0 | 3).zf);
    CHECK(lsl(S0 | 3).zf);
    CHECK(verr(S0 | 3));
    gdt_set(S0, 0, 0xfff, AR_DATA | AR_DPL3);
    CHECK(verw(S0 | 3));
    CHECK(!lar(0).zf);
    CHECK(!lar(3).zf);
    CHECK(!verr(0));
    CHECK(!lar(GDT_SLOTS * 8).zf);
    CHECK(!lsl(4).zf); /* no LDT */
    CHECK_EQ(gdt_access(S0) & 1, 1);
}

CODE(user_checks, "movl $0x10, %ecx\n larl %ecx, %eax\n setz %bl\n"
                  "movl $0x23, %ecx\n larl %ecx, %edx\n setz %bh\n" EXIT_USER);

static void from_user(void)
{
    test("from CPL 3");
    CHECK_USER_EXITS(user_checks);
    CHECK_EQ(last_trap.bx, 0x100);
    CHECK_EQ(last_trap.dx & 0xf0ff00, 0xc0f300);
}

static void arpl(void)
{
    static const struct {
        u16 dst, src, result;
    } cases[] = {{0x1230, 0x8883, 0x1233},
                 {0x1232, 0x8881, 0x1232},
                 {0x1231, 1, 0x1231},
                 {0xfffc, 2, 0xfffe}};
    test("ARPL");
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        u32 v = 0xaaaa0000 | cases[i].dst;
        bool zf;
        asm volatile("arpl %w2, %w0" : "+r"(v), "=@ccz"(zf) : "r"((u32)cases[i].src));
        CHECK_EQ(v, 0xaaaa0000 | cases[i].result);
        CHECK_EQ(zf, cases[i].result != cases[i].dst);
    }
}

GUEST("descop")
{
    types();
    granularity();
    privilege();
    from_user();
    arpl();
}
