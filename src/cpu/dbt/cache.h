/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The code cache of a machine: translations of all its CPUs, by RAM page, offset and key. `lock`
 * guards all that changes; code is executed without it. A page that is written to loses its blocks
 * at once: each block's entry is made a jump to its way out. Memory comes back when the cache is
 * full and all are dropped, with every CPU out of guest code.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "cpu/interp/decode.h"
#include "cpu/vcpu.h"
#include "os/execmem.h"

#include <pthread.h>
#include <stdatomic.h>

#define TB_BUCKETS    65536u
#define CACHE_DEFAULT (128 * MiB)
#define CACHE_ROOM    (64 * KiB) /* more than the largest block takes */

struct tb {               /* a translated block */
    u32 page;             /* RAM page */
    u16 off;              /* in it */
    u16 key;              /* KEY_* */
    u32 entry;            /* offset of its code in the cache; the host's flags are the guest's */
    u32 entry_env;        /* the same with the flags in dbt_near.flags */
    u32 stale, stale_env; /* ways out, up to 126 bytes before the entries */
    u32 end;              /* of its code in line */
    u32 next;             /* in its bucket; index + 1 */
    u32 page_next;        /* in its page */
    u16 n;                /* instructions; 0: the interpreter executes them anyway */
    _Atomic bool dead;    /* set with the lock held, read without */
};

/* What is known of a RAM page that code was translated from. */
struct code_page {
    u64 va;              /* where it was first executed, + 1 */
    bool aliased;        /* and elsewhere too: its exits to other pages are not linked */
    u32 first;           /* tb, index + 1 */
    _Atomic u32 version; /* counts its blocks that became void */
    u32 changes; /* times that a write dropped blocks, up to MIXED_AFTER: then the page counts as
                   mixed (mem_page.mixed), and its blocks compare their own bytes */
};

#define MIXED_AFTER 8

/* Where code goes, in offsets in the cache: of two kinds, so that what runs lies close together,
   the blocks' straight code and what is out of line. Each gets another chunk of the cache as it
   needs it. */
struct code_area {
    u32 used, end;
};

struct flag_thunks { /* by where the guest's flags are; what both share */
    u32 env, host, shared;
};
struct stack_thunks { /* for accesses outside the stack's window: stack.c */
    u32 window, access[2];
};

struct dbt { /* shared by the CPUs of a machine */
    pthread_mutex_t lock;
    struct vm *vm;
    struct execmem code;
    struct code_area hot, cold;
    u32 start;        /* behind the thunks */
    u32 chunk, taken; /* size of a chunk; where the next one begins */
    struct tb *tb;
    u32 ntb, max_tb;
    u32 bucket[TB_BUCKETS];
    struct code_page *page; /* by RAM page */
    _Atomic u32 epoch;      /* counts the times that all was dropped */
    _Atomic u32 serial;     /* the last number of a jump cache's content; 0 is none */
    unsigned users;         /* CPUs attached */
    bool bmi2, xsave;
    /* Thunks: offsets in the cache. */
    u32 enter, leave, miss, next, lookup, vec_load, x87_load;
    struct flag_thunks op, op_end, link, stale, far, far_jump;
    struct stack_thunks stack, kernel_stack;
    u64 flushes, translated, invalidated; /* statistics; lock */
};

/* Blocks that the CPU has found before, so that what a flush of the TLB takes out of the jump cache
   is found again without the lock. Until some block of its page is made void, it may be executed at
   the address where it was found, as long as the same RAM page is there. */
struct known_block {
    u64 va;
    u32 page, key; /* RAM page; KEY_* */
    u32 version;   /* code_page.version; 0: no block */
    u32 epoch;     /* dbt.epoch */
    u32 tb;        /* index */
    u32 entry, entry_env;
};
#define KNOWN_BLOCKS 32768u

struct insn_slot { /* a decoded instruction for the interpreter's functions; its bytes are compared
                    */
    const u8 *host;
    u8 bytes[INSN_MAX_BYTES];
    u8 mode;
    u32 epoch; /* of the decoder's thunks */
    struct insn insn;
};
#define INSN_SLOTS 4096u

must_check int dbt_new(struct dbt **out, struct vm *vm, u32 size, struct err *err);
void dbt_free(struct dbt *d);

/* No room for another block. Lock held. */
bool dbt_is_full(struct dbt *d);
/* All chunks are free. */
void dbt_clear_areas(struct dbt *d);
/* Lock held. */
struct tb *dbt_find(const struct dbt *d, u32 page, unsigned off, u32 key);
/* A new block, not yet found by dbt_find; NULL if there is no room. Then dbt_publish. */
struct tb *dbt_tb_new(struct dbt *d, u32 page, unsigned off, u32 key);
void dbt_publish(struct dbt *d, struct tb *tb);
/* The page is about to be executed at `va`. Lock held. */
void dbt_page_at(struct dbt *d, u64 page, u64 va);
/* The block's entries lead to its way out from now on. */
void dbt_kill(struct dbt *d, struct tb *tb);
/* Everything goes; no CPU may be in translated code, or come back to it from a helper. */
void dbt_drop_all(struct dbt *d);

/* mem.on_code_changed */
void dbt_code_changed(void *opaque, u64 page);

/* Writes a branch offset that other CPUs may be executing. */
void dbt_patch(struct dbt *d, u32 place, u32 to);
