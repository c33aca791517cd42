/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test device of kvm-unit-tests ("pc-testdev"); see testdev.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/irq.h"

#define TESTDEV_LINES 24u

struct testdev;

/* `lines`: 24 interrupt lines, copied. -ENOMEM, -EEXIST. */
must_check int testdev_new(struct testdev **out, struct bus *pio, struct bus *mmio,
                           const struct irq *lines);
void testdev_reset(struct testdev *t);
void testdev_free(struct testdev *t);
extern const struct state_table testdev_state; /* its lines keep their levels elsewhere */
