/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flags that are made in one page and read in another, by every way from one to the other: jumps,
 * calls and returns of each kind, conditional branches, over the page's end. The target's page is
 * invalidated, replaced by another one, seen at a second address between two runs, so that a way is
 * taken both when it is known and when it has just been forgotten.
 */
#include "desc.h"
#include "flags_model.h"
#include "page.h"
#include "trap.h"

#define BEHIND       (TEST_BASE + 0x10000) /* three pages: the target's comes first or last */
#define SOURCE       (BEHIND + 4096)
#define AHEAD        (SOURCE + 4096)
#define TWIN         0x80000   /* to the same pages at other addresses */
#define MEMORY       0x1000000 /* that was no code before */
#define RW           (PTE_P | PTE_W)
#define MARK(n)      (0x1000 + (n)) /* R15: which target it was */
#define ENTRY        0x40           /* of the target, in its page: in reach of a short branch */
#define READERS_EACH 3

static u8 *fresh = (u8 *)MEMORY;
static struct {
    const struct way *way;
    const struct form *maker, *reader;
    u8 *source, *target[2]; /* the pages */
    u32 start, entry, end;  /* offsets in them */
    u32 which;              /* target */
} sc;
static u8 output[16], stack[256] __attribute__((aligned(16)));
static u64 data[4];
static word pointer; /* to the target */
static u32 more_flags;

/* Of R8 and R9, bytes; flags at the start. */
static const struct values {
    u32 a, b, flags;
} values[] = {
    {0x01, 0x01, FLAG_ARITH},        {0xf0, 0x11, 0},
    {0x01, 0x02, FLAG_CF},           {0x00, 0x00, FLAG_CF | FLAG_OF},
    {0x80, 0x00, FLAG_ZF | FLAG_PF}, {0x40, 0x40, FLAG_OF},
    {0x80, 0x81, FLAG_SF},           {0x80, 0x80, FLAG_PF},
    {0x7f, 0x01, FLAG_ZF},           {0xff, 0x01, FLAG_SF | FLAG_OF},
    {0x9f, 0x81, FLAG_AF},           {0xff, 0xff, FLAG_CF | FLAG_ZF | FLAG_SF},
};

enum { NONE, ADDS, SUBS, COMPARES, ADDS_MEM, INC_MEM, DEC_MEM, SHIFTS, NEG_MEM, SETS };
/* clang-format off */
/* RSI: data, of which the first byte is R8's. */
FORM_TABLE(makers,
           "NONE=0; ADDS=1; SUBS=2; COMPARES=3; ADDS_MEM=4; INC_MEM=5; DEC_MEM=6; SHIFTS=7\n"
           "NEG_MEM=8; SETS=9\n"
           FORM(NONE, 0, 0, 0, 0, "nop")
           FORM(NONE, 0, 0, 0, 0, "movq (%rsi), %rdx")
           FORM(ADDS, 0, 0, 0, 0, "addb %r9b, %r8b")
           FORM(ADDS, 0, 0, 0, 0, "addb %r9b, %r8b; movq 8(%rsi), %rdx")
           FORM(ADDS, 0, 0, 0, 0, "addb %r9b, %r8b; pushq %rdx; popq %rdx")
           FORM(ADDS, 0, 0, 0, 0, "addb %r9b, %r8b; movq 8(%rsi), %rdx; movq %rdx, 16(%rsi)")
           FORM(SUBS, 0, 0, 0, 0, "subb %r9b, %r8b")
           FORM(COMPARES, 0, 0, 0, 0, "cmpb %r9b, %r8b; leaq 8(%rsi), %rdi")
           FORM(COMPARES, 0, 0, 0, 0, "cmpb %r9b, (%rsi)")
           FORM(ADDS_MEM, 0, 0, 0, 0, "addb %r9b, (%rsi)")
           FORM(INC_MEM, 1, 0, 0, 0, "addb %r9b, %r8b; incb (%rsi)")
           FORM(DEC_MEM, 1, 0, 0, 0, "addb %r9b, %r8b; movq 8(%rsi), %rdx; decb (%rsi)")
           FORM(INC_MEM, 0, 0, 0, 0, "incb (%rsi)")
           FORM(SHIFTS, 0, 0, 0, 0, "shlb %r8b")
           FORM(NEG_MEM, 0, 0, 0, 0, "negb (%rsi)")
           FORM(SETS, 0, 0, 0, 0, "addb %r9b, %r8b; movq 8(%rsi), %rdx; stc"));

