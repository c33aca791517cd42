/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU's cache of decoded instructions: runs of straight-line code, keyed by where their bytes
 * lie in guest RAM and by the mode they were decoded for. A block is valid while its page's
 * code_gen is what it was when the block was decoded. Own thread only.
 */
#pragma once
#include "base/err.h"
#include "cpu/interp/decode.h"

#include <stdatomic.h>

struct block {
    const u8 *host; /* its first byte */
    const _Atomic u32 *page_gen;
    u32 gen;
    u16 n;     /* instructions */
    u16 bytes; /* from the first to past the last */
    u8 mode;
    u8 straddles; /* one instruction that reaches into the next page: its bytes are compared each
                     time, since that page is another */
    u8 raw[INSN_MAX_BYTES];
    struct block *next;
    struct insn insn[];
};

struct blocks;

/* Counts the times that the thunks of all decoded vector instructions have gone. */
u32 blocks_epoch(const struct blocks *b);
const ZydisDecoder *blocks_zydis(const struct blocks *b, enum cpu_mode mode);
/* One instruction, for the caller to keep. False if it needs more bytes. */
must_check bool blocks_decode_one(struct vcpu *c, const u8 *bytes, unsigned avail,
                                  struct insn *out);

must_check int blocks_new(struct blocks **out, struct err *err);
void blocks_free(struct blocks *b);

/* The block at CS:RIP of `c`; decodes it if need be. Raises fetch faults. */
const struct block *blocks_at(struct blocks *b, struct vcpu *c);
static inline bool block_valid(const struct block *b)
{
    return atomic_load_explicit(b->page_gen, memory_order_acquire) == b->gen;
}
