/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words every other file uses: integer types, bit helpers, BUG_ON. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 gpa_t; /* guest-physical address */
typedef u64 gva_t; /* guest-linear ("virtual") address */

#define PAGE_SHIFT    12
#define PAGE_SIZE     4096u
#define PAGE_MASK     (~(u64)(PAGE_SIZE - 1))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1u << (n))
#define BIT64(n)      ((u64)1 << (n))
#define KiB           ((u64)1024)
#define MiB           (KiB * 1024)
#define GiB           (MiB * 1024)
#define NSEC_PER_SEC  1000000000ull

#define likely(x)                     __builtin_expect(!!(x), 1)
#define unlikely(x)                   __builtin_expect(!!(x), 0)
#define must_check                    __attribute__((warn_unused_result))
#define printf_like(f, a)             __attribute__((format(printf, f, a)))
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* A bug of ours, never of a guest, file or peer: stays on in release builds. */
_Noreturn void bug_at(const char *file, int line, const char *what);
#define BUG_ON(cond)                                                                               \
    do {                                                                                           \
        if (unlikely(cond))                                                                        \
            bug_at(__FILE__, __LINE__, #cond);                                                     \
    } while (0)

static inline u64 min_u64(u64 a, u64 b)
{
    return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
    return a > b ? a : b;
}

/* Bits [lo, hi] of v, shifted down. */
static inline u64 bits(u64 v, unsigned hi, unsigned lo)
{
    return (v >> lo) & (~(u64)0 >> (63 - (hi - lo)));
}

/* The low `size` bytes set, size 1..8. */
static inline u64 size_mask(unsigned size)
{
    return ~(u64)0 >> (64 - 8 * size);
}

static inline u64 align_up(u64 v, u64 to)
{
    return (v + to - 1) & ~(to - 1);
}
