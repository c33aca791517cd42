/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/mc146818.h"
#include "../test.h"
#include "dev/calendar.h"
#include "rig.h"

static struct rig rig;
static struct wire irq8;
static struct mc146818 *rtc;

static u8 get(u8 reg)
{
    out8(&rig, 0x70, reg);
    return in8(&rig, 0x71);
}

static void put(u8 reg, u8 val)
{
    out8(&rig, 0x70, reg);
    out8(&rig, 0x71, val);
}

static void open_rtc(void)
{
    rig_open(&rig);
    irq8 = (struct wire){0};
    if (mc146818_new(&rtc, &rig.pio, wire_irq(&irq8), rig.clk))
        exit(1);
}

static void close_rtc(void)
{
    mc146818_free(rtc);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    rig_close(&rig);
}

/* Sets a time the way firmware and kernels do, with SET on. */
static void set_time(const u8 regs[8])
{
    static const u8 at[8] = {0x32, 9, 8, 7, 6, 4, 2, 0};

    put(0x0b, get(0x0b) | 0x80);
    for (unsigned i = 0; i < 8; i++)
        put(at[i], regs[i]);
    put(0x0b, get(0x0b) & 0x7f);
}

static u64 shown(void)
{
    return (u64)get(0x32) << 48 | (u64)get(9) << 40 | (u64)get(8) << 32 | (u64)get(7) << 24 |
           (u64)get(4) << 16 | (u64)get(2) << 8 | get(0);
}

static void starts_at_the_epoch(void)
{
    open_rtc();
    CHECK_EQ(shown(), 0x19700101000000);
    CHECK_EQ(get(6), 5); /* Thursday */
    CHECK_EQ(get(0x0d), 0x80);
    CHECK_EQ(get(0x0a), 0x26);
    CHECK_EQ(get(0x0b), 0x02);
    CHECK_EQ(in8(&rig, 0x70), 0xff);
    clock_advance(rig.clk, 86400 * NSEC_PER_SEC + 1);
    CHECK_EQ(shown(), 0x19700102000000);
    close_rtc();
}

static void counts_over_a_leap_day(void)
{
    open_rtc();
    clock_advance(rig.clk, 300 * MS);
    set_time((u8[]){0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x59});
    CHECK_EQ(shown(), 0x20240228235959);
    clock_advance(rig.clk, 699 * MS); /* SET does not touch the divider */
    CHECK_EQ(shown(), 0x20240228235959);
    clock_advance(rig.clk, 1 * MS);
    CHECK_EQ(shown(), 0x20240229000000);
    CHECK_EQ(get(6), 5);
    clock_advance(rig.clk, 86400 * NSEC_PER_SEC);
    CHECK_EQ(shown(), 0x20240301000000);
    put(7, 0x31); /* a byte alone, without SET */
    CHECK_EQ(shown(), 0x20240331000000);
    close_rtc();
}

static void stands_while_set(void)
{
    open_rtc();
    put(0x0b, 0x92); /* SET clears UIE */
    CHECK_EQ(get(0x0b), 0x82);
    clock_advance(rig.clk, 5 * NSEC_PER_SEC);
    CHECK_EQ(shown(), 0x19700101000000);
    CHECK_EQ(get(0x0c) & 0xb0, 0); /* no update happened */
    put(0x0b, 0x02);
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK_EQ(shown(), 0x19700101000001);
    close_rtc();
}

static void divider_reset_restarts_half_a_second_early(void)
{
    open_rtc();
    clock_advance(rig.clk, 123 * MS);
    put(0x0a, 0x76);
    clock_advance(rig.clk, 10 * NSEC_PER_SEC);
    CHECK_EQ(shown(), 0x19700101000000);
    put(0x0a, 0x26);
    clock_advance(rig.clk, 499 * MS);
    CHECK_EQ(get(0), 0);
    clock_advance(rig.clk, 1 * MS);
    CHECK_EQ(get(0), 1);
    clock_advance(rig.clk, 1000 * MS);
    CHECK_EQ(get(0), 2);
    close_rtc();
}

