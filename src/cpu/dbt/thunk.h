/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generated code between C and translated code, at the head of the cache, and the C functions
 * behind it. These run on the C stack, with all guest registers in struct vcpu; they return where
 * to go on, and may throw.
 */
#pragma once
#include "cpu/dbt/cache.h"

void thunks_make(struct dbt *d);
/* Enters translated code; comes back when a helper goes to d->leave. */
void thunk_enter(struct dbt *d, struct vcpu *c, u64 code);

/* helpers.c. t0, t1: the host's registers T0 and T1 at the call. */
u64 dbt_help_miss(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_stack_miss(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_far(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_stale(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_next(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_op(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_op_end(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_link(struct vcpu *c, const void *site, u64 t0, u64 t1);
u64 dbt_help_lookup(struct vcpu *c, const void *site, u64 t0, u64 t1);
