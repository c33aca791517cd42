/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the thunks of MMX, SSE and AVX instructions: availability (SDM 2A 2.4, 3A 13.1), memory
 * operand, SIMD floating-point exceptions (SDM 1 11.5), commit.
 *
 * Floating-point thunks run with all exceptions masked and the flags clear. If a flag comes up that
 * the guest has unmasked, the thunk has stored nothing and #XM follows. Two details of the flags
 * then differ from hardware: beside an unmasked overflow or underflow PE is that of the masked
 * response, and DPPS and DPPD report all their steps, not only those up to the one that faulted.
 */
#include "cpu/simd/op.h"

#include <string.h>

#define always_inline inline __attribute__((always_inline))

#define FLAG_IE   BIT(0)
#define FLAG_DE   BIT(1)
#define FLAG_ZE   BIT(2)
#define FLAGS_PRE (FLAG_IE | FLAG_DE | FLAG_ZE) /* found before the result is computed */

/* For simd_io.unmasked: the mask bits are all set when a thunk runs, so it never commits. */
#define COMMIT_NEVER MXCSR_RESET

void simd_sse_unavailable(struct vcpu *c)
{
    if ((c->cr0 & CR0_EM) || !(c->cr4 & CR4_OSFXSR))
        cpu_raise_ud(c);
    cpu_raise(c, VEC_NM);
}

void simd_vex_unavailable(struct vcpu *c)
{
    if (!is_protected(c) || !(c->cr4 & CR4_OSXSAVE) || (~c->xcr0 & (XCR0_SSE | XCR0_AVX)))
        cpu_raise_ud(c);
    cpu_raise(c, VEC_NM);
}

/* True if the instruction may go on, false if it must be retried (x87_ready). */
static always_inline bool check_available(struct vcpu *c, unsigned flags)
{
    if (flags & OP_VEX)
        simd_check_vex(c);
    else if (flags & OP_XMM)
        simd_check_sse(c);
    if (flags & OP_MMX)
        return mmx_ready(c);
    return true;
}

static always_inline void check_align(struct vcpu *c, const struct simd_op *op, gva_t va)
{
    if (unlikely(va & op->align))
        cpu_raise_gp0(c);
}

/* Plain RAM is handed to the thunk itself, everything else is copied. */
static always_inline void *load_operand(struct vcpu *c, const struct insn *i,
                                        const struct simd_op *op)
{
    gva_t va = insn_linear(c, i, op->size, false);
    struct simd_io *io = &op->simd->io;
    unsigned how = insn_how(c, i);
    u8 *p;
    u64 val;

    check_align(c, op, va);
    p = lin_ptr_read(c, va, op->size, how & MMU_INDEX_MASK);
    if (likely(p != NULL))
        return p;
    if (op->size > 8) {
        lin_read_bytes(c, va, io->bounce, op->size, how);
    } else {
        val = lin_read(c, va, op->size, how);
        memcpy(io->bounce, &val, sizeof(val));
    }
    return io->bounce;
}

static void write_back(struct vcpu *c, const struct insn *i, const struct simd_op *op, gva_t va)
{
    const u8 *from = op->simd->io.bounce;
    unsigned how = insn_how(c, i);
    u64 val;

    if (op->size > 8) {
        lin_write_bytes(c, va, from, op->size, how);
    } else {
        memcpy(&val, from, sizeof(val));
        lin_write(c, va, op->size, val, how);
    }
}

/* VCVTPS2PH with exact but tiny results, which it does not report while underflow is masked. */
static bool half_is_tiny(const u8 *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        u16 h = (u16)(p[2 * i] | p[2 * i + 1] << 8);
        if (!(h & 0x7c00) && (h & 0x3ff))
            return true;
    }
    return false;
}

static _Noreturn void fp_raise(struct vcpu *c, u32 unmasked, u32 flags)
{
    if (flags & FLAGS_PRE & unmasked) /* then no element's result is computed */
        flags &= FLAGS_PRE;
    c->fpu.mxcsr |= flags;
    if (!(c->cr4 & CR4_OSXMMEXCPT))
        cpu_raise_ud(c);
    cpu_raise(c, VEC_XM);
}

/* Underflow, once unmasked, counts for results that are tiny, exact or not. With FZ set, such
   results are flushed and flagged: a trial run finds them. */
static u32 tiny_results(struct vcpu *c, const struct simd_op *op, void *mem, u32 mxcsr)
{
    struct simd_io *io = &op->simd->io;

    io->mxcsr = mxcsr | MXCSR_FZ;
    io->unmasked = COMMIT_NEVER;
    op->code(c, mem, io);
    return io->mxcsr & MXCSR_UE;
}

static void run_unmasked(struct vcpu *c, const struct simd_op *op, void *mem)
{
    struct simd_io *io = &op->simd->io;
    u32 unmasked = io->unmasked, mxcsr = io->mxcsr, flags = 0;

    if (unmasked & MXCSR_UE) {
        mxcsr &= ~(u32)MXCSR_FZ; /* without effect then */
        flags = tiny_results(c, op, mem, mxcsr);
    }
    io->mxcsr = mxcsr;
    io->unmasked = flags ? COMMIT_NEVER : unmasked;
    op->code(c, mem, io);
    flags |= io->mxcsr & MXCSR_FLAGS;
    if (flags & unmasked)
        fp_raise(c, unmasked, flags);
}

