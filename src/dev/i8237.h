/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two DMA controllers of a PC and their page registers; see i8237.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "mem/mem.h"

#define I8237_CHANNELS 8u

struct i8237;

/* Claims 00h-0Fh, 80h-8Fh and C0h-DFh. -ENOMEM, -EEXIST. */
must_check int i8237_new(struct i8237 **out, struct bus *pio, struct mem *mem);
void i8237_reset(struct i8237 *dma);
void i8237_free(struct i8237 *dma);

/* The device on a channel (0-3 by bytes, 5-7 by words). `ready` is called when the channel can run
   and the device asks for it (i8237_request), from inside a register access; may be NULL. */
void i8237_attach(struct i8237 *dma, unsigned channel, void (*ready)(void *opaque), void *opaque);
/* DREQ. Does not call `ready`: transfer, and if nothing moves, wait for it. */
void i8237_request(struct i8237 *dma, unsigned channel, bool level);

/* Moves up to `len` bytes between the device's buffer and memory, in the direction the device
   needs. A channel set up for the other direction, or to verify, counts and moves nothing (a device
   that takes data then gets ones). Returns the bytes counted: 0 while the channel is masked. *tc:
   the count has run out. */
u32 i8237_transfer(struct i8237 *dma, unsigned channel, u8 *buf, u32 len, bool to_memory, bool *tc);

extern const struct state_table i8237_state;
