/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model, and the code beside it. */
#include "machine.h"
#include "desc.h"
#include "trap.h"

#define RW (PTE_P | PTE_W)

static page_aligned u8 page[3][4096]; /* the pages are 2 and 0 */

static struct machine {
    u64 r[16];
    struct flags f;
    u8 xmm[16 * XMMS];
    u8 mem[2 * AREA] __attribute__((aligned(8)));
} m;

static struct {
    bool expected, seen;
    u32 page, error, ignore; /* of the error code: read-modify-write may read first */
    u64 cr2;
    const u8 *ip;
    struct machine m;
} fault;

static const struct program *prog;
static u8 state[2];

static u64 top(void)
{
    return prog->legacy ? TOP_32 : TOP_64;
}

static u32 word_size(void)
{
    return prog->legacy ? 4 : 8;
}

static u64 cut(u64 v)
{
    return prog->legacy ? (u32)v : v;
}

/* The model. */

static u64 address(const struct op *o)
{
    u64 at = m.r[o->base] + (u64)(long)o->disp;
    if (o->indexed)
        at += m.r[o->index] << o->scale;
    return cut(at);
}

static u8 *memory(u64 va)
{
    u64 at = va - (top() - AREA);
    if (at > sizeof(m.mem) - 16)
        guest_fatal("a program leaves its memory: %lx", (unsigned long)va);
    return &m.mem[at];
}

static u64 get_mem(u64 va, u32 width)
{
    u64 v = 0;
    memcpy(&v, memory(va), width);
    return v;
}

static u64 get_rm(const struct op *o)
{
    return o->mem ? get_mem(address(o), o->width) : m.r[o->rm] & width_mask(o->width);
}

static void set_rm(const struct op *o, u64 v)
{
    if (o->mem)
        memcpy(memory(address(o)), &v, o->width);
    else
        m.r[o->rm] = merged(m.r[o->rm], v, o->width);
}

static void set_reg(const struct op *o, u64 v)
{
    m.r[o->reg] = merged(m.r[o->reg], v, o->width);
}

static void push(u64 v)
{
    m.r[RSP] = cut(m.r[RSP] - word_size());
    memcpy(memory(m.r[RSP]), &v, word_size());
}

static u64 pop(void)
{
    u64 v = get_mem(m.r[RSP], word_size());
    m.r[RSP] = cut(m.r[RSP] + word_size());
    return v;
}

struct access {
    u64 at;
    u32 size;
    bool write, modify;
};

/* Of the operand in memory. */
static struct access operand(const struct op *o)
{
    bool modify = o->kind == O_INCDEC || o->kind == O_SHIFT ||
                  (o->kind == O_ALU && o->form != TO_REG && o->n != CMP);
    return (struct access){
        .at = address(o),
        .size = o->kind == O_PUSH ? word_size() : o->width,
        .write = modify || o->kind == O_XSTORE || o->kind == O_SETCC ||
                 (o->kind == O_MOV && o->form != TO_REG),
        .modify = modify,
    };
}

/* In their order; the value is how many. */
static u32 accesses(const struct op *o, struct access a[2])
{
    u32 n = 0, w = word_size();
    if (o->kind == O_POP || o->kind == O_RET)
        a[n++] = (struct access){.at = m.r[RSP], .size = w};
    if (o->kind == O_POP && o->mem)
        a[n++] = (struct access){cut(address(o) + (o->base == RSP ? w : 0)), w, .write = true};
    else if (o->mem && o->kind != O_LEA)
        a[n++] = operand(o);
    if (o->kind == O_PUSH || o->kind == O_PUSH_LABEL || o->kind == O_CALL)
        a[n++] = (struct access){cut(m.r[RSP] - w), w, .write = true};
    return n;
}

static bool allowed(u32 which, bool write)
{
    return state[which] == PRESENT || (state[which] == READ_ONLY && !write);
}

/* The first page of an access that faults; 2: none. */
static u32 faulting_page(const struct access *a)
{
    u32 first = a->at >= top(), last = a->at + a->size > top();
    if (!allowed(first, a->write))
        return first;
    return allowed(last, a->write) ? 2 : last;
}

static void look_for_fault(u32 pc)
{
    struct access a[2];
    u32 n = accesses(&prog->op[pc], a);
    for (u32 i = 0; i < n; i++) {
        u32 which = faulting_page(&a[i]);
        if (which == 2)
            continue;
        bool there = state[which] == READ_ONLY;
        fault.expected = true;
        fault.page = which;
        fault.error = (there ? PF_P : 0) | (a[i].write ? PF_W : 0);
        fault.ignore = a[i].modify && !there ? PF_W : 0;
        fault.cr2 = a[i].at < top() && which ? top() : a[i].at;
        fault.ip = prog->at[pc];
        fault.m = m;
        state[which] = PRESENT;
        return;
    }
}

