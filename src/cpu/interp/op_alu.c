/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ADD … XOR, CMP, TEST, INC, DEC, NEG, NOT, MOV, MOVZX, LEA and friends: one function for each
   form and size, since these are most of what guests execute. */
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"

/* Binary operations whose result is written. */
#define ALU_SIZE(name, S)                                                                          \
    static void name##_rr_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        u64 r = op_##name(&c->lf, REG_RD_##S(c, i->r), REG_RD_##S(c, i->m), S / 8);                \
        REG_WR_##S(c, i->r, r);                                                                    \
    }                                                                                              \
    static void name##_rm_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        u64 b = mem_rd_##S(c, i);                                                                  \
        u64 r = op_##name(&c->lf, REG_RD_##S(c, i->r), b, S / 8);                                  \
        REG_WR_##S(c, i->r, r);                                                                    \
    }                                                                                              \
    static void name##_mr_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        mem_rmw_##S(c, i, REG_RD_##S(c, i->r), op_##name);                                         \
    }                                                                                              \
    static void name##_ri_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        u64 r = op_##name(&c->lf, REG_RD_##S(c, i->r), (u##S)i->imm, S / 8);                       \
        REG_WR_##S(c, i->r, r);                                                                    \
    }                                                                                              \
    static void name##_mi_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        mem_rmw_##S(c, i, (u##S)i->imm, op_##name);                                                \
    }

