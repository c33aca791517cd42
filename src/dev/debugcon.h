/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port that firmware writes its messages to; see debugcon.c. */
#pragma once
#include "bus/bus.h"

struct debugcon;

/* Claims `port`: E9h as Bochs has it, 402h for firmware. `put` gets each byte, under the machine's
   lock; it must not block. -ENOMEM, -EEXIST. */
must_check int debugcon_new(struct debugcon **out, struct bus *pio, u16 port,
                            void (*put)(void *opaque, u8 byte), void *opaque);
void debugcon_reset(struct debugcon *d);
void debugcon_free(struct debugcon *d);
