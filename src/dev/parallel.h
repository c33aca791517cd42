/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parallel port; see parallel.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/irq.h"

struct parallel;

/* The printer. Called under the machine's lock; must not block. */
struct parallel_backend {
    /* Takes a byte; false while it cannot: parallel_room tells when it can. NULL: nothing is
       connected. */
    bool (*put)(void *opaque, u8 byte);
    void *opaque;
};

/* Claims port..port+7 (378h with IRQ 7, 278h with IRQ 5). -ENOMEM, -EEXIST. */
must_check int parallel_new(struct parallel **out, struct bus *pio, u16 port, struct irq irq,
                            const struct parallel_backend *be);
void parallel_reset(struct parallel *p);
void parallel_free(struct parallel *p);
/* The back end has room again. */
void parallel_room(struct parallel *p);

extern const struct state_table parallel_state;
