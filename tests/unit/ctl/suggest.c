/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/suggest.h"
#include "../test.h"
#include "base/base.h"

static const char *names(size_t n)
{
    static const char *const all[] = {"kernel", "memory", "cpus", "cpu", "trace", "trace-file"};

    return n < ARRAY_SIZE(all) ? all[n] : NULL;
}

static bool suggests(const char *word, const char *want)
{
    const char *got = suggest_nearest(word, names);

    return want ? got && !strcmp(got, want) : !got;
}

static void near(void)
{
    CHECK(suggests("kernle", "kernel"));
    CHECK(suggests("memry", "memory"));
    CHECK(suggests("mem", "memory"));
    CHECK(suggests("cpsu", "cpus"));
    CHECK(suggests("trace-fiel", "trace-file"));
}

static void far(void)
{
    CHECK(suggests("", NULL));
    CHECK(suggests("xyz", NULL));
    CHECK(suggests("frobnicate", NULL));
    CHECK(suggests("a-word-that-is-longer-than-any-option-there-is", NULL));
}

int main(void)
{
    TEST_RUN(near);
    TEST_RUN(far);
    return test_result();
}
