/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/formats/dmg.h"

#include <errno.h>
#include <lzma.h>

#define MEMORY_MAX (256 * MiB)

const bool dmg_has_lzma = true;

int dmg_unpack_lzma(const u8 *from, u64 packed, u8 *to, u64 size)
{
    u64 memory = MEMORY_MAX;
    size_t in = 0, out = 0;
    lzma_ret r = lzma_stream_buffer_decode(&memory, 0, NULL, from, &in, packed, to, &out, size);

    return r == LZMA_MEM_ERROR ? -ENOMEM : r != LZMA_OK || out != size ? -EINVAL : 0;
}
