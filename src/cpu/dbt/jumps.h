/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where indirect branches and those to other pages find their targets: by linear address, for one
 * address space and key. Own thread.
 */
#pragma once
#include "base/base.h"

struct vcpu;

#define JUMPS        16384u
#define KERNEL_JUMPS 16384u
#define JUMPS_LISTED 512u
struct jump_entry {
    u64 va; /* no_jump of its slot when empty */
    u64 code;
};
struct jumps {
    u32 gen, epoch; /* of the TLB's table, of the TLB */
    u32 key, cache_epoch;
    u32 serial;
    u32 size; /* entries */
    u32 nfilled;
    u16 filled[JUMPS_LISTED];
    u64 low, high; /* all targets are between them */
    u64 pages[64]; /* hashed: pages with a target */
    struct jump_entry entry[];
};

/* As emitted by link.c. */
static inline unsigned jump_slot(const struct jumps *j, u64 va)
{
    u32 v = (u32)va;
    return ((v ^ (v << 6 | v >> 26)) >> 4) & (j->size - 1);
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
/* The code for `va`, which jumps_choose has seen the mapping of. */
void jumps_add(struct vcpu *c, u64 va, u64 code);
