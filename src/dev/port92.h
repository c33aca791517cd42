/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System control port A, port 92h; see port92.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/irq.h"

struct port92;

/* a20 is high while bit 1 is set; reset is pulsed when bit 0 goes to 1. -ENOMEM, -EEXIST. */
must_check int port92_new(struct port92 **out, struct bus *pio, struct irq a20, struct irq reset);
void port92_reset(struct port92 *p);
void port92_free(struct port92 *p);
extern const struct state_table port92_state;
