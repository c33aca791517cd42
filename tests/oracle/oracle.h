/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real CPU as oracle: one user-mode instruction at a time runs natively and in an engine of
 * Domus from the same registers and memory; everything that comes out is compared.
 */
#pragma once
#include "base/base.h"
#include "cpu/engine.h"

#include <Zydis/Zydis.h>

/* Where code and data lie, on the host and in the guest. */
#define CODE_VA   0x10000000ull
#define DATA_VA   0x20000000ull
#define DATA_SIZE 8192u

struct cpu_image { /* what an instruction can read and write */
    u64 gpr[16];
    u64 rip;
    u32 eflags;
    u8 st[8][16];
    u16 fcw, fsw;
    u8 ftw;
    u32 mxcsr;
    u8 ymm[16][32];
};

struct outcome {
    struct cpu_image cpu;
    u8 data[DATA_SIZE];
    int vector; /* of the exception, -1 for none */
    u32 error;
    u64 cr2;
};

struct test_case {
    u8 bytes[15];
    u8 len;
    bool code32; /* 32-bit compatibility mode, else 64-bit */
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
    struct cpu_image in;
    u8 data[DATA_SIZE];
};

/* native.c */
bool native_setup(void);
void native_run(const struct test_case *t, struct outcome *out);

/* guest.c */
bool guest_setup(const struct engine_ops *engine);
void guest_run(const struct test_case *t, struct outcome *out);

/* gen.c */
struct rng {
    u64 state;
};
u64 rng_next(struct rng *r);
/* The n-th encoding of the sweep over all opcodes and forms, with random details; false if it is
   none that user code can run in isolation. */
bool gen_case(struct test_case *t, u64 n, bool code32, struct rng *r);
u64 gen_count(void);
