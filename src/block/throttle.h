/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the requests of a disk may go: operations and bytes to a second, of all, of reads, of
 * writes. What a disk has saved up while it was idle goes at once (a "burst").
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

enum throttle_kind {
    THROTTLE_OPS,
    THROTTLE_OPS_READ,
    THROTTLE_OPS_WRITE,
    THROTTLE_BYTES,
    THROTTLE_BYTES_READ,
    THROTTLE_BYTES_WRITE,
    THROTTLE_KINDS
};

struct throttle_limits {
    u64 rate[THROTTLE_KINDS];  /* to a second; 0: any */
    u64 burst[THROTTLE_KINDS]; /* at once, after idling; 0: a tenth of the rate */
};

struct throttle {
    struct throttle_limits limits;
    u64 due[THROTTLE_KINDS]; /* ns: when what has gone is paid for */
};

#define THROTTLE_RATE_MAX 1000000000000000ull

/* "iops=100", "bps_wr_max=10M": QEMU's names. -ENOENT: another key; -EINVAL with a message. */
must_check int throttle_parse(struct throttle_limits *limits, const char *word, struct err *err);
bool throttle_limited(const struct throttle *t);
/* Until when a request has to wait; at most `now`: it may go. Nanoseconds of a clock that starts
   anywhere and never goes back. */
u64 throttle_until(const struct throttle *t, bool write, u64 now);
/* It goes. */
void throttle_take(struct throttle *t, bool write, u64 bytes, u64 now);
