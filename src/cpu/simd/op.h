/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this folder share: the thunks and the handlers that call them.
 *
 * A thunk executes one instruction form on the register image in struct vcpu. It is called with
 * the CPU, the host address of the memory operand and the CPU's struct simd_io; it may clobber all
 * vector registers, and leaves host MXCSR and x87 unit as the ABI wants them.
 */
#pragma once
#include "cpu/excp.h"
#include "cpu/simd/simd.h"
#include "os/execmem.h"

/* simd_op.flags */
#define OP_LOAD      BIT(0) /* reads its memory operand */
#define OP_STORE     BIT(1) /* writes it */
#define OP_FP        BIT(2) /* can raise SIMD floating-point exceptions; depends on MXCSR */
#define OP_VEX       BIT(3)
#define OP_XMM       BIT(4) /* legacy SSE encoding with XMM operands: needs CR4.OSFXSR */
#define OP_MMX       BIT(5) /* goes over to MMX state: MMX operands */
#define OP_EFLAGS    BIT(6) /* writes arithmetic flags */
#define OP_EFLAGS_IN BIT(7) /* reads them */
#define OP_HALF      BIT(8) /* VCVTPS2PH: its results are 16 bits wide */
#define OP_X87       BIT(9)
#define OP_YMM       BIT(10) /* has YMM operands */

struct simd_io {
    u32 mxcsr; /* to run with; after an OP_FP thunk, what MXCSR then was */
    u32 host_mxcsr;
    u32 unmasked; /* an OP_FP thunk leaves out its results if (mxcsr & unmasked) then */
    u32 pad;
    u64 rflags;
    u8 image[512] __attribute__((aligned(64))); /* x87 thunks: the FXSAVE image */
    u8 bounce[64] __attribute__((aligned(64))); /* a memory operand not reachable directly */
};

typedef void thunk_fn(struct vcpu *c, void *mem, struct simd_io *io);

struct simd_op {
    thunk_fn *code;
    struct simd *simd;
    u16 flags;   /* OP_* */
    u16 fop;     /* x87: what FOP becomes */
    u8 half_dst; /* OP_HALF: number of the result register */
    u8 size;     /* of the memory operand, in bytes */
    u8 align;    /* address bits that must be 0 */
    u8 gpr;      /* number of the explicit general register, 0xff without */
    u8 len;
    u8 bytes[16]; /* the instruction as the thunk has it; with gpr, the key */
    u32 next;     /* index of the next op in the hash chain + 1 */
};

struct simd {
    struct simd_io io;
    struct execmem code;
    size_t used;
    bool recycled; /* the arena was full once: its bytes may have been executed already */
    struct simd_op *ops;
    u32 nops;
    u32 *hash; /* index + 1 */
};

/* arena.c: finds the op with this key or adds it, with a copy of `code`; flushes when full. */
const struct simd_op *simd_op_find(struct simd *s, const struct simd_op *key);
const struct simd_op *simd_op_add(struct simd *s, const struct simd_op *key, const u8 *code,
                                  unsigned len, bool *flushed);

/* gate.c */
bool simd_gate_open(const struct vcpu *c, const ZydisDecodedInstruction *zi,
                    const ZydisDecodedOperand *zo);

/* thunk.c: fills op->bytes, len, gpr, flags, size, align and finds or generates the thunk. */
const struct simd_op *simd_thunk(struct simd *s, const struct vcpu *c,
                                 const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                                 const u8 *bytes, bool *flushed);
const ZydisDecodedOperand *simd_mem_operand(const ZydisDecodedInstruction *zi,
                                            const ZydisDecodedOperand *zo);
bool simd_is_vex(const ZydisDecodedInstruction *zi);
/* Whether results or faults depend on MXCSR; whether a 16-byte operand may be misaligned (legacy
   encodings). */
bool simd_uses_mxcsr(const ZydisDecodedInstruction *zi);
bool simd_unaligned_allowed(unsigned mnemonic);

/* Handlers that need a thunk in i->aux, by its flags (exec.c, x87.c). */
insn_fn *simd_exec_fn(const struct simd_op *op);
insn_fn x87_exec;

/* Handlers in C; NULL if there is none. move.c may look at the operands. masked.c and move.c set
   the register fields. */
insn_fn *simd_move_fn(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                      struct insn *out);
insn_fn *simd_masked_fn(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                        struct insn *out);
insn_fn *x87_control_fn(unsigned mnemonic);
insn_fn *simd_xsave_fn(unsigned mnemonic);

/* Whether the instruction may execute now (SDM 2A 2.4, 3A 13.1): raise #UD, #NM. */
_Noreturn void simd_sse_unavailable(struct vcpu *c);
_Noreturn void simd_vex_unavailable(struct vcpu *c);

static inline bool simd_sse_available(const struct vcpu *c)
{
    return !(c->cr0 & (CR0_EM | CR0_TS)) && (c->cr4 & CR4_OSFXSR);
}

static inline bool simd_vex_available(const struct vcpu *c)
{
    return (c->cr0 & (CR0_PE | CR0_TS)) == CR0_PE && (c->cr4 & CR4_OSXSAVE) &&
           !(~c->xcr0 & (XCR0_SSE | XCR0_AVX)) && !(c->eflags & EFLAGS_VM);
}

static inline void simd_check_sse(struct vcpu *c)
{
    if (unlikely(!simd_sse_available(c)))
        simd_sse_unavailable(c);
}

static inline void simd_check_vex(struct vcpu *c)
{
    if (unlikely(!simd_vex_available(c)))
        simd_vex_unavailable(c);
}

/* x87.c. x87_ready: false if the instruction must wait for the interrupt that FERR# brings: return
   then, it is executed again. */
#define FSW_ES    BIT(7)
#define FSW_B     BIT(15)
#define FSW_TOP   (7u << 11)
#define FCW_MASKS 0x3fu
#define FCW_IC    0x1f7fu /* the control word's bits that can be written, and bit 6, always set */

static inline unsigned x87_top(const struct fpu *f)
{
    return f->fsw >> 11 & 7;
}

static inline u32 x87_pending(const struct fpu *f)
{
    return f->fsw & ~(u32)f->fcw & 0x3f;
}

void x87_check_nm(struct vcpu *c);
must_check bool x87_ready(struct vcpu *c);
must_check bool mmx_ready(struct vcpu *c);
void mmx_enter(struct fpu *f);
/* The registers stay what they are, their places relative to TOP change. */
void x87_set_top(struct fpu *f, unsigned top);
/* After a change of control or status word: ES and B, and the line FERR#. */
void x87_update_es(struct vcpu *c);
void x87_set_fcw(struct fpu *f, u16 val);
void x87_init(struct fpu *f);

/* MXCSR bits that exist. */
#define MXCSR_MASK  0xffffu
#define MXCSR_RESET 0x1f80u
#define MXCSR_FLAGS 0x3fu
#define MXCSR_UE    BIT(4)
#define MXCSR_FZ    BIT(15)
