/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16-bit protected-mode code at odd bases, hot: IP, addresses, SP, SI and DI that wrap at 64 KiB,
 * operands and instructions that reach over it, upper halves of registers; the same bytes run by a
 * 16-bit and a 32-bit code segment in turns.
 */
#include "seg.h"

static u8 area[0x10000 + 4096] __attribute__((aligned(4096)));
enum { CS_ = SEL(0), DS_ = SEL(1), SS_ = SEL(2), CS32_ = SEL(3) };

/* All three of 64 KiB, at bases that are odd; `shift` moves them from run to run. */
static struct seg_regs start(u32 shift, u16 ip)
{
    struct seg_regs r = seg_flat(NULL);
    seg_set(CS_, (u32)area + shift, 0xffff, SEG_CODE16);
    seg_set(DS_, (u32)area + shift, 0xffff, SEG_DATA16);
    seg_set(SS_, (u32)area + shift, 0xffff, SEG_DATA16);
    r.cs = CS_, r.ds = r.es = DS_, r.ss = SS_, r.ip = ip;
    r.sp = 0x9000;
    return r;
}

static u8 *put(u32 at, const void *code, u32 n)
{
    return memcpy(area + at, code, n);
}
#define PUT(at, ...) put((at), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static void ip_wraps(void)
{
    for (u32 n = 0; n < 40; n++) {
        u32 s = 1 + (n % 3) * 6 + 16 * (n & 4); /* 1, 7, 13, … */
        test("jumps and calls over the end of the segment");
        struct seg_regs r = start(s, 0xfff0);
        memset(area, 0xcc, 0x100);
        memset(area + 0xffe0, 0xcc, 0x100);
        PUT(s + 0xfff0, 0x40, 0xeb, 0x1d); /* INC AX; JMP 10h */
        PUT(s + 0x10, 0x40, 0xe8, 0xe0, 0xff, 0x40,
            SEG_STOP_BYTES);         /* INC AX; CALL FFF4h; INC AX */
        PUT(s + 0xfff4, 0x43, 0xc3); /* INC BX; RET */
        r.ax = 0x1ffff, r.bx = 0x2ffff;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, 0x10002);
        CHECK_EQ(last_trap.bx, 0x20000);
        CHECK_EQ(last_trap.ip, 0x17);
        test("Jcc, LOOP and JCXZ over the end of the segment");
        r = start(s, 0xfff8);
        PUT(s + 0xfff8, 0x39, 0xc0, 0x74, 0x20);                 /* CMP AX, AX; JZ 1Ch */
        PUT(s + 0x1c, 0x0f, 0x84, 0xd0, 0xff);                   /* JZ FFF0h */
        PUT(s + 0xfff0, 0xe2, 0x2e, SEG_STOP_BYTES);             /* LOOP 20h */
        PUT(s + 0x20, 0x43, 0xe3, 0x02, 0xeb, 0xcb, 0xeb, 0xc9); /* INC BX; JCXZ; JMP FFF0h; … */
        r.cx = 0x30003;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.bx, 2);
        CHECK_EQ(last_trap.cx, 0x30000);
        CHECK_EQ(last_trap.ip, 0xfff4);
        test("indirect jumps take 16 bits");
        r = start(s, 0x40);
        PUT(s + 0x40, 0xff, 0xe0);   /* JMP AX */
        PUT(s + 0x8000, 0x56, 0xc3); /* PUSH SI; RET */
        PUT(s + 0x8100, SEG_STOP_BYTES);
        r.ax = 0x12348000, r.si = 0x43218100;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ip, 0x8102);
        PUT(s + 0x40, 0x66, 0xff, 0xe0); /* JMP EAX: beyond the limit */
        CHECK_EQ(seg_run(&r), GP);
    }
}

static void cut(void)
{
    test("an instruction across the limit");
    for (u32 n = 0; n < 12; n++) {
        u32 s = 3 + n;
        struct seg_regs r = start(s, 0xfff0);
        memset(area + s + 0xfff0, 0x90, 16);
        PUT(s + 0xffff - n % 3, 0x66, 0xb8, 1, 2, 3, 4); /* MOV EAX, imm32 */
        r.ax = 7;
        CHECK_EQ(seg_run(&r), GP);
        CHECK_EQ(last_trap.ip, 0xffff - n % 3);
        CHECK_EQ(last_trap.ax, 7);
    }
}

