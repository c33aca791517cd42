/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's clocks in ns. */
#pragma once
#include "base/base.h"

#include <time.h>

static inline struct timespec host_timespec(u64 ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NSEC_PER_SEC),
                             .tv_nsec = (long)(ns % NSEC_PER_SEC)};
}

static inline u64 host_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}
