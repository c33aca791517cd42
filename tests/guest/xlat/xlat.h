/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guests of this folder share: code built at run time, and code run with all registers
   given and all of them seen where it stops. */
#pragma once
#include "guest.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct regs {
    word r[16];
    word ip, flags, cs; /* cs: 0 for KERNEL_CS */
    word ss;            /* set by regs_run */
};

struct stop {
    struct regs regs;
    u32 vector, error;
    word cr2;
    u8 fx[512] __attribute__((aligned(16))); /* FXSAVE, once regs_save_sse is set */
};

/* Ends code: a vector that regs_catch_all takes. */
#define STOP        "int $0x30\n"
#define STOP_VECTOR 0x30 /* USER_EXIT: code of CPL 3 can use it, too */
#define STOP_BYTES  0xcd, STOP_VECTOR

/* Handlers on a stack of their own for #DE, #DB, #BP, #UD, #NM, #SS, #GP, #PF, #XM, STOP. */
void regs_catch_all(void);
void regs_catch(u8 vector);
/* Runs from there on until a trap; the value is its vector. */
u32 regs_run(const struct regs *in, struct stop *out);
/* CR4.SMAP, if there is such: a translator may find the supervisor's memory in another way then. */
void regs_use_smap(bool on);
/* Called at a trap; when it says true, the code goes on with the registers in the stop, which it
   may have changed. */
extern bool (*regs_fix)(struct stop *s);
extern bool regs_save_sse;
/* All registers, but for those in the mask; the arithmetic flags. */
bool check_regs(const struct regs *got, const struct regs *want, u32 except, int line);
#define CHECK_REGS(got, want, except) check_regs((got), (want), (except), __LINE__)

/* test() under a name put together. */
void test_case(const char *what, const char *how, const char *where);

/* Values that differ in every byte from register to register. */
void regs_pattern(struct regs *r, u64 seed);

static inline u64 random64(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Code at p; the value is the address behind it. */
static inline u8 *emit(u8 *p, const void *code, size_t n)
{
    return (u8 *)memcpy(p, code, n) + n;
}
#define EMIT(p, ...) emit((p), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static inline u8 *emit_le(u8 *p, u64 v, unsigned bytes)
{
    for (; bytes > 0; bytes--, v >>= 8)
        *p++ = (u8)v;
    return p;
}

static inline u8 *emit_fill(u8 *p, u8 byte, size_t n)
{
    return (u8 *)memset(p, byte, n) + n;
}

/* MOV r, imm64 */
static inline u8 *emit_mov(u8 *p, unsigned reg, u64 v)
{
    p = EMIT(p, (u8)(0x48 | reg >> 3), (u8)(0xb8 | (reg & 7)));
    return emit_le(p, v, 8);
}

/* LEA r, [r + disp]: adds without flags. */
u8 *emit_lea(u8 *p, unsigned reg, u32 disp);
u8 *emit_lea32(u8 *p, unsigned reg, u32 disp); /* in 32-bit code */
/* A long block in front of what is tested. From the registers wanted there (but for RIP, and of the
   flags only CF) computes those to start with, and emits code that changes every register, and the
   flags last. Without a prefix nothing is emitted, and both are the same. */
struct block {
    struct regs start, before;
    bool legacy; /* 32-bit code, and only its registers */
};
u8 *block_prefix(struct block *b, u8 *p, bool prefix);
u8 *block_suffix(const struct block *b, u8 *p);
/* JMP rel32 (opcode E9) or CALL (E8) */
static inline u8 *emit_rel32(u8 *p, u8 opcode, const void *to)
{
    *p = opcode;
    return emit_le(p + 1, (word)to - (word)(p + 5), 4);
}

/* Instructions as data: FORM(…, text) in a FORM_TABLE is a struct form. */
struct form {
    const u8 *code;
    const char *text;
    u32 size; /* of code, in bytes */
    u32 arg[5];
};
#define FORM(a0, a1, a2, a3, a4, insn)                                                             \
    ".pushsection .rodata.bytes, \"a\"\n771: " insn "\n772: .asciz \"" insn "\"\n.popsection\n"    \
    ".quad 771b, 772b\n .long 772b - 771b, " #a0 ", " #a1 ", " #a2 ", " #a3 ", " #a4 "\n"
#define FORM_TABLE(name, ...)                                                                      \
    extern const struct form name[], name##_end[];                                                 \
    asm(".pushsection .rodata.forms, \"a\"\n.balign 8\n" #name ":\n" __VA_ARGS__ #name             \
        "_end:\n.popsection")
