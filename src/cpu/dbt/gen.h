/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that generate host code share: where the flags are, and the code out of line. */
#pragma once
#include "cpu/dbt/dbt.h"

#include <stddef.h>

/* Displacements from the host's stack pointer. */
#define AT(field)  ((s32)offsetof(struct vcpu, field) - (s32)offsetof(struct vcpu, near))
#define AT_GPR(n)  (AT(gpr) + (s32)(8 * (n)))
#define AT_ENV(f)  AT(env.f)
#define AT_NEAR(f) AT(near.f)

/* Where the guest's arithmetic flags are. */
enum flags_place {
    FLAGS_HOST = 1,
    FLAGS_ENV = 2,
    FLAGS_BOTH = 3,
    FLAGS_DEAD = 0, /* nobody needs them */
};

enum stub_kind {
    STUB_MISS,    /* a memory access that the TLB does not have: `branch` goes there */
    STUB_STACK,   /* an access by the stack pointer outside the window */
    STUB_GROUP,   /* … of a group: its instructions, each with its own check */
    STUB_LINK,    /* an exit within the page that is not linked yet */
    STUB_POLL,    /* a request of another thread, met at an exit */
    STUB_FAR,     /* an exit to another page that is not linked, or not under this number */
    STUB_JUMP,    /* the jump cache does not have it */
    STUB_UNITS,   /* registers of a unit are not there */
    STUB_NEXT,    /* the TLB does not have the next page, where an instruction goes on */
    STUB_APART,   /* the rest of a straddling instruction is not there */
    STUB_CHANGED, /* the code is not what was translated */
    STUB_INSN,    /* the struct insn of an op_site */
};

struct stub {
    u8 kind;
    u8 flags;     /* enum flags_place at the branch */
    u8 flags_out; /* STUB_MISS: behind the instruction */
    u32 branch;   /* place of the offset to patch; 0: none */
    u32 branch2;
    u32 far;         /* STUB_FAR: place of the serial number */
    u32 retry, next; /* STUB_MISS: the check, and behind the instruction; STUB_UNITS: back to */
    s32 target;      /* exits: page offset */
    const struct xinsn *x;
    u8 write, size, align;
    s32 disp;       /* STUB_STACK: of the access from the stack pointer */
    u32 back;       /* … behind the check */
    bool group;     /* … of a group */
    bool ends;      /* STUB_MISS: the code does not go on behind it */
    u8 units;       /* gen.units */
    u8 missing;     /* STUB_UNITS: UNIT_*, one of them */
    u8 first, last; /* STUB_GROUP: instructions */
};

/* Of a memory access that misses. Follows the call; read by helpers.c. */
struct miss_site {
    s32 retry, next; /* from here */
    u16 off;
    u8 len, write, size, flags;
    u8 align;
    u8 row; /* enum mmu_index */
    u8 units;
} __attribute__((packed));
struct stack_site { /* the same by the stack pointer: */
    s32 back;       /* behind the check, from here */
    struct miss_site miss;
} __attribute__((packed));
struct far_site { /* of an exit to another page that is not linked */
    s32 off;      /* of the target, in the page */
    u64 info;     /* as T1 at the lookup; above it, the place of the serial number */
} __attribute__((packed));
struct op_site { /* of an instruction that the interpreter executes */
    s32 insn;    /* struct insn, from behind this field; 0: to be decoded */
    u16 off;
    u8 len, flags;
    u8 units;
} __attribute__((packed));
struct link_site {
    u32 place;   /* of the branch offset in the cache; 0: not to be linked */
    u32 page;    /* RAM page of the block: the target must be there too */
    u16 off;     /* target */
    u16 changed; /* the block that is at `off` is void */
} __attribute__((packed));

#define SITE_FLAGS_IN  BIT(0) /* dbt_near.flags are those of the guest */
#define SITE_FLAGS_OUT BIT(1) /* … and must be afterwards */
#define SITE_BRANCH    BIT(2) /* the block does not go on behind it */