enum { SETCC, ADCS, ROTATES, SUBTRACTS, JUMPS, LAHF, PUSHF, ARRIVES };
/* R11: output; R12 is 100h at the start and the result at the end. */
FORM_TABLE(readers,
           "SETCC=0; ADCS=1; ROTATES=2; SUBTRACTS=3; JUMPS=4; LAHF=5; PUSHF=6; ARRIVES=7\n"
           FORM(SETCC, 0, 0, 0, 0, "seto (%r11); setno 1(%r11); setc 2(%r11); setnc 3(%r11); setz 4(%r11); setnz 5(%r11); setbe 6(%r11); seta 7(%r11); sets 8(%r11); setns 9(%r11); setp 10(%r11); setnp 11(%r11); setl 12(%r11); setge 13(%r11); setle 14(%r11); setg 15(%r11)")
           FORM(ADCS, 0, 0, 0, 0, "adcq $5, %r12")
           FORM(ADCS, 0, 0, 0, 0, "incq 24(%rsi); adcq $5, %r12")
           FORM(ADCS, 0, 0, 0, 0, "movq 24(%rsi), %rdx; adcq $5, %r12")
           FORM(ROTATES, 0, 0, 0, 0, "decl 24(%rsi); movq 8(%rsi), %rdx; rclq $1, %r12")
           FORM(SUBTRACTS, 0, 0, 0, 0, "cmc; cmc; sbbq %r12, %r12")
           FORM(JUMPS, 0, 0, 0, 0, "jo 1f; leaq 1(%r12), %r12; 1: jc 1f; leaq 2(%r12), %r12; 1: jz 1f; leaq 4(%r12), %r12; 1: js 1f; leaq 8(%r12), %r12; 1: jp 1f; leaq 16(%r12), %r12; 1: jl 1f; leaq 32(%r12), %r12; 1: nop")
           FORM(LAHF, 0, 0, 0, 0, "lahf; seto %al; movzwl %ax, %r12d")
           FORM(PUSHF, 0, 0, 0, 0, "pushfq; popq %r12")
           FORM(ARRIVES, 0, 0, 0, 0, "nop"));
/* clang-format on */

/* From one page to the other. */
struct way {
    const char *name;
    u8 *(*build)(u8 *p, word to);
    u32 n, rcx;
    bool back, at_end; /* to the page before; the source is at its page's end */
};

static u8 *jump(u8 *p, word to)
{
    return emit_rel32(p, 0xe9, (void *)to);
}

static u8 *call(u8 *p, word to)
{
    return emit_rel32(p, 0xe8, (void *)to);
}

/* Jcc; JNcc: one of them goes there. */
static u8 *condition(u8 *p, word to)
{
    for (u32 i = 0; i < 2; i++) {
        p = EMIT(p, 0x0f, (u8)(0x80 | (sc.way->n ^ i)));
        p = emit_le(p, to - (word)(p + 4), 4);
    }
    return p;
}

/* JRCXZ, LOOP: short */
static u8 *count(u8 *p, word to)
{
    return EMIT(p, (u8)sc.way->n, (u8)(to - (word)(p + 2)));
}

/* R10 is the address, R14 that of the pointer. */
static u8 *indirect(u8 *p, word to)
{
    static const u8 code[][6] = {{3, 0x41, 0xff, 0xe2}, {3, 0x41, 0xff, 0xd2},
                                 {3, 0x41, 0xff, 0x26}, {3, 0x41, 0xff, 0x16},
                                 {3, 0x41, 0x52, 0xc3}, {5, 0x41, 0x52, 0xc2, 8, 0}};
    (void)to;
    return emit(p, code[sc.way->n] + 1, code[sc.way->n][0]);
}

/* LEA R13, [R13 + disp], the last n bytes of it in the other page. */
static u8 *runs_over(u8 *p, word to)
{
    static const u8 lea[] = {0x4d, 0x8d, 0xad, 0x11, 0x22, 0x33, 0x44};
    (void)to;
    return emit(p, lea, sizeof(lea) - sc.way->n);
}

