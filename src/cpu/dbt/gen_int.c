/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integer instructions that are more than their own encoding with other registers. */
#include "cpu/dbt/gen.h"

#include <Zydis/Zydis.h>

static void write_gpr(struct gen *g, unsigned guest, unsigned host)
{
    if (in_memory(guest))
        env_store(g, true, host, AT_GPR(guest));
}

/* T0 stays, unless base and index are both in memory, or the address is cut. */
static void gen_lea(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned to = in_memory(x->reg.n) ? T1 : host_of(x->reg.n);
    struct xmem m = x->mem;
    bool w = x->opsize == 8 && m.asize == 8;
    s32 rip = (s32)(x->off + x->len + m.disp);

    m.seg = SEG_DS; /* takes no part */
    if (m.asize < x->opsize) {
        gen_ea(g, &m, rip);
        emit_rr(&g->e, x->opsize == 8, OP_MOV_STORE, T0, to);
    } else if (m.base == BASE_RIP) {
        env_load(g, true, T1, AT_NEAR(page_va));
        emit_lea(&g->e, w, to, T1, -1, 0, rip);
    } else {
        int index = m.index == NO_REG ? -1 : (int)gen_read_gpr(g, m.index, T1);
        int base = m.base == NO_REG ? -1 : (int)gen_read_gpr(g, m.base, index == T1 ? T0 : T1);
        if (base < 0 && index < 0)
            emit_mov_imm(&g->e, to, w ? (u64)m.disp : (u32)m.disp);
        else
            emit_lea(&g->e, w, to, base, index, m.scale, (s32)m.disp);
    }
    write_gpr(g, x->reg.n, to);
}

static void gen_mov_imm(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned to = in_memory(x->op.n) ? T1 : host_of(x->op.n);
    u64 imm = 0;

    memcpy(&imm, x->bytes + x->imm_at, x->imm_len);
    if (x->op.size >= 4) {
        emit_mov_imm(&g->e, to, imm);
    } else {
        if (in_memory(x->op.n))
            env_load(g, true, T1, AT_GPR(x->op.n));
        if (x->op.size == 2)
            e1(&g->e, 0x66);
        if (to >= 8 || (x->op.size == 1 && to >= 4 && !x->op.high))
            e1(&g->e, 0x40u | to >> 3);
        e1(&g->e, (x->op.size == 1 ? 0xb0u : 0xb8u) | ((to + (x->op.high ? 4 : 0)) & 7));
        eb(&g->e, x->bytes + x->imm_at, x->imm_len);
    }
    write_gpr(g, x->op.n, to);
}

static void gen_bswap(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned r = gen_read_gpr(g, x->op.n, T1);
    unsigned rex = 0x40u | (x->opsize == 8 ? 8u : 0) | r >> 3;

    if (rex != 0x40)
        e1(&g->e, rex);
    e1(&g->e, 0x0f);
    e1(&g->e, 0xc8 | (r & 7));
    write_gpr(g, x->op.n, r);
}

static void gen_xchg_acc(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned r = gen_read_gpr(g, x->op.n, T1);

    if (x->opsize == 2)
        e1(&g->e, 0x66);
    emit_rr(&g->e, x->opsize == 8, 0x87, H_RAX, r);
    write_gpr(g, x->op.n, r);
}

/* As it is, but for REX bits that mean nothing and segment prefixes. */
static void gen_plain(struct gen *g)
{
    const struct xinsn *x = g->x;
    struct emit *e = &g->e;

    gen_flags_for_insn(g);
    if (x->osize && x->rep != 0x66)
        e1(e, 0x66);
    if (x->rexw)
        e1(e, 0x48);
    if (x->map)
        e1(e, 0x0f);
    e1(e, x->opcode);
    if (x->has_modrm)
        e1(e, x->bytes[x->imm_at - 1]);
    gen_flags_after_insn(g);
}

/* MOV between the accumulator and an absolute address. */
static void gen_moffs(struct gen *g)
{
    const struct xinsn *x = g->x;
    unsigned op = x->opcode & 2 ? 0x88u : 0x8au;

    gen_mem(g);
    if (x->opsize == 2 && (x->opcode & 1))
        e1(&g->e, 0x66);
    emit_rm(&g->e, x->opsize == 8 && (x->opcode & 1), op | (x->opcode & 1), H_RAX, T0, 0);
    gen_insn_done(g);
}

