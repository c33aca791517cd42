/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Apple's disk images (UDIF), private to their files. Big-endian. */
#pragma once
#include "block/format.h"

#define DMG_CHUNK_MAX (64 * MiB) /* unpacked or packed */
#define DMG_CHUNKS    BIT64(24)  /* at most: 640 MiB of memory */

#define DMG_ZERO   0u
#define DMG_RAW    1u
#define DMG_IGNORE 2u
#define DMG_ZLIB   0x80000005u
#define DMG_BZIP2  0x80000006u
#define DMG_LZMA   0x80000008u

/* Bytes of the disk that are together in the file, or nowhere. */
struct dmg_chunk {
    u64 start, len;
    u64 at, packed; /* in the file; bytes there */
    u32 type;
};

struct dmg_table {
    struct dmg_chunk *chunk; /* sorted, none on another; owned */
    u64 n, room;
};

/* The chunks that the trailer leads to. -errno with a message. */
must_check int dmg_read_table(struct bfile *f, struct dmg_table *t, struct err *err);

/* Exactly `size` bytes: 0, -ENOMEM, -EINVAL: damaged. */
must_check int dmg_unpack_zlib(const u8 *from, u64 packed, u8 *to, u64 size);
must_check int dmg_unpack_bzip2(const u8 *from, u64 packed, u8 *to, u64 size);
must_check int dmg_unpack_lzma(const u8 *from, u64 packed, u8 *to, u64 size);
