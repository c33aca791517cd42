/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For 16-bit guests. */
#pragma once
#include "guest.h"

void ivt_set(u8 vector, u16 segment, const void *offset);
/* Back to the stub that records. */
void ivt_reset(u8 vector);
