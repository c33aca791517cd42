/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control transfers of the CPU (far.c, iret.c, intr.c, task.c, syscall.c) share: selectors
 * and gates taken apart, stacks that are not yet the current one, checks of a new CS and SS.
 * Private to those files and seg.c. Functions raise the architectural fault and commit nothing
 * unless they say so.
 */
#pragma once
#include "cpu/excp.h"
#include "cpu/far.h"
#include "cpu/seg.h"
#include "cpu/vcpu.h"

static inline bool sel_null(u16 sel)
{
    return (sel & 0xfffc) == 0;
}

static inline unsigned sel_rpl(u16 sel)
{
    return sel & 3u;
}

static inline u32 sel_error(u16 sel)
{
    return sel & 0xfffcu;
}

static inline bool is_code(u16 ar)
{
    return (ar & (AR_S | AR_CODE)) == (AR_S | AR_CODE);
}

static inline bool is_conforming(u16 ar)
{
    return (ar & AR_CONFORMING) != 0;
}

static inline bool is_writable_data(u16 ar)
{
    return (ar & (AR_S | AR_CODE | AR_WRITABLE)) == (AR_S | AR_WRITABLE);
}

/* A code segment that runs in 64-bit mode. */
static inline bool is_code64(const struct vcpu *c, const struct seg *cs)
{
    return c->long_mode && (cs->ar & AR_L);
}

/* Linear addresses outside long mode have 32 bits. */
static inline gva_t sys_linear(const struct vcpu *c, u64 va)
{
    return c->long_mode ? va : (u32)va;
}

/* Limit, with expand-down and granularity; false for a null segment. Rights are not looked at. */
bool seg_in_limit(const struct seg *s, u64 off, unsigned size);
struct seg desc_unpack(u64 raw);
/* Both RPL and CPL must be at least as privileged as an object of this DPL. */
bool dpl_admits(const struct vcpu *c, unsigned dpl, u16 sel);
/* The second half of a 16-byte descriptor: #GP(sel) where it is cut off or has a type. */
u64 desc_high(struct vcpu *c, u16 sel, const struct desc *d);

struct gate {
    u16 sel;
    u8 type; /* enum sys_type */
    u8 dpl;
    u8 params; /* call gates; interrupt gates of long mode: the IST index */
    bool present;
    u64 off;
};

struct gate gate_unpack(u64 raw);
/* Bytes that a gate's type makes the CPU push at a time. */
static inline unsigned gate_size(const struct vcpu *c, const struct gate *g)
{
    if (c->long_mode)
        return 8;
    return g->type & 8 ? 4 : 2;
}

struct stack {
    struct seg ss;
    u64 sp;
    unsigned size; /* of the stack pointer in bytes; 8: no segment */
    unsigned how;  /* for cpu/access.h */
};

struct stack stack_current(const struct vcpu *c);
/* The stack that the TSS holds for a privilege level; #TS, #SS (SDM 3A 5.8.5). */
struct stack stack_from_tss(struct vcpu *c, unsigned cpl);
/* The same in long mode: the 8 bytes at `off` of the TSS, with a null SS. */
struct stack stack_from_tss64(struct vcpu *c, unsigned off, unsigned cpl);
/* #SS(error) unless n pushes of `size` bytes fit. */
void stack_need(struct vcpu *c, const struct stack *st, unsigned n, unsigned size, u32 error);
void stack_push(struct vcpu *c, struct stack *st, u64 val, unsigned size);
/* Makes it the current one. CPL is the caller's. */
void stack_commit(struct vcpu *c, const struct stack *st);

/* #GP(0) unless rip is within the limit of cs, or canonical where cs is 64-bit code. */
void code_check_rip(struct vcpu *c, const struct seg *cs, u64 rip);
/* Sets CS:RIP and CPL. cs->sel's RPL is replaced by the CPL. */
void code_commit(struct vcpu *c, const struct seg *cs, unsigned cpl, u64 rip);

/* The code segment that RET and IRET return to: checks, and marks accessed. */
void return_code(struct vcpu *c, u16 sel, struct desc *d);
/* The stack segment of a return to privilege level `cpl` and code segment cs. */
void return_stack(struct vcpu *c, u16 sel, unsigned cpl, const struct seg *cs, struct seg *ss);
/* Sets SS:RSP for code segment cs; after it, CPL is `cpl` and data segments that this level may
   not use are null. */
void return_commit(struct vcpu *c, const struct seg *cs, u64 rip, const struct seg *ss, u64 sp);

/* An event on its way to its handler. */
struct intr {
    u8 vector;
    enum int_kind kind;
    bool has_error;
    u32 error;
    u64 ret;    /* RIP to push */
    u32 eflags; /* image to push */
};

/* Delivers it; raises what goes wrong on the way, without EXT in the error code. */
void intr_deliver(struct vcpu *c, const struct intr *in);
void intr_long_mode(struct vcpu *c, const struct intr *in);

/* As cpu_task_switch, with what to save as EIP and EFLAGS, and without the check of the new EIP. */
void task_switch(struct vcpu *c, u16 sel, enum task_source source, u32 eip, u32 eflags);
