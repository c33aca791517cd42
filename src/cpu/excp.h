/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions and interrupts (SDM 3A chapter 6). An instruction that faults calls cpu_raise*, which
 * abandons it: control goes (longjmp) to the engine's run loop, which calls cpu_deliver. A handler
 * must therefore commit nothing architectural before its last possible fault, and hold no host
 * resource across guest memory accesses.
 *
 * On a fault the return address is c->ip; on a trap (#DB trap, #BP, #OF, INT n) it is c->rip.
 */
#pragma once
#include "base/base.h"
#include "cpu/vcpu.h"

_Noreturn void cpu_raise(struct vcpu *c, enum vector vec);                /* no error code */
_Noreturn void cpu_raise_err(struct vcpu *c, enum vector vec, u32 error); /* with one */
_Noreturn void cpu_raise_pf(struct vcpu *c, gva_t va, u32 pfec);
_Noreturn void cpu_raise_db(struct vcpu *c, u64 dr6_bits); /* fault-like #DB: returns to c->ip */

static inline _Noreturn void cpu_raise_gp0(struct vcpu *c)
{
    cpu_raise_err(c, VEC_GP, 0);
}

static inline _Noreturn void cpu_raise_ud(struct vcpu *c)
{
    cpu_raise(c, VEC_UD);
}

/* What brings an interrupt about: it decides the return address, RF, DPL and VME checks. */
enum int_kind {
    INT_EXCEPTION, /* fault: returns to c->ip, RF set in the image */
    INT_TRAP,      /* trap-class exception (#DB after an instruction, #BP by INT3, #OF by INTO):
                      returns to c->rip */
    INT_EXTERNAL,  /* INTR or NMI: returns to c->rip */
    INT_SOFT,      /* INT n: returns to c->rip, gate DPL checked */
    INT_SOFT3,     /* INT3 and INTO: trap, gate DPL checked, no VME redirection */
    INT_ICEBP,     /* INT1: #DB without the DPL check */
};

/*
 * Delivers the exception in c->excp (as thrown by cpu_raise), with the rules for double faults:
 * faults during delivery are combined. Returns false for a triple fault (activity is then
 * ACTIVITY_SHUTDOWN). Catches its own throws; c->unwind is restored.
 */
must_check bool cpu_deliver(struct vcpu *c);
/* Delivers an event that is not a thrown fault (external interrupt, NMI, trap #DB), between
   instructions, with c->ip == c->rip. Same result and same handling of faults on the way. */
must_check bool cpu_deliver_event(struct vcpu *c, u8 vector, enum int_kind kind);
/* INT n, INT3, INTO, INT1 as instructions: may raise. */
void cpu_software_interrupt(struct vcpu *c, u8 vector, enum int_kind kind);

/* IRET, IRETD, IRETQ; opsize 2, 4 or 8. */
void cpu_iret(struct vcpu *c, unsigned opsize);
