/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From bytes to struct insn, by Zydis. */
#pragma once
#include "cpu/interp/insn.h"
#include "cpu/simd/simd.h"

#include <Zydis/Zydis.h>

#define INSN_MAX_BYTES 15

struct decoder {
    ZydisDecoder mode[3]; /* by enum cpu_mode */
    struct simd *simd;
};

enum decode_result {
    DECODE_OK,
    DECODE_END,      /* decoded; the last instruction of its block */
    DECODE_MORE,     /* the bytes end before the instruction does */
    DECODE_SIMD_FULL /* decoded, but the thunks of all instructions decoded before are gone */
};

void decoder_init(struct decoder *d, struct simd *simd);

/* Decodes one instruction of at most `avail` bytes. What is no instruction becomes one that raises
   #UD (#GP if longer than 15 bytes). */
enum decode_result insn_decode(struct decoder *d, struct vcpu *c, const u8 *bytes, unsigned avail,
                               struct insn *out);
