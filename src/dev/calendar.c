/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/calendar.h"

#define DAYS_PER_400Y 146097
#define DAYS_TO_1970  719468 /* from 0000-03-01 */

s64 floor_div(s64 a, s64 b)
{
    return a / b - (a % b < 0);
}

/* Years are counted from March here, so that the leap day is a year's last. */
s64 day_of_date(struct date date)
{
    s64 months = (s64)date.month - 3;
    s64 year = date.year + floor_div(months, 12);
    s64 month = months - floor_div(months, 12) * 12;

    return year * 365 + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) +
           (153 * month + 2) / 5 + date.day - 1 - DAYS_TO_1970;
}

struct date date_of_day(s64 day)
{
    s64 era = floor_div(day + DAYS_TO_1970, DAYS_PER_400Y);
    s64 in_era = day + DAYS_TO_1970 - era * DAYS_PER_400Y;
    s64 year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    s64 in_year = in_era - (365 * year + year / 4 - year / 100);
    s64 month = (5 * in_year + 2) / 153;

    return (struct date){
        .year = year + era * 400 + (month >= 10),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
    };
}

/* 1970-01-01 was a Thursday. */
unsigned weekday_of_day(s64 day, unsigned shift)
{
    s64 n = day + 4 + shift;

    return (unsigned)(n - floor_div(n, 7) * 7 + 1);
}

unsigned weekday_shift(s64 day, unsigned weekday)
{
    return (weekday % 7 + 7 - weekday_of_day(day, 0) % 7) % 7;
}

/* The first value from `from` on that matches, below limit; limit if none. */
static int first_match(int field, int from, int limit)
{
    if (field < 0)
        return from;
    return field >= from ? field : limit;
}

int next_time_of_day(int tod, const int field[3])
{
    int from = tod + 1;

    for (int day = 0; day < 2; day++, from = 0) {
        for (int h = from / 3600; (h = first_match(field[0], h, 24)) < 24; h++) {
            int m = h == from / 3600 ? from / 60 % 60 : 0;
            for (; (m = first_match(field[1], m, 60)) < 60; m++) {
                int s = h * 60 + m == from / 60 ? from % 60 : 0;
                if ((s = first_match(field[2], s, 60)) < 60)
                    return day * SEC_PER_DAY + h * 3600 + m * 60 + s;
            }
        }
    }
    return 2 * SEC_PER_DAY; /* fields out of range match nothing */
}
