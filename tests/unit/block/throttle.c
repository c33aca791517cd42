/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/throttle.h"
#include "../test.h"

#include <errno.h>
#include <string.h>

#define SECOND 1000000000ull

static struct throttle t;

static int parse(const char *word)
{
    struct err err;

    return throttle_parse(&t.limits, word, &err);
}

/* How many requests of `bytes` go within `seconds`. */
static u64 go(bool write, u64 bytes, u64 from, u64 seconds)
{
    u64 now = from * SECOND, n = 0;

    for (;;) {
        now = max_u64(now, throttle_until(&t, write, now));
        if (now >= (from + seconds) * SECOND)
            return n;
        throttle_take(&t, write, bytes, now);
        n++;
    }
}

static void words(void)
{
    memset(&t, 0, sizeof(t));
    CHECK(!throttle_limited(&t));
    CHECK_EQ(parse("iops=100"), 0);
    CHECK_EQ(parse("bps_wr=1M"), 0);
    CHECK_EQ(parse("bps_wr_max=4M"), 0);
    CHECK_EQ(parse("iops_rd_max=7"), 0);
    CHECK(throttle_limited(&t));
    CHECK_EQ(t.limits.rate[THROTTLE_OPS], 100);
    CHECK_EQ(t.limits.rate[THROTTLE_BYTES_WRITE], MiB);
    CHECK_EQ(t.limits.burst[THROTTLE_BYTES_WRITE], 4 * MiB);
    CHECK_EQ(t.limits.burst[THROTTLE_OPS_READ], 7);
    CHECK_EQ(t.limits.rate[THROTTLE_OPS_READ], 0);
    CHECK_EQ(parse("iops=0"), -EINVAL);
    CHECK_EQ(parse("iops="), -EINVAL);
    CHECK_EQ(parse("iops=9P"), -EINVAL);
    CHECK_EQ(parse("bps=fast"), -EINVAL);
    CHECK_EQ(parse("iop"), -ENOENT);
    CHECK_EQ(parse("iops"), -ENOENT);
    CHECK_EQ(parse("iopsx=1"), -ENOENT);
    CHECK_EQ(parse("bps_rd_min=1"), -ENOENT);
}

static void operations(void)
{
    t = (struct throttle){.limits.rate[THROTTLE_OPS] = 100};
    CHECK_EQ(go(false, 4096, 1000, 10), 1000 + 10); /* a tenth of a second was saved */
    CHECK_EQ(go(true, 4096, 1010, 10), 1000);
    CHECK_EQ(go(true, 4096, 2000, 1), 100 + 10);
    t.limits.burst[THROTTLE_OPS] = 500;
    CHECK_EQ(go(true, 4096, 3000, 1), 100 + 500);
    CHECK_EQ(go(true, 4096, 3001, 1), 100);
}

static void bytes(void)
{
    u64 n;

    t = (struct throttle){.limits.rate[THROTTLE_BYTES_WRITE] = MiB};
    n = go(true, 64 * KiB, 1000, 10);
    CHECK(n >= 160 && n <= 163);
    /* one that is larger than any burst goes, and what follows waits for it */
    CHECK(throttle_until(&t, true, 2000 * SECOND) <= 2000 * SECOND);
    throttle_take(&t, true, 5 * MiB, 2000 * SECOND);
    CHECK(throttle_until(&t, true, 2000 * SECOND) > 2004 * SECOND);
    CHECK(throttle_until(&t, true, 2000 * SECOND) < 2005 * SECOND);
    CHECK_EQ(throttle_until(&t, false, 2000 * SECOND), 0); /* reads are not limited */
    throttle_take(&t, true, UINT64_MAX, 2000 * SECOND);
    CHECK(throttle_until(&t, true, 2000 * SECOND) > 3000 * SECOND);
}

static void the_tightest_counts(void)
{
    t = (struct throttle){0};
    t.limits.rate[THROTTLE_OPS] = 1000;
    t.limits.rate[THROTTLE_OPS_READ] = 10;
    CHECK_EQ(go(false, 512, 1000, 10), 100 + 1);
    CHECK(go(true, 512, 2000, 1) > 1000);
}

int main(void)
{
    TEST_RUN(words);
    TEST_RUN(operations);
    TEST_RUN(bytes);
    TEST_RUN(the_tightest_counts);
    return test_result();
}
