/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways in which a chunk of a UDIF image is packed. */
#include "block/formats/dmg.h"

#include <bzlib.h>
#include <errno.h>
#include <lzma.h>
#include <zlib.h>

#define LZMA_MEMORY_MAX (256 * MiB)

int dmg_unpack_zlib(const u8 *from, u64 packed, u8 *to, u64 size)
{
    uLongf got = size;
    int r = uncompress(to, &got, from, packed);

    return r == Z_MEM_ERROR ? -ENOMEM : r != Z_OK || got != size ? -EINVAL : 0;
}

int dmg_unpack_bzip2(const u8 *from, u64 packed, u8 *to, u64 size)
{
    unsigned got = (unsigned)size;
    int r = BZ2_bzBuffToBuffDecompress((char *)to, &got, (char *)(uintptr_t)from, (unsigned)packed,
                                       0, 0);

    return r == BZ_MEM_ERROR ? -ENOMEM : r != BZ_OK || got != size ? -EINVAL : 0;
}

int dmg_unpack_lzma(const u8 *from, u64 packed, u8 *to, u64 size)
{
    u64 memory = LZMA_MEMORY_MAX;
    size_t in = 0, out = 0;
    lzma_ret r = lzma_stream_buffer_decode(&memory, 0, NULL, from, &in, packed, to, &out, size);

    return r == LZMA_MEM_ERROR ? -ENOMEM : r != LZMA_OK || out != size ? -EINVAL : 0;
}
