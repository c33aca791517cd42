/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic flags made at one place and used at another: programs by chance, of ALU instructions
 * and shifts on R8 and R9 in all widths and on memory, with users of flags (SETcc, CMOVcc, Jcc,
 * LAHF, PUSHF; ADC, SBB, RCL, RCR) and, between them, what may make a translator lose flags: jumps,
 * calls and returns of each kind, page ends, interrupts, TLB misses, faults that are restarted,
 * slow instructions. A model in C says what must come out.
 */
#include "desc.h"
#include "flags_model.h"
#include "page.h"
#include "trap.h"

#define CODE_VA    (TEST_BASE + 0x100000)
#define CODE_PAGES 8
#define FRESH      0x1000000 /* memory, a set of pages for each program */
#define DATA_VA    (TEST_BASE + 0x200000)
#define ABSENT_VA  (TEST_BASE + 0x300000) /* two pages, one of which is mapped */
#define OUTPUTS    64

static page_aligned u8 code_pages[CODE_PAGES][4096], data_page[4096], absent_page[4096];
static u32 output[OUTPUTS]; /* at RBX */
static u32 wanted[OUTPUTS], wanted_mask[OUTPUTS];

/* The program so far, and the state it must be in. */
static struct {
    u8 *p;
    u64 a, b, memory, taken; /* R8, R9, (RSI), R12 */
    struct flags f;
    u32 outputs, absent;
    u64 chance;
    u32 last; /* what was added last: for messages */
} g;

static u32 pick(u32 n)
{
    return (u32)(random64(&g.chance) >> 20) % n;
}

#define ADD_CODE(...) (g.p = EMIT(g.p, __VA_ARGS__))

static void op_prefix(u32 width, u8 rex)
{
    if (width == 2)
        ADD_CODE(0x66);
    ADD_CODE((u8)(width == 8 ? rex | 8 : rex));
}

/* op R8, R9; op R9, R8; op [RSI], R9; op R8, [RSI] */
static void add_alu(u32 width)
{
    u32 op = pick(8), form = pick(4);
    static const u8 rex[] = {0x45, 0x45, 0x44, 0x44}, modrm[] = {0xc8, 0xc1, 0x0e, 0x06};
    op_prefix(width, rex[form]);
    ADD_CODE((u8)(op << 3 | (form == 3 ? 2 : 0) | (width != 1)), modrm[form]);
    u64 *to = form == 1 ? &g.b : form == 2 ? &g.memory : &g.a;
    u64 from = form == 1 ? g.a : form == 3 ? g.memory : g.b;
    u64 r = model_alu(op, *to, from, width, &g.f);
    if (op == CMP)
        return;
    if (form == 2)
        *to = (*to & ~width_mask(width)) | r;
    else
        *to = merged(*to, r, width);
}

static void add_unary(u32 width)
{
    u32 op = pick(4); /* INC, DEC, NOT, NEG */
    op_prefix(width, 0x41);
    ADD_CODE((u8)((op < 2 ? 0xfe : 0xf6) | (width != 1)), (u8)(0xc0 | op << 3));
    u64 r = ~g.a;
    if (op < 2)
        r = model_incdec(op, g.a, width, &g.f);
    if (op == 3)
        r = model_neg(g.a, width, &g.f);
    g.a = merged(g.a, r, width);
}

static void add_shift(u32 width)
{
    u32 op = pick(7), n = pick(3) ? pick(8 * width) : pick(2);
    op = op == 6 ? SAR : op;
    if (width == 4) {
        ADD_CODE(0x45, 0x89, 0xc0); /* MOV R8D, R8D */
        g.a = (u32)g.a;
    }
    bool by_cl = pick(2);
    if (by_cl)
        ADD_CODE(0xb1, (u8)n);
    op_prefix(width, 0x41);
    u8 modrm = (u8)(0xc0 | op << 3);
    if (by_cl)
        ADD_CODE((u8)(0xd2 | (width != 1)), modrm);
    else if (n == 1)
        ADD_CODE((u8)(0xd0 | (width != 1)), modrm);
    else
        ADD_CODE((u8)(0xc0 | (width != 1)), modrm, (u8)n);
    g.a = merged(g.a, model_shift(op, g.a, n, width, &g.f), width);
}

static void add_carry(void)
{
    u32 what = pick(4);
    ADD_CODE((const u8[]){0xf8, 0xf9, 0xf5, 0xf5}[what]); /* CLC, STC, CMC */
    flag_put(&g.f, FLAG_CF, what == 1 || (what > 1 && !(g.f.set & FLAG_CF)));
}

static void want(u32 value, u32 mask)
{
    wanted[g.outputs] = value & mask;
    wanted_mask[g.outputs++] = mask;
}

