/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parallel NOR flash with Intel's command set, for firmware's variables; see pflash.c. */
#pragma once
#include "base/state.h"
#include "mem/mem.h"

#define PFLASH_BLOCK 4096u /* bytes erased together */

struct pflash;
extern const struct state_table pflash_state;

/* Shows `window`, which is read-only to the guest and a multiple of PFLASH_BLOCK long, at `at`.
   `changed` is called after bytes of it have changed, under the machine's lock; may be NULL.
   -ENOMEM, -EEXIST. */
must_check int pflash_new(struct pflash **out, struct mem_window *window, gpa_t at,
                          void (*changed)(void *opaque, u64 off, u64 len), void *opaque);
/* Back to reading the array; contents stay. */
void pflash_reset(struct pflash *f);
void pflash_free(struct pflash *f);
