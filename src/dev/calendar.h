/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Gregorian calendar and times of day, for the RTC; see calendar.c. Pure functions. */
#pragma once
#include "base/base.h"

#define SEC_PER_DAY 86400

struct date {
    s64 year;            /* 0 on */
    unsigned month, day; /* from 1 */
};

/* a / b rounded down, b > 0. */
s64 floor_div(s64 a, s64 b);

/* Days since 1970-01-01 and back. A month or day out of range runs over into the next ones. */
s64 day_of_date(struct date date);
struct date date_of_day(s64 day);

/* Day of the week, 1 (Sunday) to 7, of a day since 1970, moved on by `shift` days; and the shift
   that makes it `weekday`. */
unsigned weekday_of_day(s64 day, unsigned shift);
unsigned weekday_shift(s64 day, unsigned weekday);

/* The first second after `tod` (0..86399) whose hour, minute and second are field[0..2], a
   negative field matching anything; 86400 on is the next day. */
int next_time_of_day(int tod, const int field[3]);
