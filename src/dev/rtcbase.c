/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/rtcbase.h"

#include "dev/calendar.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Exactly n digits; -1 if they are not there. */
static int number(const char **p, unsigned n)
{
    int v = 0;

    for (; n; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        v = v * 10 + (**p - '0');
    }
    return v;
}

/* Numbers of two digits with a separator before each but the first. */
static bool pair_list(const char **p, char sep, int *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (i && *(*p)++ != sep)
            return false;
        out[i] = number(p, 2);
        if (out[i] < 0)
            return false;
    }
    return true;
}

/* Seconds since 1970 of a date; false if it is none. */
static bool parse_date(const char *p, s64 *sec)
{
    int year = number(&p, 4), md[2], tod[3] = {0};
    struct date date, back;
    s64 day;

    if (year < 0 || *p++ != '-' || !pair_list(&p, '-', md, 2))
        return false;
    if (*p == 'T') {
        p++;
        if (!pair_list(&p, ':', tod, 3) || tod[0] > 23 || tod[1] > 59 || tod[2] > 59)
            return false;
    }
    date = (struct date){.year = year, .month = (unsigned)md[0], .day = (unsigned)md[1]};
    day = day_of_date(date);
    back = date_of_day(day);
    *sec = day * SEC_PER_DAY + tod[0] * 3600 + tod[1] * 60 + tod[2];
    return !*p && back.year == date.year && back.month == date.month && back.day == date.day;
}

static s64 zone_offset(u64 wall)
{
    time_t now = (time_t)(wall / NSEC_PER_SEC);
    struct tm tm;

    return localtime_r(&now, &tm) ? tm.tm_gmtoff : 0;
}

int rtcbase_parse(const char *text, u64 wall, s64 *offset, struct err *err)
{
    s64 sec;

    if (!strcmp(text, "utc"))
        *offset = 0;
    else if (!strcmp(text, "localtime"))
        *offset = zone_offset(wall);
    else if (parse_date(text, &sec))
        *offset = sec - (s64)(wall / NSEC_PER_SEC);
    else
        return err_set(err, EINVAL,
                       "'%s' is not a base for the clock: utc, localtime, or a date like "
                       "2006-06-17T16:01:21",
                       text);
    return 0;
}
