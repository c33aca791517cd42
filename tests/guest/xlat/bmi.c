/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BMI1 and BMI2: programs by chance of instructions with three operands, all registers in all
 * places, among loads and stores off one base register, which a translator may check once for all
 * of them. A model in C holds registers, memory and the flags that are defined.
 */
#include "flags_model.h"
#include "io.h"
#include "trap.h"

#define WORDS      16 /* of memory */
#define PROGRAMS   2000
#define STEPS      24
#define CODE_BYTES 512

enum op { ANDN, BEXTR, BZHI, SHLX, SARX, SHRX, PDEP, PEXT, MULX, RORX, BLSR, BLSMSK, BLSI, OPS };
static const struct encoding {
    u8 map, pp, opcode, ext; /* ext: ModRM.reg, where that is no operand */
} encodings[OPS] = {
    [ANDN] = {2, 0, 0xf2, 0}, [BEXTR] = {2, 0, 0xf7, 0}, [BZHI] = {2, 0, 0xf5, 0},
    [SHLX] = {2, 1, 0xf7, 0}, [SARX] = {2, 2, 0xf7, 0},  [SHRX] = {2, 3, 0xf7, 0},
    [PDEP] = {2, 3, 0xf5, 0}, [PEXT] = {2, 2, 0xf5, 0},  [MULX] = {2, 3, 0xf6, 0},
    [RORX] = {3, 3, 0xf0, 0}, [BLSR] = {2, 0, 0xf3, 1},  [BLSMSK] = {2, 0, 0xf3, 2},
    [BLSI] = {2, 0, 0xf3, 3},
};

static __attribute__((aligned(64))) u64 memory[WORDS];
static page_aligned u8 code[PROGRAMS][CODE_BYTES];
static struct {
    u8 *p;
    u64 r[16], memory[WORDS];
    u32 base;
    struct flags f;
    u64 chance;
} g;

struct insn {
    enum op op;
    bool memory;
    u32 width, reg, v, rm, imm; /* rm: a register, or a word of memory */
};

static u32 pick(u32 n)
{
    return (u32)(random64(&g.chance) >> 20) % n;
}

static u32 pick_target(void)
{
    u32 r = pick(16);
    return r == g.base ? R10 : r;
}

/* [base + 8 * word] */
static void emit_modrm(u32 reg, const struct insn *i)
{
    u8 field = (u8)((reg & 7) << 3);
    if (!i->memory) {
        g.p = EMIT(g.p, (u8)(0xc0 | field | (i->rm & 7)));
        return;
    }
    g.p = EMIT(g.p, (u8)(0x40 | field | (g.base & 7)));
    if ((g.base & 7) == RSP)
        g.p = EMIT(g.p, 0x24);
    g.p = EMIT(g.p, (u8)(8 * i->rm));
}

static bool names_reg(enum op op)
{
    return !encodings[op].ext;
}

static void emit_insn(const struct insn *i)
{
    const struct encoding *e = &encodings[i->op];
    u32 reg = names_reg(i->op) ? i->reg : e->ext, rm = i->memory ? g.base : i->rm;
    u32 v = i->op == RORX ? 0 : i->v;
    g.p = EMIT(g.p, 0xc4, (u8)((reg & 8 ? 0 : 0x80) | 0x40 | (rm & 8 ? 0 : 0x20) | e->map),
               (u8)((i->width == 8) << 7 | (~v & 15) << 3 | e->pp), e->opcode);
    emit_modrm(reg, i);
    if (i->op == RORX)
        g.p = EMIT(g.p, (u8)i->imm);
}

static u64 deposit(u64 v, u64 mask, bool extract)
{
    u64 r = 0;
    for (u32 bit = 0, n = 0; bit < 64; bit++) {
        if (!(mask >> bit & 1))
            continue;
        r |= extract ? (v >> bit & 1) << n : (v >> n & 1) << bit;
        n++;
    }
    return r;
}

static u64 low_bits(u64 v, u32 n)
{
    return n < 64 ? v & ((1ull << n) - 1) : v;
}

static u64 shifted(enum op op, u64 a, u32 n, u32 width)
{
    u32 bits = 8 * width;
    n &= bits - 1;
    switch (op) {
    case SHLX:
        return a << n;
    case SHRX:
        return a >> n;
    case SARX:
        return width == 8 ? (u64)((long)a >> n) : (u64)(long)((int)a >> n);
    default: /* RORX */
        return n ? a >> n | a << (bits - n) : a;
    }
}

static void result_flags(u64 r, u32 width, u32 undefined, bool carry)
{
    flags_of_result(&g.f, r, width);
    flag_put(&g.f, FLAG_CF, carry);
    flag_put(&g.f, FLAG_OF, false);
    g.f.undefined |= undefined;
}

