/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults in the middle of repeated string instructions, on the source's side and on the
 * destination's, upwards and downwards, with elements in one page and across two: RCX, RSI and RDI
 * say how many elements are done, those are stored and no other; the handler maps the page and it
 * goes on.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define CODE_VA (TEST_BASE + 0x1000)
#define SRC_VA  (TEST_BASE + 0x200000)
#define DST_VA  (TEST_BASE + 0x400000)
#define COUNT   7u

static page_aligned u8 code_page[4096], src[2][4096], dst[2][4096];
enum { MOVS = 0xa4, CMPS = 0xa6, STOS = 0xaa, LODS = 0xac, SCAS = 0xae };
static struct {
    u8 op;
    u32 width, done; /* elements before the fault */
    bool down, in_dst;
    word absent; /* page */
    struct regs start;
    u32 faults;
} c;

static u8 *src_byte(word va)
{
    word at = va - SRC_VA;
    return &src[1 - (at >> 12)][at & 4095]; /* the pages are in reverse order in memory */
}

static u8 *dst_byte(word va)
{
    word at = va - DST_VA;
    return &dst[1 - (at >> 12)][at & 4095];
}

static u64 element(const struct stop *s, unsigned reg, u32 n)
{
    long step = c.down ? -(long)c.width : (long)c.width;
    return s->regs.r[reg] - c.start.r[reg] == (word)(step * (long)n);
}

static u8 fill_byte(word va)
{
    return c.op == STOS ? c.start.r[RAX] >> 8 * ((va - c.start.r[RDI]) & (c.width - 1)) & 0xff
                        : *src_byte(va - c.start.r[RDI] + c.start.r[RSI]);
}

/* The first n elements are stored, and nothing but 5Ah is around them and behind. */
static bool stored(u32 n)
{
    word first = c.start.r[RDI] - (c.down && n ? (n - 1) * c.width : 0), end = first + n * c.width;
    for (word va = DST_VA + 4096 - 80; va < DST_VA + 4096 + 80; va++) {
        u8 want = n && va >= first && va < end ? fill_byte(va) : 0x5a;
        if (*dst_byte(va) != want)
            return false;
    }
    return true;
}

static bool on_trap(struct stop *s)
{
    bool uses_src = c.op == MOVS || c.op == CMPS || c.op == LODS;
    bool uses_dst = c.op != LODS;
    if (s->vector != PF)
        return false;
    c.faults++;
    CHECK_EQ(s->error, c.in_dst && (c.op == MOVS || c.op == STOS) ? PF_W : 0);
    CHECK_EQ(s->cr2 & ~4095ull, c.absent);
    CHECK_EQ(s->regs.ip, CODE_VA);
    CHECK_EQ(s->regs.r[RCX], COUNT - c.done);
    CHECK(element(s, RSI, uses_src ? c.done : 0));
    CHECK(element(s, RDI, uses_dst ? c.done : 0));
    if (c.op == MOVS || c.op == STOS)
        CHECK(stored(c.done));
    page_map(c.absent, c.in_dst ? (word)dst_byte(c.absent) : (word)src_byte(c.absent),
             PTE_P | PTE_W);
    return c.faults == 1;
}

static void fill(void)
{
    for (word at = 4096 - 80; at < 4096 + 80; at++) {
        u8 v = c.op == CMPS || c.op == SCAS ? 0x5a : (u8)(at * 5);
        *src_byte(SRC_VA + at) = v;
        *dst_byte(DST_VA + at) = 0x5a;
    }
}

/* shift: how many bytes of an element lie before the boundary when it is reached (0: none). */
static void one(u32 shift)
{
    struct stop s;
    u32 step = c.down ? -c.width : c.width;
    word edge = 4096 - (c.down ? c.width : 0) + (c.down ? shift : -shift);
    word first = edge - (word)(long)(int)(step * c.done);
    for (u32 i = 0; i < 2; i++) {
        page_map(SRC_VA + 4096 * i, (word)src[1 - i], PTE_P | PTE_W);
        page_map(DST_VA + 4096 * i, (word)dst[1 - i], PTE_P | PTE_W);
    }
    c.start.r[RSI] = SRC_VA + first;
    c.start.r[RDI] = DST_VA + first;
    c.start.r[RCX] = COUNT;
    c.start.flags = c.down ? FLAG_DF | 2 : 2;
    c.absent = (c.in_dst ? DST_VA : SRC_VA) + (c.down ? 0 : 4096);
    fill();
    page_map(c.absent, 0, 0);
    c.faults = 0;
    CHECK_EQ(regs_run(&c.start, &s), STOP_VECTOR);
    CHECK_EQ(c.faults, 1);
    CHECK_EQ(s.regs.r[RCX], 0);
    if (c.op == MOVS || c.op == STOS)
        CHECK(stored(COUNT));
    if (c.op == LODS) {
        u64 want = 0;
        for (u32 i = 0; i < c.width; i++)
            want |= (u64)*src_byte(c.start.r[RSI] + (word)(long)(int)(step * (COUNT - 1)) + i)
                    << 8 * i;
        CHECK_EQ(s.regs.r[RAX] & (~0ull >> (64 - 8 * c.width)), want);
    }
}

static void instruction(u8 op, bool in_dst)
{
    c.op = op, c.in_dst = in_dst;
    for (c.width = 1; c.width <= 8; c.width *= 2) {
        u8 *p = EMIT((u8 *)CODE_VA, op == SCAS ? 0xf2 : 0xf3);
        if (c.width == 2)
            p = EMIT((u8 *)CODE_VA, 0x66, op == SCAS ? 0xf2 : 0xf3);
        if (c.width == 8)
            p = EMIT(p, 0x48);
        p = EMIT(p, (u8)(op | (c.width != 1)));
        EMIT(p, STOP_BYTES);
        for (u32 down = 0; down < 2; down++)
            for (u32 shift = 0; shift < c.width; shift += 1 + c.width / 4)
                for (c.done = 0; c.done < COUNT; c.done++) {
                    c.down = down;
                    regs_pattern(&c.start, c.done);
                    c.start.ip = CODE_VA;
                    one(shift);
                }
    }
}

GUEST("fault-string")
{
    regs_catch_all();
    regs_fix = on_trap;
    page_map(CODE_VA, (word)code_page, PTE_P | PTE_W);
    static const struct {
        u8 op;
        const char *name;
    } ops[] = {{MOVS, "REP MOVS"},
               {CMPS, "REPE CMPS"},
               {STOS, "REP STOS"},
               {LODS, "REP LODS"},
               {SCAS, "REPNE SCAS"}};
    for (u32 i = 0; i < ARRAY_SIZE(ops); i++)
        for (u32 in_dst = 0; in_dst < 2; in_dst++) {
            if ((ops[i].op == LODS && in_dst) ||
                ((ops[i].op == STOS || ops[i].op == SCAS) && !in_dst))
                continue;
            test_case(ops[i].name, in_dst ? "in the destination" : "in the source", "7 elements");
            instruction(ops[i].op, in_dst);
        }
}
