/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Little-endian loads and stores at any alignment, for file formats and guest structures. */
#pragma once
#include "base/base.h"

#include <string.h>

static inline u16 le16(const void *p)
{
    u16 v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline u32 le32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline u64 le64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void put_le16(void *p, u16 v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void put_le32(void *p, u32 v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void put_le64(void *p, u64 v)
{
    memcpy(p, &v, sizeof(v));
}
