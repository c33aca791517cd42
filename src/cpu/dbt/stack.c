/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory by the stack pointer: the page of the last such access is the window, which costs
 * less than the TLB and waits for no load that depends on the address.
 *
 *   T0 = RSP + disp - tag of the window
 *   T0 >= room in it: out of line, where the TLB is asked and the window moves
 *   T0 += host address of the window's page
 *
 * It is a copy of an entry of the TLB that may be read and written. Whatever takes that out, or
 * changes whose rights count, closes the window (near.stack_room 0).
 */
#include "cpu/dbt/gen.h"

bool gen_by_stack(const struct gen *g, const struct xmem *m)
{
    return m->base == RSP && m->index == NO_REG && m->seg != SEG_FS && m->seg != SEG_GS &&
           m->asize == word(g) && m->size <= STACK_SPAN;
}

struct stub *gen_check_stack(struct gen *g, s32 disp, unsigned size, bool write)
{
    struct emit *e = &g->e;
    struct stub *s;

    emit_lea(e, wide(g), T0, G_SP, -1, 0, disp);
    emit_rm(e, true, 0x2b, T0, H_RSP, AT_NEAR(stack_tag));  /* SUB */
    emit_rm(e, true, 0x3b, T0, H_RSP, AT_NEAR(stack_room)); /* CMP */
    s = gen_stub(g, STUB_STACK, emit_jcc_fwd(e, CC_AE));
    emit_rm(e, true, 0x03, T0, H_RSP, AT_NEAR(stack_page)); /* ADD */
    s->disp = disp;
    s->size = (u8)size;
    s->write = write;
    s->back = e->at;
    return s;
}

static const struct stack_thunks *thunks_of(const struct gen *g)
{
    return g->row == MMU_SUPER_SMAP ? &g->d->kernel_stack : &g->d->stack;
}

static void group_apart(struct gen *g, const struct stub *s)
{
    struct stub *check = gen_check_range(g, s->size, s->write);

    check->first = s->first;
    check->last = s->last;
    check->next = s->next;
    check->flags_out = s->flags_out;
    emit_call(&g->e, thunks_of(g)->window);
    emit_jmp(&g->e, s->back);
}

static void access_apart(struct gen *g, const struct stub *s, u32 start)
{
    struct stack_site site = {.miss = gen_miss_site(g, s)};
    s32 at;

    emit_call(&g->e, thunks_of(g)->access[s->write]);
    at = (s32)g->e.at;
    site.back = (s32)s->back - at;
    at += (s32)offsetof(struct stack_site, miss);
    site.miss.retry = (s32)start - at;
    site.miss.next = (s32)s->next - at;
    eb(&g->e, &site, sizeof(site));
}

/* Outside the window: the TLB is asked, and the window moves there. */
void gen_stack_apart(struct gen *g, const struct stub *s)
{
    u32 start = g->e.at;

    g->x = s->x;
    g->units = s->units;
    g->flags = s->flags;
    emit_lea(&g->e, wide(g), T0, G_SP, -1, 0, s->disp);
    if (s->group)
        group_apart(g, s);
    else
        access_apart(g, s, start);
}

/* The entry T1 becomes the window, if the page may be written to. T0 is lost. */
static void move_window(struct gen *g)
{
    struct emit *e = &g->e;
    u32 over;

    gen_with_entry(g, OP_MOV_LOAD, T0, offsetof(struct tlb_entry, wtag));
    gen_with_entry(g, 0x3b, T0, offsetof(struct tlb_entry, rtag)); /* CMP */
    over = emit_jcc_fwd(e, CC_NE);
    env_store(g, true, T0, AT_NEAR(stack_tag));
    gen_with_entry(g, OP_MOV_LOAD, T0, offsetof(struct tlb_entry, page));
    env_store(g, true, T0, AT_NEAR(stack_page));
    emit_rm(e, true, 0xc7, 0, H_RSP, AT_NEAR(stack_room)); /* MOV, imm32 */
    e4(e, PAGE_SIZE - STACK_SPAN + 1);
    emit_land(e, over);
}

u32 gen_window_thunk(struct gen *g)
{
    u32 start = g->e.at;

    pop_site(g);
    env_store(g, true, T0, AT_ENV(t0));
    move_window(g);
    env_load(g, true, T0, AT_ENV(t0));
    emit_rm(&g->e, false, 0xff, 4, H_RSP, AT_ENV(site)); /* JMP */
    return start;
}

/* T0, the host address, is in env.t0; on behind the check. */
static void back_from_thunk(struct gen *g)
{
    env_load(g, true, T1, AT_ENV(site));
    emit_rm(&g->e, true, 0x63, T0, T1, offsetof(struct stack_site, back)); /* MOVSXD */
    emit_lea(&g->e, true, T1, T1, T0, 0, 0);
    env_load(g, true, T0, AT_ENV(t0));
    emit_rr(&g->e, false, 0xff, 4, T1); /* JMP */
}

/* Offset T0 is so near the end of its page that the size matters. */
static void near_end(struct gen *g, u32 miss)
{
    struct emit *e = &g->e;

    eb(e, (const u8[]){0x49, 0x81, 0xf9}, 3); /* CMP R9, imm */
    e4(e, PAGE_SIZE - 1);
    emit_jcc(e, CC_A, miss);
    env_store(g, true, T0, AT_ENV(go));
    env_load(g, true, T1, AT_ENV(site));
    emit_rm(e, false, 0x1b6, T1, T1, offsetof(struct stack_site, miss.size)); /* MOVZX */
    emit_rr(e, true, 0x03, T1, T0);                                           /* ADD */
    eb(e, (const u8[]){0x49, 0x81, 0xfa}, 3);                                 /* CMP R10, imm */
    e4(e, PAGE_SIZE);
    emit_jcc(e, CC_A, miss);
    env_load(g, true, T0, AT_ENV(t0));
    gen_find_entry(g);
    env_load(g, true, T0, AT_ENV(go));
    gen_add_page(g);
    env_store(g, true, T0, AT_ENV(t0));
    back_from_thunk(g);
}

u32 gen_stack_thunk(struct gen *g, bool write, u32 miss)
{
    struct emit *e = &g->e;
    u32 start = e->at, end;

    pop_site(g);
    env_store(g, true, T0, AT_ENV(t0));
    end = gen_compare_page(g, STACK_SPAN, write);
    gen_add_page(g);
    env_store(g, true, T0, AT_ENV(t0));
    move_window(g);
    back_from_thunk(g);
    emit_land(e, end);
    near_end(g, miss);
    return start;
}

void gen_stack(struct gen *g, s32 disp, unsigned size, bool write)
{
    if (gen_group_member(g))
        return;
    g->mem_at = 0;
    gen_flags_clobber(g, flags_needed(g->x));
    gen_check_stack(g, disp, size, write);
}
