/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A port by which a guest tells that it has crashed; see pvpanic.c. */
#pragma once
#include "bus/bus.h"

#define PVPANIC_PORT         0x505u
#define PVPANIC_PANICKED     0x01u
#define PVPANIC_CRASH_LOADED 0x02u /* a crash kernel takes over */
#define PVPANIC_SHUTDOWN     0x04u
#define PVPANIC_ALL          0x07u

struct pvpanic;

/* Claims `port`, one byte. `event` gets the PVPANIC_* that the guest has written, never none.
   -ENOMEM, -EEXIST. */
must_check int pvpanic_new(struct pvpanic **out, struct bus *pio, u16 port,
                           void (*event)(void *opaque, u8 events), void *opaque);
void pvpanic_reset(struct pvpanic *p);
void pvpanic_free(struct pvpanic *p);
