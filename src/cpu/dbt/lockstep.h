/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing translated code with the interpreter, block by block. Own thread; one CPU. */
#pragma once
#include "cpu/dbt/cache.h"

struct lockstep;

struct lockstep *lockstep_new(void); /* NULL: no memory */
void lockstep_free(struct lockstep *l);
/* Runs the block at RIP, whose code is at `code`, both ways. A difference is shown on stderr and
   crashes the machine. May throw what the block raises. */
void lockstep_block(struct vcpu *c, struct lockstep *l, const struct tb *tb, u64 code);
