/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode: SDM 3C chapter 32, APM 2 chapter 10. An SMI is asked for by
 * vcpu_request(c, REQ_SMI), taken at the next instruction boundary outside the mode (not in the
 * shadow of STI or MOV SS, not while waiting for SIPI), and waits otherwise. In the mode NMIs are
 * blocked until an IRET, INIT waits for RSM, and A20M# has no effect. Own thread.
 *
 * Left out: restart of I/O instructions (the revision identifier does not announce it), dual
 * monitor treatment, SVM's fields, an SMI that interrupts the shutdown state.
 */
#pragma once
#include "cpu/vcpu.h"

#define SMBASE_RESET 0x30000u
#define SMM_ENTRY    0x8000u /* from SMBASE */

void smm_enter(struct vcpu *c);
/* RSM. To the shutdown state if what is to be restored cannot be. */
void smm_leave(struct vcpu *c);
