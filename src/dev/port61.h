/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System control port B, port 61h; see port61.c. */
#pragma once
#include "bus/bus.h"
#include "dev/i8254.h"

struct port61;

/* `pit` is not owned and is freed later. -ENOMEM, -EEXIST. */
must_check int port61_new(struct port61 **out, struct bus *pio, struct i8254 *pit,
                          struct clock *clk);
void port61_reset(struct port61 *p);
void port61_free(struct port61 *p);
extern const struct state_table port61_state;
