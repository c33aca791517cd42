/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VHDX file is megabytes of holes with checksums. An input names its pieces instead: where (a
 * number), how long (16 bits, little-endian), bytes; the rest is zeros.
 */
#pragma once
#include "base/crc32c.h"
#include "base/le.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VHDX_FILE (8 * MiB)

static void fix_sum(u8 *p, u64 len)
{
    put_le32(p + 4, 0);
    put_le32(p + 4, crc32c(0, p, len));
}

static void fix_sums(u8 *file)
{
    fix_sum(file + 64 * KiB, 4 * KiB);
    fix_sum(file + 128 * KiB, 4 * KiB);
    fix_sum(file + 192 * KiB, 64 * KiB);
    fix_sum(file + 256 * KiB, 64 * KiB);
    for (u64 at = MiB; at < 2 * MiB; at += 4 * KiB)
        if (!memcmp(file + at, "loge", 4) && le32(file + at + 8) - 8 <= 64 * KiB)
            fix_sum(file + at, le32(file + at + 8));
}

/* Writes the file into fd. */
static void lay_out_vhdx(int fd, const u8 *data, size_t size, bool right_sums)
{
    static const u64 place[] = {0,
                                64 * KiB,
                                128 * KiB,
                                192 * KiB,
                                256 * KiB,
                                MiB,
                                MiB + 4 * KiB,
                                MiB + 8 * KiB,
                                2 * MiB - 4 * KiB,
                                2 * MiB,
                                2 * MiB + 64 * KiB,
                                3 * MiB,
                                3 * MiB + 16 * KiB,
                                4 * MiB,
                                5 * MiB,
                                6 * MiB};
    u8 *file;

    BUG_ON(ftruncate(fd, VHDX_FILE));
    file = mmap(NULL, VHDX_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    BUG_ON(file == MAP_FAILED);
    while (size > 3) {
        u64 len = min_u64(le16(data + 1), size - 3);
        memcpy(file + place[data[0] % 16], data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
    if (right_sums)
        fix_sums(file);
    munmap(file, VHDX_FILE);
}
