/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VHDX file is megabytes of holes with checksums. An input names its pieces instead: where (a
 * number), how long (16 bits, little-endian), bytes; the rest is zeros.
 */
#pragma once
#include "base/crc32c.h"
#include "base/le.h"

#include <string.h>
#include <unistd.h>

#define VHDX_FILE (8 * MiB)

#define VHDX_SUMMED (64 * KiB)

/* Of a structure that starts with this signature. What is not touched stays a hole: pages of the
   file cost more than all else. */
static void fix_sum(int fd, u64 at, u64 len, const char *signature)
{
    u8 buf[VHDX_SUMMED], sum[4];

    BUG_ON(len > sizeof(buf) || pread(fd, buf, len, (off_t)at) != (ssize_t)len);
    if (memcmp(buf, signature, 4))
        return;
    put_le32(buf + 4, 0);
    put_le32(sum, crc32c(0, buf, len));
    BUG_ON(pwrite(fd, sum, 4, (off_t)at + 4) != 4);
}

/* Entries of the log that start in a page of [at, at + len). */
static void fix_log(int fd, u64 at, u64 len)
{
    for (u64 page = at / (4 * KiB) * (4 * KiB); page < at + len; page += 4 * KiB) {
        u8 head[12];
        BUG_ON(pread(fd, head, sizeof(head), (off_t)page) != sizeof(head));
        if (page >= MiB && page < 2 * MiB && le32(head + 8) >= 8 && le32(head + 8) <= VHDX_SUMMED)
            fix_sum(fd, page, le32(head + 8), "loge");
    }
}

static void fix_headers(int fd)
{
    fix_sum(fd, 64 * KiB, 4 * KiB, "head");
    fix_sum(fd, 128 * KiB, 4 * KiB, "head");
    fix_sum(fd, 192 * KiB, 64 * KiB, "regi");
    fix_sum(fd, 256 * KiB, 64 * KiB, "regi");
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

    BUG_ON(ftruncate(fd, VHDX_FILE));
    for (unsigned pass = 0; pass < 1u + right_sums; pass++) {
        const u8 *at = data;
        for (size_t left = size; left > 3;) {
            u64 len = min_u64(le16(at + 1), left - 3), to = place[at[0] % 16];
            if (pass)
                fix_log(fd, to, len);
            else
                BUG_ON(pwrite(fd, at + 3, len, (off_t)to) != (ssize_t)len);
            at += 3 + len;
            left -= 3 + len;
        }
    }
    if (right_sums)
        fix_headers(fd);
}
