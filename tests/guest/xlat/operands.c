/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All registers in all places of integer instructions: programs by chance, of every width, with AH
 * to BH and with a REX prefix in their place, R8 to R15, RSP, RBP, R12 and R13 as base and index,
 * addresses cut to 32 bits and relative to RIP, both operands the same register, rows of accesses
 * off one base that changes between two of them. A model in C holds all registers, some memory and
 * the flags. Each program has memory of its own: where code changes often, a translator may make
 * less of it.
 */
#include "desc.h"
#include "flags_model.h"
#include "io.h"
#include "trap.h"

#define WINDOW     64 /* bytes of memory that are used */
#define PROGRAMS   3000
#define CODE_BYTES 1024 /* of a program, at most */

static __attribute__((aligned(64))) u8 memory[256], model_memory[256], first_memory[256];
static page_aligned u8 code[PROGRAMS][CODE_BYTES];

static struct {
    u8 *p;
    u64 r[16];
    struct flags f;
    u64 chance;
    u8 base, index, scale; /* of an access; */
    u32 row;               /* how many are to come that have the same */
} g;

/* One operand, and how the instruction must be encoded for it. */
struct place {
    bool memory;
    u8 reg, base, index, scale, mod; /* base 16: RIP; index 4: none */
    u32 disp;
    u64 at;
};
struct insn {
    u32 width;
    bool rex, addr32; /* rex: 4 to 7 are SPL to DIL for bytes */
    u8 reg;           /* the operand of ModRM.reg */
    struct place rm;
};

static u32 pick(u32 n)
{
    return (u32)(random64(&g.chance) >> 20) % n;
}

static u64 get_reg(const struct insn *i, u32 reg, u32 width)
{
    if (width == 1 && !i->rex && reg >= 4)
        return g.r[reg - 4] >> 8 & 0xff;
    return g.r[reg] & width_mask(width);
}

static void set_reg(const struct insn *i, u32 reg, u32 width, u64 v)
{
    if (width == 1 && !i->rex && reg >= 4)
        g.r[reg - 4] = (g.r[reg - 4] & ~0xff00ull) | (v & 0xff) << 8;
    else
        g.r[reg] = merged(g.r[reg], v, width);
}

static u64 get_rm(const struct insn *i, u32 width)
{
    u64 v = 0;
    if (!i->rm.memory)
        return get_reg(i, i->rm.reg, width);
    memcpy(&v, model_memory + (i->rm.at - (word)memory), width);
    return v;
}

static void set_rm(const struct insn *i, u32 width, u64 v)
{
    if (i->rm.memory)
        memcpy(model_memory + (i->rm.at - (word)memory), &v, width);
    else
        set_reg(i, i->rm.reg, width, v);
}

static void load(u32 reg, u64 v)
{
    g.p = emit_mov(g.p, reg, v);
    g.r[reg] = v;
}

static void set_disp(struct place *m, u32 disp)
{
    m->disp = disp;
    m->mod = disp == 0 && (m->base & 7) != 5 ? 0 : disp + 128 < 256 ? 1 : 2;
}

/* By the registers of the access before, whatever is in them now. */
static bool same_base(struct place *m, u32 regs)
{
    u64 disp = m->at - g.r[g.base] - (g.index == 4 ? 0 : g.r[g.index] << g.scale);
    if (g.row == 0 || g.base >= regs || g.index >= regs || disp != (u64)(long)(int)disp)
        return false;
    g.row--;
    m->base = g.base;
    m->index = g.index;
    m->scale = g.scale;
    set_disp(m, (u32)disp);
    return true;
}

/* A memory operand; loads the registers of its address. */
static void pick_address(struct insn *i, u32 regs)
{
    struct place *m = &i->rm;
    m->memory = true;
    m->at = (word)memory + 8 + pick(WINDOW);
    m->index = 4;
    m->scale = 0;
    if (same_base(m, regs))
        return;
    m->base = (u8)(pick(4) ? pick(regs + (pick(4) == 0)) : RAX);
    if (m->base == regs) { /* the displacement is put in when the length is known */
        m->base = 16;
        return;
    }
    static const u32 disps[] = {0, 0, 1, 0x7f, (u32)-128, 0x80, 0x12345678, (u32)-0x12345678};
    set_disp(m, disps[pick(8)]);
    u64 base = m->at - (u64)(long)(int)m->disp;
    if (pick(2)) {
        m->index = (u8)pick(regs);
        m->scale = (u8)pick(4);
        if (m->index == m->base)
            m->index = 4;
    }
    i->addr32 = pick(4) == 0;
    if (m->index != 4) {
        u64 v = random64(&g.chance) >> (i->addr32 ? 0 : 20);
        load(m->index, v);
        base -= v << m->scale;
    }
    load(m->base, i->addr32 ? (base & 0xffffffff) | random64(&g.chance) << 32 : base);
    g.base = m->base, g.index = m->index, g.scale = m->scale;
    g.row = i->addr32 ? 0 : pick(8);
}

