/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/dbt/thunk.h"

#include "cpu/dbt/gen.h"
#include "cpu/simd/op.h"

typedef u64 helper_fn(struct vcpu *c, const void *site, u64 t0, u64 t1);
typedef void enter_fn(struct vcpu *c, u64 code);

static void copy_registers(struct gen *g, unsigned op)
{
    for (unsigned n = 0; n < 16; n++)
        if (!in_memory(n))
            emit_rm(&g->e, true, op, host_of(n), H_RSP, AT_GPR(n));
}

static void registers_in(struct gen *g)
{
    emit_rm(&g->e, false, 0x1b7, H_RAX, H_RSP, AT_NEAR(flags));
    eb(&g->e, (const u8[]){0x04, 0x7f, 0x9e}, 3); /* as gen_flags_restore */
    copy_registers(g, OP_MOV_LOAD);
}

/* Vector registers to or from struct vcpu. Whole YMM registers where the host has them. */
static void copy_vectors(struct gen *g, bool store)
{
    bool avx = __builtin_cpu_supports("avx");
    struct emit *e = &g->e;

    for (unsigned n = 0; n < 16; n++) {
        if (avx)
            eb(e, (const u8[]){0xc5, n < 8 ? 0xfc : 0x7c}, 2);
        else if (n >= 8)
            eb(e, (const u8[]){0x44, 0x0f}, 2);
        else
            e1(e, 0x0f);
        eb(e, (const u8[]){store ? 0x11 : 0x10, (u8)(0x84 | (n & 7) << 3), 0x24}, 3);
        e4(e, (u32)(AT(fpu.ymm) + 32 * (s32)n));
    }
    if (avx && store)
        eb(e, (const u8[]){0xc5, 0xf8, 0x77}, 3); /* VZEROUPPER */
}

static void mxcsr(struct gen *g, bool store, s32 at)
{
    emit_rm(&g->e, false, 0x1ae, store ? 3 : 2, H_RSP, at);
}

static void set_live(struct gen *g, u8 unit, bool live)
{
    emit_rm(&g->e, false, 0x80, live ? 1 : 4, H_RSP, AT_NEAR(units_live)); /* OR, AND byte, imm */
    e1(&g->e, live ? unit : (u8)~unit);
}

static void vectors_in(struct gen *g)
{
    copy_vectors(g, false);
    mxcsr(g, false, AT(fpu.mxcsr));
    set_live(g, UNIT_VEC, true);
}

static void vectors_out(struct gen *g)
{
    copy_vectors(g, true);
    mxcsr(g, true, AT(fpu.mxcsr));
    mxcsr(g, false, AT_ENV(host_mxcsr));
    set_live(g, UNIT_VEC, false);
}

static void xsave_area(struct gen *g, unsigned op)
{
    emit_mov_imm(&g->e, H_RDX, 0);
    emit_mov_imm(&g->e, H_RAX, 1); /* of XCR0: x87 */
    emit_rm(&g->e, true, 0x1ae, op, H_RSP, AT(fpu.fcw));
}

/* RAX and RDX may be used. */
static void x87_in(struct gen *g)
{
    emit_rm(&g->e, true, 0xc7, 0, H_RSP, AT(fpu.header)); /* MOV, imm: XSTATE_BV */
    e4(&g->e, 1);
    xsave_area(g, 5); /* XRSTOR64 */
    set_live(g, UNIT_X87, true);
}

/* The pointers are those recorded, not the host's. C code wants the unit empty. All registers but
   T0 and T1 may be used. */
static void x87_out(struct gen *g)
{
    env_load(g, true, H_RBX, AT(fpu.fcw)); /* FOP is in there, */
    env_load(g, true, H_RSI, AT(fpu.fip));
    env_load(g, true, H_RDI, AT(fpu.fdp));
    xsave_area(g, 4);                                 /* XSAVE64 */
    eb(&g->e, (const u8[]){0x48, 0xc1, 0xeb, 48}, 4); /* SHR RBX: … on top */
    e1(&g->e, 0x66);
    env_store(g, false, H_RBX, AT(fpu.fop));
    env_store(g, true, H_RSI, AT(fpu.fip));
    env_store(g, true, H_RDI, AT(fpu.fdp));
    eb(&g->e, (const u8[]){0xdb, 0xe3}, 2); /* FNINIT */
    set_live(g, UNIT_X87, false);
}

