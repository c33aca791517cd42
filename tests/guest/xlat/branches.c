/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditional branches, taken or not by chance: programs of nodes with several of them, forwards,
 * backwards and to other pages, and ends of other kinds between. Accesses off one base stand before
 * and behind the branches, flags are set before and used behind some of them or at a target. Each
 * program runs with several inputs, so that the same branch goes both ways; memory is at the end of
 * a page, of which a part may be absent or read-only.
 */
#include "io.h"
#include "machine.h"

#define PROGRAMS 1200u
#define RUNS     8u
#define NODES    12u
#define PAGES    4u /* for a program */
#define INSN_MAX 16

static struct program prog;
static u64 chance;
static u32 nodes, first_op[NODES], room; /* bytes of code so far, at most */
static bool head[NODES];                 /* of a loop: it counts the fuel down */

#define OP(what, ...) add_op(&prog, &(struct op){.kind = (what), ##__VA_ARGS__})
#define MEM(b, d)     .mem = true, .base = (b), .disp = (d)

static u32 any(u32 n)
{
    return pick(&chance, n);
}

/* RCX is the fuel, RBX, RSP and R12 are bases, R13, R14 (RBP) lie in memory all the time, R15 is an
   index. */
static u8 data_reg(void)
{
    static const u8 regs[] = {RAX, RDX, RSI, RDI, R8, R9, R10, R11, RBP};
    return regs[any(prog.legacy ? 4 : 9)];
}

static u8 byte_reg(u8 width)
{
    return prog.legacy && width == 1 ? (any(2) ? RAX : RDX) : data_reg();
}

static u8 saved_base(void)
{
    return prog.legacy ? RBP : any(2) ? R13 : R14;
}

static u8 any_width(void)
{
    static const u8 widths[] = {1, 2, 4, 4, 0, 0};
    return widths[any(6)];
}

static int any_disp(void)
{
    return (int)any(100) - 50;
}

static u32 any_imm(void)
{
    return any(3) ? any(64) - 32 : (u32)random64(&chance);
}

/* A register or memory off the base. */
static void set_rm(struct op *o, u8 base)
{
    if (any(3) == 0) {
        o->rm = byte_reg(o->width);
        return;
    }
    o->mem = true;
    o->base = base;
    o->disp = any_disp();
    o->long_disp = any(8) == 0;
    if (!prog.legacy && base == RBX && any(4) == 0) {
        o->indexed = true;
        o->index = R15;
        o->scale = (u8)any(4);
    }
}

static void alu(u8 base)
{
    struct op o = {.kind = O_ALU, .form = (u8)any(3), .width = any_width(), .n = (u8)any(8)};
    o.reg = byte_reg(o.width);
    o.imm = any_imm();
    set_rm(&o, base);
    (void)add_op(&prog, &o);
}

static void move(u8 base)
{
    struct op o = {.kind = O_MOV, .form = any(4) ? (u8)any(2) : IMM, .width = any_width()};
    o.reg = byte_reg(o.width);
    o.imm = any_imm();
    set_rm(&o, base);
    (void)add_op(&prog, &o);
}

static void one_operand(u8 base)
{
    static const u8 shifts[] = {ROL, ROR, RCL, RCR, SHL, SHR, SAR};
    struct op o = {.kind = any(2) ? O_INCDEC : O_SHIFT, .width = any_width()};
    o.n = o.kind == O_INCDEC ? (u8)any(2) : shifts[any(7)];
    set_rm(&o, base);
    (void)add_op(&prog, &o);
}

static void user(u8 base)
{
    struct op o = {.kind = any(2) ? O_SETCC : O_CMOV, .n = (u8)any(16)};
    o.width = o.kind == O_SETCC ? 1 : any(2) ? 4 : 0;
    o.reg = data_reg();
    set_rm(&o, base);
    (void)add_op(&prog, &o);
}

static void vector(u8 base)
{
    OP(any(2) ? O_XLOAD : O_XSTORE, .reg = (u8)any(XMMS), MEM(base, any_disp()));
}

static void stack_pair(u8 base)
{
    OP(O_PUSH, .rm = data_reg());
    OP(O_PUSH, IMM, .imm = any_imm());
    if (any(2))
        move(base);
    OP(O_POP, .rm = data_reg());
    OP(O_POP, .rm = data_reg());
}

static void any_op(u8 base)
{
    static void (*const kinds[])(u8) = {alu, alu, alu, move, move, one_operand, user, vector};
    switch (any(12)) {
    case 0:
        OP(O_CARRY, .n = (u8)any(3));
        break;
    case 1:
        OP(O_LEA, .reg = RBX, MEM(saved_base(), any_disp()));
        break;
    case 2:
        stack_pair(base);
        break;
    default:
        kinds[any(ARRAY_SIZE(kinds))](base);
    }
}

