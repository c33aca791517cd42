/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy disk controller with drives A and B; see i82078.c. */
#pragma once
#include "base/state.h"
#include "block/block.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"
#include "dev/i8237.h"

#define I82078_DRIVES 2u

struct i82078;

/* Claims 3F2h-3F5h and 3F7h of `pio`, and channel 2 of `dma`. So many drives are on the cable.
   -ENOMEM, -EEXIST. */
must_check int i82078_new(struct i82078 **out, struct bus *pio, struct irq irq6, struct i8237 *dma,
                          struct clock *clk, unsigned drives);
void i82078_reset(struct i82078 *fdc);
/* Its images are closed first. */
void i82078_free(struct i82078 *fdc);

/* Puts a disk in a drive, or takes it out (NULL); its format follows from its size. -EINVAL if it
   is larger than 2.88 MB. The image that was there may still be in use by a request: close it with
   block_close. */
must_check int i82078_insert(struct i82078 *fdc, unsigned drive, struct block *blk);
/* For CMOS register 10h: 4 (1.44 MB) while the drive is empty. */
u8 i82078_cmos_type(const struct i82078 *fdc, unsigned drive);

/* Saved with nothing in flight: block_drain comes first. */
extern const struct state_table i82078_state;
