/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Branches, calls, returns, and the stack. */
#include "cpu/excp.h"
#include "cpu/far.h"
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"

/* Goes to a near target; the common case of 64-bit code inline. */
always_inline void jump(struct vcpu *c, const struct insn *i, u64 target)
{
    if (likely((i->flags & INSN_MODE64) && (u64)(((s64)target >> 47) + 1) < 2))
        c->rip = target;
    else
        cpu_near_branch(c, target, i->opsize);
}

always_inline void push(struct vcpu *c, const struct insn *i, u64 val)
{
    u64 sp = c->gpr[RSP] - 8;
    u8 *p;

    if (likely((i->flags & INSN_MODE64) && i->opsize == 8) &&
        likely((p = lin_ptr_write(c, sp, 8, c->mmu)) != NULL)) {
        host_st64(p, val);
        c->gpr[RSP] = sp;
    } else {
        cpu_push(c, val, i->opsize);
    }
}

/* The value on top; RSP moves when the caller commits with pop_commit. */
always_inline u64 peek(struct vcpu *c, const struct insn *i)
{
    const u8 *p;

    if (likely((i->flags & INSN_MODE64) && i->opsize == 8) &&
        likely((p = lin_ptr_read(c, c->gpr[RSP], 8, c->mmu)) != NULL))
        return host_ld64(p);
    return cpu_peek(c, 0, i->opsize);
}

always_inline void pop_commit(struct vcpu *c, const struct insn *i, u64 bytes)
{
    if (likely(i->flags & INSN_MODE64))
        c->gpr[RSP] += bytes;
    else
        cpu_stack_add(c, (s64)bytes);
}

#define JCC(n, test)                                                                               \
    static void jcc_##n(struct vcpu *c, const struct insn *i)                                      \
    {                                                                                              \
        const struct flags *f = &c->lf;                                                            \
        if (test)                                                                                  \
            jump(c, i, c->rip + i->imm);                                                           \
    }
JCC(0, flag_of(f))
JCC(1, !flag_of(f))
JCC(2, flag_cf(f))
JCC(3, !flag_cf(f))
JCC(4, flag_zf(f))
JCC(5, !flag_zf(f))
JCC(6, flag_cf(f) || flag_zf(f))
JCC(7, !flag_cf(f) && !flag_zf(f))
JCC(8, flag_sf(f))
JCC(9, !flag_sf(f))
JCC(10, flag_pf(f))
JCC(11, !flag_pf(f))
JCC(12, flag_sf(f) != flag_of(f))
JCC(13, flag_sf(f) == flag_of(f))
JCC(14, flag_zf(f) || flag_sf(f) != flag_of(f))
JCC(15, !flag_zf(f) && flag_sf(f) == flag_of(f))
insn_fn *const jcc_by_cond[16] = {jcc_0, jcc_1, jcc_2,  jcc_3,  jcc_4,  jcc_5,  jcc_6,  jcc_7,
                                  jcc_8, jcc_9, jcc_10, jcc_11, jcc_12, jcc_13, jcc_14, jcc_15};

void op_jmp(struct vcpu *c, const struct insn *i)
{
    if (i->form == FORM_I)
        jump(c, i, c->rip + i->imm);
    else
        jump(c, i, rm_get(c, i, i->r, i->opsize));
}

void op_call(struct vcpu *c, const struct insn *i)
{
    u64 ret = c->rip;

    if (i->form == FORM_I)
        jump(c, i, c->rip + i->imm);
    else
        jump(c, i, rm_get(c, i, i->r, i->opsize));
    push(c, i, ret);
}

void op_ret(struct vcpu *c, const struct insn *i)
{
    jump(c, i, peek(c, i));
    pop_commit(c, i, i->opsize + (i->imm & 0xffff));
}

/* m16:16, m16:32, m16:64 */
static void load_far_pointer(struct vcpu *c, const struct insn *i, u16 *sel, u64 *off)
{
    gva_t va = insn_linear(c, i, i->opsize + 2u, false);

    *off = lin_read(c, va, i->opsize, insn_how(c, i));
    *sel = (u16)lin_read(c, lin_add(c, va, i->opsize), 2, insn_how(c, i));
}