static void do_alu(const struct op *o)
{
    u64 imm = (u64)(long)(int)o->imm, a = o->form == TO_REG ? m.r[o->reg] : get_rm(o);
    u64 b = o->form == IMM ? imm : o->form == TO_REG ? get_rm(o) : m.r[o->reg];
    u64 v = model_alu(o->n, a, b, o->width, &m.f);
    if (o->n == CMP)
        return;
    if (o->form == TO_REG)
        set_reg(o, v);
    else
        set_rm(o, v);
}

static void do_acc(const struct op *o)
{
    u64 v = model_alu(o->n == 8 ? AND : o->n, m.r[RAX], (u64)(long)(int)o->imm, o->width, &m.f);
    if (o->n < CMP)
        m.r[RAX] = merged(m.r[RAX], v, o->width);
}

static void do_mov(const struct op *o)
{
    if (o->form == TO_REG)
        set_reg(o, get_rm(o));
    else
        set_rm(o, o->form == IMM ? (u64)(long)(int)o->imm : m.r[o->reg]);
}

static void do_push(const struct op *o)
{
    struct op wide = *o;
    wide.width = (u8)word_size();
    push(o->form == IMM ? (u64)(long)(int)o->imm : get_rm(&wide));
}

static void do_pop(const struct op *o)
{
    struct op wide = *o;
    wide.width = (u8)word_size();
    u64 v = pop(); /* RSP as the base of the operand: after it */
    set_rm(&wide, v);
}

static void do_vector(const struct op *o)
{
    u8 *xmm = &m.xmm[16 * o->reg], *mem = memory(address(o));
    if (o->kind == O_XLOAD)
        memcpy(xmm, mem, 16);
    else
        memcpy(mem, xmm, 16);
}

static u32 op_at(u64 ip)
{
    for (u32 i = 0; i < prog->n; i++)
        if ((word)prog->at[i] == ip)
            return i;
    guest_fatal("a program returns to %lx", (unsigned long)ip);
}

/* The index of the next one. */
static u32 branch(const struct op *o, u32 next)
{
    switch (o->kind) {
    case O_PUSH_LABEL:
        push((word)prog->at[o->target]);
        return next;
    case O_CALL:
        push((word)prog->at[next]);
        return o->target;
    case O_RET:
        return op_at(pop());
    case O_JCC:
        return model_condition(o->n, m.f.set) ? o->target : next;
    case O_JMP_REG:
        m.r[o->reg] = (word)prog->at[o->target];
        return o->target;
    case O_JMP:
        return o->target;
    case O_FUEL:
        m.r[RCX] = cut(m.r[RCX] - 1);
        return m.r[RCX] ? next : o->target;
    }
    return next;
}

static void execute(const struct op *o)
{
    bool yes = model_condition(o->n & 15, m.f.set);
    switch (o->kind) {
    case O_ALU:
        do_alu(o);
        break;
    case O_ACC:
        do_acc(o);
        break;
    case O_MOV:
        do_mov(o);
        break;
    case O_INCDEC:
        set_rm(o, model_incdec(o->n, get_rm(o), o->width, &m.f));
        break;
    case O_SHIFT:
        set_rm(o, model_shift(o->n, get_rm(o), 1, o->width, &m.f));
        break;
    case O_CARRY:
        flag_put(&m.f, FLAG_CF, o->n == 1 || (o->n == 2 && !(m.f.set & FLAG_CF)));
        break;
    case O_SETCC:
        set_rm(o, yes);
        break;
    case O_CMOV:
        set_reg(o, yes ? get_rm(o) : m.r[o->reg]);
        break;
    case O_LEA:
        set_reg(o, address(o));
        break;
    case O_PUSH:
        do_push(o);
        break;
    case O_POP:
        do_pop(o);
        break;
    case O_XLOAD:
    case O_XSTORE:
        do_vector(o);
        break;
    }
}

static bool misaligned(const struct op *o)
{
    return op_is_vector(o) && o->n && (address(o) & 15);
}

/* To the end or to an instruction that raises #GP: the value is its index. */
static u32 model(u32 pc, u32 *executed)
{
    fault.expected = fault.seen = false;
    for (*executed = 0; *executed < 10000; ++*executed) {
        const struct op *o = &prog->op[pc];
        if (o->kind == O_STOP || misaligned(o))
            return pc;
        look_for_fault(pc);
        execute(o);
        pc = branch(o, pc + 1);
    }
    guest_fatal("a program does not end");
}

/* And the code. */

static void map(u32 which, u32 how)
{
    static const u64 flags[] = {RW, 0, PTE_P};
    page_map(top() - 4096 * (which == 0), (word)page[which ? 0 : 2], flags[how]);
}

