/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting, by channel 2 of the i8254 (1.193182 MHz), polled through port 61h. */
#pragma once
#include "guest.h"

void delay_us(u32 us);
/* Evaluates the condition until it holds or ms milliseconds went by; the value is whether it held.
 */
#define WAIT_FOR(cond, ms)                                                                         \
    ({                                                                                             \
        bool held_ = (cond);                                                                       \
        for (u32 left_ = (ms); !held_ && left_ > 0; left_--) {                                     \
            delay_us(1000);                                                                        \
            held_ = (cond);                                                                        \
        }                                                                                          \
        held_;                                                                                     \
    })
/* TSC ticks in the given time, measured. */
u64 tsc_of_us(u32 us);
