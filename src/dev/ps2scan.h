/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scan code sets of PC keyboards and how they map; see ps2scan.c. */
#pragma once
#include "base/base.h"

/* Set 2 to set 1, byte by byte, as both a set 1 keyboard and a translating 8042 do it. `broke`
   carries an F0h prefix from one byte to the next. False if the byte gives none. */
bool ps2scan_to_set1(bool *broke, u8 byte, u8 *out);

/* The set 3 code of one key's whole set 2 make or break sequence, 0 if it has none; *broke tells
   which of the two it is. */
u8 ps2scan_to_set3(const u8 *set2, size_t n, bool *broke);

/* Which set 3 codes repeat and break by default. */
bool ps2scan_set3_typematic(u8 code);
bool ps2scan_set3_make_break(u8 code);