/* Where the pages' parts of the memory are, in words. */
static u64 *const part[2] = {(u64 *)(page[2] + 4096 - AREA), (u64 *)page[0]};

static bool same_memory(const u8 *want)
{
    const u64 *w = (const u64 *)want;
    u64 differs = 0;
    for (u32 i = 0; i < AREA / 8; i++)
        differs |= (w[i] ^ part[0][i]) | (w[i + AREA / 8] ^ part[1][i]);
    return !differs;
}

static void compare(const struct stop *s, const struct machine *want, const u8 *ip, u32 flags)
{
    struct regs got = s->regs, should = {.ip = (word)ip};
    got.flags &= flags;
    should.flags = want->f.set & flags;
    memcpy(should.r, want->r, sizeof(should.r));
    for (u32 i = 0; i < 16; i++) {
        got.r[i] = prog->legacy && i >= 8 ? 0 : cut(got.r[i]);
        should.r[i] = prog->legacy && i >= 8 ? 0 : should.r[i];
    }
    CHECK_REGS(&got, &should, 0);
    CHECK(same_memory(want->mem));
    CHECK(!memcmp(s->fx + 160, want->xmm, sizeof(want->xmm)));
}

static bool on_trap(struct stop *s)
{
    if (s->vector != PF || !fault.expected || fault.seen)
        return false;
    fault.seen = true;
    CHECK_EQ(s->cr2, fault.cr2);
    CHECK_EQ(s->error & ~fault.ignore, fault.error & ~fault.ignore);
    compare(s, &fault.m, fault.ip, 0);
    map(fault.page, PRESENT);
    return true;
}

static void load_sse(void)
{
    static __attribute__((aligned(16))) u8 fx[512];
    fx[24] = 0x80, fx[25] = 0x1f; /* MXCSR: all masked */
    memcpy(fx + 160, m.xmm, sizeof(m.xmm));
    asm volatile("fxrstor64 %0" : : "m"(fx));
}

static void fill(const struct start *s, u64 seed)
{
    u64 *mem = (u64 *)m.mem;
    seed = seed * 0x9e3779b97f4a7c15ull + 1;
    for (u32 i = 0; i < AREA / 8; i++) {
        part[0][i] = mem[i] = seed;
        part[1][i] = mem[i + AREA / 8] = ~seed;
        seed += 0x9e3779b97f4a7c15ull;
    }
    for (u32 i = 0; i < sizeof(m.xmm); i++)
        m.xmm[i] = (u8)(i * 11 + seed);
    for (u32 i = 0; i < 16; i++)
        m.r[i] = cut(s->r[i]);
    m.f = (struct flags){.set = s->flags & FLAG_ARITH};
}

u32 program_run(const struct program *g, const struct start *s, u64 seed)
{
    static struct stop stop;
    static u8 now[2][2]; /* what the pages are, at TOP_64 and TOP_32 */
    struct regs r = {
        .ip = (word)g->at[s->op], .flags = s->flags | 2, .cs = g->legacy ? CS32_SEL : KERNEL_CS};
    u32 executed;
    prog = g;
    fill(s, seed);
    memcpy(r.r, m.r, sizeof(r.r));
    for (u32 i = 0; i < 2; i++) {
        if (now[g->legacy][i] != s->state[i])
            map(i, s->state[i]);
        now[g->legacy][i] = state[i] = s->state[i];
    }
    load_sse();
    const struct op *last = &g->op[model(s->op, &executed)];
    u32 vector = regs_run(&r, &stop);
    bool stopped = last->kind == O_STOP;
    CHECK_EQ(vector, stopped ? STOP_VECTOR : GP);
    CHECK_EQ(stop.error, 0);
    CHECK_EQ(fault.seen, fault.expected);
    compare(&stop, &m, g->at[last - g->op] + 2 * stopped, stopped ? ~m.f.undefined : 0);
    if (fault.seen)
        now[g->legacy][fault.page] = PRESENT;
    return executed;
}

void machine_init(void)
{
    regs_catch_all();
    regs_fix = on_trap;
    regs_save_sse = true;
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    *page_entry(TOP_32, 2) = 0; /* of the boot map, where no memory is */
    for (u32 i = 0; i < 2; i++) {
        page_map(TOP_64 - 4096 + 4096 * i, (word)page[i ? 0 : 2], RW);
        page_map(TOP_32 - 4096 + 4096 * i, (word)page[i ? 0 : 2], RW);
    }
}

void test_number(const char *what, u32 n)
{
    static char digits[] = "0000";
    for (u32 i = 0; i < 4; i++, n /= 10)
        digits[3 - i] = (char)('0' + n % 10);
    test_case("program", what, digits);
}