static void formats(void)
{
    open_rtc();
    set_time((u8[]){0x19, 0x99, 0x12, 0x31, 6, 0x13, 0x05, 0x00});
    put(0x0b, 0x00); /* 12-hour */
    CHECK_EQ(get(4), 0x81);
    put(0x0b, 0x04); /* binary too */
    CHECK_EQ(get(4), 0x81);
    CHECK_EQ(get(9), 99);
    CHECK_EQ(get(7), 31);
    CHECK_EQ(get(0x32), 19);
    set_time((u8[]){20, 5, 1, 1, 6, 0x8c, 0, 0}); /* 12 PM is noon */
    put(0x0b, 0x06);
    CHECK_EQ(get(4), 12);
    put(0x0b, 0x04);
    set_time((u8[]){20, 5, 1, 1, 6, 12, 0, 0}); /* 12 AM is midnight */
    CHECK_EQ(get(4), 12);
    put(0x0b, 0x06);
    CHECK_EQ(get(4), 0);
    close_rtc();
}

static void update_in_progress_window(void)
{
    open_rtc();
    clock_advance(rig.clk, NSEC_PER_SEC - 245 * US);
    CHECK_EQ(get(0x0a), 0x26);
    clock_advance(rig.clk, 2 * US);
    CHECK_EQ(get(0x0a), 0xa6);
    clock_advance(rig.clk, 242 * US);
    CHECK_EQ(get(0x0a), 0xa6);
    clock_advance(rig.clk, 1 * US);
    CHECK_EQ(get(0x0a), 0x26);
    close_rtc();
}

static void update_ended_interrupt(void)
{
    open_rtc();
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX); /* nobody wants a timer */
    put(0x0b, 0x12);
    clock_advance(rig.clk, 999 * MS);
    CHECK(!irq8.level);
    clock_advance(rig.clk, 1 * MS);
    CHECK(irq8.level);
    clock_advance(rig.clk, 10 * NSEC_PER_SEC);
    CHECK_EQ(irq8.rises, 1); /* until register C is read */
    CHECK_EQ(get(0x0c) & 0xb0, 0x90);
    CHECK(!irq8.level);
    CHECK_EQ(get(0x0c), 0);
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK_EQ(irq8.rises, 2);
    mc146818_reset(rtc);
    CHECK(!irq8.level);
    CHECK_EQ(get(0x0b), 0x02);
    close_rtc();
}

static void alarm_interrupt(void)
{
    open_rtc();
    put(5, 0x00);
    put(3, 0x01);
    put(1, 0x30);
    put(0x0b, 0x22);
    clock_advance(rig.clk, 89 * NSEC_PER_SEC);
    CHECK(!irq8.level);
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(irq8.level);
    CHECK_EQ(get(0x0c) & 0xa0, 0xa0);
    clock_advance(rig.clk, 86399 * NSEC_PER_SEC);
    CHECK(!irq8.level);
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(irq8.level);
    get(0x0c);
    put(5, 0xff); /* don't care: every hour, then every minute */
    clock_advance(rig.clk, 3600 * NSEC_PER_SEC);
    CHECK(irq8.level);
    get(0x0c);
    put(3, 0xc0);
    clock_advance(rig.clk, 60 * NSEC_PER_SEC);
    CHECK(irq8.level);
    get(0x0c);
    put(1, 0x7a); /* never */
    clock_advance(rig.clk, 7200 * NSEC_PER_SEC);
    CHECK(!irq8.level);
    put(1, 0xff); /* every second */
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(irq8.level);
    close_rtc();
}

/* The alarm flag is there for those who poll, too. */
static void alarm_flag_without_interrupt(void)
{
    open_rtc();
    put(5, 0x00);
    put(3, 0x00);
    put(1, 0x05);
    get(0x0c);
    clock_advance(rig.clk, 4 * NSEC_PER_SEC);
    CHECK_EQ(get(0x0c) & 0x30, 0x10);
    clock_advance(rig.clk, 4 * NSEC_PER_SEC);
    CHECK_EQ(get(0x0c) & 0x30, 0x30);
    CHECK_EQ(irq8.rises, 0);
    close_rtc();
}

