/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The compact form of a decoded instruction, and how its function reaches operands.
 *
 * Registers are byte offsets into vcpu.gpr, so that AH is RAX's offset + 1 and one accessor serves
 * all sizes. `r`, `m`, `v` are the explicit register operands in operand order (first, second,
 * third); a memory operand is in base, index, scale, disp, seg.
 */
#pragma once
#include "base/base.h"
#include "cpu/access.h"
#include "cpu/seg.h"
#include "cpu/vcpu.h"

struct insn;
typedef void insn_fn(struct vcpu *c, const struct insn *i);

/* The kinds of the first two explicit operands. */
enum insn_form {
    FORM_NONE,
    FORM_R,
    FORM_M,
    FORM_I,
    FORM_RR,
    FORM_RM, /* register, memory */
    FORM_MR, /* memory, register */
    FORM_RI,
    FORM_MI,
    FORM_COUNT
};

#define INSN_MEM BIT(0) /* has a memory operand (string instructions: no) */
#define INSN_FLAT64                                                                                \
    BIT(1) /* its linear address is the 64-bit offset: 64-bit mode, not FS or GS                   \
            */
#define INSN_LOCK   BIT(2)
#define INSN_REP    BIT(3) /* F3: REP, REPE */
#define INSN_REPNE  BIT(4) /* F2 */
#define INSN_CL     BIT(5) /* the last operand is CL (shifts) */
#define INSN_MODE16 BIT(6) /* decoded as 16-bit code */
#define INSN_MODE64 BIT(7) /* decoded as 64-bit code */
#define INSN_IMM    BIT(8) /* has an immediate operand */

#define REG_ZERO ((u8)(16 * 8)) /* always reads 0 */
#define REG_RIP  ((u8)(17 * 8)) /* the next instruction, for RIP-relative addresses */

struct insn {
    insn_fn *fn;
    u8 len;  /* in bytes */
    u8 size; /* operand size in bytes: 1, 2, 4, 8 of the first explicit operand, or the effective
                operand size for instructions without one */
    u8 r, m, v;
    u8 base, index; /* byte offsets; REG_ZERO when absent */
    u8 scale;       /* a shift, 0..3 */
    u8 seg;         /* enum segreg, default applied */
    u8 asize;       /* address size in bytes */
    u8 msize;       /* size of the memory operand or second operand in bytes (MOVZX, vectors) */
    u8 form;        /* enum insn_form */
    u8 opsize;      /* effective operand size 2, 4 or 8 */
    u8 cond;        /* condition code of Jcc, SETcc, CMOVcc */
    u16 flags;      /* INSN_* */
    u16 mnemonic;   /* ZydisMnemonic */
    s64 disp;
    union {
        u64 imm;         /* sign-extended as the instruction says; branches: displacement */
        const void *aux; /* simd: the compiled thunk */
    };
    u64 imm2; /* ENTER's second, far pointer's selector */
};

#define GPR8(c, off)  (*((u8 *)(c)->gpr + (off)))
#define GPR16(c, off) (*(host_u16 *)((u8 *)(c)->gpr + (off)))
#define GPR32(c, off) (*(host_u32 *)((u8 *)(c)->gpr + (off)))
#define GPR64(c, off) (*(host_u64 *)((u8 *)(c)->gpr + (off)))

static inline u64 reg_get(struct vcpu *c, u8 off, unsigned size)
{
    switch (size) {
    case 1:
        return GPR8(c, off);
    case 2:
        return GPR16(c, off);
    case 4:
        return GPR32(c, off);
    default:
        return GPR64(c, off);
    }
}

/* 32-bit writes clear the upper half, narrower ones keep the rest. */
static inline void reg_set(struct vcpu *c, u8 off, unsigned size, u64 val)
{
    switch (size) {
    case 1:
        GPR8(c, off) = (u8)val;
        break;
    case 2:
        GPR16(c, off) = (u16)val;
        break;
    case 4:
        GPR64(c, off) = (u32)val;
        break;
    default:
        GPR64(c, off) = val;
    }
}

/* The effective address: the offset within the segment, wrapped to the address size. */
static inline u64 insn_ea(struct vcpu *c, const struct insn *i)
{
    u64 ea = GPR64(c, i->base) + (GPR64(c, i->index) << i->scale) + (u64)i->disp;

    if (likely(i->asize == 8))
        return ea;
    return i->asize == 4 ? (u32)ea : (u16)ea;
}

gva_t insn_linear_seg(struct vcpu *c, const struct insn *i, unsigned size, bool write);

/* The checked linear address of the memory operand, for an access of `size` bytes. */
static inline gva_t insn_linear(struct vcpu *c, const struct insn *i, unsigned size, bool write)
{
    if (likely(i->flags & INSN_FLAT64))
        return GPR64(c, i->base) + (GPR64(c, i->index) << i->scale) + (u64)i->disp;
    return insn_linear_seg(c, i, size, write);
}

/* The rights of this instruction's memory operand. */
static inline unsigned insn_how(const struct vcpu *c, const struct insn *i)
{
    return c->mmu | (i->seg == SEG_SS ? MMU_STACK : 0u);
}

static inline u64 mem_get(struct vcpu *c, const struct insn *i, unsigned size)
{
    return lin_read(c, insn_linear(c, i, size, false), size, insn_how(c, i));
}

static inline void mem_set(struct vcpu *c, const struct insn *i, unsigned size, u64 val)
{
    lin_write(c, insn_linear(c, i, size, true), size, val, insn_how(c, i));
}

/* The r/m operand of one-operand forms and of "register, r/m" forms, in general. */
static inline u64 rm_get(struct vcpu *c, const struct insn *i, u8 reg, unsigned size)
{
    return i->flags & INSN_MEM ? mem_get(c, i, size) : reg_get(c, reg, size);
}

static inline void rm_set(struct vcpu *c, const struct insn *i, u8 reg, unsigned size, u64 val)
{
    if (i->flags & INSN_MEM)
        mem_set(c, i, size, val);
    else
        reg_set(c, reg, size, val);
}

/*
 * Read-modify-write of the first operand (register i->r or memory; atomic with LOCK): the new
 * value is op(flags, old, arg, size); the flags change only if the write succeeds.
 */
typedef u64 rmw_fn(struct flags *lf, u64 old, u64 arg, unsigned size);
void rm_modify(struct vcpu *c, const struct insn *i, unsigned size, u64 arg, rmw_fn *op);

/* Locked exchange of the memory operand: returns the old value. */
u64 mem_exchange(struct vcpu *c, const struct insn *i, u64 new);

/* Condition codes in encoding order (O, NO, B, AE, …). */
bool cond_holds(const struct vcpu *c, unsigned cond);