static struct insn pick_operands(u32 width, bool may_be_memory)
{
    struct insn i = {.width = width};
    i.rex = pick(3) != 0;
    u32 regs = i.rex ? 16 : 8;
    i.reg = (u8)pick(regs);
    i.rm.reg = (u8)pick(regs);
    if (pick(8) == 0)
        i.rm.reg = i.reg;
    if (may_be_memory && pick(g.row ? 2 : 3) == 0)
        pick_address(&i, regs);
    return i;
}

static void emit_modrm(const struct insn *i, u32 immediate)
{
    const struct place *m = &i->rm;
    u8 reg = (u8)((i->reg & 7) << 3);
    if (!m->memory) {
        g.p = EMIT(g.p, (u8)(0xc0 | reg | (m->reg & 7)));
    } else if (m->base == 16) {
        g.p = EMIT(g.p, (u8)(5 | reg));
        g.p = emit_le(g.p, m->at - (word)(g.p + 4 + immediate), 4);
    } else {
        bool sib = m->index != 4 || (m->base & 7) == 4;
        g.p = EMIT(g.p, (u8)(m->mod << 6 | reg | (sib ? 4 : m->base & 7)));
        if (sib)
            g.p = EMIT(g.p, (u8)(m->scale << 6 | (m->index & 7) << 3 | (m->base & 7)));
        g.p = emit_le(g.p, m->disp, m->mod == 2 ? 4 : m->mod);
    }
}

/* Prefixes, opcode (up to two bytes, 0Fxxh), ModRM; `immediate` bytes follow. */
static void emit_insn(const struct insn *i, u32 opcode, u32 immediate)
{
    const struct place *m = &i->rm;
    u8 rex = (u8)(i->width == 8 ? 0x48 : 0x40);
    if (m->memory && m->base != 16)
        rex |= (u8)(m->base >> 3 | m->index >> 3 << 1);
    else if (!m->memory)
        rex |= m->reg >> 3;
    rex |= (u8)(i->reg >> 3 << 2);
    if (i->addr32)
        g.p = EMIT(g.p, 0x67);
    if (i->width == 2)
        g.p = EMIT(g.p, 0x66);
    if (rex != 0x40 || i->rex)
        g.p = EMIT(g.p, rex);
    if (opcode > 0xff)
        g.p = EMIT(g.p, 0x0f);
    g.p = EMIT(g.p, (u8)opcode);
    emit_modrm(i, immediate);
}

static u32 wide(const struct insn *i)
{
    return i->width != 1;
}

static void alu(u32 width)
{
    struct insn i = pick_operands(width, true);
    u32 op = pick(8);
    bool to_reg = pick(2);
    emit_insn(&i, op << 3 | (u32)to_reg << 1 | wide(&i), 0);
    u64 a = get_reg(&i, i.reg, width), b = get_rm(&i, width);
    u64 v = to_reg ? model_alu(op, a, b, width, &g.f) : model_alu(op, b, a, width, &g.f);
    if (op == CMP)
        return;
    if (to_reg)
        set_reg(&i, i.reg, width, v);
    else
        set_rm(&i, width, v);
}

static void alu_immediate(u32 width)
{
    struct insn i = pick_operands(width, true);
    u32 op = pick(8), v = (u32)random64(&g.chance);
    bool byte = width == 1 || pick(2);
    u32 bytes = byte ? 1 : width == 2 ? 2 : 4;
    i.reg = (u8)op;
    emit_insn(&i, width == 1 ? 0x80 : byte ? 0x83 : 0x81, bytes);
    g.p = emit_le(g.p, v, bytes);
    u64 b = byte ? (u64)(long)(signed char)v : (u64)(long)(int)v;
    u64 result = model_alu(op, get_rm(&i, width), b, width, &g.f);
    if (op != CMP)
        set_rm(&i, width, result);
}

