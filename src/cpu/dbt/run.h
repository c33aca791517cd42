/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the code to run, for the engine's loop and the helpers. Own thread. */
#pragma once
#include "cpu/dbt/cache.h"

#include <stdio.h>

/*
 * Host address of the code for the instruction at RIP, translated if need be; the flags are then
 * those in dbt_env. Or the way back to C, if there is none. `cached`: the jump cache may know; what
 * it knows may be void. Raises fetch faults; c->ip is RIP.
 */
u64 dbt_code_at(struct vcpu *c, bool cached);
/* The same for a place in the page that runs; the branch at `place`, where the host's flags are the
   guest's, will lead there if that is `page` of RAM still. */
u64 dbt_link(struct vcpu *c, struct dbt *d, u32 page, u32 place);
/* The same, not `cached`, for the target of an exit to another page, whose serial number is at
   `place`: the exit leads there from now on, while what the jump cache holds is in force. `flags`:
   with the guest's flags in the host's. */
u64 dbt_link_far(struct vcpu *c, u32 place, bool flags);
/* The linear address of block n, in the page that runs. */
u64 dbt_address_of(struct vcpu *c, u32 n);
/* The same as dbt_code_at for a void block's place. */
u64 dbt_forward(struct vcpu *c, u32 from);
/* The block at RIP, which is known to be in RAM. */
const struct tb *dbt_block_at(struct vcpu *c);
/* Executes the instruction at RIP by the interpreter's function; c->ip is RIP. */
void dbt_interpret(struct vcpu *c);
/* The state may have changed: key and jump cache are chosen anew. False if the interpreter must run
   this code. */
must_check bool dbt_resync(struct vcpu *c);
/* The block at RIP is not what is there now. */
void dbt_forget_block(struct vcpu *c);

/* --stats */
void dbt_report(const struct vm *vm, FILE *to);

/* Between dbt_near.flags and vcpu.lf. */
void dbt_flags_in(struct vcpu *c);
void dbt_flags_out(struct vcpu *c);