/* MOV from a segment register: 16 bits in memory, zero-extended in a register. */
static void gen_mov_sreg(struct gen *g)
{
    const struct xinsn *x = g->x;

    if (x->has_mem)
        gen_mem(g);
    load_selector(g, T1, x->reg.n);
    if (x->has_mem || x->opsize == 2)
        e1(&g->e, 0x66);
    if (x->has_mem)
        emit_rm(&g->e, false, OP_MOV_STORE, T1, T0, 0);
    else if (in_memory(x->rm.n))
        env_store(g, x->opsize > 2, T1, AT_GPR(x->rm.n));
    else
        emit_rr(&g->e, false, OP_MOV_STORE, T1, host_of(x->rm.n));
    gen_insn_done(g);
}

/* BT and its kin with an offset that reaches beyond the operand: its upper bits move the address.
   The low ones are taken modulo the operand's size by masking, since the host would do the same
   to its own address. */
static void gen_bit_mem(struct gen *g)
{
    const struct xinsn *x = g->x;
    bool w = x->opsize == 8;
    unsigned r;

    gen_flags_clobber(g, flags_needed(x));
    gen_ea(g, &x->mem, (s32)(x->off + x->len + x->mem.disp));
    r = gen_read_gpr(g, x->reg.n, T1);
    if (w)
        emit_rr(&g->e, true, OP_MOV_STORE, r, T1);
    else
        emit_rr(&g->e, true, 0x63, T1, r);                         /* MOVSXD */
    eb(&g->e, (const u8[]){0x49, 0xc1, 0xfa, 3}, 4);               /* SAR R10, 3 */
    eb(&g->e, (const u8[]){0x49, 0x83, 0xe2, w ? 0xf8 : 0xfc}, 4); /* AND R10, -8 or -4 */
    emit_lea(&g->e, x->mem.asize == 8, T0, T0, T1, 0, 0);
    gen_check(g, x->opsize, x->mem.write);
    r = gen_read_gpr(g, x->reg.n, T1);
    emit_rr(&g->e, false, OP_MOV_STORE, r, T1);
    eb(&g->e, (const u8[]){0x41, 0x83, 0xe2, w ? 63 : 31}, 4); /* AND R10D */
    env_store(g, true, T1, AT_ENV(held));                      /* restoring flags takes T1 */
    gen_flags_for_insn(g);
    env_load(g, true, T1, AT_ENV(held));
    if (x->lock)
        e1(&g->e, 0xf0);
    emit_rm(&g->e, w, 0x100u | x->opcode, T1, T0, 0);
    gen_flags_after_insn(g);
    gen_insn_done(g);
}

/* The interpreter divides where the host might fault: a divisor of 0 (or -1), a quotient that may
   be too large. */
static void gen_div(struct gen *g)
{
    const struct xinsn *x = g->x;
    bool w = x->opsize == 8, is_signed = x->mnemonic == ZYDIS_MNEMONIC_IDIV;
    struct emit *e = &g->e;
    unsigned by = T1;

    if (x->has_mem) {
        gen_mem(g);
        emit_rm(e, w, OP_MOV_LOAD, T1, T0, 0);
    } else {
        gen_flags_clobber(g, flags_needed(x));
        by = gen_read_gpr(g, x->rm.n, T1);
    }
    if (is_signed) {
        emit_lea(e, w, T0, (int)by, -1, 0, 1);
        eb(e, (const u8[]){w ? 0x49 : 0x41, 0x83, 0xf9, 1}, 4); /* CMP R9, 1 */
        gen_leave_if(g, CC_BE);
        emit_rr(e, w, OP_MOV_STORE, H_RAX, T0);
        eb(e, (const u8[]){w ? 0x49 : 0x41, 0xc1, 0xf9, w ? 63 : 31}, 4); /* SAR R9 */
        emit_rr(e, w, 0x3b, T0, H_RDX);
        gen_leave_if(g, CC_NE);
    } else {
        emit_rr(e, w, 0x3b, H_RDX, by);
        gen_leave_if(g, CC_AE);
    }
    emit_rr(e, w, 0xf7, is_signed ? 7 : 6, by);
    gen_flags_after_insn(g);
    gen_insn_done(g);
}

