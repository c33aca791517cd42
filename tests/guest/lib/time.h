/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting, by channel 2 of the i8254 (1.193182 MHz), polled through port 61h. */
#pragma once
#include "guest.h"

void delay_us(u32 us);
/* Calls or reads until the condition holds or ms milliseconds went by; the value is the condition.
 */
#define WAIT_FOR(cond, ms)                                                                         \
    ({                                                                                             \
        u32 left_ = (ms);                                                                          \
        while (!(cond) && left_ > 0) {                                                             \
            delay_us(1000);                                                                        \
            left_--;                                                                               \
        }                                                                                          \
        (cond);                                                                                    \
    })
/* TSC ticks in the given time, measured. */
u64 tsc_of_us(u32 us);
