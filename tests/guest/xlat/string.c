/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS, STOS, LODS, CMPS and SCAS once or twice, without a repeat prefix, against a model in C: all
 * sizes, upwards and downwards, 64- and 32-bit addresses (the registers' upper halves become 0) in
 * 64-bit code and in 32-bit code, bases of FS and GS, flags of all kinds before. The elements lie
 * in a page, or across two at every split; then one of the pages is absent, and at the fault every
 * register and every byte is as before the instruction.
 */
#include "desc.h"
#include "flags_model.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define CODE_VA 0xc0001000u /* where 32-bit addresses reach it */
#define SRC_VA  0xc0200000u
#define DST_VA  0xc0400000u
#define TOP_VA  0xfffff000u
#define FS_AT   0x10000000u
#define GS_AT   (0ull - 0x20000000u)
#define AREA    32 /* so much before and behind the boundary is looked at */
#define RW      (PTE_P | PTE_W)

enum { MOVS = 0xa4, CMPS = 0xa6, STOS = 0xaa, LODS = 0xac, SCAS = 0xae };
enum { NO_PREFIX = 0, CS_PREFIX = 0x2e, SS_PREFIX = 0x36, FS_PREFIX = 0x64, GS_PREFIX };

static page_aligned u8 code_page[4096], page[2][2][4096]; /* source and destination */
static struct how {
    u8 op, prefix;
    u32 width;
    bool down, legacy, address32;
} how;
struct memory {
    u8 byte[2][2 * AREA]; /* around the boundary: source, destination */
};
static struct state {
    struct regs r;
    struct memory m;
} want;             /* at the next trap */
static word absent; /* page; 0: none */
static u32 faults;

static bool uses_src(void)
{
    return how.op == MOVS || how.op == CMPS || how.op == LODS;
}

static bool uses_dst(void)
{
    return how.op != LODS;
}

static u8 *byte_at(word va)
{
    word at = va & 0x1fffff;
    return &page[va >= DST_VA][1 - (at >> 12)][at & 4095]; /* in reverse order in memory */
}

static u8 *model_byte(struct memory *m, word va)
{
    return &m->byte[va >= DST_VA][(va & 0x1fffff) - (4096 - AREA)];
}

static void put_memory(const struct memory *m)
{
    for (word i = 0; i < 2 * AREA; i++) {
        *byte_at(SRC_VA + 4096 - AREA + i) = m->byte[0][i];
        *byte_at(DST_VA + 4096 - AREA + i) = m->byte[1][i];
    }
}

static bool memory_is(const struct memory *m)
{
    struct memory now;
    for (word i = 0; i < 2 * AREA; i++) {
        now.byte[0][i] = *byte_at(SRC_VA + 4096 - AREA + i);
        now.byte[1][i] = *byte_at(DST_VA + 4096 - AREA + i);
    }
    return !memcmp(&now, m, sizeof(now));
}

static word base(void)
{
    return how.prefix == FS_PREFIX ? FS_AT : how.prefix == GS_PREFIX ? (word)GS_AT : 0;
}

static word offset(word reg)
{
    return how.address32 ? (u32)reg : reg;
}

static u64 model_load(struct state *s, word va)
{
    u64 v = 0;
    for (u32 i = 0; i < how.width; i++)
        v |= (u64)*model_byte(&s->m, va + i) << 8 * i;
    return v;
}

static void model_store(struct state *s, word va, u64 v)
{
    for (u32 i = 0; i < how.width; i++)
        *model_byte(&s->m, va + i) = (u8)(v >> 8 * i);
}

static void model_compare(struct state *s, u64 a, u64 b)
{
    struct flags f = {0};
    (void)model_alu(CMP, a & width_mask(how.width), b, how.width, &f);
    s->r.flags = (s->r.flags & ~(word)FLAG_ARITH) | f.set;
}

static void model(struct state *s)
{
    word step = s->r.flags & FLAG_DF ? 0 - (word)how.width : how.width, *r = s->r.r;
    word src = base() + offset(r[RSI]), dst = offset(r[RDI]);
    if (how.op == MOVS)
        model_store(s, dst, model_load(s, src));
    else if (how.op == STOS)
        model_store(s, dst, r[RAX]);
    else if (how.op == LODS)
        r[RAX] = merged(r[RAX], model_load(s, src), how.width);
    else if (how.op == CMPS)
        model_compare(s, model_load(s, src), model_load(s, dst));
    else
        model_compare(s, r[RAX], model_load(s, dst));
    if (uses_src())
        r[RSI] = offset(r[RSI] + step);
    if (uses_dst())
        r[RDI] = offset(r[RDI] + step);
}

static u8 *put_insn(u8 *p)
{
    if (how.prefix)
        *p++ = how.prefix;
    if (how.address32 && !how.legacy)
        *p++ = 0x67;
    if (how.width == 2)
        *p++ = 0x66;
    if (how.width == 8)
        *p++ = 0x48;
    *p++ = (u8)(how.op | (how.width > 1));
    want.r.ip = (word)p;
    model(&want);
    return p;
}

/* The first fault is at the first element, whose registers are those at the start. */
static struct state start;

static bool on_trap(struct stop *s)
{
    bool writes = absent >= DST_VA && (how.op == MOVS || how.op == STOS);
    word page_of = absent;
    if (s->vector != PF || !absent)
        return false;
    faults++;
    absent = 0;
    CHECK_EQ(s->error, writes ? PF_W : 0);
    CHECK_EQ(s->cr2 & ~4095ull, page_of);
    if (how.op == CMPS || how.op == SCAS) /* about to be written */
        s->regs.flags = (s->regs.flags & ~(word)FLAG_ARITH) | (start.r.flags & FLAG_ARITH);
    CHECK_REGS(&s->regs, &start.r, 0);
    CHECK(memory_is(&start.m));
    page_map(page_of, (word)byte_at(page_of), RW);
    return true;
}

/* One element before or at the boundary, `split` bytes of it in the first page. */
static void place(u32 split)
{
    static u64 seed;
    regs_pattern(&start.r, seed++);
    start.r.flags = (start.r.r[R15] & FLAG_ARITH) | 2 | (how.down ? FLAG_DF : 0);
    start.r.ip = CODE_VA;
    start.r.cs = how.legacy ? CS32_SEL : KERNEL_CS;
    start.r.r[RSI] = SRC_VA + 4096 - split - base();
    start.r.r[RDI] = DST_VA + 4096 - split;
    for (u32 i = 0; how.legacy && i < 16; i++)
        start.r.r[i] = (u32)start.r.r[i];
    if (how.address32 && !how.legacy) {
        start.r.r[RSI] = (u32)start.r.r[RSI] | 0x123400000000ull; /* canonical, and not there */
        start.r.r[RDI] = (u32)start.r.r[RDI] | 0x567800000000ull;
    }
    for (u32 i = 0; i < 2 * AREA; i++) {
        start.m.byte[0][i] = (u8)(start.r.r[R14] * (i + 1) >> 8);
        start.m.byte[1][i] = i & 8 ? start.m.byte[0][i] : (u8)(start.r.r[R14] * (i + 1) >> 16);
    }
    if (how.op == SCAS && (seed & 1))
        memcpy(&start.r.r[RAX], model_byte(&start.m, offset(start.r.r[RDI])), how.width);
}

/* legacy code saves no upper halves and no R8 … R15 that count. */
static void run(u32 split, u32 times, word gone)
{
    struct stop s;
    u8 *p = (u8 *)CODE_VA;
    place(split);
    want = start;
    for (u32 i = 0; i < times; i++)
        p = put_insn(p);
    p = EMIT(p, STOP_BYTES);
    want.r.ip = (word)p;
    put_memory(&start.m);
    absent = gone, faults = 0;
    if (gone)
        page_map(gone, 0, 0);
    CHECK_EQ(regs_run(&start.r, &s), STOP_VECTOR);
    CHECK_EQ(faults, gone != 0);
    CHECK_REGS(&s.regs, &want.r, how.legacy ? 0xff00 : 0);
    CHECK(memory_is(&want.m));
}

static void with_faults(u32 split)
{
    for (u32 second = 0; second < 2; second++) {
        if (second ? split == how.width : !split) /* nothing of the element is there */
            continue;
        if (uses_src())
            run(split, 1, SRC_VA + 4096 * second);
        if (uses_dst())
            run(split, 1, DST_VA + 4096 * second);
    }
}

static void all_places(void)
{
    for (u32 down = 0; down < 2; down++)
        for (u32 split = 0; split <= how.width; split++) {
            how.down = down;
            run(split, 1, 0);
            run(split, 2, 0);
            with_faults(split);
        }
}

static void all_widths(u8 prefix)
{
    how.prefix = prefix;
    for (how.width = 1; how.width <= (how.legacy ? 4 : 8); how.width *= 2)
        all_places();
}

static void in_mode(const char *name, bool legacy, bool address32)
{
    static const struct {
        u8 op;
        const char *name;
    } ops[] = {{MOVS, "MOVS"}, {CMPS, "CMPS"}, {STOS, "STOS"}, {LODS, "LODS"}, {SCAS, "SCAS"}};
    how.legacy = legacy, how.address32 = address32;
    for (u32 i = 0; i < ARRAY_SIZE(ops); i++) {
        how.op = ops[i].op;
        test_case(ops[i].name, name, "no prefix, then two segments");
        all_widths(NO_PREFIX);
        all_widths(legacy ? CS_PREFIX : FS_PREFIX);
        all_widths(legacy ? SS_PREFIX : GS_PREFIX);
    }
}

/* CLD and STD between: how far each step goes is known only there. */
CODE(turns, "movsb\n std\n movsw\n movsb\n cld\n lodsl\n stosb\n std\n scasb\n cmpsb\n cld\n" STOP);

static void directions(void)
{
    struct stop s;
    struct regs r = {.ip = (word)turns, .flags = 2};
    test("CLD and STD between");
    for (u32 down = 0; down < 2; down++) {
        r.flags = down ? FLAG_DF | 2 : 2;
        r.r[RSI] = (word)byte_at(SRC_VA + 64), r.r[RDI] = (word)byte_at(DST_VA + 64);
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RSI] - r.r[RSI], (word)(down ? -1 : 1) - 2 - 1 + 4 - 1);
        CHECK_EQ(s.regs.r[RDI] - r.r[RDI], (word)(down ? -1 : 1) - 2 - 1 + 1 - 1 - 1);
        CHECK_EQ(s.regs.flags & FLAG_DF, 0);
    }
}

