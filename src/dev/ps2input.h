/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PS/2 keyboard and mouse as a sink of a display's input; see ps2input.c. */
#pragma once
#include "bus/clock.h"
#include "dev/i8042.h"
#include "ui/input.h"

struct ps2input;

/* Adds itself to `in`; all three must outlive it. -ENOMEM. */
must_check int ps2input_new(struct ps2input **out, struct i8042 *kbc, struct input *in,
                            struct clock *clk);
/* Forgets what is queued. */
void ps2input_reset(struct ps2input *ps2);
void ps2input_free(struct ps2input *ps2);
