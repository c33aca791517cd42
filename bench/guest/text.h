/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Something to compress: words of a small language, with numbers in between. */
#pragma once

#include "work.h"

#include <string.h>

static inline void text_fill(char *to, size_t size, uint32_t seed)
{
    static const char *const words[] = {
        "machine ", "memory ",  "the ",   "interrupt ", "of ",    "page ",  "and ", "timer\n",
        "a ",       "virtual ", "clock ", "is ",        "queue ", "with, ", "to ",  "device. ",
    };
    size_t at = 0;
    while (at < size) {
        char digits[] = "0000 ";
        seed = work_next(seed);
        const char *word = words[(seed >> 20) % COUNT_OF(words)];
        if (seed >> 28 == 0) {
            for (int i = 0; i < 4; i++)
                digits[i] = (char)('0' + (seed >> (8 + 3 * i)) % 8);
            word = digits;
        }
        size_t length = strlen(word) < size - at ? strlen(word) : size - at;
        memcpy(to + at, word, length);
        at += length;
    }
}