#define WAY_OUT_BYTES 11u

/* T1 at the lookup: the branch's offset in its page; what a RET has popped; BRANCH_NONE: no branch,
   the code goes on there. */
#define BRANCH_POP   0x1ffffu /* << PAGE_SHIFT */
#define BRANCH_NONE  BIT(31)
#define BRANCH_FLAGS BIT(30) /* far_site: the flags are the host's, and RCX waits in T1 */

/* Exits to other pages: link.c. From the place of the serial number … */
#define FAR_MISS   8u  /* … to the offset of the jump that is taken under another number, */
#define FAR_BRANCH 36u /* and to that of the branch to the target */

#define MAX_STUBS (MAX_BLOCK_INSNS * 6 + 8)

struct group {                /* accesses that one check covers: group.c */
    const struct xinsn *last; /* NULL: none */
    u16 stub;
    s32 lo, shift; /* its first byte; how far RSP has moved */
};

struct gen {
    struct emit e;
    struct dbt *d;
    struct xblock *b;
    const struct xinsn *x; /* the instruction at hand */
    enum flags_place flags;
    u8 units; /* UNIT_*: whose registers of the guest are loaded, for certain */
    u32 row;  /* enum mmu_index */
    struct group group;
    s32 mem_at; /* the memory operand is at [T0 + mem_at] */
    unsigned nstubs;
    struct stub stub[MAX_STUBS];
};

static inline bool wide(const struct gen *g)
{
    return (g->b->key & KEY_MODE) == MODE_64;
}

/* Bytes that PUSH moves. */
static inline s32 word(const struct gen *g)
{
    return wide(g) ? 8 : 4;
}

/* Those that must survive until the instruction has executed. */
static inline u32 flags_needed(const struct xinsn *x)
{
    return (x->live & ~x->fl_kill) | x->fl_read | x->fl_fault;
}

static inline unsigned host_of(unsigned guest)
{
    return guest == RSP ? G_SP : guest;
}

static inline void env_load(struct gen *g, bool w, unsigned reg, s32 at)
{
    emit_rm(&g->e, w, OP_MOV_LOAD, reg, H_RSP, at);
}

static inline void env_store(struct gen *g, bool w, unsigned reg, s32 at)
{
    emit_rm(&g->e, w, OP_MOV_STORE, reg, H_RSP, at);
}

/* The linear address of a page offset. */
static inline void load_va(struct gen *g, unsigned reg, s64 off)
{
    env_load(g, true, reg, AT_NEAR(page_va));
    emit_lea(&g->e, wide(g), reg, (int)reg, -1, 0, (s32)off);
}

static inline void load_selector(struct gen *g, unsigned reg, u8 seg)
{
    emit_rm(&g->e, false, 0x1b7, reg, H_RSP, (s32)AT(seg[0].sel) + seg * (s32)sizeof(struct seg));
}

/* The return address of a call that translated code has made lies below the CPU. */
static inline void pop_site(struct gen *g)
{
    emit_rm(&g->e, false, 0x8f, 0, H_RSP, AT_ENV(site)); /* POP: the address counts after it */
}

/* A guest register's value in a host register: its own, or `scratch` with a copy. */
unsigned gen_read_gpr(struct gen *g, unsigned guest, unsigned scratch);

struct stub *gen_stub(struct gen *g, enum stub_kind kind, u32 branch);

/* Flags. */
void gen_flags_save(struct gen *g, u32 need);    /* both places hold them then; uses T1 */
void gen_flags_restore(struct gen *g, u32 need); /* the same */
/* The host's flags are about to be changed by code that is not the guest's. `need`: whose values
   are wanted later. */
