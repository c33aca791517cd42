/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where indirect branches and those to other pages find their targets: by linear address, for one
 * address space and key. Own thread.
 */
#pragma once
#include "base/base.h"

struct vcpu;

#define JUMPS        16384u
#define JUMP_SHIFT   18u /* 32 less their bits */
#define JUMPS_LISTED 2048u
#define JUMP_PAGES   4096u
struct jump_entry {
    u64 va; /* no_jump of its slot when empty */
    u64 code;
};
struct jump_page {
    u64 va;   /* + 1; 0: empty */
    u32 page; /* of RAM */
};
struct jumps {
    u32 gen, epoch; /* of the TLB's table, of the TLB */
    u32 key, cache_epoch;
    u32 serial;
    u32 nfilled;
    u16 filled[JUMPS_LISTED];
    u64 low, high; /* all targets are between them */
    /* The pages that the targets are in: these in the hash table, or too many. */
    u32 npages;
    struct jump_page page[2 * JUMP_PAGES];
    u16 listed[JUMP_PAGES]; /* slots of the table */
    struct jump_entry entry[JUMPS];
};

/* As emitted by link.c. */
#define JUMP_FACTOR 0x9e3779b1u
static inline unsigned jump_slot(u64 va)
{
    return (u32)va * JUMP_FACTOR >> JUMP_SHIFT;
}

static inline u64 no_jump(unsigned slot)
{
    return slot ? 0 : 1;
}

/* All of a CPU's, in one piece of zeroed memory of this size. */
size_t jumps_bytes(void);
void jumps_place(struct vcpu *c, u8 *memory);
/* The cache in force. */
struct jumps *jumps_now(const struct vcpu *c);
/* The state has changed, or may have: the cache for it comes into force, and its row of the TLB;
   what no longer holds is gone. env.key is right. */
void jumps_choose(struct vcpu *c);
/* The code for `va`, which leads to that page of RAM. */
void jumps_add(struct vcpu *c, u64 va, u32 page, u64 code);
