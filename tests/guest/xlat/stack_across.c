/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stack at the end of a page: RSP at each of the last 160 bytes and of the first 16 behind,
 * with single instructions of every kind and size, and rows of them, written down and by chance. An
 * access just before has been to the page below, to the page above or elsewhere. Both pages are
 * there, or one of them is absent or read-only. In 64-bit code and in 32-bit code.
 */
#include "io.h"
#include "machine.h"

#define FIRST (-160)
#define LAST  16
#define NEAR  256 /* from RSP to where the first access is made */

enum { FROM_BELOW, FROM_ABOVE = 2, FROM_BODY }; /* ops */

static struct program prog;
static u64 chance = 5;
static u8 *code = (u8 *)FREE_CODE;

static int word_size(void)
{
    return prog.legacy ? 4 : 8;
}

#define OP(what, ...) add_op(&prog, &(struct op){.kind = (what), ##__VA_ARGS__})
/* An operand at RSP + d. */
#define STACK(d) .mem = true, .base = RSP, .disp = (d)

static void begin(bool legacy)
{
    prog.n = 0;
    prog.legacy = legacy;
    OP(O_MOV, TO_REG, .reg = RDX, STACK(-NEAR));
    OP(O_JMP, .target = FROM_BODY);
    OP(O_MOV, TO_REG, .reg = RDX, STACK(NEAR));
}

static void end(void)
{
    OP(O_STOP);
    code = program_emit(&prog, code);
}

static const struct {
    u32 from;
    u8 state[2];
} ways[] = {
    {FROM_BELOW, {PRESENT, PRESENT}},   {FROM_ABOVE, {PRESENT, PRESENT}},
    {FROM_BODY, {PRESENT, PRESENT}},    {FROM_BELOW, {PRESENT, ABSENT}},
    {FROM_ABOVE, {ABSENT, PRESENT}},    {FROM_BELOW, {PRESENT, READ_ONLY}},
    {FROM_ABOVE, {READ_ONLY, PRESENT}},
};

static void run_at(int d)
{
    struct regs pattern;
    struct start s;
    regs_pattern(&pattern, (u64)(d - FIRST));
    memcpy(s.r, pattern.r, sizeof(s.r));
    s.r[RSP] = (prog.legacy ? TOP_32 : TOP_64) + (u64)(long)d;
    for (u32 i = 0; i < ARRAY_SIZE(ways); i++) {
        if (prog.legacy && ((u32)(d - FIRST) + i) % 3)
            continue; /* the same code but for its size */
        s.op = ways[i].from;
        s.flags = (u32)d * 0x41 & FLAG_ARITH;
        memcpy(s.state, ways[i].state, sizeof(s.state));
        (void)program_run(&prog, &s, i);
    }
}

static void everywhere(void)
{
    static bool smap;
    end();
    smap = !smap;
    regs_use_smap(smap);
    for (int d = FIRST; d <= LAST; d++)
        run_at(d);
}

/* Single ones. */

static const struct op singles[] = {
    {O_PUSH, .rm = RBX},
    {O_PUSH, .rm = RSP},
    {O_PUSH, IMM, .imm = (u32)-5},
    {O_PUSH, IMM, .imm = 0x12345678},
    {O_PUSH, STACK(8)},
    {O_PUSH, STACK(-24)},
    {O_POP, .rm = RSI},
    {O_POP, STACK(-8)},
    {O_POP, STACK(16)},
    {O_MOV, TO_REG, 1, .reg = RCX, STACK(0)},
    {O_MOV, TO_REG, 2, .reg = RCX, STACK(1)},
    {O_MOV, TO_REG, 4, .reg = RCX, STACK(-100)},
    {O_MOV, TO_REG, 0, .reg = RCX, STACK(16), .long_disp = true},
    {O_MOV, TO_REG, 0, .reg = RSP, STACK(24)},
    {O_MOV, TO_RM, 1, .reg = RBX, STACK(-1)},
    {O_MOV, TO_RM, 2, .reg = RBX, STACK(100)},
    {O_MOV, TO_RM, 4, .reg = RBX, STACK(0)},
    {O_MOV, TO_RM, 0, .reg = RSP, STACK(150)},
    {O_MOV, IMM, 1, .imm = 0x77, STACK(5)},
    {O_MOV, IMM, 0, .imm = 0x87654321, STACK(-150)},
    {O_ALU, TO_REG, 4, SBB, .reg = RDI, STACK(3)},
    {O_ALU, TO_RM, 1, XOR, .reg = RCX, STACK(0)},
    {O_ALU, TO_RM, 2, ADC, .reg = RSI, STACK(0)},
    {O_ALU, TO_RM, 0, ADD, .reg = RSI, STACK(-16)},
    {O_ALU, IMM, 0, CMP, .imm = 0x1234567, STACK(0)},
    {O_INCDEC, 0, 4, 1, STACK(8)},
    {O_SHIFT, 0, 0, SAR, STACK(8)},
    {O_SETCC, 0, 1, 2, STACK(2)},
    {O_CMOV, 0, 4, 5, .reg = RBP, STACK(-4)},
    {O_XLOAD, .reg = 1, STACK(0)},
    {O_XLOAD, .reg = 2, .n = 1, STACK(16)},
    {O_XSTORE, .reg = 3, STACK(-16)},
    {O_XSTORE, .reg = 0, .n = 1, STACK(8)},
};

