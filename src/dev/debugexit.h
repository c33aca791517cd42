/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port that ends the VM, for test programs; see debugexit.c. */
#pragma once
#include "bus/bus.h"

struct debugexit;

/* Claims port..port+3. `exit` gets the value written, zero-extended. -ENOMEM, -EEXIST. */
must_check int debugexit_new(struct debugexit **out, struct bus *pio, u16 port,
                             void (*exit)(void *opaque, u32 val), void *opaque);
void debugexit_reset(struct debugexit *d);
void debugexit_free(struct debugexit *d);