/* A user of flags, of those that are defined. */
static void add_user(void)
{
    u32 cc = pick(16);
    while (condition_needs(cc) & g.f.undefined)
        cc = pick(16);
    bool yes = model_condition(cc, g.f.set);
    u32 at = 4 * g.outputs, known = FLAG_ARITH & ~g.f.undefined;
    switch (g.outputs < OUTPUTS ? pick(6) : pick(3)) {
    case 0: /* Jcc over LEA R12, [R12 + 1] */
        ADD_CODE((u8)(0x70 | cc), 8);
        g.p = emit_lea(g.p, R12, 1);
        g.taken += !yes;
        break;
    case 1: /* CMOVcc R9, R8 */
        ADD_CODE(0x4d, 0x0f, (u8)(0x40 | cc), 0xc8);
        g.b = yes ? g.a : g.b;
        break;
    case 2: /* CMOVcc R9D, [RSI] */
        ADD_CODE(0x44, 0x0f, (u8)(0x40 | cc), 0x0e);
        g.b = (u32)(yes ? g.memory : g.b);
        break;
    case 3: /* SETcc [RBX + …] */
        ADD_CODE(0x0f, (u8)(0x90 | cc), 0x83, (u8)at, (u8)(at >> 8), 0, 0);
        want(yes, 0xff);
        break;
    case 4: /* LAHF; MOV [RBX + …], EAX */
        ADD_CODE(0x9f, 0x89, 0x83, (u8)at, (u8)(at >> 8), 0, 0);
        want(g.f.set << 8, (known & 0xff) << 8);
        break;
    case 5: /* PUSHFQ; POP RAX; MOV [RBX + …], EAX */
        ADD_CODE(0x9c, 0x58, 0x89, 0x83, (u8)at, (u8)(at >> 8), 0, 0);
        want(g.f.set, known);
        break;
    }
}

/* LEA R10, [RIP + to] */
static void lea_r10(const u8 *to)
{
    ADD_CODE(0x4c, 0x8d, 0x15);
    g.p = emit_le(g.p, (word)to - (word)(g.p + 4), 4);
}

static void add_jump(u32 how)
{
    u8 *to = g.p + 64 + pick(how & 1 ? 40 : 1500);
    switch (how >> 1) {
    case 0:
        emit_rel32(g.p, 0xe9, to);
        break;
    case 1: /* JMP R10 */
        lea_r10(to);
        ADD_CODE(0x41, 0xff, 0xe2);
        break;
    case 2: /* PUSH R10; RET */
        lea_r10(to);
        ADD_CODE(0x41, 0x52, 0xc3);
        break;
    case 3: /* CALL to; to: POP R10 */
        emit_rel32(g.p, 0xe8, to);
        to = EMIT(to, 0x41, 0x5a) - 2;
        g.p = to + 2;
        return;
    case 4: /* CALL over; JMP to; over: NOP; RET */
        ADD_CODE(0xe8, 5, 0, 0, 0);
        g.p = emit_rel32(g.p, 0xe9, to);
        ADD_CODE(0x90, 0xc3);
        break;
    case 5: /* to the end of the page, and on across it */
        to = (u8 *)((word)g.p | 4095) - pick(12);
        if (to < g.p + 5)
            return;
        emit_rel32(g.p, 0xe9, to);
        to = EMIT(to, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x40, 0, 0x90, 0x90);
        break;
    }
    g.p = to;
}

static void add_fault(void)
{
    word at = ABSENT_VA + 4096 * (g.absent & 1) + pick(500) * 8;
    g.absent++;
    g.p = emit_mov(g.p, R11, at);
    if (pick(2))
        ADD_CODE(0x49, 0x8b, 0x03); /* MOV RAX, [R11] */
    else
        ADD_CODE(0x4d, 0x89, 0x03); /* MOV [R11], R8 */
}

/* Length and code. */
static const u8 slow[][16] = {
    {7, 0x0f, 0x01, 0x3e, 0x48, 0x8b, 0x06, 0x90}, /* INVLPG [RSI]; MOV RAX, [RSI] */
    {6, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8},       /* MOV RAX, CR3; MOV CR3, RAX */
    {2, 0xcd, 0x40},                               /* INT 40h: changes all flags */
    {2, 0xe4, 0x61},                               /* IN AL, 61h */
    {2, 0x0f, 0x31},                               /* RDTSC */
    {4, 0xd9, 0xe8, 0xdd, 0xd8},                   /* FLD1; FSTP ST0 */
    {6, 0x0f, 0x10, 0x06, 0x0f, 0x58, 0xc0},       /* MOVUPS XMM0, [RSI]; ADDPS */
    {2, 0x9c, 0x9d},                               /* PUSHFQ; POPFQ */
    {5, 0x48, 0x87, 0x46, 8, 0x90},                /* XCHG [RSI + 8], RAX */
    {6, 0x48, 0xad, 0x48, 0x8d, 0x76, 0xf8},       /* LODSQ; LEA RSI, [RSI - 8] */
    {5, 0xe3, 0, 0x67, 0xe3, 0},                   /* JRCXZ +0; JECXZ +0 */
    {4, 0x72, 0, 0x75, 0},                         /* JC +0; JNZ +0 */
    {7, 0xb9, 0x10, 0, 0, 0, 0x0f, 0x32},          /* MOV ECX, 10h; RDMSR */
    {2, 0xfd, 0xfc},                               /* STD; CLD */
};

