/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/suggest.h"

#include <string.h>

#define MAX_WORD 32

/* Edits (insert, delete, replace, swap of neighbours) that make b of a; words up to MAX_WORD. */
static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t d[MAX_WORD + 1][MAX_WORD + 1];

    for (size_t i = 0; i <= la; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= lb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        for (size_t j = 1; j <= lb; j++) {
            u64 best = min_u64(d[i - 1][j], d[i][j - 1]) + 1;
            best = min_u64(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = min_u64(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    }
    return d[la][lb];
}

const char *suggest_nearest(const char *word, const char *(*name)(size_t n))
{
    const char *best = NULL, *candidate;
    size_t best_distance = strlen(word) > 4 ? 3 : 2; /* this far is not near */

    if (strlen(word) > MAX_WORD)
        return NULL;
    for (size_t i = 0; (candidate = name(i)); i++) {
        size_t d;
        if (strlen(candidate) > MAX_WORD)
            continue;
        /* What was cut short counts as one edit. */
        d = strlen(word) > 2 && !strncmp(word, candidate, strlen(word)) ? 1
                                                                        : distance(word, candidate);
        if (d < best_distance) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}
