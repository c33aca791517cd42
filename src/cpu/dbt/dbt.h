/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the passes of the translator share. A block of guest code goes through them in order:
 *
 *   decode.c   bytes -> struct xinsn: operands, flags read and written, what kind of template
 *   analyse.c  which arithmetic flags are live behind each instruction
 *   gen*.c     host code, instruction by instruction, with memory accesses from mem.c, stack.c and
 *              group.c
 *   link.c     exits, and the code out of line behind them
 *
 * Host registers: RSP points at vcpu.near, everything of the CPU is reached from there. Guest
 * registers are in the host registers of the same name, but RSP, which is in R11, and R9, R10 and
 * R11, which stay in memory; R9 and R10 are scratch (T0, T1). The guest's arithmetic flags are the
 * host's. docs/design/006-translator.md has the reasons.
 */
#pragma once
#include "base/base.h"
#include "cpu/dbt/cache.h"
#include "cpu/dbt/emit.h"
#include "cpu/interp/decode.h"

#define MAX_BLOCK_INSNS   64u
#define MAX_SIDE_EXITS    4u /* a block goes on behind so many conditional branches */
#define MAX_CHECKED_INSNS 8u /* where code changes often */

/* struct xinsn.kind: the template family. */
enum xkind {
    X_OP,     /* by the interpreter's function */
    X_OP_END, /* the same, and the block ends */
    X_GEN,    /* operands in ModRM: registers and at most one memory operand */
    X_LEA,
    X_MOV_IMM,
    X_NOP,
    X_PLAIN, /* no explicit operands: emitted as it is (CDQ, CLC, fences) */
    X_BSWAP,
    X_XCHG_ACC, /* XCHG rAX, r in its one-byte form */
    X_BIT_MEM,  /* BT family, memory and register offset */
    X_DIV,
    X_MOFFS,
    X_MOV_SREG, /* from a segment register */
    X_STRING,
    X_PUSH_R,
    X_PUSH_I,
    X_PUSH_M,
    X_POP_R,
    X_LEAVE,
    X_JMP,
    X_JCC,
    X_CALL,
    X_JMP_IND,
    X_CALL_IND,
    X_RET,
    X_LOOP,
    X_JRCXZ,
    X_PUSHF,
    X_EFLAG, /* CLI, CLD, STD; STAC and CLAC that change no rights */
    X_STI,
    X_SWAPGS,
    X_RIGHTS, /* STAC, CLAC that do */
    X_VEC,    /* X_GEN on vector or MMX registers */
    X_X87,    /* imm: the ModRM byte */
    X_FLDCW,
    X_KINDS,
};

enum { NO_REG = 0xff, BASE_RIP = 0xfe };

struct xreg {  /* an explicit register operand */
    u8 n;      /* NO_REG if there is none of this kind */
    bool gpr;  /* else a vector register */
    bool high; /* AH … BH: n is that of the whole register */
    bool read, write;
    u8 size; /* bytes */
};

struct xmem {
    u8 base, index; /* NO_REG, BASE_RIP */
    u8 scale;       /* a shift */
    u8 seg;         /* enum segreg */
    u8 asize;       /* bytes */
    u8 size;        /* bytes accessed */
    u8 align;       /* address bits that must be 0, else #GP */
    bool read, write;
    s64 disp;
};

struct xinsn {
    u16 off; /* in its page */
    u8 len;
    u8 kind; /* enum xkind */
    u16 mnemonic;
    u8 opsize; /* bytes */
    u8 cond;
    bool has_mem;
    bool end;                      /* the last of its block */
    bool constant;                 /* its struct insn may be kept with the code */
    struct xreg reg, rm, vvvv, op; /* by place in the encoding; `op`: low bits of the opcode */
    struct xmem mem;
    s64 imm;
    /* For encoding it again. */
    bool lock, osize, rexw, vex, has_modrm;
    u8 rep; /* F2, F3 or 0 */
    u8 map; /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
    u8 opcode;
    u8 modrm_reg; /* opcode extension */
    u8 vex_last;  /* W, L, pp */
    u8 imm_at, imm_len;
    u8 bytes[15];
    /* Arithmetic flags, EFLAGS bits. */
    u32 fl_read, fl_kill, fl_write; /* kill: always written, write: possibly */
    u32 fl_fault;                   /* what a fault of it must find */
    u32 live;                       /* after it */
    u8 sse;                         /* VEC_*: what must be available */
};