static void periodic_interrupt(void)
{
    unsigned n = 0;

    open_rtc();
    put(0x0a, 0x26); /* 1024 Hz */
    put(0x0b, 0x42);
    for (unsigned i = 0; i < 2000; i++) {
        clock_advance(rig.clk, NSEC_PER_SEC / 2000);
        if (irq8.level) {
            CHECK_EQ(get(0x0c) & 0xc0, 0xc0);
            n++;
        }
    }
    CHECK_EQ(n, 1024);
    put(0x0a, 0x21); /* 256 Hz */
    get(0x0c);
    clock_advance(rig.clk, 3 * MS);
    CHECK(!irq8.level);
    clock_advance(rig.clk, 1 * MS);
    CHECK(irq8.level);
    put(0x0a, 0x20); /* none */
    get(0x0c);
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(!irq8.level);
    close_rtc();
}

static void keeps_cmos(void)
{
    open_rtc();
    mc146818_set_cmos(rtc, 0x34, 0x12);
    mc146818_set_cmos(rtc, 0x85, 0x34);
    mc146818_set_cmos(rtc, 0x0b, 0xff); /* not a memory byte */
    CHECK_EQ(get(0x34), 0x12);
    CHECK_EQ(get(0x0b), 0x02);
    put(0x40, 0x99);
    CHECK_EQ(mc146818_cmos(rtc, 0x40), 0x99);
    out8(&rig, 0x72, 0x05);
    CHECK_EQ(in8(&rig, 0x73), 0x34);
    out8(&rig, 0x73, 0x56);
    CHECK_EQ(mc146818_cmos(rtc, 0x85), 0x56);
    CHECK(!mc146818_nmi_masked(rtc));
    CHECK_EQ(get(0x80 | 0x34), 0x12);
    CHECK(mc146818_nmi_masked(rtc));
    put(0x0d, 0);
    CHECK_EQ(get(0x0d), 0x80);
    mc146818_reset(rtc);
    CHECK_EQ(get(0x40), 0x99);
    close_rtc();
}

static void extreme_dates(void)
{
    open_rtc();
    put(0x0b, 0x06);
    set_time((u8[]){99, 99, 12, 31, 1, 23, 59, 59});
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK_EQ(get(7), 1);
    CHECK_EQ(get(0x32), 0); /* year 10000 */
    set_time((u8[]){255, 255, 255, 255, 255, 255, 255, 255});
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(get(8) >= 1 && get(8) <= 12);
    set_time((u8[]){0, 0, 0, 0, 0, 0, 0, 0});
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK(get(7) >= 1 && get(7) <= 31);
    close_rtc();
}

static void calendar_round_trip(void)
{
    for (s64 day = -719528; day < 3000000; day += 13) {
        struct date d = date_of_day(day);
        if (day_of_date(d) != day || d.month - 1 > 11 || d.day - 1 > 30) {
            CHECK_EQ(day_of_date(d), day);
            return;
        }
    }
    CHECK_EQ(day_of_date((struct date){2000, 2, 29}) + 1, day_of_date((struct date){2000, 3, 1}));
    CHECK_EQ(day_of_date((struct date){1900, 2, 28}) + 1, day_of_date((struct date){1900, 3, 1}));
    CHECK_EQ(day_of_date((struct date){1999, 13, 1}), day_of_date((struct date){2000, 1, 1}));
    CHECK_EQ(next_time_of_day(86399, (int[]){-1, -1, -1}), 86400);
    CHECK_EQ(next_time_of_day(3600, (int[]){1, 0, 0}), 86400 + 3600);
    CHECK_EQ(next_time_of_day(0, (int[]){-1, 59, 59}), 3599);
    CHECK_EQ(next_time_of_day(3599, (int[]){-1, 59, 59}), 7199);
}

int main(void)
{
    TEST_RUN(starts_at_the_epoch);
    TEST_RUN(counts_over_a_leap_day);
    TEST_RUN(stands_while_set);
    TEST_RUN(divider_reset_restarts_half_a_second_early);
    TEST_RUN(formats);
    TEST_RUN(update_in_progress_window);
    TEST_RUN(update_ended_interrupt);
    TEST_RUN(alarm_interrupt);
    TEST_RUN(alarm_flag_without_interrupt);
    TEST_RUN(periodic_interrupt);
    TEST_RUN(keeps_cmos);
    TEST_RUN(extreme_dates);
    TEST_RUN(calendar_round_trip);
    return test_result();
}
