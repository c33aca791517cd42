/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Built where the library for lzma is not at hand: such images are refused when they are opened. */
#include "block/formats/dmg.h"

#include <errno.h>

const bool dmg_has_lzma = false;

int dmg_unpack_lzma(const u8 *from, u64 packed, u8 *to, u64 size)
{
    return -ENOTSUP;
}
