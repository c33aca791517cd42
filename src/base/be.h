/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Big-endian loads and stores at any alignment, for file formats. */
#pragma once
#include "base/base.h"

#include <string.h>

static inline u16 be16(const void *p)
{
    u16 v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap16(v);
}

static inline u32 be32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}

static inline u64 be64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap64(v);
}

static inline void put_be16(void *p, u16 v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put_be32(void *p, u32 v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put_be64(void *p, u64 v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof(v));
}
