/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses how a vector or x87 instruction is executed: a function in C, or a thunk and one of the
   functions that call thunks. */
#include "cpu/simd/op.h"

/* The 64-bit forms of the XSAVE family, and the 16-bit layouts of FSTENV and FSAVE images. */
static void set_opsize(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                       struct insn *out)
{
    const ZydisDecodedOperand *mem = simd_mem_operand(zi, zo);

    if (zi->meta.isa_ext == ZYDIS_ISA_EXT_X87)
        out->opsize = mem && (mem->size == 14 * 8 || mem->size == 94 * 8) ? 2 : 4;
    else if (zi->machine_mode == ZYDIS_MACHINE_MODE_LONG_64 &&
             (zi->attributes & ZYDIS_ATTRIB_HAS_REX) && zi->raw.rex.W)
        out->opsize = 8;
    else
        out->opsize = 4;
}

static insn_fn *c_function(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                           struct insn *out)
{
    insn_fn *fn = simd_move_fn(zi, zo, out);

    if (!fn)
        fn = simd_masked_fn(zi, zo, out);
    if (fn)
        return fn;
    fn = x87_control_fn(zi->mnemonic);
    if (!fn)
        fn = simd_xsave_fn(zi->mnemonic);
    if (fn)
        set_opsize(zi, zo, out);
    return fn;
}

bool simd_decode(struct simd *s, struct vcpu *c, const ZydisDecodedInstruction *zi,
                 const ZydisDecodedOperand *zo, const u8 *bytes, struct insn *out, bool *flushed)
{
    const struct simd_op *op;

    *flushed = false;
    if (!simd_gate_open(c, zi, zo))
        return false;
    out->fn = c_function(zi, zo, out);
    if (out->fn)
        return true;
    op = simd_thunk(s, c, zi, zo, bytes, flushed);
    out->aux = op;
    out->fn = op->flags & OP_X87 ? x87_exec : simd_exec_fn(op);
    return true;
}
