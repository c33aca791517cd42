/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire that is high while any of its inputs is: a shared interrupt line.
 * Driven under the machine's lock. An input's last level stays until it is driven again.
 */
#pragma once
#include "base/state.h"
#include "bus/irq.h"

#define ORGATE_INPUTS 32u

struct orgate {
    struct irq out;
    u32 levels; /* one bit for each input */
};

/* All inputs low; `out` is not driven yet. */
void orgate_init(struct orgate *g, struct irq out);
/* The same on the heap. -ENOMEM. */
must_check int orgate_new(struct orgate **out, struct irq output);
void orgate_free(struct orgate *g);
/* All inputs low, and the output with them. */
void orgate_reset(struct orgate *g);
extern const struct state_table orgate_state;

/* The wire into input n, n < ORGATE_INPUTS. */
struct irq orgate_input(struct orgate *g, unsigned n);