static void by_call(void)
{
    OP(O_CALL, .target = prog.n + 1);
}

static void by_ret(void)
{
    OP(O_PUSH_LABEL, .target = prog.n + 2);
    OP(O_RET);
}

static void one_by_one(bool legacy)
{
    for (u32 i = 0; i < ARRAY_SIZE(singles) + 2; i++) {
        test_number(legacy ? "of one, 32-bit" : "of one", i);
        begin(legacy);
        if (i < ARRAY_SIZE(singles))
            add_op(&prog, &singles[i]);
        else if (i == ARRAY_SIZE(singles))
            by_call();
        else
            by_ret();
        everywhere();
    }
}

/* Rows. */

static void move_sp(int by, bool with_flags)
{
    if (with_flags)
        OP(O_ALU, IMM, 0, ADD, .rm = RSP, .imm = (u32)by);
    else
        OP(O_LEA, .reg = RSP, STACK(by));
}

static void function(void)
{
    int w = word_size();
    by_call();
    OP(O_PUSH, .rm = RBP);
    OP(O_MOV, TO_REG, .reg = RBP, .rm = RSP);
    OP(O_PUSH, .rm = RSI);
    OP(O_PUSH, .rm = RBX);
    move_sp(-5 * w, true);
    OP(O_MOV, TO_RM, .reg = RDI, STACK(w));
    OP(O_MOV, IMM, 1, .imm = 3, STACK(2 * w + 1));
    OP(O_ALU, TO_RM, 4, ADD, .reg = RAX, STACK(w));
    OP(O_MOV, TO_REG, .reg = RAX, STACK(8 * w), .long_disp = true);
    OP(O_MOV, TO_REG, .reg = RCX, .mem = true, .base = RBP, .disp = -w);
    move_sp(5 * w, false);
    OP(O_POP, .rm = RBX);
    OP(O_POP, .rm = RSI);
    OP(O_POP, .rm = RBP);
    move_sp(w, false);
}

static void many_pushes(void)
{
    for (u32 i = 0; i < 8; i++)
        OP(O_PUSH, .rm = (u8)(prog.legacy ? i : 15 - i));
    for (u32 i = 0; i < 5; i++)
        OP(O_POP, .rm = (u8)(i == RSP ? RSI : i));
    OP(O_PUSH, IMM, .imm = 3);
    OP(O_PUSH, .rm = RDX);
}

static void sizes(void)
{
    for (u32 i = 0; i < 8; i++)
        OP(O_MOV, i & 4 ? TO_REG : TO_RM, (u8)(1 << (i & 3)), .reg = i & 3, STACK((int)i * 5 - 10));
    OP(O_XLOAD, .reg = 1, STACK(-13));
    OP(O_XSTORE, .reg = 2, STACK(7));
    OP(O_ALU, TO_RM, 0, SUB, .reg = RCX, STACK(0));
}

/* As long as a check for several can be, and one byte longer. */
static void long_ones(void)
{
    for (int i = 0; i < 2; i++) {
        OP(O_MOV, TO_REG, 1, .reg = RAX, STACK(-60));
        OP(O_MOV, TO_REG, 1, .reg = RCX, STACK(67 + i));
        OP(O_JMP, .target = prog.n + 1);
    }
    OP(O_MOV, TO_RM, 4, .reg = RAX, STACK(-64));
    OP(O_MOV, TO_REG, 4, .reg = RCX, STACK(60));
}

static void any_single(void)
{
    const struct op *o = &singles[pick(&chance, ARRAY_SIZE(singles))];
    if (o->kind == O_MOV && o->form == TO_REG && o->reg == RSP)
        return;
    struct op *p = add_op(&prog, o);
    if (p->mem)
        p->disp = (int)pick(&chance, 100) - 50;
}

static void by_chance(void)
{
    for (u32 i = 4 + pick(&chance, 10); i > 0; i--)
        switch (pick(&chance, 10)) {
        case 0:
            move_sp((int)pick(&chance, 33) - 16, pick(&chance, 2));
            break;
        case 1: /* what does not mind */
            OP(O_ALU, TO_REG, 0, (u8)pick(&chance, 8), .reg = RSI, .rm = RBX);
            break;
        case 2:
            if (pick(&chance, 2))
                by_call();
            else
                by_ret();
            break;
        default:
            any_single();
        }
}

static void rows(bool legacy)
{
    static void (*const all[])(void) = {function, many_pushes, sizes, long_ones};
    for (u32 i = 0; i < 16; i++) {
        test_number(legacy ? "in a row, 32-bit" : "in a row", i);
        begin(legacy);
        if (i < ARRAY_SIZE(all))
            all[i]();
        else
            by_chance();
        everywhere();
    }
    for (u32 i = 0; i < 800; i++) {
        test_number(legacy ? "by chance, 32-bit" : "by chance", i);
        begin(legacy);
        by_chance();
        end();
        regs_use_smap(i & 1);
        for (u32 k = 0; k < 3; k++)
            run_at((int)pick(&chance, LAST + 1 - FIRST) + FIRST);
    }
}

GUEST("stack-across")
{
    machine_init();
    for (u32 legacy = 0; legacy < 2; legacy++) {
        one_by_one(legacy);
        rows(legacy);
    }
}
