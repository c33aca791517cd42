/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests: static void functions, listed in main with TEST_RUN; CHECK says what is wrong. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failures;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, __func__, #cond);     \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b);             \
        if (a_ != b_) {                                                                            \
            fprintf(stderr, "%s:%d: %s: %s is %#llx, want %s = %#llx\n", __FILE__, __LINE__,       \
                    __func__, #a, a_, #b, b_);                                                     \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

#define TEST_RUN(fn)                                                                               \
    do {                                                                                           \
        int before_ = test_failures;                                                               \
        fn();                                                                                      \
        printf("%s %s\n", test_failures == before_ ? "ok" : "FAILED", #fn);                        \
    } while (0)

static inline int test_result(void)
{
    return test_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
