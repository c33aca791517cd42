/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of the CPU that decides whether an instruction may run, changed between two runs of the
 * same hot code at the same address: the privilege level, IOPL, CR4.TSD and UMIP, CR0.TS, MP and
 * EM, CR4.OSFXSR, XCR0, alignment checks by AC, the direction flag, FPU and MXCSR control.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define VA (TEST_BASE + 0x3000) /* code for everybody */

static page_aligned u8 page[4096];
static u8 *const code = (u8 *)VA;

static struct regs start(bool user, word flags)
{
    static u8 stack[512] __attribute__((aligned(64)));
    struct regs r = {.ip = VA, .flags = flags | 2, .cs = user ? USER_CS64 : KERNEL_CS};
    r.r[RSP] = user ? USER(stack + 256) : (word)stack + 256;
    r.r[RBX] = r.r[RSP] - 128;
    return r;
}

/* INC ECX some times, the instruction, INC ECX, and the end. */
static void put_code(const struct form *f)
{
    u8 *p = code;
    for (u32 i = 0; i < 5; i++)
        p = EMIT(p, 0xff, 0xc1);
    p = emit(p, f->code, f->size);
    p = EMIT(p, 0xff, 0xc1);
    EMIT(p, STOP_BYTES);
}

static void expect(const struct regs *r, u32 vector)
{
    struct stop s;
    CHECK_EQ(regs_run(r, &s), vector);
    if (vector == STOP_VECTOR) {
        CHECK_EQ((u32)s.regs.r[RCX], 6);
        return;
    }
    CHECK_EQ((u32)s.regs.r[RCX], 5);
    CHECK_EQ(s.regs.ip, VA + 10);
    CHECK_EQ(s.error, 0);
}

enum { ALWAYS, IO, TIME, NEVER };
/* clang-format off */
FORM_TABLE(privileged, "ALWAYS=0; IO=1; TIME=2; NEVER=3\n" /* what lets CPL 3 run it */
           FORM(NEVER, 0, 0, 0, 0, "clts")
           FORM(NEVER, 0, 0, 0, 0, "movq %cr0, %rax")
           FORM(NEVER, 0, 0, 0, 0, "movq %cr3, %rax; movq %rax, %cr3")
           FORM(NEVER, 0, 0, 0, 0, "movq %dr7, %rax")
           FORM(NEVER, 0, 0, 0, 0, "wbinvd")
           FORM(NEVER, 0, 0, 0, 0, "invlpg (%rbx)")
           FORM(IO, 0, 0, 0, 0, "cli")
           FORM(IO, 0, 0, 0, 0, "inb $0x61, %al")
           FORM(IO, 0, 0, 0, 0, "outb %al, $0x80")
           FORM(TIME, 0, 0, 0, 0, "rdtsc; nop")
           FORM(ALWAYS, 0, 0, 0, 0, "movw %cs, %ax")
           FORM(ALWAYS, 0, 0, 0, 0, "pushfq; popfq"));
/* clang-format on */

static void levels(void)
{
    for (const struct form *f = privileged; f < privileged_end; f++) {
        test(f->text);
        put_code(f);
        for (u32 n = 0; n < 30; n++) {
            bool user = n * 5 & 4, iopl = n & 1, tsd = n & 2, may = !user;
            may |= f->arg[0] == ALWAYS || (f->arg[0] == IO && iopl) || (f->arg[0] == TIME && !tsd);
            if (tsd)
                set_cr4(get_cr4() | CR4_TSD);
            struct regs r = start(user, iopl ? FLAG_IOPL : 0);
            expect(&r, may ? STOP_VECTOR : GP);
            set_cr4(get_cr4() & ~(word)CR4_TSD);
        }
    }
}

/* POPFQ: IF changes with IOPL, IOPL itself at CPL 0 alone, and silently so. */
static void pop_flags(void)
{
    struct stop s;
    test("POPFQ by privilege");
    /* MOV EAX, 3202h; PUSH RAX; POPFQ; PUSHFQ; POP RAX */
    u8 *p = EMIT(code, 0xb8, 0x02, 0x32, 0, 0, 0x50, 0x9d, 0x9c, 0x58);
    EMIT(p, STOP_BYTES);
    for (u32 n = 0; n < 40; n++) {
        bool user = n & 1, iopl = n & 2;
        struct regs r = start(user, iopl ? FLAG_IOPL : 0);
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        word want = 2 | (iopl || !user ? FLAG_IF : 0) | (!user || iopl ? FLAG_IOPL : 0);
        CHECK_EQ(s.regs.r[RAX], want);
    }
}