static const struct way ways[] = {
    {"JMP", jump, .back = false},
    {"JMP back", jump, .back = true},
    {"CALL", call, .back = false},
    {"CALL back", call, .back = true},
    {"JO, JNO", condition, .n = 0},
    {"JNC, JC", condition, .n = 3},
    {"JZ, JNZ", condition, .n = 4},
    {"JA, JBE", condition, .n = 7},
    {"JS, JNS back", condition, .n = 8, .back = true},
    {"JP, JNP", condition, .n = 10},
    {"JLE, JG back", condition, .n = 14, .back = true},
    {"JRCXZ", count, .n = 0xe3, .rcx = 0, .at_end = true},
    {"LOOP", count, .n = 0xe2, .rcx = 7, .at_end = true},
    {"JMP R10", indirect, .n = 0},
    {"CALL R10", indirect, .n = 1},
    {"JMP [R14]", indirect, .n = 2},
    {"CALL [R14]", indirect, .n = 3},
    {"PUSH; RET", indirect, .n = 4},
    {"PUSH; RET 8", indirect, .n = 5},
    {"over the end", runs_over, .n = 0, .at_end = true},
    {"over the end, an instruction in two", runs_over, .n = 1, .at_end = true},
    {"over the end, an instruction in two", runs_over, .n = 4, .at_end = true},
};

static word target_va(void)
{
    return sc.way->back ? BEHIND : AHEAD;
}

/* MOV R15D, MARK; the reader. What is left of LEA: its last byte is a number, too. */
static void build_target(u32 n)
{
    static const u8 rest[] = {0x11, 0x22, 0x33, 0x44};
    u8 *page = memset(sc.target[n], 0xcc, 4096), *p = page + ENTRY;
    if (sc.way->build == runs_over) {
        p = emit(page, rest + 4 - sc.way->n, sc.way->n);
        if (sc.way->n)
            p[-1] = (u8)(0x44 + n);
    }
    sc.entry = (u32)(p - page);
    p = emit_le(EMIT(p, 0x41, 0xbf), MARK(n), 4);
    p = emit(p, sc.reader->code, sc.reader->size);
    sc.end = (u32)(EMIT(p, STOP_BYTES) - page);
}

/* Written at the address where it runs, for the sake of what is relative. */
static void build_source(void)
{
    u32 size = sc.maker->size;
    u8 *p = (u8 *)SOURCE + 0x200;
    memset(sc.source, 0xcc, 4096);
    if (sc.way->at_end) { /* the way's own length first */
        size += (u32)(sc.way->build(p, SOURCE) - p);
        p = (u8 *)SOURCE + 4096 - size;
    }
    sc.start = (u32)(p - (u8 *)SOURCE);
    p = emit(p, sc.maker->code, sc.maker->size);
    p = sc.way->build(p, target_va() + sc.entry);
    if (p < (u8 *)SOURCE + 4096)
        EMIT(p, 0xcc);
}

static void map_target(void)
{
    page_map(target_va(), (word)sc.target[sc.which], RW);
}

static void build(void)
{
    sc.source = fresh;
    sc.target[0] = fresh + 4096;
    sc.target[1] = fresh + 8192;
    fresh += 3 * 4096;
    sc.which = 0;
    build_target(0);
    build_target(1);
    page_map(SOURCE, (word)sc.source, RW);
    map_target();
    build_source();
    page_map(SOURCE + TWIN, (word)sc.source, RW);
    page_map(target_va() + TWIN, (word)sc.target[1], RW);
}

/* The model. */

static struct flags made(const struct values *v)
{
    struct flags f = {.set = v->flags};
    if (sc.maker->arg[1])
        (void)model_alu(ADD, v->a, v->b, 1, &f);
    switch (sc.maker->arg[0]) {
    case ADDS:
    case ADDS_MEM:
        (void)model_alu(ADD, v->a, v->b, 1, &f);
        break;
    case SUBS:
    case COMPARES:
        (void)model_alu(CMP, v->a, v->b, 1, &f);
        break;
    case INC_MEM:
    case DEC_MEM:
        (void)model_incdec(sc.maker->arg[0] == DEC_MEM, v->a, 1, &f);
        break;
    case SHIFTS:
        (void)model_shift(SHL, v->a, 1, 1, &f);
        break;
    case NEG_MEM:
        (void)model_neg(v->a, 1, &f);
        break;
    case SETS:
        (void)model_alu(ADD, v->a, v->b, 1, &f);
        flag_put(&f, FLAG_CF, true);
        break;
    }
    return f;
}

