/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine in C: programs as lists of instructions, written out as code and executed by a model
 * that holds all registers, the flags and the memory around the end of a page. The two pages there
 * are no neighbours in memory, and either may be absent or read-only until the first fault on it,
 * which must come at the right instruction, with all registers and the memory as before it.
 */
#pragma once
#include "flags_model.h"
#include "page.h"

#define AREA      512 /* bytes before and behind the end of the page */
#define MAX_OPS   160
#define XMMS      4
#define TOP_64    (TEST_BASE + 0x2001000) /* the second page's address, in 64-bit and 32-bit code */
#define TOP_32    0x80001000ull
#define FREE_CODE 0x1000000 /* memory from here on, for code: none was there before */

enum op_kind {
    O_ALU, /* n: ADD … CMP */
    O_ACC, /* the same in the form for rAX and an immediate; n = 8: TEST */
    O_MOV,
    O_INCDEC, /* n: 0, 1; of rm */
    O_SHIFT,  /* by 1; n: ROL …; of rm */
    O_CARRY,  /* n: CLC, STC, CMC */
    O_SETCC,  /* n: the condition; rm */
    O_CMOV,
    O_LEA,
    O_PUSH,
    O_POP,
    O_PUSH_LABEL, /* the address of the target */
    O_CALL,
    O_RET,
    O_XLOAD, /* MOVUPS, reg: XMM; n: MOVAPS */
    O_XSTORE,
    O_JCC, /* n: the condition */
    O_JMP,
    O_JMP_REG, /* MOV reg, address of the target; JMP reg */
    O_FUEL,    /* counts RCX down, and at 0 jumps to the target; the flags stay */
    O_AT,      /* the next is imm bytes from the start of the code */
    O_STOP,
};
enum op_form { TO_RM, TO_REG, IMM };

struct op {
    u8 kind, form;
    u8 width; /* 0: as the mode has it by itself */
    u8 n, reg;
    bool mem; /* rm is memory */
    u8 rm, base, index, scale;
    bool indexed, long_disp; /* the latter: 4 bytes, even if 1 would do */
    int disp;
    u32 imm;
    u32 target; /* index of an op */
};

struct program {
    struct op op[MAX_OPS];
    u32 n;
    u8 *at[MAX_OPS];
    bool legacy; /* 32-bit code: 8 registers, of the bytes only AL to BL */
};

enum page_state { PRESENT, ABSENT, READ_ONLY };

struct start {
    u32 op;
    u64 r[16];
    u32 flags;
    u8 state[2]; /* enum page_state; PRESENT, but for one of them */
};

void machine_init(void);
struct op *add_op(struct program *g, const struct op *o);
bool op_is_vector(const struct op *o);
/* The code, at p and behind it; the value is its end. */
u8 *program_emit(struct program *g, u8 *p);
/* Runs it, and compares with the model. The value is the number of ops that were executed. */
u32 program_run(const struct program *g, const struct start *s, u64 seed);

static inline u32 pick(u64 *chance, u32 n)
{
    return (u32)(random64(chance) >> 20) % n;
}
/* "what 0000" */
void test_number(const char *what, u32 n);
