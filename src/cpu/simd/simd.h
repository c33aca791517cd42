/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87, MMX, SSE, AVX: executed by the host's own unit on the guest's register image, by a small
 * thunk generated for each instruction form, so that results are exact by construction. State
 * images (FSAVE, FXSAVE, XSAVE), masked accesses and plain moves are done in C.
 *
 * A function may leave c->rip at c->ip and set c->leave: the instruction waits for an interrupt
 * (an x87 error with CR0.NE clear) and is to be executed again.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "cpu/interp/insn.h"

#include <Zydis/Zydis.h>

struct simd; /* a CPU's thunks: executable memory and the index by instruction form */

must_check int simd_new(struct simd **out, struct err *err);
void simd_free(struct simd *s);

/*
 * Completes `out` (length, operands and memory operand already decoded) for a vector or x87
 * instruction: sets out->fn, out->aux and whatever else its function needs. `zo` holds all
 * operands, hidden ones too; `bytes` the instruction. False if the instruction is none of these or
 * the CPU model lacks it: #UD. May drop all thunks when their memory is full; *flushed is then true
 * and every decoded instruction that the caller keeps is void.
 */
must_check bool simd_decode(struct simd *s, struct vcpu *c, const ZydisDecodedInstruction *zi,
                            const ZydisDecodedOperand *zo, const u8 *bytes, struct insn *out,
                            bool *flushed);
