/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the compiler may call by itself. */
#include "guest.h"

void *memcpy(void *to, const void *from, size_t n)
{
    u8 *d = to;
    const u8 *s = from;
    while (n-- > 0)
        *d++ = *s++;
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    u8 *d = to;
    while (n-- > 0)
        *d++ = (u8)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *p = a, *q = b;
    for (; n > 0; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}