CODE(wrap_up, "addr32 lodsl\n addr32 stosl\n" STOP);
CODE(wrap_down, "std\n addr32 lodsw\n addr32 scasw\n" STOP);

/* 32-bit addresses go from 4 GiB - 4 to 0, and back. */
static void wraps(void)
{
    struct stop s;
    struct regs r = {.ip = (word)wrap_up, .flags = 2};
    test("32-bit addresses at 4 GiB");
    memset(code_page, 0x3c, 4096);
    r.r[RSI] = r.r[RDI] = 0x55555555fffffffcull;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.r[RAX], 0x3c3c3c3c);
    CHECK_EQ(s.regs.r[RSI], 0);
    CHECK_EQ(s.regs.r[RDI], 0);
    r.ip = (word)wrap_down;
    r.r[RSI] = r.r[RDI] = 0x7777777700000000ull;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.r[RSI], 0xfffffffe);
    CHECK_EQ(s.regs.r[RDI], 0xfffffffe);
    CHECK(s.regs.flags & FLAG_ZF);
}

/* In place of large pages that map nothing. */
static void map_pages(void)
{
    static const word large[] = {CODE_VA, SRC_VA, DST_VA, TOP_VA};
    for (u32 i = 0; i < ARRAY_SIZE(large); i++)
        *page_entry(large[i], 2) = 0;
    set_cr3(get_cr3());
    page_map(CODE_VA, (word)code_page, RW);
    page_map(TOP_VA, (word)code_page, RW);
    for (u32 i = 0; i < 2; i++) {
        page_map(SRC_VA + 4096 * i, (word)page[0][1 - i], RW);
        page_map(DST_VA + 4096 * i, (word)page[1][1 - i], RW);
    }
}

GUEST("string")
{
    regs_catch_all();
    regs_fix = on_trap;
    wrmsr(MSR_FS_BASE, FS_AT);
    wrmsr(MSR_GS_BASE, GS_AT);
    map_pages();
    in_mode("64-bit addresses", false, false);
    in_mode("32-bit addresses", false, true);
    in_mode("32-bit code", true, true);
    directions();
    wraps();
}
