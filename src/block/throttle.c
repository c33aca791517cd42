/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each limit is a leaky bucket, kept as the time at which it is empty (the generic cell rate
 * algorithm): a request goes if that is no further ahead than a burst takes, and moves it by what
 * the request takes. So one that is larger than a burst goes, and those behind it wait for it.
 */
#include "block/throttle.h"
#include "block/format.h"

#include <errno.h>
#include <string.h>

#define SECOND 1000000000ull

static const char *const names[THROTTLE_KINDS] = {"iops", "iops_rd", "iops_wr",
                                                  "bps",  "bps_rd",  "bps_wr"};

int throttle_parse(struct throttle_limits *limits, const char *word, struct err *err)
{
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        size_t n = strlen(names[k]);
        bool max = !strncmp(word + strnlen(word, n), "_max=", 5);
        u64 *to = max ? &limits->burst[k] : &limits->rate[k];
        int rc;
        if (strncmp(word, names[k], n) || (!max && word[n] != '='))
            continue;
        rc = parse_size(word + n + (max ? 5 : 1), to, err);
        if (rc)
            return rc;
        if (!*to || *to > THROTTLE_RATE_MAX)
            return err_set(err, EINVAL, "'%.40s' is not from 1 to %llu", word, THROTTLE_RATE_MAX);
        return 0;
    }
    return -ENOENT;
}

bool throttle_limited(const struct throttle *t)
{
    for (unsigned k = 0; k < THROTTLE_KINDS; k++)
        if (t->limits.rate[k])
            return true;
    return false;
}

static bool counts(unsigned kind, bool write)
{
    unsigned of = kind % 3; /* all, reads, writes */

    return !of || (of == 2) == write;
}

/* Both are at most THROTTLE_RATE_MAX, or bytes of a request. */
static u64 time_of(u64 units, u64 rate)
{
    unsigned __int128 ns = (unsigned __int128)units * SECOND / rate;

    return ns > INT64_MAX / 8 ? INT64_MAX / 8 : (u64)ns;
}

u64 throttle_until(const struct throttle *t, bool write, u64 now)
{
    u64 until = 0;

    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        u64 rate = t->limits.rate[k], burst = t->limits.burst[k], saved;
        if (!rate || !counts(k, write))
            continue;
        saved = time_of(burst ? burst : rate / 10, rate);
        if (t->due[k] > saved)
            until = max_u64(until, t->due[k] - saved);
    }
    return until;
}

void throttle_take(struct throttle *t, bool write, u64 bytes, u64 now)
{
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        u64 rate = t->limits.rate[k], units = k >= THROTTLE_BYTES ? bytes : 1;
        if (rate && counts(k, write))
            t->due[k] = max_u64(t->due[k], now) + time_of(units, rate);
    }
}
