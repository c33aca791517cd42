/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/formats/dmg.h"

#include <bzlib.h>
#include <errno.h>

const bool dmg_has_bzip2 = true;

int dmg_unpack_bzip2(const u8 *from, u64 packed, u8 *to, u64 size)
{
    unsigned got = (unsigned)size;
    int r = BZ2_bzBuffToBuffDecompress((char *)to, &got, (char *)(uintptr_t)from, (unsigned)packed,
                                       0, 0);

    return r == BZ_MEM_ERROR ? -ENOMEM : r != BZ_OK || got != size ? -EINVAL : 0;
}