static void umip(void)
{
    static const char *const insn[] = {"SGDT", "SIDT", "STR", "SMSW"};
    static const u8 text[][4] = {
        {0x0f, 0x01, 0x03}, {0x0f, 0x01, 0x0b}, {0x0f, 0x00, 0xc8}, {0x0f, 0x01, 0xe0}};
    if (!(cpuid(7, 0).ecx & BIT(2)))
        return;
    for (u32 i = 0; i < 4; i++)
        for (u32 n = 0; n < 20; n++) {
            struct form f = {.code = text[i], .size = 3};
            test_case("UMIP", insn[i], "in turns");
            put_code(&f);
            bool user = n & 1, on = n & 2;
            set_cr4(on ? get_cr4() | CR4_UMIP : get_cr4() & ~(word)CR4_UMIP);
            struct regs r = start(user, 0);
            expect(&r, user && on ? GP : STOP_VECTOR);
        }
    set_cr4(get_cr4() & ~(word)CR4_UMIP);
}

/* Which of TS (1), EM (2), no OSFXSR (4) make it trap, and by which vector. */
/* clang-format off */
FORM_TABLE(units,
           FORM(3, 0, 7, 0, 0, "fld1; fstp %st")
           FORM(3, 0, 7, 0, 0, "fninit; nop")
           FORM(1, 6, 7, 6, 0, "movups (%rbx), %xmm0")
           FORM(1, 6, 7, 6, 0, "addss %xmm0, %xmm1")
           FORM(1, 6, 7, 6, 0, "cvtsi2sd %rax, %xmm1")
           FORM(1, 2, 7, 6, 0, "movd %eax, %mm0")
           FORM(0, 0, 0, 0, 0, "movntiq %rax, (%rbx)")
           FORM(0, 0, 0, 0, 0, "prefetchnta (%rbx)"));
/* clang-format on */

static void unit_control(void)
{
    for (const struct form *f = units; f < units_end; f++) {
        test(f->text);
        put_code(f);
        for (u32 n = 0; n < 48; n++) {
            u32 k = n * 3 & 7; /* in an order with all changes of one bit */
            word cr0 = get_cr0() & ~(word)(CR0_TS | CR0_EM);
            set_cr0(cr0 | (k & 1 ? CR0_TS : 0) | (k & 2 ? CR0_EM : 0));
            set_cr4(k & 4 ? get_cr4() & ~(word)CR4_OSFXSR : get_cr4() | CR4_OSFXSR);
            u32 vector = k & f->arg[1] ? f->arg[3] : k & f->arg[0] ? f->arg[2] : STOP_VECTOR;
            struct regs r = start(n & 8, 0);
            expect(&r, vector);
            set_cr0(cr0);
        }
    }
    set_cr4(get_cr4() | CR4_OSFXSR);
    asm volatile("emms");
}

static void xsetbv(u32 low)
{
    asm volatile("xsetbv" : : "c"(0), "a"(low), "d"(0));
}

static void avx(void)
{
    static const u8 text[] = {0xc5, 0xf4, 0x58, 0xc2}; /* VADDPS YMM0, YMM1, YMM2 */
    struct form f = {.code = text, .size = 4};
    if (!(cpuid(1, 0).ecx & BIT(26)) || !(cpuid(1, 0).ecx & BIT(28)))
        return;
    test("AVX by XCR0 and CR4.OSXSAVE");
    put_code(&f);
    for (u32 n = 0; n < 40; n++) {
        set_cr4(get_cr4() | CR4_OSXSAVE);
        xsetbv(n & 1 ? 7 : 3);
        if (n & 2)
            set_cr4(get_cr4() & ~(word)CR4_OSXSAVE);
        struct regs r = start(n & 4, 0);
        expect(&r, (n & 1) && !(n & 2) ? STOP_VECTOR : UD);
    }
    set_cr4(get_cr4() & ~(word)CR4_OSXSAVE);
}