/* Changes the host's flags. */
static void change_eflags(struct gen *g, u32 bit, bool on)
{
    emit_rm(&g->e, false, 0x81, on ? 1 : 4, H_RSP, AT(eflags)); /* OR, AND, imm32 */
    e4(&g->e, on ? bit : ~bit);
}

/* Without a shadow: if no interrupt waits, the next one is noticed at the end of the block, which
   is not here. */
static void gen_sti(struct gen *g)
{
    if (g->x == &g->b->insn[g->b->n - 1]) {
        gen_op(g);
        return;
    }
    gen_flags_clobber(g, flags_needed(g->x));
    emit_rm(&g->e, false, 0x80, 7, H_RSP, AT(look)); /* CMP byte, 0 */
    e1(&g->e, 0);
    gen_leave_if(g, CC_NE);
    change_eflags(g, EFLAGS_IF, true);
    gen_insn_done(g);
}

static void gen_swapgs(struct gen *g)
{
    env_load(g, true, T0, AT(seg[SEG_GS].base));
    env_load(g, true, T1, AT(kernel_gs_base));
    env_store(g, true, T1, AT(seg[SEG_GS].base));
    env_store(g, true, T0, AT(kernel_gs_base));
}

static void change_ac(struct gen *g)
{
    change_eflags(g, EFLAGS_AC, g->x->mnemonic == ZYDIS_MNEMONIC_STAC);
}

/* One of the flags that are not arithmetic ones. */
static void gen_eflag(struct gen *g)
{
    gen_flags_clobber(g, g->x->live);
    switch (g->x->mnemonic) {
    case ZYDIS_MNEMONIC_CLI:
        change_eflags(g, EFLAGS_IF, false);
        break;
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_STD:
        change_eflags(g, EFLAGS_DF, g->x->mnemonic == ZYDIS_MNEMONIC_STD);
        break;
    default:
        change_ac(g);
    }
}

static void exchange_fields(struct gen *g, bool w, s32 a, s32 b)
{
    env_load(g, w, T0, a);
    env_load(g, w, T1, b);
    env_store(g, w, T1, a);
    env_store(g, w, T0, b);
}

/* The other rights' side of the TLB and of the jump cache comes into force. */
static void gen_rights(struct gen *g)
{
    struct emit *e = &g->e;

    gen_flags_clobber(g, flags_needed(g->x));
    emit_rm(e, true, 0x83, 7, H_RSP, AT_ENV(other.jumps)); /* CMP, imm8 */
    e1(e, 0);
    gen_leave_if(g, CC_E); /* no SMAP */
    change_ac(g);
    emit_rm(e, false, 0xc6, 0, H_RSP, AT(mmu)); /* MOV byte */
    e1(e, g->row == MMU_SUPER ? MMU_SUPER_SMAP : MMU_SUPER);
    emit_rm(e, true, 0xc7, 0, H_RSP, AT_NEAR(stack_room)); /* MOV */
    e4(e, 0);
    exchange_fields(g, true, AT_NEAR(row), AT_ENV(other.row));
    exchange_fields(g, true, AT_ENV(jumps), AT_ENV(other.jumps));
    exchange_fields(g, false, AT(serial), AT_ENV(other.serial));
    exchange_fields(g, false, AT_ENV(key), AT_ENV(other.key));
    gen_insn_done(g);
    gen_next(g);
}

void gen_integer(struct gen *g)
{
    switch (g->x->kind) {
    case X_LEA:
        gen_lea(g);
        break;
    case X_MOV_IMM:
        gen_mov_imm(g);
        break;
    case X_BSWAP:
        gen_bswap(g);
        break;
    case X_XCHG_ACC:
        gen_xchg_acc(g);
        break;
    case X_PLAIN:
        gen_plain(g);
        break;
    case X_MOFFS:
        gen_moffs(g);
        break;
    case X_MOV_SREG:
        gen_mov_sreg(g);
        break;
    case X_BIT_MEM:
        gen_bit_mem(g);
        break;
    case X_DIV:
        gen_div(g);
        break;
    case X_EFLAG:
        gen_eflag(g);
        break;
    case X_STI:
        gen_sti(g);
        break;
    case X_SWAPGS:
        gen_swapgs(g);
        break;
    case X_RIGHTS:
        gen_rights(g);
        break;
    default:
        break;
    }
}
