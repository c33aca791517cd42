/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throwing exceptions, and delivering them with the rules for double faults: SDM 3A 6.13 (error
 * codes), 6.15 (#DF), 17.3.1.1 (RF). The way to the handler is in intr.c.
 *
 * A fault met while an event is delivered is thrown to try_intr, which adds EXT to its error code;
 * the event then counts as the first of the two that the rules combine. Own thread.
 */
#include "cpu/excp.h"

#include "cpu/exclusive.h"
#include "cpu/transfer.h"

#define ERROR_EXT BIT(0)

/* Exceptions in a row of which each is met while the one before is delivered, and that do not add
   up to a double fault: #AC for a handler's misaligned stack could go on for ever. */
#define MAX_SERIAL 8

static _Noreturn void throw_excp(struct vcpu *c)
{
    BUG_ON(!c->unwind);
    if (c->exclusive)
        exclusive_end(c);
    longjmp(*c->unwind, 1);
}

void cpu_raise(struct vcpu *c, enum vector vec)
{
    c->excp = (struct excp){.vector = (u8)vec};
    throw_excp(c);
}

void cpu_raise_err(struct vcpu *c, enum vector vec, u32 error)
{
    c->excp = (struct excp){.vector = (u8)vec, .has_error = true, .error = error};
    throw_excp(c);
}

void cpu_raise_pf(struct vcpu *c, gva_t va, u32 pfec)
{
    c->excp = (struct excp){.vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = va};
    throw_excp(c);
}

void cpu_raise_db(struct vcpu *c, u64 dr6_bits)
{
    c->excp = (struct excp){.vector = VEC_DB, .dr6 = dr6_bits};
    throw_excp(c);
}

static bool is_contributory(u8 vector)
{
    return vector == VEC_DE || (vector >= VEC_TS && vector <= VEC_GP);
}

enum outcome { SERIAL, DOUBLE_FAULT, TRIPLE_FAULT };

/* SDM 3A table 6-5. */
static enum outcome combine(u8 first, u8 second)
{
    if (first == VEC_DF)
        return is_contributory(second) || second == VEC_PF ? TRIPLE_FAULT : SERIAL;
    if (is_contributory(first))
        return is_contributory(second) ? DOUBLE_FAULT : SERIAL;
    if (first == VEC_PF)
        return is_contributory(second) || second == VEC_PF ? DOUBLE_FAULT : SERIAL;
    return SERIAL;
}

static bool is_software(enum int_kind kind)
{
    return kind == INT_SOFT || kind == INT_SOFT3;
}

/* False if a fault was met: it is in c->excp, and the CPU is where it was (or in the task that a
   task gate has begun). */
static bool try_intr(struct vcpu *c, const struct intr *in)
{
    jmp_buf *outer = c->unwind;
    jmp_buf here;

    c->unwind = &here;
    if (setjmp(here) == 0) {
        intr_deliver(c, in);
        c->unwind = outer;
        return true;
    }
    c->unwind = outer;
    if (c->excp.vector >= VEC_TS && c->excp.vector <= VEC_GP)
        c->excp.error |= ERROR_EXT;
    return false;
}

/* What the CPU records of an exception, whether or not its handler is reached. */
static void record(struct vcpu *c, u8 vector, u64 cr2, u64 dr6)
{
    if (vector == VEC_PF)
        c->cr2 = cr2;
    if (vector == VEC_DB) {
        if (dr6)
            c->dr6 = (c->dr6 & ~(u64)0xf) | dr6 | DR6_FIXED;
        c->dr7 &= ~(u64)DR7_GD;
    }
}

static const char *vector_name(u8 vector)
{
    static const char *const names[] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD",
                                        "NM", "DF", "09",  "TS", "NP", "SS", "GP",
                                        "PF", "15", "MF",  "AC", "MC", "XM"};

    return vector < ARRAY_SIZE(names) ? names[vector] : "?";
}

