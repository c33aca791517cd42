/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's pair of 8259A interrupt controllers. Everything under the machine's lock. */
#pragma once
#include "base/base.h"
#include "base/state.h"
#include "bus/bus.h"
#include "bus/irq.h"

struct i8259;

/* Claims ports 20h-21h, A0h-A1h and 4D0h-4D1h. `intr` is the master's INTR. -ENOMEM, -EEXIST. */
must_check int i8259_new(struct i8259 **out, struct bus *pio, struct irq intr);
void i8259_free(struct i8259 *pic);
void i8259_reset(struct i8259 *pic);
extern const struct state_table i8259_state;

/* For struct irq: inputs 0 … 15. Input 2 is taken by the slave; driving it does nothing. */
void i8259_set(void *opaque, unsigned irq, bool level);
/* The CPU's INTA cycle: the vector, that of IRQ 7 or 15 if the request has gone away. */
u8 i8259_ack(struct i8259 *pic);