CODE(addressing,
     ".code16\n movb (%bx,%si), %al\n movb %al, 1(%bx,%di)\n movb %al, 3(%bp,%di)\n"
     "movb 0xfff0(%bx), %cl\n leaw 0x1234(%bx,%si), %dx\n addb %cl, -1(%bp)\n" SEG_STOP ".code32");

static void addresses(void)
{
    test("addresses wrap at 64 KiB");
    for (u32 n = 0; n < 60; n++) {
        u32 s = 5 + n % 7;
        struct seg_regs r = start(s, 0x600);
        put(s + 0x600, addressing, (u32)(addressing_end - addressing));
        r.bx = 0x1000fff0, r.si = 0x20000120, r.di = 0x30000300 + n, r.bp = 0x4000ff00,
        r.dx = 0x56780000;
        area[s + 0x110] = (u8)(n + 1);
        area[s + 0xffe0] = (u8)(n + 3);
        area[s + 0xfeff] = 10;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, n + 1);
        CHECK_EQ(area[s + 0x2f1 + n], n + 1);
        CHECK_EQ(area[s + 0x203 + n], n + 1);
        CHECK_EQ(last_trap.cx, n + 3);
        CHECK_EQ(last_trap.dx, 0x56780000 + ((0xfff0 + 0x120 + 0x1234) & 0xffff));
        CHECK_EQ(area[s + 0xfeff], 13 + n);
    }
}

/* One access each at [BX] or, the last ones, by the stack. */
#define ACCESS(name, text)                                                                         \
    CODE(a_##name, ".code16\n incw %cx\n" text "\n incw %cx\n" SEG_STOP ".code32")
ACCESS(load1, "movb (%bx), %al");
ACCESS(load2, "movw (%bx), %ax");
ACCESS(load4, "movl (%bx), %eax");
ACCESS(add2, "addw %ax, (%bx)");
ACCESS(store4, "movl %eax, (%bx)");
ACCESS(wide4, "movl (%ebx), %eax");
ACCESS(far4, "lesw (%bx), %dx");
ACCESS(push2, "movw %bx, %sp\n pushw %ax");
ACCESS(push4, "movw %bx, %sp\n pushl %eax");
ACCESS(pop2, "movw %bx, %sp\n popw %dx");
ACCESS(call2, "movw %bx, %sp\n callw 1f\n1:");
static const struct {
    const char *name;
    const u8 *code, *end;
    u32 good, bad, vector; /* an offset where it runs, one where it does not */
} accesses[] = {
#define A(name, good, bad, vector)                                                                 \
    {                                                                                              \
#name, a_##name, a_##name##_end, good, bad, vector                                         \
    }
    A(load1, 0xffff, 0, NO_TRAP),
    A(load2, 0xfffe, 0xffff, GP),
    A(load4, 0xfffc, 0xfffd, GP),
    A(add2, 0xfffe, 0xffff, GP),
    A(store4, 0xfffc, 0xffff, GP),
    A(wide4, 0xfffc, 0x10000, GP),
    A(push2, 0, 1, SS),
    A(push4, 0, 2, SS),
    A(pop2, 0xfffe, 0xffff, SS),
    A(call2, 2, 1, SS),
};

static void limits(void)
{
    for (u32 i = 0; i < ARRAY_SIZE(accesses); i++)
        for (u32 n = 0; n < 10; n++) {
            test(accesses[i].name);
            bool bad = (n & 1) && accesses[i].vector != NO_TRAP;
            u32 s = 9 + n % 3;
            struct seg_regs r = start(s, 0x300);
            put(s + 0x300, accesses[i].code, (u32)(accesses[i].end - accesses[i].code));
            r.bx = bad ? accesses[i].bad : accesses[i].good, r.ax = 0x01010101;
            *(u32 *)(area + s + 0xfffc) = 0x11223344;
            CHECK_EQ(seg_run(&r), bad ? accesses[i].vector : USER_EXIT);
            CHECK_EQ(last_trap.cx, bad ? 1 : 2);
            if (bad)
                CHECK_EQ(*(u32 *)(area + s + 0xfffc), 0x11223344);
            if (bad)
                CHECK_EQ(last_trap.error, 0);
        }
}

CODE(stack16,
     ".code16\n movw $4, %sp\n pushaw\n movw %sp, %dx\n popaw\n movw %sp, %dx\n pushl %eax\n"
     "pushw %dx\n popw %cx\n popl %esi\n movw %sp, %di\n" SEG_STOP ".code32");

static void stack(void)
{
    test("SP wraps");
    for (u32 n = 0; n < 40; n++) {
        u32 s = 11 + n % 5;
        struct seg_regs r = start(s, 0x400);
        put(s + 0x400, stack16, (u32)(stack16_end - stack16));
        r.ax = 0x12340000 + n, r.bx = 0xbbbb, r.cx = 0xcccc, r.di = 0xdddd;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(*(u16 *)(area + s + 0xfff4), 0xdddd);
        CHECK_EQ(*(u16 *)(area + s + 0xfffc), 0xbbbb);
        CHECK_EQ((u16)last_trap.dx, 4);
        CHECK_EQ(last_trap.ax, r.ax);
        CHECK_EQ(last_trap.cx, 4);
        CHECK_EQ(last_trap.si, r.ax);
        CHECK_EQ(last_trap.di & 0xffff, 4);
    }
}

CODE(strings16, ".code16\n rep movsb\n incw %dx\n" SEG_STOP ".code32");
CODE(strings16w, ".code16\n rep movsw\n incw %dx\n" SEG_STOP ".code32");

static void strings(void)
{
    for (u32 n = 0; n < 30; n++) {
        u32 s = 1 + 2 * (n % 9);
        test("SI and DI wrap");
        struct seg_regs r = start(s, 0x500);
        put(s + 0x500, strings16, (u32)(strings16_end - strings16));
        for (u32 i = 0; i < 8; i++)
            area[s + ((0xfffc + i) & 0xffff)] = (u8)(i + n);
        r.si = 0xaaaafffc, r.di = 0xbbbb0600, r.cx = 0xcccc0008;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.si, 0xaaaa0004);
        CHECK_EQ(last_trap.di, 0xbbbb0608);
        CHECK_EQ(last_trap.cx, 0xcccc0000);
        for (u32 i = 0; i < 8; i++)
            CHECK_EQ(area[s + 0x600 + i], i + n);
        test("an element across the limit in the middle of REP");
        r = start(s, 0x500);
        put(s + 0x500, strings16w, (u32)(strings16w_end - strings16w));
        r.si = 0xfff9, r.di = 0x700, r.cx = 9;
        CHECK_EQ(seg_run(&r), GP);
        CHECK_EQ(last_trap.si, 0xffff);
        CHECK_EQ(last_trap.di, 0x706);
        CHECK_EQ(last_trap.cx, 6);
        CHECK_EQ(last_trap.ip, 0x500);
        CHECK_EQ(last_trap.dx, 0);
    }
}