static void far_target(struct vcpu *c, const struct insn *i, u16 *sel, u64 *off)
{
    if (i->flags & INSN_MEM) {
        load_far_pointer(c, i, sel, off);
    } else {
        *sel = (u16)i->imm2;
        *off = i->imm;
    }
}

void op_jmp_far(struct vcpu *c, const struct insn *i)
{
    u16 sel;
    u64 off;

    far_target(c, i, &sel, &off);
    cpu_far_jmp(c, sel, off, i->opsize);
    c->leave = true;
}

void op_call_far(struct vcpu *c, const struct insn *i)
{
    u16 sel;
    u64 off;

    far_target(c, i, &sel, &off);
    cpu_far_call(c, sel, off, i->opsize);
    c->leave = true;
}

void op_ret_far(struct vcpu *c, const struct insn *i)
{
    cpu_far_ret(c, i->opsize, (u16)i->imm);
    c->leave = true;
}

void op_iret(struct vcpu *c, const struct insn *i)
{
    cpu_iret(c, i->opsize);
    c->leave = true;
}

/* LDS, LES, LFS, LGS, LSS: the segment register is in imm2. */
void op_load_far(struct vcpu *c, const struct insn *i)
{
    u16 sel;
    u64 off;

    load_far_pointer(c, i, &sel, &off);
    seg_load(c, (unsigned)i->imm2, sel);
    reg_set(c, i->r, i->opsize, off);
    vcpu_update_mode(c);
}

static u64 count_get(struct vcpu *c, const struct insn *i)
{
    return reg_get(c, RCX * 8, i->asize);
}

void op_jcxz(struct vcpu *c, const struct insn *i)
{
    if (count_get(c, i) == 0)
        jump(c, i, c->rip + i->imm);
}

/* LOOP, LOOPE, LOOPNE: RCX changes only if the branch does not fault. */
static void loop_if(struct vcpu *c, const struct insn *i, bool cond)
{
    u64 count = (count_get(c, i) - 1) & size_mask(i->asize);

    if (count && cond)
        jump(c, i, c->rip + i->imm);
    reg_set(c, RCX * 8, i->asize, count);
}

void op_loop(struct vcpu *c, const struct insn *i)
{
    loop_if(c, i, true);
}

void op_loope(struct vcpu *c, const struct insn *i)
{
    loop_if(c, i, flag_zf(&c->lf));
}

void op_loopne(struct vcpu *c, const struct insn *i)
{
    loop_if(c, i, !flag_zf(&c->lf));
}

void op_push(struct vcpu *c, const struct insn *i)
{
    switch (i->form) {
    case FORM_I:
        push(c, i, i->imm);
        break;
    case FORM_M:
        push(c, i, mem_get(c, i, i->opsize));
        break;
    default:
        push(c, i, reg_get(c, i->r, i->opsize));
    }
}

static void pop_mem(struct vcpu *c, const struct insn *i)
{
    u64 val = cpu_peek(c, 0, i->opsize);
    u64 old_sp = c->gpr[RSP], off;
    gva_t va;

    cpu_stack_add(c, i->opsize); /* an address by RSP uses the value after the pop */
    off = insn_ea(c, i);
    c->gpr[RSP] = old_sp;
    va = i->flags & INSN_FLAT64 ? off : seg_linear(c, i->seg, off, i->opsize, true);
    lin_write(c, va, i->opsize, val, insn_how(c, i));
    cpu_stack_add(c, i->opsize);
}

void op_pop(struct vcpu *c, const struct insn *i)
{
    u64 val;

    if (i->flags & INSN_MEM) {
        pop_mem(c, i);
        return;
    }
    val = peek(c, i);
    pop_commit(c, i, i->opsize);
    reg_set(c, i->r, i->opsize, val); /* after the increment: POP RSP */
}

void op_push_sreg(struct vcpu *c, const struct insn *i)
{
    push(c, i, c->seg[i->r].sel);
}

/* What follows the load of a segment register by an instruction. */
static void sreg_loaded(struct vcpu *c, unsigned segreg)
{
    vcpu_update_mode(c);
    if (segreg == SEG_SS)
        c->shadow |= SHADOW_MOV_SS;
}

