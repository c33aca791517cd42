/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtual monitor's EDID (VESA E-EDID Standard, release A, revision 2: EDID 1.4). */
#pragma once
#include "base/base.h"

#define EDID_SIZE 128u

/* Preferred size width x height at 60 Hz, each at most 4095; established and standard timings
   up to it. */
void edid_make(u8 out[EDID_SIZE], u32 width, u32 height);