/* The forms without ModRM: rAX and an immediate. */
static void accumulator(u32 width)
{
    u32 op = pick(9), v = pick(4) ? pick(64) - 32 : (u32)random64(&g.chance);
    u32 bytes = width == 8 ? 4 : width;
    if (width == 2)
        g.p = EMIT(g.p, 0x66);
    if (width == 8)
        g.p = EMIT(g.p, 0x48);
    g.p = EMIT(g.p, (u8)((op == 8 ? 0xa8 : op << 3 | 4) | (width != 1)));
    g.p = emit_le(g.p, v, bytes);
    u64 r = model_alu(op == 8 ? AND : op, g.r[RAX], (u64)(long)(int)v, width, &g.f);
    if (op < CMP)
        g.r[RAX] = merged(g.r[RAX], r, width);
}

static void move(u32 width)
{
    struct insn i = pick_operands(width, true);
    switch (pick(4)) {
    case 0:
        emit_insn(&i, 0x88 | wide(&i), 0);
        set_rm(&i, width, get_reg(&i, i.reg, width));
        break;
    case 1:
        emit_insn(&i, 0x8a | wide(&i), 0);
        set_reg(&i, i.reg, width, get_rm(&i, width));
        break;
    case 2: { /* MOV r/m, immediate */
        u32 v = (u32)random64(&g.chance), bytes = width == 8 ? 4 : width;
        i.reg = 0;
        emit_insn(&i, 0xc6 | wide(&i), bytes);
        g.p = emit_le(g.p, v, bytes);
        set_rm(&i, width, (u64)(long)(int)v);
        break;
    }
    case 3: /* XCHG */
        emit_insn(&i, 0x86 | wide(&i), 0);
        u64 a = get_reg(&i, i.reg, width), b = get_rm(&i, width);
        set_reg(&i, i.reg, width, b);
        set_rm(&i, width, a);
        break;
    }
}

static void extend(u32 width)
{
    width = width == 1 ? 4 : width;
    struct insn i = pick_operands(width, true);
    bool sign = pick(2);
    u32 from = width == 2 || pick(2) ? 1 : 2;
    if (width == 8 && pick(3) == 0) { /* MOVSXD */
        emit_insn(&i, 0x63, 0);
        set_reg(&i, i.reg, 8, (u64)(long)(int)get_rm(&i, 4));
        return;
    }
    i.rex |= width == 8 || i.reg > 7 || i.rm.reg > 7;
    emit_insn(&i, 0x100 | 0xb6 | (u32)sign << 3 | (from - 1), 0);
    u64 v = get_rm(&i, from);
    if (sign && v >> (8 * from - 1))
        v |= ~width_mask(from);
    i.rex = true;
    set_reg(&i, i.reg, width, v);
}

static u64 selector_in(u32 seg)
{
    u64 v[6];
    asm("movq %%es, %0\n movq %%cs, %1\n movq %%ss, %2\n movq %%ds, %3\n movq %%fs, %4\n"
        "movq %%gs, %5"
        : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]), "=r"(v[4]), "=r"(v[5]));
    return v[seg];
}

static void selector(u32 width)
{
    struct insn i = pick_operands(width == 1 ? 4 : width, true);
    i.reg = (u8)pick(6);
    emit_insn(&i, 0x8c, 0);
    set_rm(&i, i.rm.memory ? 2 : i.width, selector_in(i.reg));
}

static void exchange_add(u32 width)
{
    struct insn i = pick_operands(width, true);
    u64 a, b;
    if (i.rm.memory && pick(2))
        g.p = EMIT(g.p, 0xf0);
    if (pick(2)) {
        emit_insn(&i, 0x1c0 | wide(&i), 0);
        a = get_reg(&i, i.reg, width), b = get_rm(&i, width);
        u64 sum = model_alu(ADD, b, a, width, &g.f);
        set_reg(&i, i.reg, width, b);
        set_rm(&i, width, sum);
        return;
    }
    if (pick(2) && !i.rm.memory) /* equal, so that it stores */
        load(i.rm.reg, g.r[RAX]);
    emit_insn(&i, 0x1b0 | wide(&i), 0);
    a = get_reg(&i, i.reg, width), b = get_rm(&i, width);
    (void)model_alu(CMP, g.r[RAX], b, width, &g.f);
    if (g.f.set & FLAG_ZF)
        set_rm(&i, width, a);
    else
        g.r[RAX] = merged(g.r[RAX], b, width);
}

static void unary(u32 width)
{
    struct insn i = pick_operands(width, true);
    u32 op = pick(4);
    i.reg = (u8)op;
    emit_insn(&i, (op < 2 ? 0xfe : 0xf6) | wide(&i), 0);
    u64 a = get_rm(&i, width);
    u64 v = op == 2 ? ~a : op == 3 ? model_neg(a, width, &g.f) : model_incdec(op, a, width, &g.f);
    set_rm(&i, width, v);
}