/* Guest registers that have no host register; an operand that is one. */
static inline bool in_memory(unsigned guest)
{
    return guest >= 9 && guest <= 11;
}

static inline bool is_spilled(const struct xreg *r)
{
    return r->n != NO_REG && r->gpr && in_memory(r->n);
}

#define VEC_SSE BIT(0)
#define VEC_AVX BIT(1)
#define VEC_FP  BIT(2) /* depends on MXCSR */
#define VEC_X87 BIT(3) /* x87 or MMX registers */

struct xblock {
    struct vcpu *c; /* who translates: for CPU model and decoder only */
    u32 key;
    u64 page;       /* RAM page */
    const u8 *host; /* its bytes */
    u16 off, end;   /* [off, end) in the page */
    bool straddles; /* a single instruction that goes on in the next page: its code compares the
                       bytes there, under whatever page is mapped then */
    const u8 *next; /* that page's bytes now; NULL: not known */
    bool aliased;   /* the page is executed at several addresses */
    bool checked;   /* the page mixes code and data: the code compares its own bytes */
    bool exact;     /* faults find all flags, not only live ones */
    bool lockstep;  /* ends before an X_OP */
    bool flags_in;  /* needs the flags of its predecessor */
    const struct dbt
        *known; /* whose blocks need not be translated again behind a branch; or NULL */
    unsigned n;
    struct xinsn insn[MAX_BLOCK_INSNS];
};

struct jumps;

/* A CPU's part of the engine: vcpu.engine_state. */
struct dbt_cpu {
    struct dbt *dbt;
    struct jumps *kernel, *space[TLB_SPACES][2]; /* user, supervisor */
    struct known_block known[KNOWN_BLOCKS];
    struct insn_slot slot[INSN_SLOTS];
    struct xblock block;                   /* being translated */
    struct lockstep *lockstep;             /* NULL: off */
    u64 ops[ZYDIS_MNEMONIC_MAX_VALUE + 1]; /* interpreted instructions, by mnemonic */
    u64 misses, lookups, links;
};

/* decode.c: the bytes from b->off on. */
void xlat_decode(struct xblock *b);
/* One instruction. False if it reaches past `avail` bytes. */
must_check bool xlat_decode_insn(struct vcpu *c, u32 key, const u8 *bytes, unsigned avail,
                                 struct xinsn *x);
/* analyse.c */
void xlat_analyse(struct xblock *b);
/* gen.c: the host code, at the end of what is used of the cache. */
void xlat_generate(struct dbt *d, struct xblock *b, struct tb *tb);
static inline struct dbt_cpu *state_of(const struct vcpu *c)
{
    return c->engine_state;
}

/* dump.c: --trace xlat */
void xlat_dump(const struct xblock *b, const struct dbt *d, const struct tb *tb);
/* The host's code of a block alone. */
void xlat_show(const struct dbt *d, const struct tb *tb, FILE *to);

/* A block's translation key: what the code depends on besides its bytes. */
#define KEY_MODE      3u /* enum cpu_mode */
#define KEY_ROW_SHIFT 2u
#define KEY_ROW_MASK  (7u << KEY_ROW_SHIFT)
#define KEY_ROW(k)    (((k)&KEY_ROW_MASK) >> KEY_ROW_SHIFT) /* enum mmu_index of data accesses */
#define KEY_SSE       BIT(5)                                /* SSE instructions may execute */
#define KEY_AVX       BIT(6)
#define KEY_FP        BIT(7) /* all SIMD floating-point exceptions are masked */
#define KEY_FLAT      BIT(8) /* DS, ES, SS, CS: base 0, limit 4 GiB, readable, writable */
#define KEY_STACK     BIT(9) /* stack pointer as wide as the mode */
#define KEY_CPL0      BIT(10)
#define KEY_X87       BIT(11) /* x87 and MMX may execute, all x87 exceptions are masked */
#define KEY_BITS      12
u32 dbt_key(const struct vcpu *c);