/* If the byte has that bit: fn. */
static void when(struct gen *g, s32 at, u8 unit, void (*fn)(struct gen *))
{
    u32 over;

    emit_rm(&g->e, false, 0xf6, 0, H_RSP, at); /* TEST, imm */
    e1(&g->e, unit);
    over = emit_jcc_fwd(&g->e, CC_E);
    fn(g);
    emit_land(&g->e, over);
}

/* From the registers of the guest to fn and back to where it says. */
static void call_fn(struct gen *g, helper_fn *fn)
{
    struct emit *e = &g->e;

    copy_registers(g, OP_MOV_STORE);
    when(g, AT_NEAR(units_live), UNIT_VEC, vectors_out);
    if (g->d->xsave)
        when(g, AT_NEAR(units_live), UNIT_X87, x87_out);
    emit_lea(e, true, H_RDI, H_RSP, -1, 0, -(s32)offsetof(struct vcpu, near));
    env_load(g, true, H_RSI, AT_ENV(site));
    emit_rr(e, true, OP_MOV_STORE, T0, H_RDX);
    emit_rr(e, true, OP_MOV_STORE, T1, H_RCX);
    env_load(g, true, H_RSP, AT_ENV(host_sp));
    emit_mov_imm(e, H_RAX, (uintptr_t)fn);
    eb(e, (const u8[]){0xff, 0xd0}, 2);             /* CALL RAX */
    emit_rm(e, true, OP_MOV_LOAD, H_RSP, H_RSP, 0); /* enter() has left it there */
    env_store(g, true, H_RAX, AT_ENV(go));
    if (g->d->xsave)
        when(g, AT_NEAR(units_wanted), UNIT_X87, x87_in);
    when(g, AT_NEAR(units_wanted), UNIT_VEC, vectors_in);
    registers_in(g);
    env_load(g, true, T0, AT_ENV(t0));
    emit_rm(e, false, 0xff, 4, H_RSP, AT_ENV(go)); /* JMP */
}

/* What two thunks share: the flags are in dbt_near, or the host's still. From an exit to another
   page with the host's flags RCX waits in T1. */
static u32 called(struct gen *g)
{
    u32 start = g->e.at;

    pop_site(g);
    return start;
}

static u32 called_with_flags(struct gen *g, bool far, u32 shared)
{
    u32 start = called(g);

    if (far)
        emit_rr(&g->e, true, OP_MOV_STORE, T1, H_RCX);
    gen_flags_save(g, EFLAGS_ARITH);
    emit_jmp(&g->e, shared);
    return start;
}

static u32 helper(struct gen *g, helper_fn *fn)
{
    u32 start = called(g);

    call_fn(g, fn);
    return start;
}

static struct flag_thunks flag_helper(struct gen *g, helper_fn *fn, bool far)
{
    struct flag_thunks t = {.env = called(g), .shared = g->e.at};

    call_fn(g, fn);
    t.host = called_with_flags(g, far, t.shared);
    return t;
}

/* From an exit to another page through the jump cache. */
static struct flag_thunks far_jump(struct gen *g, u32 miss)
{
    struct flag_thunks t = {.env = called(g), .shared = g->e.at};
    struct missing m;

    env_load(g, true, T1, AT_ENV(site));
    emit_rm(&g->e, true, 0x63, T0, T1, offsetof(struct far_site, off)); /* MOVSXD */
    emit_rm(&g->e, true, 0x03, T0, H_RSP, AT_NEAR(page_va));            /* ADD */
    m = gen_jump(g);
    emit_land_at(&g->e, m.unknown, miss);
    emit_land_at(&g->e, m.request, miss);
    t.host = called_with_flags(g, true, t.shared);
    return t;
}

static struct flag_thunks stale(struct gen *g)
{
    struct flag_thunks t = {.env = g->e.at};

    call_fn(g, dbt_help_stale);
    t.host = g->e.at;
    gen_flags_save(g, EFLAGS_ARITH);
    emit_jmp(&g->e, t.env);
    return t;
}