/* XOR EAX; (66h) MOV: 16 or 32 bits of constant; INC; PUSH, POP; STOP. */
static const u8 both[] = {0x31, 0xc0, 0x66, 0xb8, 0x34, 0x12, 0x90, 0x90, 0x40,          0x50,
                          0x89, 0xe1, 0x58, 0xe8, 0,    0,    0x40, 0x40, SEG_STOP_BYTES};

static void two_sizes(void)
{
    test("the same bytes as 16-bit and as 32-bit code");
    for (u32 n = 0; n < 2000; n++) {
        struct seg_regs r = start(16, 0x800);
        if (n < 2)
            put(16 + 0x800, both, sizeof(both));
        seg_set(CS32_, (u32)area + 16, 0xffffffff, SEG_CODE);
        r.cs = n & 1 ? CS32_ : CS_;
        r.ax = 0xffffffff, r.cx = 0;
        /* E8 0 0 40 40: CALL +0 and two INC AX, or CALL +40400000h, which ends behind the limit of
           RAM: so in 32-bit code the CALL is replaced. */
        area[16 + 0x80d] = n & 1 ? 0x3d : 0xe8; /* CMP EAX, imm32 */
        u32 vector = seg_run(&r);
        bool ok = vector == USER_EXIT;
        if (n & 1)
            ok = ok && last_trap.ax == 0x1235 && (last_trap.cx & 0xffff) == 0x8ffc;
        else
            ok = ok && last_trap.ax == 0x90901237 && (last_trap.cx & 0xffff) == 0x8ffe;
        if (!ok) {
            CHECK_EQ(vector, USER_EXIT);
            CHECK_EQ(last_trap.ax, n & 1 ? 0x1235 : 0x90901237);
            CHECK_EQ(last_trap.cx & 0xffff, n & 1 ? 0x8ffc : 0x8ffe);
            break;
        }
    }
    CHECK(true);
}

GUEST("code16-odd")
{
    ip_wraps();
    cut();
    addresses();
    limits();
    stack();
    strings();
    two_sizes();
}