/* Unaligned accesses at CPL 3 with AC, and AC changed in the block by POPFQ. */
static void alignment(void)
{
    static const u8 loads[][5] = {
        {4, 0x48, 0x8b, 0x43, 1}, {3, 0x89, 0x43, 2}, {4, 0x66, 0xff, 0x43, 1}};
    set_cr0(get_cr0() | CR0_AM);
    for (u32 i = 0; i < 3; i++) {
        struct form f = {.code = loads[i] + 1, .size = loads[i][0]};
        test("alignment checks by AC");
        put_code(&f);
        for (u32 n = 0; n < 30; n++) {
            bool user = n & 1, ac = n & 2, aligned = n & 4;
            struct regs r = start(user, ac ? FLAG_AC : 0);
            r.r[RBX] += aligned ? (i == 1 ? 2 : 7) : 0;
            expect(&r, user && ac && !aligned ? AC : STOP_VECTOR);
        }
    }
    /* PUSHFQ; OR/AND [RSP], AC…; POPFQ; the load: always #AC or never, whatever AC was. */
    for (u32 n = 0; n < 20; n++) {
        bool on = n & 1;
        static const u8 load[] = {0x48, 0x8b, 0x43, 1};
        struct stop s;
        test("AC changed in the block");
        u8 *p = EMIT(code, 0x9c, 0x81, on ? 0x0c : 0x24, 0x24);
        p = emit_le(p, on ? FLAG_AC : ~(u32)FLAG_AC, 4);
        p = EMIT(p, 0x9d);
        word at = (word)p;
        p = emit(p, load, sizeof(load));
        EMIT(p, STOP_BYTES);
        struct regs r = start(true, n & 2 ? FLAG_AC : 0);
        CHECK_EQ(regs_run(&r, &s), on ? AC : STOP_VECTOR);
        CHECK_EQ(s.regs.ip, on ? at : (word)p + 2);
    }
    set_cr0(get_cr0() & ~(word)CR0_AM);
}

static void direction(void)
{
    struct stop s;
    test("the direction flag");
    /* LODSQ; STOSQ; MOVSB; CMPSW; STD or CLD by DF at entry reversed: LODSB */
    u8 *p = EMIT(code, 0x48, 0xad, 0x48, 0xab, 0xa4, 0x66, 0xa7);
    u8 *change = p;
    p = EMIT(p, 0xfd, 0xac);
    EMIT(p, STOP_BYTES);
    for (u32 n = 0; n < 40; n++) {
        struct regs r = start(false, n & 1 ? FLAG_DF : 0);
        put8(change, n & 1 ? 0xfc : 0xfd);
        r.r[RSI] = r.r[RBX], r.r[RDI] = r.r[RBX] + 64;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RSI] - r.r[RSI], n & 1 ? -11ull + 1 : 11ull - 1);
        CHECK_EQ(s.regs.r[RDI] - r.r[RDI], n & 1 ? -11ull : 11);
    }
}

CODE(rounds, "cvtsd2si (%rbx), %rax\n ldmxcsr 8(%rbx)\n cvtsd2si (%rbx), %rcx\n fldl (%rbx)\n "
             "fldcw 16(%rbx)\n"
             "fistpll 24(%rbx)\n" STOP);

static void rounding(void)
{
    struct stop s;
    test("rounding by MXCSR and the FPU's control word, changed in a block");
    for (u32 n = 0; n < 40; n++) {
        struct regs r = start(false, 0);
        u32 first = n & 3, second = n >> 2 & 3, mxcsr = 0x1f80 | first << 13;
        static const u8 want[] = {2, 2, 3, 2}; /* of 2.5: nearest, down, up, to zero */
        r.ip = (word)rounds;
        *(volatile u64 *)r.r[RBX] = 0x4004000000000000; /* 2.5 */
        put32((void *)(r.r[RBX] + 8), 0x1f80 | second << 13);
        put32((void *)(r.r[RBX] + 16), 0x37f | second << 10);
        asm volatile("ldmxcsr %0\n fninit" : : "m"(mxcsr));
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RAX], want[first]);
        CHECK_EQ(s.regs.r[RCX], want[second]);
        CHECK_EQ(*(volatile u64 *)(r.r[RBX] + 24), want[second]);
    }
}

GUEST("state")
{
    regs_catch_all();
    regs_catch(AC);
    task.tss.rsp[0] = trap_stack_top;
    page_map(VA, (word)page, PTE_P | PTE_W | PTE_U);
    set_cr4(get_cr4() | CR4_OSFXSR);
    levels();
    pop_flags();
    umip();
    unit_control();
    avx();
    alignment();
    direction();
    rounding();
}