static u64 sum_of_jumps(u32 flags)
{
    static const u8 cc[] = {0, 2, 4, 8, 10, 12};
    u64 sum = 0x100;
    for (u32 i = 0; i < ARRAY_SIZE(cc); i++)
        sum += model_condition(cc[i], flags) ? 0 : BIT(i);
    return sum;
}

static void check_result(const struct regs *got, const struct flags *f)
{
    u32 known = FLAG_ARITH & ~f->undefined, low = known & 0xff;
    bool carry = f->set & FLAG_CF, over = f->set & FLAG_OF;
    u64 r = got->r[R12];
    switch (sc.reader->arg[0]) {
    case SETCC:
        for (u32 cc = 0; cc < 16; cc++)
            CHECK_EQ(output[cc], model_condition(cc, f->set));
        break;
    case ADCS:
        CHECK_EQ(r, 0x105 + carry);
        break;
    case ROTATES:
        CHECK_EQ(r, 0x200 + carry);
        break;
    case SUBTRACTS:
        CHECK_EQ(r, 0 - (u64)carry);
        break;
    case JUMPS:
        CHECK_EQ(r, sum_of_jumps(f->set));
        break;
    case LAHF:
        CHECK_EQ(r & (low << 8 | 1), (f->set & low) << 8 | over);
        break;
    case PUSHF:
        CHECK_EQ(r & known, f->set & known);
        break;
    case ARRIVES:
        CHECK_EQ(got->flags & known, f->set & known);
        break;
    }
}

static void run(const struct values *v, word twin)
{
    struct flags f = made(v);
    struct regs r = {.ip = SOURCE + twin + sc.start, .flags = v->flags | more_flags | 2};
    u32 which = twin ? 1 : sc.which, disp = 0x44332211 + (which << 24);
    static struct stop s;
    regs_pattern(&r, v->a);
    r.r[R8] = (r.r[R8] & ~0xffull) | v->a;
    r.r[R9] = (r.r[R9] & ~0xffull) | v->b;
    data[0] = r.r[R8];
    memset(output, 0xee, sizeof(output));
    r.r[RSI] = (word)data;
    r.r[R10] = pointer = target_va() + twin + sc.entry;
    r.r[R11] = (word)output;
    r.r[R12] = 0x100;
    r.r[R13] = 0;
    r.r[R14] = (word)&pointer;
    r.r[RCX] = sc.way->rcx;
    r.r[RSP] = (word)stack + 128;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.ip, target_va() + twin + sc.end);
    CHECK_EQ(s.regs.r[R15], MARK(which));
    CHECK_EQ(s.regs.r[R13], sc.way->build != runs_over ? 0 : sc.way->n ? disp : 0x44332211);
    check_result(&s.regs, &f);
}

/* Between two runs. */
static void disturb(u32 n)
{
    switch (n % 6) {
    case 2:
        invlpg((void *)target_va());
        break;
    case 3:
        sc.which = !sc.which;
        map_target();
        break;
    case 4:
        invlpg((void *)SOURCE);
        break;
    case 5:
        set_cr3(get_cr3());
        break;
    }
}

static void one(void)
{
    test_case(sc.maker->text, sc.way->name, sc.reader->text);
    build();
    for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
        disturb(i);
        run(&values[i], 0);
    }
    for (u32 i = 0; i < 6; i++) /* the same code is at two places from now on */
        run(&values[i * 2], i & 1 ? 0 : TWIN);
}

/* Each time with other readers. */
static void all(u32 k)
{
    for (sc.way = ways; sc.way < ways + ARRAY_SIZE(ways); sc.way++)
        for (sc.maker = makers; sc.maker < makers_end; sc.maker++)
            for (u32 i = 0; i < READERS_EACH; i++, k += 3) {
                sc.reader = &readers[k % (u32)(readers_end - readers)];
                one();
            }
}

GUEST("exits")
{
    regs_catch_all();
    all(0);
    regs_use_smap(true);
    all(1);
    more_flags = FLAG_AC;
    all(2);
}