static void multiply(const struct insn *i, u64 a)
{
    u64 b = g.r[RDX] & width_mask(i->width);
    unsigned __int128 all = (unsigned __int128)a * b;
    g.r[i->v] = (u64)all & width_mask(i->width);
    g.r[i->reg] = (u64)(all >> 8 * i->width) & width_mask(i->width);
}

static void model(const struct insn *i)
{
    u64 mask = width_mask(i->width);
    u64 a = (i->memory ? g.memory[i->rm] : g.r[i->rm]) & mask, b = g.r[i->v] & mask, r = 0;
    u32 n = (u8)b, bits = 8 * i->width, af_pf = FLAG_AF | FLAG_PF;
    switch (i->op) {
    case ANDN:
        result_flags(r = ~b & a & mask, i->width, af_pf, false);
        break;
    case BEXTR:
        r = n < bits ? low_bits(a >> n, (u32)(b >> 8) & 0xff) : 0;
        result_flags(r, i->width, af_pf | FLAG_SF, false);
        break;
    case BZHI:
        result_flags(r = low_bits(a, n), i->width, af_pf, n > bits - 1);
        break;
    case SHLX:
    case SARX:
    case SHRX:
        r = shifted(i->op, a, n, i->width);
        break;
    case RORX:
        r = shifted(i->op, a, i->imm, i->width);
        break;
    case PDEP:
    case PEXT:
        r = deposit(b, a, i->op == PEXT);
        break;
    case MULX:
        multiply(i, a);
        return;
    case BLSR:
        result_flags(r = a & (a - 1) & mask, i->width, af_pf, !a);
        break;
    case BLSMSK:
        result_flags(r = (a ^ (a - 1)) & mask, i->width, af_pf, !a);
        break;
    case BLSI:
        result_flags(r = a & (0 - a) & mask, i->width, af_pf, a != 0);
        break;
    case OPS:
        break;
    }
    g.r[names_reg(i->op) ? i->reg : i->v] = r & mask;
}

static void put_bmi(void)
{
    struct insn i = {.op = (enum op)pick(OPS),
                     .memory = pick(4) == 0,
                     .width = pick(2) ? 8 : 4,
                     .reg = pick_target(),
                     .imm = pick(64)};
    bool writes_v = i.op == MULX || !names_reg(i.op);
    i.v = writes_v ? pick_target() : pick(16);
    i.rm = pick(16);
    emit_insn(&i);
    model(&i);
}

/* MOV between a register and a word. */
static void put_move(void)
{
    struct insn i = {.memory = true, .rm = pick(WORDS)};
    bool store = pick(2);
    u32 reg = store ? pick(16) : pick_target();
    g.p = EMIT(g.p, (u8)(0x48 | reg >> 3 << 2 | g.base >> 3), store ? 0x89 : 0x8b);
    emit_modrm(reg, &i);
    if (store)
        g.memory[i.rm] = g.r[reg];
    else
        g.r[reg] = g.memory[i.rm];
}

static void one(u32 n)
{
    static const u8 bases[] = {RBX, R9, RSP, R12, RDI};
    struct regs in = {.ip = (word)code[n], .flags = 2};
    struct stop s;
    regs_pattern(&in, n);
    g.chance = 0x9e3779b97f4a7c15ull * (n + 1);
    g.base = bases[n % ARRAY_SIZE(bases)];
    in.r[g.base] = (word)memory;
    memcpy(g.r, in.r, sizeof(g.r));
    for (u32 i = 0; i < WORDS; i++)
        memory[i] = g.memory[i] = random64(&g.chance) >> pick(64);
    g.f = (struct flags){0};
    g.p = code[n];
    for (u32 i = 0; i < STEPS; i++)
        pick(2) ? put_bmi() : put_move();
    g.p = EMIT(g.p, STOP_BYTES);
    CHECK_EQ(regs_run(&in, &s), STOP_VECTOR);
    in.ip = (word)g.p;
    memcpy(in.r, g.r, sizeof(g.r));
    s.regs.flags &= ~(word)g.f.undefined;
    in.flags = (g.f.set & ~g.f.undefined) | 2;
    CHECK_REGS(&s.regs, &in, 0);
    CHECK(!memcmp(memory, g.memory, sizeof(memory)));
}

GUEST("bmi")
{
    struct cpuid leaf7 = cpuid(7, 0);
    regs_catch_all();
    if (!(leaf7.ebx & BIT(3)) || !(leaf7.ebx & BIT(8)))
        return;
    set_cr4(get_cr4() | CR4_OSXSAVE);
    test("three operands, by chance");
    for (u32 n = 0; n < PROGRAMS; n++)
        one(n);
}