/* A node to branch to from this one: a later one, or the head of a loop. */
static u32 some_node(u32 from)
{
    if (any(3) == 0)
        for (u32 i = 0; i < 4; i++) {
            u32 to = any(from + 1);
            if (head[to])
                return to;
        }
    return from + 1 + any(nodes - from - 1);
}

static void branch(u32 from)
{
    OP(O_JCC, .n = (u8)any(16), .target = some_node(from));
}

/* Accesses off RAX, which changes between them. */
static void row(u32 from)
{
    OP(O_MOV, TO_REG, .reg = RAX, .rm = saved_base());
    for (u32 i = 2 + any(4); i > 0; i--) {
        OP(O_MOV, any(2) ? TO_REG : TO_RM, 4, .reg = RDX, MEM(RAX, any_disp()));
        switch (any(4)) {
        case 0:
            branch(from);
            break;
        case 1:
            OP(O_ACC, .n = any(2) ? ADD : SUB, .imm = any(16));
            break;
        case 2:
            OP(O_ALU, TO_REG, 4, (u8)any(8), .reg = RSI, .rm = RDI);
            break;
        }
    }
}

static void fill_node(u32 n)
{
    static const u8 bases[] = {RBX, RBX, RSP, R12};
    u8 base = bases[any(prog.legacy ? 3 : 4)];
    for (u32 i = 1 + any(4); i > 0; i--) {
        any_op(base);
        if (any(2))
            branch(n);
    }
    if (any(4) == 0)
        row(n);
}

/* Where the next node may lie anywhere. */
static void place(void)
{
    u32 to = room + any(40), end = (room | 4095) + 1;
    if (any(3) == 0)
        to = end - any(40);
    else if (any(2))
        to = end + any(200);
    if (to >= room && to < PAGES * 4096 - 1024) {
        OP(O_AT, .imm = to);
        room = to;
    }
}

/* How a node ends; falling into the next one, or not. */
static void end_node(u32 n)
{
    switch (any(5)) {
    case 0:
        OP(O_JMP, .target = some_node(n));
        break;
    case 1:
        OP(O_JMP_REG, .reg = prog.legacy ? RDI : R10, .target = some_node(n));
        break;
    case 2:
        OP(O_PUSH_LABEL, .target = some_node(n));
        OP(O_RET);
        break;
    default:
        branch(n);
        return;
    }
    place();
}

static bool has_target(const struct op *o)
{
    return o->kind == O_JCC || o->kind == O_JMP || o->kind == O_JMP_REG || o->kind == O_FUEL ||
           o->kind == O_PUSH_LABEL;
}

static void build(bool legacy, u8 *code)
{
    prog.n = room = 0;
    prog.legacy = legacy;
    nodes = 4 + any(NODES - 3);
    for (u32 n = 0; n < nodes; n++)
        head[n] = any(3) == 0;
    for (u32 n = 0; n < nodes - 1; n++) {
        u32 before = first_op[n] = prog.n;
        if (head[n])
            OP(O_FUEL, .target = nodes - 1);
        if (prog.n < MAX_OPS - 60)
            fill_node(n);
        room += (prog.n - before) * INSN_MAX;
        end_node(n);
        room += 3 * INSN_MAX;
    }
    first_op[nodes - 1] = prog.n;
    OP(O_STOP);
    for (u32 i = 0; i < prog.n; i++)
        if (has_target(&prog.op[i]))
            prog.op[i].target = first_op[prog.op[i].target];
    (void)program_emit(&prog, code);
}

static u64 in_memory(void)
{
    return (prog.legacy ? TOP_32 : TOP_64) + any(300) - 150;
}

static void run(u32 n)
{
    struct start s = {.flags = (u32)random64(&chance) & FLAG_ARITH};
    for (u32 i = 0; i < 16; i++)
        s.r[i] = random64(&chance) >> (any(3) ? 0 : any(64));
    s.r[RCX] = 1 + any(30);
    s.r[RBX] = in_memory(), s.r[RSP] = in_memory(), s.r[R12] = in_memory();
    s.r[R13] = in_memory(), s.r[R14] = in_memory(), s.r[R15] = any(8);
    if (prog.legacy)
        s.r[RBP] = in_memory();
    if (n & 1)
        s.state[any(2)] = (u8)(any(2) ? ABSENT : READ_ONLY);
    if (n == RUNS / 2)
        set_cr3(get_cr3());
    (void)program_run(&prog, &s, random64(&chance));
}

GUEST("branches")
{
    machine_init();
    for (u32 i = 0; i < PROGRAMS; i++) {
        bool legacy = i % 4 == 3;
        test_number(legacy ? "of branches, 32-bit" : "of branches", i);
        chance = 0x9e3779b97f4a7c15ull * (i + 1);
        if (i == PROGRAMS / 2)
            regs_use_smap(true);
        build(legacy, (u8 *)FREE_CODE + i * PAGES * 4096);
        for (u32 n = 0; n < RUNS; n++)
            run(n);
    }
}