void gen_flags_clobber(struct gen *g, u32 need);
/* Before the instruction at hand: flags that it reads or keeps are the host's. */
void gen_flags_for_insn(struct gen *g);
void gen_flags_after_insn(struct gen *g);
/* Where the guest's flags are tells which thunk. */
u32 gen_flags_thunk(const struct flag_thunks *t, u8 flags);

/* mem.c: the effective address in T0 (linear, unchecked); T1 may be used. */
void gen_ea(struct gen *g, const struct xmem *m, s32 rip_disp);
/* The parts of the check. T1: the entry of T0's page, its place in the kernel's table, which does
   not move, or its address in that of the address space. An operand in that entry. T0: the offset
   in the page, and a branch if it is not below the bound. T0: the host address. */
void gen_find_entry(struct gen *g);
void gen_with_entry(struct gen *g, unsigned op, unsigned reg, size_t field);
u32 gen_compare_page(struct gen *g, unsigned size, bool write);
void gen_add_page(struct gen *g);
/* T0: linear -> host address, for `size` bytes; else the interpreter executes x. */
void gen_check(struct gen *g, unsigned size, bool write);
/* The interpreter executes x: if the condition holds; if T0 + at has one of the low bits of `mask`.
 */
void gen_leave_if(struct gen *g, unsigned cond);
void gen_align(struct gen *g, s32 at, unsigned mask);
/* The same for a group: the stub is STUB_GROUP. */
struct stub *gen_check_range(struct gen *g, unsigned size, bool write);
/* Both, with the flags seen to. */
void gen_mem(struct gen *g);
/* T1: host address of the next page, if instructions may be fetched from it; else STUB_NEXT. */
void gen_next_page(struct gen *g);
/* Behind the instruction's last host instruction: where its stubs go on. */
void gen_insn_done(struct gen *g);

/* stack.c. Whether the window serves a memory operand. T0: host address of RSP + disp, checked, for
   one access or a group; the stub is STUB_STACK. The access of the instruction at hand. */
bool gen_by_stack(const struct gen *g, const struct xmem *m);
struct stub *gen_check_stack(struct gen *g, s32 disp, unsigned size, bool write);
void gen_stack(struct gen *g, s32 disp, unsigned size, bool write);
void gen_stack_apart(struct gen *g, const struct stub *s);
/* The code that those stubs call: the window moves to the page of the TLB's entry T1; and an access
   as a whole, `miss` where the TLB does not have it. */
u32 gen_window_thunk(struct gen *g);
u32 gen_stack_thunk(struct gen *g, bool write, u32 miss);

/* group.c. At instruction n: a group that begins there. The access of the instruction at hand is
   part of the group: no check, mem_at set. Behind the last one. The instructions out of line. */
void gen_group_begin(struct gen *g, unsigned n);
bool gen_group_member(struct gen *g);
void gen_group_end(struct gen *g);
void gen_group_apart(struct gen *g, const struct stub *s);
/* gen.c */
void gen_insns(struct gen *g, unsigned first, unsigned last, bool groups);
/* gen_int.c, gen_flow.c, gen_string.c, gen_vec.c, gen_x87.c */
void gen_integer(struct gen *g);
void gen_encoded(struct gen *g); /* X_GEN, X_VEC */
void gen_flow(struct gen *g);
void gen_x87(struct gen *g);
void gen_string(struct gen *g);
void gen_units_ready(struct gen *g);
void gen_op(struct gen *g);
/* link.c */
struct miss_site gen_miss_site(const struct gen *g, const struct stub *s); /* but the branches */
void gen_exit_near(struct gen *g, s64 off,
                   int cond); /* cond: -1 none; falls through if not taken */
/* To the linear address in T0. */
void gen_exit_target(struct gen *g);
struct missing { /* places of branches */
    u32 unknown, request;
};
/* To T0 by the jump cache; the flags are in dbt_near. */
struct missing gen_jump(struct gen *g);
void gen_next(struct gen *g); /* to the instruction behind the block */
void gen_stubs(struct gen *g);
