/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programmable interval timer, ports 40h-43h; see i8254.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

#define I8254_HZ 1193182u

#define I8254_COUNTER0 0x40u /* ports */
#define I8254_CONTROL  0x43u

struct i8254;

/* irq0 follows OUT of counter 0. -ENOMEM, -EEXIST. */
must_check int i8254_new(struct i8254 **out, struct bus *pio, struct irq irq0, struct clock *clk);
void i8254_reset(struct i8254 *pit);
void i8254_free(struct i8254 *pit);
extern const struct state_table i8254_state;

/* Level of OUT of counter 0, 1 or 2 now. */
bool i8254_out_of(struct i8254 *pit, unsigned counter);
/* OUT of counter 2, the speaker's, which port 61h bit 5 shows. */
bool i8254_out(struct i8254 *pit);
/* Drives the gate of counter 2; gates 0 and 1 are tied high. */
void i8254_set_gate2(struct i8254 *pit, bool level);
