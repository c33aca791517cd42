/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code page 437, as the VGA's font has it, in UTF-8. */
#pragma once
#include "base/base.h"

/* The UTF-8 bytes of a character; NUL is a space. At most 3, with a 0 after them. */
const char *cp437_utf8(u8 ch);