/* VCVTPS2PH does not heed FZ: let it commit, look at the results, and take them back. */
static void run_half_unmasked(struct vcpu *c, const struct simd_op *op, void *mem)
{
    struct simd_io *io = &op->simd->io;
    u32 unmasked = io->unmasked, before = c->fpu.mxcsr, flags;
    u8 *dst = op->flags & OP_STORE ? mem : c->fpu.ymm[op->half_dst];
    u8 saved[32];

    memcpy(saved, dst, sizeof(saved));
    io->unmasked = 0;
    op->code(c, mem, io);
    flags = io->mxcsr & MXCSR_FLAGS;
    if ((unmasked & MXCSR_UE) && half_is_tiny(dst, op->flags & OP_STORE ? op->size / 2u : 8))
        flags |= MXCSR_UE;
    if (!(flags & unmasked))
        return;
    memcpy(dst, saved, sizeof(saved));
    c->fpu.mxcsr = before;
    fp_raise(c, unmasked, flags);
}

static always_inline void run(struct vcpu *c, const struct simd_op *op, void *mem, unsigned flags)
{
    struct simd_io *io = &op->simd->io;

    if (flags & OP_FP) {
        io->mxcsr = (c->fpu.mxcsr & ~(u32)MXCSR_FLAGS) | MXCSR_RESET;
        io->unmasked = ~c->fpu.mxcsr >> 7 & MXCSR_FLAGS;
        if (unlikely(io->unmasked)) {
            if (flags & OP_HALF)
                run_half_unmasked(c, op, mem);
            else
                run_unmasked(c, op, mem);
            return;
        }
    }
    op->code(c, mem, io);
}

/* `flags` is op->flags, or the part of it that matters, as a constant. */
static always_inline void exec(struct vcpu *c, const struct insn *i, unsigned flags)
{
    const struct simd_op *op = i->aux;
    struct simd_io *io = &op->simd->io;
    void *mem = NULL;
    gva_t va = 0;

    if (!check_available(c, flags))
        return;
    if (flags & OP_LOAD)
        mem = load_operand(c, i, op);
    if (flags & OP_STORE) {
        va = insn_linear(c, i, op->size, true);
        check_align(c, op, va);
        mem = lin_ptr_write(c, va, op->size, insn_how(c, i) & MMU_INDEX_MASK);
        if (unlikely(!mem) || (flags & OP_FP)) {
            lin_probe_write(c, va, op->size, insn_how(c, i));
            mem = io->bounce;
        }
    }
    if (flags & OP_MMX)
        mmx_enter(&c->fpu);
    run(c, op, mem, flags);
    if (flags & OP_EFLAGS)
        flags_set(&c->lf, (u32)io->rflags);
    if ((flags & OP_STORE) && mem == io->bounce)
        write_back(c, i, op, va);
}

static void exec_any(struct vcpu *c, const struct insn *i)
{
    exec(c, i, ((const struct simd_op *)i->aux)->flags);
}

/* The common combinations, each with only the steps it needs. */
#define DEFINE_EXEC(name, flags)                                                                   \
    static void exec_##name(struct vcpu *c, const struct insn *i)                                  \
    {                                                                                              \
        exec(c, i, flags);                                                                         \
    }
DEFINE_EXEC(sse, OP_XMM)
DEFINE_EXEC(sse_load, OP_XMM | OP_LOAD)
DEFINE_EXEC(sse_store, OP_XMM | OP_STORE)
DEFINE_EXEC(sse_fp, OP_XMM | OP_FP)
DEFINE_EXEC(sse_fp_load, OP_XMM | OP_FP | OP_LOAD)
DEFINE_EXEC(vex, OP_VEX)
DEFINE_EXEC(vex_load, OP_VEX | OP_LOAD)
DEFINE_EXEC(vex_store, OP_VEX | OP_STORE)
DEFINE_EXEC(vex_fp, OP_VEX | OP_FP)
DEFINE_EXEC(vex_fp_load, OP_VEX | OP_FP | OP_LOAD)
#undef DEFINE_EXEC

insn_fn *simd_exec_fn(const struct simd_op *op)
{
    switch (op->flags & ~OP_YMM) {
    case OP_XMM:
        return exec_sse;
    case OP_XMM | OP_LOAD:
        return exec_sse_load;
    case OP_XMM | OP_STORE:
        return exec_sse_store;
    case OP_XMM | OP_FP:
        return exec_sse_fp;
    case OP_XMM | OP_FP | OP_LOAD:
        return exec_sse_fp_load;
    case OP_VEX:
        return exec_vex;
    case OP_VEX | OP_LOAD:
        return exec_vex_load;
    case OP_VEX | OP_STORE:
        return exec_vex_store;
    case OP_VEX | OP_FP:
        return exec_vex_fp;
    case OP_VEX | OP_FP | OP_LOAD:
        return exec_vex_fp_load;
    default:
        return exec_any;
    }
}
