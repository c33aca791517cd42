/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a block ends. An exit to a place in the same page is a jump whose offset is patched once the
 * target is translated (the page's blocks live and die together, wherever it is mapped). Others
 * look their target up in the jump cache by linear address; a direct one is linked as well, for as
 * long as what the jump cache holds stays in force. Jumps backwards and through the cache look at
 * vcpu.req, so that no loop runs on without.
 */
#include "cpu/dbt/gen.h"
#include "cpu/dbt/jumps.h"
#include "cpu/interp/blocks.h"

#define OP_CMP_IMM8 0x83u

static void poll(struct gen *g, s32 target)
{
    struct stub *s;

    emit_rm(&g->e, false, OP_CMP_IMM8, 7, H_RSP, AT(req));
    e1(&g->e, 0);
    s = gen_stub(g, STUB_POLL, emit_jcc_fwd(&g->e, CC_NE));
    s->target = target;
}

/* A branch whose offset lies at a multiple of 4, so that it is patched by one store. */
static u32 patchable(struct gen *g, int cond)
{
    struct emit *e = &g->e;

    emit_nops(e, (0 - (e->at + (cond < 0 ? 1 : 2))) & 3);
    return cond < 0 ? emit_jmp_fwd(e) : emit_jcc_fwd(e, (unsigned)cond);
}

static void link_stub(struct gen *g, s64 off, int cond)
{
    struct stub *s = gen_stub(g, STUB_LINK, patchable(g, cond));

    s->target = (s32)off;
}

static bool is_backward(const struct gen *g, s64 off)
{
    return off <= g->x->off;
}

/* Whether `serial` and `req` are those of the linked exit. The place of the number; both forms of
   the test have it, and the branch to the stub, in the same places. */
static u32 far_test(struct gen *g)
{
    struct emit *e = &g->e;
    u32 serial;

    emit_nops(e, (3 - e->at) & 3);
    emit_rm(e, true, 0x81, 7, H_RSP, AT(serial)); /* CMP, imm32 */
    serial = e->at;
    e4(e, 0);
    emit_nops(e, 2);
    return serial;
}

/* Without an instruction that changes flags. RCX waits in T1. */
static u32 far_test_with_flags(struct gen *g)
{
    struct emit *e = &g->e;
    u32 serial;

    emit_rr(e, true, OP_MOV_STORE, H_RCX, T1);
    env_load(g, true, H_RCX, AT(serial));
    emit_nops(e, (1 - e->at) & 3);
    eb(e, (const u8[]){0x48, 0x8d, 0x89}, 3); /* LEA RCX, [RCX - serial] */
    serial = e->at;
    e4(e, 0);
    eb(e, (const u8[]){0x90, 0xe3, 5}, 3); /* JRCXZ, over the jump */
    return serial;
}

/*
 * To another page: straight to the target if what the jump cache holds is what it was when the
 * branch was linked, so that the same code is mapped there, and nothing is requested; else through
 * the jump cache. The flags stay where they are: few targets need them, but which one does is known
 * only when the branch is linked.
 */
static void far_exit(struct gen *g, s64 off)
{
    struct emit *e = &g->e;
    bool host = g->flags & FLAGS_HOST;
    struct stub *s;
    u32 serial;

    if (g->b->aliased) {
        load_va(g, T0, off);
        gen_exit_target(g);
        return;
    }
    serial = host ? far_test_with_flags(g) : far_test(g);
    s = gen_stub(g, STUB_FAR, host ? emit_jmp_fwd(e) : emit_jcc_fwd(e, CC_NE));
    BUG_ON(s->branch != serial + FAR_MISS);
    s->far = serial;
    s->target = (s32)off;
    if (host)
        emit_rr(e, true, OP_MOV_STORE, T1, H_RCX);
    load_va(g, T0, (s64)(off & (s64)PAGE_MASK));
    env_store(g, true, T0, AT_NEAR(page_va));
    emit_nops(e, serial + FAR_BRANCH - 1 - e->at);
    (void)emit_jmp_fwd(e);
}

/* The exit itself, taken always; the flags afterwards are those before. */
static void exit_always(struct gen *g, s64 off)
{
    enum flags_place before = g->flags;

    if (off < 0 || off >= (s64)PAGE_SIZE) {
        far_exit(g, off);
    } else {
        if (is_backward(g, off)) {
            gen_flags_clobber(g, g->x->live);
            poll(g, (s32)off);
        }
        if (g->flags == FLAGS_ENV)
            gen_flags_restore(g, g->x->live);
        link_stub(g, off, -1);
    }
    g->flags = before;
}

void gen_exit_near(struct gen *g, s64 off, int cond)
{
    u32 over;

    if (cond >= 0 && off >= 0 && off < (s64)PAGE_SIZE && !is_backward(g, off)) {
        link_stub(g, off, cond);
        return;
    }
    if (cond < 0) {
        exit_always(g, off);
        return;
    }
    over = emit_jcc_fwd(&g->e, (unsigned)cond ^ 1);
    exit_always(g, off);
    emit_land(&g->e, over);
}

void gen_next(struct gen *g)
{
    exit_always(g, g->b->end);
}

struct missing gen_jump(struct gen *g)
{
    struct emit *e = &g->e;
    struct missing m;

    emit_rr(e, false, 0x69, T1, T0); /* IMUL, imm32 */
    e4(e, JUMP_FACTOR);
    eb(e, (const u8[]){0x41, 0xc1, 0xea, JUMP_SHIFT - 4}, 4); /* SHR R10D */
    eb(e, (const u8[]){0x41, 0x81, 0xe2}, 3);                 /* AND R10D */
    e4(e, (JUMPS - 1) << 4);
    emit_rm(e, true, 0x03, T1, H_RSP, AT_ENV(jumps));
    emit_rm(e, true, 0x3b, T0, T1, 0);
    m.unknown = emit_jcc_fwd(e, CC_NE);
    emit_rm(e, false, OP_CMP_IMM8, 7, H_RSP, AT(req));
    e1(e, 0);
    m.request = emit_jcc_fwd(e, CC_NE);
    eb(e, (const u8[]){0x49, 0x81, 0xe1, 0x00, 0xf0, 0xff, 0xff}, 7); /* AND R9, -4096 */
    env_store(g, true, T0, AT_NEAR(page_va));
    emit_rm(e, false, 0xff, 4, T1, (s32)offsetof(struct jump_entry, code)); /* JMP */
    return m;
}

void gen_exit_target(struct gen *g)
{
    struct missing m;
    struct stub *s;

    gen_flags_clobber(g, g->x->live);
    m = gen_jump(g);
    s = gen_stub(g, STUB_JUMP, m.unknown);
    s->branch2 = m.request;
}

static s32 rel(const struct gen *g, u32 to)
{
    return (s32)(to - g->e.at);
}

static bool is_indirect(const struct xinsn *x)
{
    return x->kind == X_RET || x->kind == X_JMP_IND || x->kind == X_CALL_IND;
}

struct miss_site gen_miss_site(const struct gen *g, const struct stub *s)
{
    return (struct miss_site){
        .off = s->x->off,
        .len = s->x->len,
        .write = s->write,
        .size = s->size,
        .align = s->align,
        .row = (u8)g->row,
        .units = s->units,
        .flags =
            (u8)((s->flags & FLAGS_ENV ? SITE_FLAGS_IN : 0) | (s->x->live ? SITE_FLAGS_OUT : 0) |
                 (is_indirect(s->x) || s->x->kind == X_FLDCW || s->ends ? SITE_BRANCH : 0)),
    };
}

static void miss_stub(struct gen *g, const struct stub *s)
{
    struct miss_site site = gen_miss_site(g, s);

    emit_call(&g->e, g->d->miss);
    site.retry = rel(g, s->retry);
    site.next = rel(g, s->next);
    eb(&g->e, &site, sizeof(site));
}

static void link_call(struct gen *g, const struct stub *s, u32 place)
{
    struct link_site site = {.place = place,
                             .page = (u32)g->b->page,
                             .off = (u16)s->target,
                             .changed = s->kind == STUB_CHANGED};

    emit_call(&g->e, gen_flags_thunk(&g->d->link, s->flags));
    eb(&g->e, &site, sizeof(site));
}

/* For a fault at the target: the branch's own offset, and what a RET has popped. */
static u32 branch_info(const struct xinsn *x)
{
    bool branch = x->kind >= X_JMP && x->kind <= X_JRCXZ;
    u32 pop = x->kind != X_RET ? 0 : (u32)x->opsize + (x->imm_len ? (u32)x->imm & 0xffff : 0);

    return branch ? x->off | pop << PAGE_SHIFT : BRANCH_NONE;
}

static void jump_stub(struct gen *g, const struct stub *s)
{
    emit_mov_imm(&g->e, T1, branch_info(s->x));
    emit_jmp(&g->e, g->d->lookup);
}

static void next_stub(struct gen *g, const struct stub *s)
{
    struct miss_site site = {.off = s->x->off,
                             .len = (u8)(PAGE_SIZE - s->x->off),
                             .flags = s->flags & FLAGS_ENV ? SITE_FLAGS_IN : 0};

    emit_call(&g->e, g->d->next);
    site.retry = rel(g, s->retry);
    eb(&g->e, &site, sizeof(site));
}

/* The interpreter fetches the instruction from both pages. */
static void apart(struct gen *g, const struct stub *s)
{
    struct op_site site = {.off = s->x->off,
                           .len = (u8)(PAGE_SIZE - s->x->off),
                           .flags = s->flags & FLAGS_ENV ? SITE_FLAGS_IN : 0};

    emit_call(&g->e, g->d->op_end.env);
    eb(&g->e, &site, sizeof(site));
}

/* The call may be led to another thunk later: dbt_link_far. */
static void far_stub(struct gen *g, const struct stub *s)
{
    bool host = s->flags & FLAGS_HOST;
    struct far_site site = {.off = s->target,
                            .info =
                                branch_info(s->x) | (host ? BRANCH_FLAGS : 0) | (u64)s->far << 32};

    emit_call(&g->e, host ? g->d->far.host : g->d->far.env);
    eb(&g->e, &site, sizeof(site));
}

static void place_insn(struct gen *g, const struct stub *s)
{
    struct insn i;

    BUG_ON(!blocks_decode_one(g->b->c, s->x->bytes, s->x->len, &i));
    eb(&g->e, &i, sizeof(i));
}

static void one_stub(struct gen *g, const struct stub *s)
{
    if (s->kind == STUB_FAR) /* so that the call can be patched */
        emit_nops(&g->e, (3 - g->e.at) & 3);
    if (s->kind == STUB_INSN)
        emit_nops(&g->e, (0 - g->e.at) & 7);
    if (s->branch)
        emit_land(&g->e, s->branch);
    if (s->branch2)
        emit_land(&g->e, s->branch2);
    switch (s->kind) {
    case STUB_MISS:
        miss_stub(g, s);
        break;
    case STUB_STACK:
        gen_stack_apart(g, s);
        break;
    case STUB_GROUP:
        gen_group_apart(g, s);
        break;
    case STUB_LINK:
        link_call(g, s, s->branch);
        break;
    case STUB_POLL:
    case STUB_CHANGED:
        link_call(g, s, 0);
        break;
    case STUB_FAR:
        far_stub(g, s);
        break;
    case STUB_JUMP:
        jump_stub(g, s);
        break;
    case STUB_INSN:
        place_insn(g, s);
        break;
    case STUB_NEXT:
        next_stub(g, s);
        break;
    case STUB_APART:
        apart(g, s);
        break;
    case STUB_UNITS:
        emit_call(&g->e, s->missing == UNIT_X87 ? g->d->x87_load : g->d->vec_load);
        emit_jmp(&g->e, s->retry);
    }
}

void gen_stubs(struct gen *g)
{
    for (unsigned n = 0; n < g->nstubs; n++)
        one_stub(g, &g->stub[n]);
}
