/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/rtcbase.h"
#include "../test.h"
#include "dev/mc146818.h"
#include "rig.h"

#include <errno.h>
#include <time.h>

#define WALL 1000000000ull /* 2001-09-09T01:46:40 */

static s64 offset_of(const char *text)
{
    struct err err = {.text = ""};
    s64 offset = -1;

    CHECK_EQ(rtcbase_parse(text, WALL * NSEC_PER_SEC + 5, &offset, &err), 0);
    return offset;
}

static void bases(void)
{
    setenv("TZ", "XST-5:30", 1); /* east of Greenwich */
    tzset();
    CHECK_EQ(offset_of("utc"), 0);
    CHECK_EQ(offset_of("localtime"), 19800);
    setenv("TZ", "EST5EDT,M4.1.0,M10.5.0", 1); /* summer */
    tzset();
    CHECK_EQ(offset_of("localtime"), -4 * 3600);
    CHECK_EQ(offset_of("2001-09-09"), -6400);
    CHECK_EQ(offset_of("2001-09-09T01:46:41"), 1);
    CHECK_EQ(offset_of("1970-01-01T00:00:00"), -(s64)WALL);
    CHECK_EQ(offset_of("2000-02-29T12:00:00") + (s64)WALL, 951825600);
    CHECK_EQ(offset_of("2099-12-31T23:59:59") + (s64)WALL, 4102444799);
    CHECK_EQ(offset_of("0000-01-01") + (s64)WALL, -62167219200);
}

static void not_bases(void)
{
    static const char *const bad[] = {
        "",
        "UTC",
        "2001",
        "2001-9-9",
        "2001-09-09T",
        "2001-02-29",
        "2001-13-01",
        "2001-00-01",
        "2001-01-00",
        "2001-01-32",
        "2001-09-09T24:00:00",
        "2001-09-09T01:60:00",
        "2001-09-09T01:46:60",
        "2001-09-09T01:46",
        "2001-09-09 01:46:40",
        "2001-09-09T01:46:40Z",
        "20010-09-09",
        "-001-09-09",
        "localtime ",
    };

    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
        struct err err = {.text = ""};
        s64 offset;
        if (rtcbase_parse(bad[n], 0, &offset, &err) != -EINVAL)
            fprintf(stderr, "'%s' was taken\n", bad[n]);
        CHECK(strstr(err.text, "base") != NULL);
    }
}

static struct rig rig;

static u8 reg(u8 index)
{
    out8(&rig, 0x70, index);
    return in8(&rig, 0x71);
}

static void check_time(u64 bcd, u8 weekday)
{
    static const u8 order[] = {0x32, 9, 8, 7, 4, 2, 0};
    u64 got = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        got = got << 8 | reg(order[n]);
    CHECK_EQ(got, bcd);
    CHECK_EQ(reg(6), weekday);
}

static void clock_shows_it(void)
{
    struct mc146818 *rtc;
    struct wire irq8 = {0};

    rig_open(&rig);
    CHECK_EQ(mc146818_new(&rtc, &rig.pio, wire_irq(&irq8), rig.clk), 0);
    clock_advance(rig.clk, 10 * NSEC_PER_SEC + 250 * MS);
    check_time(0x19700101000010, 5);
    mc146818_set_offset(rtc, (s64)WALL);
    check_time(0x20010909014650, 1);
    clock_advance(rig.clk, 749 * MS);
    check_time(0x20010909014650, 1);
    clock_advance(rig.clk, 1 * MS);
    check_time(0x20010909014651, 1); /* the seconds change when the host's do */
    mc146818_set_offset(rtc, -11);
    check_time(0x19700101000000, 5);
    mc146818_reset(rtc);
    check_time(0x19700101000000, 5);
    out8(&rig, 0x70, 0x0b);
    out8(&rig, 0x71, 0x82);
    mc146818_set_offset(rtc, 3600); /* while the guest holds it */
    check_time(0x19700101010011, 5);
    out8(&rig, 0x70, 0x0b);
    out8(&rig, 0x71, 0x02);
    clock_advance(rig.clk, NSEC_PER_SEC);
    check_time(0x19700101010012, 5);
    mc146818_set_offset(rtc, INT64_MIN);
    mc146818_set_offset(rtc, INT64_MAX);
    clock_advance(rig.clk, 3 * NSEC_PER_SEC);
    reg(0);
    mc146818_free(rtc);
    rig_close(&rig);
}

/* An alarm at an exact second, once a day; with "any" hours once an hour. */
static void alarms(void)
{
    struct mc146818 *rtc;
    struct wire irq8 = {0};
    static const u8 set[][2] = {{1, 0x30}, {3, 0x15}, {5, 0x02}, {0x0b, 0x22}};

    rig_open(&rig);
    CHECK_EQ(mc146818_new(&rtc, &rig.pio, wire_irq(&irq8), rig.clk), 0);
    mc146818_set_offset(rtc, 86400 + 2 * 3600 + 15 * 60 + 20);
    for (unsigned n = 0; n < ARRAY_SIZE(set); n++) {
        out8(&rig, 0x70, set[n][0]);
        out8(&rig, 0x71, set[n][1]);
    }
    clock_advance(rig.clk, 10 * NSEC_PER_SEC - 1);
    CHECK_EQ(irq8.rises, 0);
    clock_advance(rig.clk, 1);
    CHECK_EQ(irq8.rises, 1);
    CHECK_EQ(reg(0), 0x30);
    CHECK_EQ(reg(0x0c), 0xf0); /* the periodic flag needs no enable */
    CHECK_EQ(reg(0x0c), 0);
    clock_advance(rig.clk, 86400 * NSEC_PER_SEC - 1);
    CHECK_EQ(irq8.rises, 1);
    clock_advance(rig.clk, 1);
    CHECK_EQ(irq8.rises, 2);
    reg(0x0c);
    out8(&rig, 0x70, 5);
    out8(&rig, 0x71, 0xff);
    clock_advance(rig.clk, 3600 * NSEC_PER_SEC - 1);
    CHECK_EQ(irq8.rises, 2);
    clock_advance(rig.clk, 1);
    CHECK_EQ(irq8.rises, 3);
    mc146818_free(rtc);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(bases);
    TEST_RUN(not_bases);
    TEST_RUN(clock_shows_it);
    TEST_RUN(alarms);
    return test_result();
}
