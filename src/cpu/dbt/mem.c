/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory in translated code: the software TLB's hit path, in line.
 *
 *   T1 = row of the TLB + slot of T0;  T0 -= tag  (now the offset in the page, if it is this page)
 *   T0 > page size - size: out of line    (another page, or across the end of this one)
 *   T0 += host address of the page
 */
#include "cpu/dbt/gen.h"

#define ENTRY_SHIFT 5
#define SLOT_MASK   ((TLB_ENTRIES - 1) << ENTRY_SHIFT)

static void add_segment(struct gen *g, const struct xmem *m)
{
    if (m->seg != SEG_FS && m->seg != SEG_GS)
        return;
    env_load(g, true, T1, m->seg == SEG_FS ? AT(seg[SEG_FS].base) : AT(seg[SEG_GS].base));
    emit_lea(&g->e, true, T0, T0, T1, 0, 0);
}

void gen_ea(struct gen *g, const struct xmem *m, s32 rip_disp)
{
    bool w = m->asize == 8;
    int base = -1, index = -1;

    if (m->base == BASE_RIP) {
        env_load(g, true, T0, AT_NEAR(page_va));
        emit_lea(&g->e, w, T0, T0, -1, 0, rip_disp);
    } else {
        if (m->base != NO_REG)
            base = (int)gen_read_gpr(g, m->base, T0);
        if (m->index != NO_REG)
            index = (int)gen_read_gpr(g, m->index, T1);
        if (base < 0 && index < 0)
            emit_mov_imm(&g->e, T0, w ? (u64)m->disp : (u32)m->disp);
        else
            emit_lea(&g->e, w, T0, base, index, m->scale, (s32)m->disp);
    }
    add_segment(g, m);
}

static void slot_of(struct gen *g)
{
    if (g->d->bmi2) {
        eb(&g->e, (const u8[]){0xc4, 0x43, 0x7b, 0xf0, 0xd1, PAGE_SHIFT - ENTRY_SHIFT}, 6);
    } else {
        emit_rr(&g->e, false, OP_MOV_STORE, T0, T1);
        eb(&g->e, (const u8[]){0x41, 0xc1, 0xea, PAGE_SHIFT - ENTRY_SHIFT}, 4); /* SHR R10D */
    }
    eb(&g->e, (const u8[]){0x41, 0x81, 0xe2}, 3); /* AND R10D */
    e4(&g->e, SLOT_MASK);
}

void gen_with_entry(struct gen *g, unsigned op, unsigned reg, size_t field)
{
    if (g->row == MMU_SUPER_SMAP)
        emit_rm_index(&g->e, true, op, reg, H_RSP, T1, AT(tlb.kernel.entry) + (s32)field);
    else
        emit_rm(&g->e, true, op, reg, T1, (s32)field);
}

void gen_find_entry(struct gen *g)
{
    slot_of(g);
    if (g->row != MMU_SUPER_SMAP)
        emit_rm(&g->e, true, 0x03, T1, H_RSP, AT_NEAR(row)); /* ADD */
}

u32 gen_compare_page(struct gen *g, unsigned size, bool write)
{
    struct emit *e = &g->e;

    gen_find_entry(g);
    gen_with_entry(g, 0x2b, T0, /* SUB */
                   write ? offsetof(struct tlb_entry, wtag) : offsetof(struct tlb_entry, rtag));
    eb(e, (const u8[]){0x49, 0x81, 0xf9}, 3); /* CMP R9, imm */
    e4(e, (u32)(PAGE_SIZE - size));
    return emit_jcc_fwd(e, CC_A);
}

void gen_add_page(struct gen *g)
{
    gen_with_entry(g, 0x03, T0, offsetof(struct tlb_entry, page));
}

void gen_check(struct gen *g, unsigned size, bool write)
{
    u32 retry = g->e.at;
    struct stub *s = gen_stub(g, STUB_MISS, gen_compare_page(g, size, write));

    s->retry = retry;
    s->write = write;
    s->size = (u8)size;
    gen_add_page(g);
}

void gen_leave_if(struct gen *g, unsigned cond)
{
    struct stub *s = gen_stub(g, STUB_MISS, emit_jcc_fwd(&g->e, cond));

    s->size = 0;
    s->retry = g->e.at;
    s->ends = g->group.last; /* the group's address is lost */
}

void gen_align(struct gen *g, s32 at, unsigned mask)
{
    unsigned reg = T0;

    gen_flags_clobber(g, flags_needed(g->x));
    if (at & (s32)mask) {
        emit_lea(&g->e, true, T1, T0, -1, 0, at);
        reg = T1;
    }
    eb(&g->e, (const u8[]){0x41, 0xf6, (u8)(0xc0 | (reg & 7)), (u8)mask}, 4); /* TEST, imm */
    gen_leave_if(g, CC_NE);
}

struct stub *gen_check_range(struct gen *g, unsigned size, bool write)
{
    struct stub *s = gen_stub(g, STUB_GROUP, gen_compare_page(g, size, write));

    gen_add_page(g);
    return s;
}

void gen_next_page(struct gen *g)
{
    struct emit *e = &g->e;
    u32 retry = g->e.at;
    struct stub *s;

    load_va(g, T0, PAGE_SIZE);
    if (g->row == MMU_USER_AC) { /* which instruction fetches do not mind */
        slot_of(g);
        emit_rm(e, true, 0x03, T1, H_RSP, AT(tlb.row) + 8 * MMU_USER);
    } else {
        gen_find_entry(g);
    }
    gen_with_entry(g, 0x3b, T0, offsetof(struct tlb_entry, xtag)); /* CMP */
    s = gen_stub(g, STUB_NEXT, emit_jcc_fwd(e, CC_NE));
    s->retry = retry;
    gen_with_entry(g, OP_MOV_LOAD, T1, offsetof(struct tlb_entry, page));
}

void gen_mem(struct gen *g)
{
    const struct xinsn *x = g->x;

    if (gen_group_member(g))
        return;
    g->mem_at = 0;
    gen_flags_clobber(g, flags_needed(x));
    if (gen_by_stack(g, &x->mem)) {
        gen_check_stack(g, (s32)x->mem.disp, x->mem.size, x->mem.write);
    } else {
        gen_ea(g, &x->mem, (s32)(x->off + x->len + x->mem.disp));
        gen_check(g, x->mem.size, x->mem.write);
    }
    g->stub[g->nstubs - 1].align = x->mem.align;
    if (x->mem.align)
        gen_align(g, 0, x->mem.align);
}

struct stub *gen_stub(struct gen *g, enum stub_kind kind, u32 branch)
{
    struct stub *s = &g->stub[g->nstubs++];

    BUG_ON(g->nstubs > MAX_STUBS);
    *s = (struct stub){
        .kind = (u8)kind, .flags = (u8)g->flags, .branch = branch, .x = g->x, .units = g->units};
    return s;
}

void gen_insn_done(struct gen *g)
{
    for (unsigned n = g->nstubs; n-- && g->stub[n].x == g->x;)
        if (g->stub[n].kind == STUB_MISS || g->stub[n].kind == STUB_STACK) {
            g->stub[n].next = g->e.at;
            g->stub[n].flags_out = (u8)g->flags;
        }
}

unsigned gen_read_gpr(struct gen *g, unsigned guest, unsigned scratch)
{
    if (!in_memory(guest))
        return host_of(guest);
    env_load(g, true, scratch, AT_GPR(guest));
    return scratch;
}
