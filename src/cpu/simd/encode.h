/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine code of a thunk, written into a small buffer: what it is made of besides the guest's own
   instruction. The host registers: RDI the CPU, RSI the memory operand, R8 struct simd_io. */
#pragma once
#include "cpu/simd/op.h"

struct code {
    u8 buf[512];
    unsigned n;
};

void emit(struct code *e, const void *bytes, unsigned n);
#define EMIT(e, ...) emit(e, (const u8[]){__VA_ARGS__}, (unsigned)sizeof((const u8[]){__VA_ARGS__}))

/* Between host and register image. */
void emit_xmm(struct code *e, bool vex, bool ymm, bool store, unsigned reg);
void emit_mm(struct code *e, bool store, unsigned reg);
void emit_gpr(struct code *e, bool store, unsigned host, unsigned guest);

/*
 * The instruction for 64-bit mode, with its memory operand at [RSI] and its explicit general
 * register in RAX; returns its length. *gpr: the number of that register, 0xff without.
 */
unsigned reencode(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo, const u8 *bytes,
                  u8 out[16], u8 *gpr);