static void shift(u32 width)
{
    struct insn i = pick_operands(width, true);
    u32 op = pick(7), n = 1 + pick(8 * width - 1);
    i.reg = (u8)(op == 6 ? SAR : op);
    emit_insn(&i, n == 1 ? 0xd0 | wide(&i) : 0xc0 | wide(&i), n != 1);
    if (n != 1)
        g.p = EMIT(g.p, (u8)n);
    set_rm(&i, width, model_shift(i.reg, get_rm(&i, width), n, width, &g.f));
}

static void lea(u32 width)
{
    struct insn i = pick_operands(width == 1 ? 4 : width, false);
    pick_address(&i, i.rex ? 16 : 8);
    emit_insn(&i, 0x8d, 0);
    set_reg(&i, i.reg, i.width, i.rm.at);
}

static void condition(u32 width)
{
    u32 cc = pick(16);
    while (condition_needs(cc) & g.f.undefined)
        cc = pick(16);
    bool yes = model_condition(cc, g.f.set);
    if (width == 1) {
        struct insn i = pick_operands(1, true);
        i.reg &= 7;
        emit_insn(&i, 0x190 | cc, 0);
        set_rm(&i, 1, yes);
        return;
    }
    struct insn i = pick_operands(width, true);
    emit_insn(&i, 0x140 | cc, 0);
    set_reg(&i, i.reg, width, yes ? get_rm(&i, width) : get_reg(&i, i.reg, width));
}

static void other(u32 width)
{
    width = width == 1 ? 8 : width;
    struct insn i = pick_operands(width, true);
    if (pick(2) || width == 2) { /* TEST */
        emit_insn(&i, 0x85, 0);
        (void)model_alu(AND, get_reg(&i, i.reg, width), get_rm(&i, width), width, &g.f);
    } else { /* MOV r, r/m; BSWAP r */
        emit_insn(&i, 0x8b, 0);
        u64 v = get_rm(&i, width);
        g.p = EMIT(g.p, (u8)((width == 8 ? 0x48 : 0x40) | i.reg >> 3), 0x0f,
                   (u8)(0xc8 | (i.reg & 7)));
        set_reg(&i, i.reg, width, width == 8 ? __builtin_bswap64(v) : __builtin_bswap32((u32)v));
    }
}

static void run(const struct regs *r, const struct regs *want)
{
    struct stop s;
    memcpy(memory, first_memory, sizeof(memory));
    CHECK_EQ(regs_run(r, &s), STOP_VECTOR);
    s.regs.flags &= ~(word)(g.f.undefined | FLAG_DF);
    CHECK_REGS(&s.regs, want, 0);
    CHECK(!memcmp(memory, model_memory, sizeof(memory)));
}

static void program(u32 number)
{
    static void (*const kinds[])(u32) = {alu,  alu,       alu_immediate, accumulator, accumulator,
                                         move, extend,    exchange_add,  unary,       shift,
                                         lea,  condition, selector,      other};
    static char name[] = "program 0000";
    struct regs r = {.ip = (word)code[number]};
    for (u32 i = 0, n = number; i < 4; i++, n /= 10)
        name[11 - i] = (char)('0' + n % 10);
    test(name);
    g.chance = 0x9e3779b97f4a7c15ull * (number + 1);
    g.p = code[number];
    g.row = 0;
    for (u32 i = 0; i < 16; i++)
        r.r[i] = g.r[i] = random64(&g.chance);
    for (u32 i = 0; i < sizeof(memory); i++)
        first_memory[i] = model_memory[i] = (u8)random64(&g.chance);
    r.flags = g.f.set = (u32)random64(&g.chance) & FLAG_ARITH;
    g.f.undefined = 0;
    for (u32 i = 0; i < 24; i++)
        kinds[pick(ARRAY_SIZE(kinds))](1u << pick(4));
    struct regs want = {.ip = (word)EMIT(g.p, STOP_BYTES), .flags = g.f.set & ~g.f.undefined};
    memcpy(want.r, g.r, sizeof(g.r));
    run(&r, &want);
    run(&r, &want);
}

GUEST("operands")
{
    regs_catch_all();
    asm volatile("movl %0, %%fs" : : "r"(USER_DS));
    for (u32 n = 0; n < PROGRAMS; n++) {
        if (n == PROGRAMS / 2)
            regs_use_smap(true);
        program(n);
    }
}
