/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes host instructions. Registers are host numbers; memory operands are [base + disp], or
   [RSP + disp], the CPU's own state. Nothing here knows of guests. */
#pragma once
#include "base/base.h"

#include <string.h>

enum host_reg { H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI, H_R8, H_R9, H_R10, H_R11 };

#define T0   H_R9
#define T1   H_R10
#define G_SP H_R11 /* the guest's stack pointer */

struct emit {
    u8 *rw;  /* the writable view of the cache */
    u32 at;  /* offset of the next byte */
    u32 end; /* it must not reach this */
};

static inline void e1(struct emit *e, unsigned b)
{
    e->rw[e->at++] = (u8)b;
}

static inline void e4(struct emit *e, u32 v)
{
    memcpy(e->rw + e->at, &v, 4);
    e->at += 4;
}

static inline void e8(struct emit *e, u64 v)
{
    memcpy(e->rw + e->at, &v, 8);
    e->at += 8;
}

static inline void eb(struct emit *e, const void *p, unsigned n)
{
    memcpy(e->rw + e->at, p, n);
    e->at += n;
}

/* `op`: the opcode, 0x100 | byte for 0F xx. w: 64 bits. */
void emit_rr(struct emit *e, bool w, unsigned op, unsigned reg, unsigned rm);
void emit_rm(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base, s32 disp);
/* [base + index + disp] */
void emit_rm_index(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base, unsigned index,
                   s32 disp);
/* ModRM and what follows it for [base + disp]; REX or VEX have been written. */
void emit_modrm_mem(struct emit *e, unsigned reg, unsigned base, s32 disp);
/* LEA reg, [base + index << scale + disp]; base or index may be -1. */
void emit_lea(struct emit *e, bool w, unsigned reg, int base, int index, unsigned scale, s32 disp);
void emit_mov_imm(struct emit *e, unsigned reg, u64 imm);
void emit_nops(struct emit *e, unsigned n);
/* To an offset in the cache. */
void emit_jmp(struct emit *e, u32 to);
void emit_call(struct emit *e, u32 to);
void emit_jcc(struct emit *e, unsigned cond, u32 to);
/* Forward branches: the place of the offset, for emit_land. */
u32 emit_jcc_fwd(struct emit *e, unsigned cond);
u32 emit_jmp_fwd(struct emit *e);
void emit_land(struct emit *e, u32 place); /* here */
void emit_land_at(struct emit *e, u32 place, u32 to);

#define OP_MOV_LOAD  0x8bu
#define OP_MOV_STORE 0x89u
#define CC_O         0u
#define CC_B         2u
#define CC_AE        3u
#define CC_E         4u
#define CC_NE        5u
#define CC_BE        6u
#define CC_A         7u
