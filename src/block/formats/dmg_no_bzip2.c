/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Built where the library for bzip2 is not at hand: such images are refused when they are opened.
 */
#include "block/formats/dmg.h"

#include <errno.h>

const bool dmg_has_bzip2 = false;

int dmg_unpack_bzip2(const u8 *from, u64 packed, u8 *to, u64 size)
{
    return -ENOTSUP;
}
