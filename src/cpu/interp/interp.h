/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "cpu/vcpu.h"

/*
 * Executes one instruction and nothing else: no interrupts, no delivery. False if it raised; what
 * it raised is in c->excp and c->ip is its address. For lockstep runs and tests; own thread, not
 * inside run().
 */
must_check bool interp_step(struct vcpu *c);