static void add_slow(u32 which)
{
    g.p = emit(g.p, slow[which] + 1, slow[which][0]);
}

static void add_step(void)
{
    static const u8 widths[] = {1, 2, 4, 8, 8};
    u32 width = widths[pick(5)];
    switch (pick(12)) {
    case 0 ... 3:
        add_alu(width);
        break;
    case 4:
        add_unary(width);
        break;
    case 5:
        add_shift(width);
        break;
    case 6:
        add_carry();
        break;
    case 7 ... 8:
        add_user();
        break;
    case 9:
        add_jump(pick(12));
        break;
    case 10:
        add_slow(pick(ARRAY_SIZE(slow)));
        break;
    case 11:
        if (pick(4) == 0)
            add_fault();
        else
            add_jump(pick(12));
        break;
    }
}

CODE(int_handler, "addq $0x7f, 1f(%rip)\n shlq %cl, 1f(%rip)\n iretq\n1: .quad 0x1234567812345678");

/* Of two pages the one that was touched is there from now on, and the other not. */
static bool on_trap(struct stop *s)
{
    if (s->vector != PF || s->cr2 - ABSENT_VA >= 8192)
        return false;
    word page = s->cr2 & ~4095ull;
    page_map(ABSENT_VA, 0, 0);
    page_map(ABSENT_VA + 4096, 0, 0);
    page_map(page, (word)absent_page, PTE_P | PTE_W);
    return true;
}

static void run(const struct regs *in, u64 memory)
{
    struct stop s;
    static u8 stack[512] __attribute__((aligned(16)));
    struct regs r = *in;
    *(u64 *)data_page = memory;
    memset(output, 0, sizeof(output));
    page_map(ABSENT_VA, 0, 0);
    page_map(ABSENT_VA + 4096, (word)absent_page, PTE_P | PTE_W);
    r.r[RSP] = (word)stack + 256;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.ip, (word)g.p);
    CHECK_EQ(s.regs.r[R8], g.a);
    CHECK_EQ(s.regs.r[R9], g.b);
    CHECK_EQ(s.regs.r[R12], g.taken);
    CHECK_EQ(s.regs.r[RSP], (word)stack + 256);
    CHECK_EQ(*(volatile u64 *)data_page, g.memory);
    CHECK_EQ(s.regs.flags & FLAG_ARITH & ~g.f.undefined, g.f.set & ~g.f.undefined);
    for (u32 i = 0; i < g.outputs; i++)
        if ((output[i] & wanted_mask[i]) != wanted[i] &&
            !CHECK_EQ(output[i] & wanted_mask[i], wanted[i]))
            print("  output %u\n", i);
}

/* Every second program in pages that were no code before: where code changes often, a translator
   may do without looking ahead. */
static void map_code(u32 number)
{
    for (u32 i = 0; i < CODE_PAGES; i++) {
        u32 k = (i * 5 + 3) % CODE_PAGES;
        word fresh = FRESH + (number * CODE_PAGES + k) * 4096;
        page_map(CODE_VA + 4096 * i, number & 1 ? (word)code_pages[k] : fresh, PTE_P | PTE_W);
    }
}

static void program(u32 number, u32 steps)
{
    static char name[] = "program 0000";
    for (u32 i = 0, n = number; i < 4; i++, n /= 10)
        name[11 - i] = (char)('0' + n % 10);
    test(name);
    map_code(number);
    g.chance = 0x9e3779b97f4a7c15ull * (number + 1);
    g.p = (u8 *)CODE_VA + pick(4096);
    g.outputs = g.absent = 0;
    struct regs r = {.ip = (word)g.p};
    r.r[R8] = g.a = random64(&g.chance);
    r.r[R9] = g.b = pick(3) ? random64(&g.chance) : g.a;
    u64 memory = g.memory = random64(&g.chance);
    r.r[R12] = g.taken = 0;
    r.flags = g.f.set = (u32)random64(&g.chance) & FLAG_ARITH;
    g.f.undefined = 0;
    r.r[RBX] = (word)output;
    r.r[RSI] = DATA_VA;
    for (u32 i = 0; i < steps && g.p < (u8 *)CODE_VA + (CODE_PAGES - 1) * 4096; i++)
        add_step();
    g.p = EMIT(g.p, STOP_BYTES);
    for (u32 i = 0; i < 2; i++)
        run(&r, memory);
}

GUEST("flags")
{
    regs_catch_all();
    regs_fix = on_trap;
    idt_set(0x40, KERNEL_CS, (word)int_handler, AR_INT32, 0);
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    asm volatile("fninit");
    page_map(DATA_VA, (word)data_page, PTE_P | PTE_W);
    for (u32 n = 0; n < 1000; n++)
        program(n, 30);
}