static struct stack_thunks stack_thunks(struct gen *g, u32 row, u32 miss)
{
    struct stack_thunks t;

    g->row = row;
    t.window = gen_window_thunk(g);
    t.access[false] = gen_stack_thunk(g, false, miss);
    t.access[true] = gen_stack_thunk(g, true, miss);
    return t;
}

static const u8 callee_saved[] = {H_RBX, H_RBP, 12, 13, 14, 15};

/* void enter(struct vcpu *c, u64 code): the C stack holds, from its top, the CPU's place. */
static u32 enter(struct gen *g)
{
    struct emit *e = &g->e;
    u32 start = e->at;

    for (unsigned n = 0; n < ARRAY_SIZE(callee_saved); n++)
        emit_rr(e, false, 0xff, 6, callee_saved[n]); /* PUSH */
    emit_lea(e, true, H_RDI, H_RDI, -1, 0, (s32)offsetof(struct vcpu, near));
    emit_rr(e, false, 0xff, 6, H_RDI);
    emit_rm(e, true, OP_MOV_STORE, H_RSP, H_RDI, AT_ENV(host_sp));
    emit_rm(e, true, OP_MOV_STORE, H_RSI, H_RDI, AT_ENV(go));
    emit_rr(e, true, OP_MOV_STORE, H_RDI, H_RSP);
    registers_in(g);
    emit_rm(e, false, 0xff, 4, H_RSP, AT_ENV(go));
    return start;
}

static u32 leave(struct gen *g)
{
    struct emit *e = &g->e;
    u32 start = e->at;

    env_load(g, true, H_RSP, AT_ENV(host_sp));
    eb(e, (const u8[]){0x58}, 1); /* POP RAX */
    for (unsigned n = ARRAY_SIZE(callee_saved); n--;)
        emit_rr(e, false, 0x8f, 0, callee_saved[n]); /* POP */
    e1(e, 0xc3);
    return start;
}

static u32 vec_load(struct gen *g)
{
    u32 start = called(g);

    vectors_in(g);
    emit_rm(&g->e, false, 0xff, 4, H_RSP, AT_ENV(site));
    return start;
}

static u32 x87_load(struct gen *g)
{
    u32 start = called(g);

    env_store(g, true, H_RAX, AT_GPR(RAX));
    env_store(g, true, H_RDX, AT_GPR(RDX));
    x87_in(g);
    env_load(g, true, H_RAX, AT_GPR(RAX));
    env_load(g, true, H_RDX, AT_GPR(RDX));
    emit_rm(&g->e, false, 0xff, 4, H_RSP, AT_ENV(site));
    return start;
}

void thunks_make(struct dbt *d)
{
    struct gen g = {.e = {.rw = d->code.rw, .at = 64, .end = (u32)d->code.size}, .d = d};
    u32 miss;

    d->enter = enter(&g);
    d->leave = leave(&g);
    d->vec_load = vec_load(&g);
    if (d->xsave)
        d->x87_load = x87_load(&g);
    d->miss = helper(&g, dbt_help_miss);
    miss = g.e.at;
    call_fn(&g, dbt_help_stack_miss);
    d->stack = stack_thunks(&g, MMU_USER, miss);
    d->kernel_stack = stack_thunks(&g, MMU_SUPER_SMAP, miss);
    d->next = helper(&g, dbt_help_next);
    d->op = flag_helper(&g, dbt_help_op, false);
    d->op_end = flag_helper(&g, dbt_help_op_end, false);
    d->link = flag_helper(&g, dbt_help_link, false);
    d->far = flag_helper(&g, dbt_help_far, true);
    d->far_jump = far_jump(&g, d->far.shared);
    d->stale = stale(&g);
    d->lookup = g.e.at;
    call_fn(&g, dbt_help_lookup);
    d->start = (u32)align_up(g.e.at, 64);
}

void thunk_enter(struct dbt *d, struct vcpu *c, u64 code)
{
    const u8 *p = d->code.rx + d->enter;
    enter_fn *fn;

    memcpy(&fn, &p, sizeof(fn)); /* ISO C has no cast from object to function */
    fn(c, code);
}