/* Binary operations that only set flags. */
#define COMPARE_SIZE(name, op, S)                                                                  \
    static void name##_rr_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        op(&c->lf, REG_RD_##S(c, i->r), REG_RD_##S(c, i->m), S / 8);                               \
    }                                                                                              \
    static void name##_rm_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        u64 b = mem_rd_##S(c, i);                                                                  \
        op(&c->lf, REG_RD_##S(c, i->r), b, S / 8);                                                 \
    }                                                                                              \
    static void name##_mr_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        u64 a = mem_rd_##S(c, i);                                                                  \
        op(&c->lf, a, REG_RD_##S(c, i->r), S / 8);                                                 \
    }                                                                                              \
    static void name##_ri_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        op(&c->lf, REG_RD_##S(c, i->r), (u##S)i->imm, S / 8);                                      \
    }                                                                                              \
    static void name##_mi_##S(struct vcpu *c, const struct insn *i)                                \
    {                                                                                              \
        u64 a = mem_rd_##S(c, i);                                                                  \
        op(&c->lf, a, (u##S)i->imm, S / 8);                                                        \
    }

#define UNARY_SIZE(name, S)                                                                        \
    static void name##_r_##S(struct vcpu *c, const struct insn *i)                                 \
    {                                                                                              \
        u64 r = op_##name(&c->lf, REG_RD_##S(c, i->r), 0, S / 8);                                  \
        REG_WR_##S(c, i->r, r);                                                                    \
    }                                                                                              \
    static void name##_m_##S(struct vcpu *c, const struct insn *i)                                 \
    {                                                                                              \
        mem_rmw_##S(c, i, 0, op_##name);                                                           \
    }

#define ROW(name, form)                                                                            \
    {                                                                                              \
        name##_##form##_8, name##_##form##_16, name##_##form##_32, name##_##form##_64              \
    }
#define BINARY_FORMS(name)                                                                         \
    insn_forms name##_forms = {[FORM_RR] = ROW(name, rr),                                          \
                               [FORM_RM] = ROW(name, rm),                                          \
                               [FORM_MR] = ROW(name, mr),                                          \
                               [FORM_RI] = ROW(name, ri),                                          \
                               [FORM_MI] = ROW(name, mi)};
#define ALU(name)                                                                                  \
    ALU_SIZE(name, 8) ALU_SIZE(name, 16) ALU_SIZE(name, 32) ALU_SIZE(name, 64) BINARY_FORMS(name)
#define COMPARE(name, op)                                                                          \
    COMPARE_SIZE(name, op, 8)                                                                      \
    COMPARE_SIZE(name, op, 16)                                                                     \
    COMPARE_SIZE(name, op, 32)                                                                     \
    COMPARE_SIZE(name, op, 64)                                                                     \
    BINARY_FORMS(name)
#define UNARY(name)                                                                                \
    UNARY_SIZE(name, 8)                                                                            \
    UNARY_SIZE(name, 16)                                                                           \
    UNARY_SIZE(name, 32)                                                                           \
    UNARY_SIZE(name, 64)                                                                           \
    insn_forms name##_forms = {[FORM_R] = ROW(name, r), [FORM_M] = ROW(name, m)};

ALU(add)
ALU(adc)
ALU(sub)
ALU(sbb)
ALU(and)
ALU(or)
ALU(xor)
COMPARE(cmp, op_sub)
COMPARE(test, op_and)
UNARY(inc)
UNARY(dec)
UNARY(neg)
UNARY(not )

#define MOV_SIZE(S)                                                                                \
    static void mov_rr_##S(struct vcpu *c, const struct insn *i)                                   \
    {                                                                                              \
        REG_WR_##S(c, i->r, REG_RD_##S(c, i->m));                                                  \
    }                                                                                              \
    static void mov_rm_##S(struct vcpu *c, const struct insn *i)                                   \
    {                                                                                              \
        u64 v = mem_rd_##S(c, i);                                                                  \
        REG_WR_##S(c, i->r, v);                                                                    \
    }                                                                                              \
    static void mov_mr_##S(struct vcpu *c, const struct insn *i)                                   \
    {                                                                                              \
        mem_wr_##S(c, i, REG_RD_##S(c, i->r));                                                     \
    }                                                                                              \
    static void mov_ri_##S(struct vcpu *c, const struct insn *i)                                   \
    {                                                                                              \
        REG_WR_##S(c, i->r, i->imm);                                                               \
    }                                                                                              \
    static void mov_mi_##S(struct vcpu *c, const struct insn *i)                                   \
    {                                                                                              \
        mem_wr_##S(c, i, i->imm);                                                                  \
    }
MOV_SIZE(8)
MOV_SIZE(16)
MOV_SIZE(32)
MOV_SIZE(64)
BINARY_FORMS(mov)

/* Source size msize, destination size size. */
#define EXTEND(name, FROM, conv)                                                                   \
    static void name##_r##FROM(struct vcpu *c, const struct insn *i)                               \
    {                                                                                              \
        reg_set(c, i->r, i->size, conv REG_RD_##FROM(c, i->m));                                    \
    }                                                                                              \
    static void name##_m##FROM(struct vcpu *c, const struct insn *i)                               \
    {                                                                                              \
        u64 v = mem_rd_##FROM(c, i);                                                               \
        reg_set(c, i->r, i->size, conv v);                                                         \
    }
EXTEND(movzx, 8, )
EXTEND(movzx, 16, )
EXTEND(movsx, 8, (u64)(s64)(s8))
EXTEND(movsx, 16, (u64)(s64)(s16))
EXTEND(movsx, 32, (u64)(s64)(s32))

void op_movzx(struct vcpu *c, const struct insn *i)
{
    bool mem = i->flags & INSN_MEM;

    if (i->msize == 1)
        (mem ? movzx_m8 : movzx_r8)(c, i);
    else
        (mem ? movzx_m16 : movzx_r16)(c, i);
}

void op_movsx(struct vcpu *c, const struct insn *i)
{
    bool mem = i->flags & INSN_MEM;

    if (i->msize == 1)
        (mem ? movsx_m8 : movsx_r8)(c, i);
    else if (i->msize == 2)
        (mem ? movsx_m16 : movsx_r16)(c, i);
    else
        (mem ? movsx_m32 : movsx_r32)(c, i);
}

static void lea_64(struct vcpu *c, const struct insn *i)
{
    GPR64(c, i->r) = insn_ea(c, i);
}

static void lea_32(struct vcpu *c, const struct insn *i)
{
    GPR64(c, i->r) = (u32)insn_ea(c, i);
}

static void lea_16(struct vcpu *c, const struct insn *i)
{
    GPR16(c, i->r) = (u16)insn_ea(c, i);
}
insn_forms lea_forms = {[FORM_RM] = {NULL, lea_16, lea_32, lea_64}};
