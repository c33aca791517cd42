/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "base/err.h"
#include "cpu/engine.h"
#include "cpu/vcpu.h"

/*
 * Executes one instruction and nothing else: no interrupts, no delivery. False if it raised; what
 * it raised is in c->excp and c->ip is its address. For lockstep runs and tests; own thread, not
 * inside run().
 */
must_check bool interp_step(struct vcpu *c);

/* The decoder and its cache, vcpu.blocks, which other engines use as well. */
must_check int interp_attach(struct vcpu *c, struct err *err);
void interp_detach(struct vcpu *c);

/*
 * The loop of an engine: requests, interrupts, traps, single steps, delivery of exceptions. In
 * between, `code` executes until c->leave is set or a request comes; it may throw.
 */
enum vcpu_exit interp_loop(struct vcpu *c, void (*code)(struct vcpu *c));
/* Whether the loop would come straight back to `code`: c->leave was for a change of state that it
   has no part in. An STI's shadow ends then, since nothing is there that it would hold off. */
must_check bool interp_resume(struct vcpu *c);
/* The interpreter's own. */
void interp_blocks(struct vcpu *c);