static void trace_excp(struct vcpu *c, const struct excp *e)
{
    if (!trace_on(&c->vm->trace, TRACE_EXCEPTION))
        return;
    trace_line(&c->vm->trace,
               "cpu%u #%s vector %u error %#x at %04x:%016llx sp %04x:%016llx cpl %u cr2 %#llx",
               c->index, vector_name(e->vector), e->vector, e->has_error ? e->error : 0,
               c->seg[SEG_CS].sel, (unsigned long long)c->ip, c->seg[SEG_SS].sel,
               (unsigned long long)c->gpr[RSP], c->cpl,
               (unsigned long long)(e->vector == VEC_PF ? e->cr2 : c->cr2));
}

static void trace_event(struct vcpu *c, u8 vector, enum int_kind kind)
{
    if (kind == INT_EXTERNAL && trace_on(&c->vm->trace, TRACE_IRQ))
        trace_line(&c->vm->trace, "cpu%u interrupt %#x at %04x:%016llx", c->index, vector,
                   c->seg[SEG_CS].sel, (unsigned long long)c->rip);
    if (kind != INT_EXTERNAL && trace_on(&c->vm->trace, TRACE_EXCEPTION))
        trace_line(&c->vm->trace, "cpu%u trap #%s at %04x:%016llx dr6 %#llx", c->index,
                   vector_name(vector), c->seg[SEG_CS].sel, (unsigned long long)c->rip,
                   (unsigned long long)c->dr6);
}

/* RF is set in the image of faults, but for instruction breakpoints, where the handler decides. */
static u32 fault_image(const struct vcpu *c, const struct excp *e)
{
    u32 eflags = vcpu_eflags(c);

    if (e->vector == VEC_DB && !(e->dr6 & DR6_BD))
        return eflags;
    return eflags | EFLAGS_RF;
}

/* The first exception was lost to c->excp; false for a triple fault. */
static bool after_fault(struct vcpu *c, u8 first)
{
    switch (combine(first, c->excp.vector)) {
    case TRIPLE_FAULT:
        trace_excp(c, &c->excp);
        c->activity = ACTIVITY_SHUTDOWN;
        c->leave = true;
        return false;
    case DOUBLE_FAULT:
        trace_excp(c, &c->excp);
        record(c, c->excp.vector, c->excp.cr2, c->excp.dr6);
        c->excp = (struct excp){.vector = VEC_DF, .has_error = true};
        return true;
    default:
        return true;
    }
}

bool cpu_deliver(struct vcpu *c)
{
    for (unsigned n = 0; n < MAX_SERIAL; n++) {
        const struct excp e = c->excp;
        const struct intr in = {
            .vector = e.vector,
            .kind = INT_EXCEPTION,
            .has_error = e.has_error,
            .error = e.error,
            .ret = c->ip,
            .eflags = fault_image(c, &e),
        };

        trace_excp(c, &e);
        record(c, e.vector, e.cr2, e.dr6);
        if (try_intr(c, &in))
            return true;
        if (!after_fault(c, e.vector))
            return false;
    }
    c->rip = c->ip; /* the instruction runs again and faults again, but requests are looked at */
    c->leave = true;
    return true;
}

bool cpu_deliver_event(struct vcpu *c, u8 vector, enum int_kind kind)
{
    const struct intr in = {
        .vector = vector,
        .kind = kind,
        .ret = c->rip,
        .eflags = vcpu_eflags(c),
    };

    if (vector == VEC_DB && kind != INT_EXTERNAL) {
        record(c, vector, 0, c->pending_db);
        c->pending_db = 0;
    }
    if (vector == VEC_NMI && kind == INT_EXTERNAL)
        c->nmi_blocked = true;
    c->activity = ACTIVITY_RUN;
    trace_event(c, vector, kind);
    return try_intr(c, &in) || cpu_deliver(c);
}

void cpu_software_interrupt(struct vcpu *c, u8 vector, enum int_kind kind)
{
    const struct intr in = {
        .vector = vector,
        .kind = kind,
        .ret = c->rip,
        .eflags = vcpu_eflags(c) & ~EFLAGS_RF,
    };

    if (is_software(kind)) {
        intr_deliver(c, &in);
        return;
    }
    if (!try_intr(c, &in)) /* INT1 counts as a hardware event: EXT is set */
        throw_excp(c);
    record(c, vector, 0, c->pending_db); /* what a MOV SS before it has held back comes along */
    c->pending_db = 0;
}