void op_pop_sreg(struct vcpu *c, const struct insn *i)
{
    u16 sel = (u16)peek(c, i);
    u8 width = c->ss_size;

    seg_load(c, i->r, sel);
    reg_set(c, RSP * 8, width, c->gpr[RSP] + i->opsize); /* the width before the load */
    sreg_loaded(c, i->r);
}

void op_mov_from_sreg(struct vcpu *c, const struct insn *i)
{
    if (i->flags & INSN_MEM)
        mem_set(c, i, 2, c->seg[i->r].sel);
    else
        reg_set(c, i->r, i->size, c->seg[i->m].sel);
}

void op_mov_to_sreg(struct vcpu *c, const struct insn *i)
{
    if (i->r == SEG_CS || i->r > SEG_GS)
        cpu_raise_ud(c);
    seg_load(c, i->r, (u16)rm_get(c, i, i->m, 2));
    sreg_loaded(c, i->r);
}

void op_pusha(struct vcpu *c, const struct insn *i)
{
    u64 sp = c->gpr[RSP], mask = size_mask(c->ss_size);
    gva_t va[8];

    for (unsigned n = 0; n < 8; n++) {
        u64 off = (sp - (n + 1) * i->opsize) & mask;
        va[n] = seg_linear(c, SEG_SS, off, i->opsize, true);
        lin_probe_write(c, va[n], i->opsize, c->mmu | MMU_STACK);
    }
    for (unsigned n = 0; n < 8; n++)
        lin_write(c, va[n], i->opsize, c->gpr[n], c->mmu | MMU_STACK);
    cpu_stack_add(c, -8 * (s64)i->opsize);
}

void op_popa(struct vcpu *c, const struct insn *i)
{
    u64 val[8];

    for (unsigned n = 0; n < 8; n++)
        val[n] = cpu_peek(c, n * i->opsize, i->opsize);
    for (unsigned n = 0; n < 8; n++)
        if (7 - n != RSP)
            reg_set(c, (u8)((7 - n) * 8), i->opsize, val[n]);
    cpu_stack_add(c, 8 * i->opsize);
}

static gva_t stack_linear(struct vcpu *c, u64 off, unsigned size, bool write)
{
    return c->ss_size == 8 ? off : seg_linear(c, SEG_SS, off & size_mask(c->ss_size), size, write);
}

void op_leave(struct vcpu *c, const struct insn *i)
{
    u64 bp = c->gpr[RBP];
    u64 val = lin_read(c, stack_linear(c, bp, i->opsize, false), i->opsize, c->mmu | MMU_STACK);

    reg_set(c, RSP * 8, c->ss_size, bp + i->opsize);
    reg_set(c, RBP * 8, i->opsize, val);
}

/* imm: bytes of locals; imm2: nesting level (SDM 2A ENTER). */
void op_enter(struct vcpu *c, const struct insn *i)
{
    unsigned level = i->imm2 & 31, size = i->opsize, how = c->mmu | MMU_STACK;
    u64 sp = c->gpr[RSP] - size, bp = c->gpr[RBP], frame = sp;

    lin_write(c, stack_linear(c, sp, size, true), size, bp, how);
    for (unsigned n = 1; n < level; n++) {
        u64 link;
        bp -= size;
        link = lin_read(c, stack_linear(c, bp, size, false), size, how);
        sp -= size;
        lin_write(c, stack_linear(c, sp, size, true), size, link, how);
    }
    if (level) {
        sp -= size;
        lin_write(c, stack_linear(c, sp, size, true), size, frame, how);
    }
    sp -= i->imm & 0xffff;
    lin_probe_write(c, stack_linear(c, sp, size, true), size, how);
    reg_set(c, RBP * 8, size, frame);
    reg_set(c, RSP * 8, c->ss_size, sp);
}

void op_pushf(struct vcpu *c, const struct insn *i)
{
    push(c, i, cpu_pushf_image(c, i->opsize));
}

void op_popf(struct vcpu *c, const struct insn *i)
{
    u32 image = (u32)peek(c, i);

    cpu_popf(c, image, i->opsize);
    pop_commit(c, i, i->opsize);
    c->leave = true;
}
