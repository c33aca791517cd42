/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Motorola MC146818A real-time clock with the PC's CMOS memory: ports 70h/71h, and the extended
 * bank of later chipsets at 72h/73h. Century in 32h, in the format of the other time registers.
 *
 * Nothing ticks: time is the host's wall clock plus what the guest set, update and alarm flags
 * follow from it when somebody looks, and the timer is set only while an enabled interrupt is
 * still to come. Periodic interrupts follow the virtual clock. Guests that set time bytes without
 * SET get the byte at once; impossible dates are normalised when the clock runs on.
 * Left out: daylight saving (DSE is remembered), the square wave, an update's 2 ms duration.
 * All of it runs under the machine's lock.
 */
#include "dev/mc146818.h"
#include "dev/calendar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    WEEKDAY,
    DAY,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    CENTURY = 0x32,
};

#define A_UIP      0x80u
#define A_DIVIDER  0x70u /* 3..7 in it hold the clock; 6 and 7 reset its divider */
#define A_RATE     0x0fu
#define B_SET      0x80u
#define B_PIE      0x40u
#define B_AIE      0x20u
#define B_UIE      0x10u
#define B_SQWE     0x08u
#define B_DM       0x04u /* binary */
#define B_24H      0x02u
#define C_IRQF     0x80u
#define C_PF       0x40u
#define C_AF       0x20u
#define C_UF       0x10u
#define D_VRT      0x80u
#define HOUR_PM    0x80u
#define ALARM_ANY  0xc0u /* both top bits set: don't care */
#define CRYSTAL_HZ 32768u
#define UIP_NS     244141             /* 8 crystal periods before an update */
#define RESTART_NS (NSEC_PER_SEC / 2) /* from the divider's release to the first update */
#define MAX_SECONDS                                                                                \
    (1ll << 42) /* from the host's clock to any date that the registers can hold                   \
                 */
#define NO_MATCH (-1)
#define ANY      (-2)

struct mc146818 {
    struct bus *pio;
    struct clock *clk;
    struct irq irq8;
    struct timer timer;
    u8 ram[256]; /* the time bytes in it are valid while the clock does not run */
    u8 index, ext_index;
    bool nmi_masked;
    bool level;        /* of irq8 */
    s64 offset_sec;    /* the guest's time is the wall clock plus these */
    u64 offset_ns;     /* 0..999999999 */
    unsigned weekday;  /* added to the day count since 1970, 0..6 */
    s64 seen;          /* seconds: updates up to here are in register C */
    u64 divider_start; /* virtual ns when the divider was last in reset */
    u64 seen_periods;  /* periodic ticks up to here are in register C */
};

/* The guest's time: seconds since 1970, and ns since the last update. */
static s64 time_now(const struct mc146818 *rtc, u64 *phase)
{
    u64 wall = clock_wall(rtc->clk);
    u64 ns = wall % NSEC_PER_SEC + rtc->offset_ns;

    *phase = ns % NSEC_PER_SEC;
    return (s64)(wall / NSEC_PER_SEC + ns / NSEC_PER_SEC) + rtc->offset_sec;
}

static s64 time_sec(const struct mc146818 *rtc)
{
    u64 phase;

    return time_now(rtc, &phase);
}

static u64 phase_ns(const struct mc146818 *rtc)
{
    u64 phase;

    time_now(rtc, &phase);
    return phase;
}

static bool divider_runs(const struct mc146818 *rtc)
{
    return (rtc->ram[REG_A] & A_DIVIDER) <= 0x20;
}

static bool time_runs(const struct mc146818 *rtc)
{
    return divider_runs(rtc) && !(rtc->ram[REG_B] & B_SET);
}

static u8 encode(const struct mc146818 *rtc, unsigned val)
{
    return (u8)(rtc->ram[REG_B] & B_DM ? val : val / 10 << 4 | val % 10);
}

static unsigned decode(const struct mc146818 *rtc, u8 raw)
{
    return rtc->ram[REG_B] & B_DM ? raw : (raw >> 4) * 10u + (raw & 15u);
}

static u8 encode_hour(const struct mc146818 *rtc, unsigned hour)
{
    unsigned h12 = hour % 12 ? hour % 12 : 12;

    if (rtc->ram[REG_B] & B_24H)
        return encode(rtc, hour);
    return (u8)(encode(rtc, h12) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned decode_hour(const struct mc146818 *rtc, u8 raw)
{
    if (rtc->ram[REG_B] & B_24H)
        return decode(rtc, raw);
    return decode(rtc, raw & 0x7f) % 12 + (raw & HOUR_PM ? 12 : 0);
}

/* Writes the time registers for second `sec` since 1970. */
static void store_time(struct mc146818 *rtc, s64 sec)
{
    s64 day = floor_div(sec, SEC_PER_DAY);
    unsigned tod = (unsigned)(sec - day * SEC_PER_DAY);
    struct date date = date_of_day(day);

    rtc->ram[SECONDS] = encode(rtc, tod % 60);
    rtc->ram[MINUTES] = encode(rtc, tod / 60 % 60);
    rtc->ram[HOURS] = encode_hour(rtc, tod / 3600);
    rtc->ram[WEEKDAY] = encode(rtc, weekday_of_day(day, rtc->weekday));
    rtc->ram[DAY] = encode(rtc, date.day);
    rtc->ram[MONTH] = encode(rtc, date.month);
    rtc->ram[YEAR] = encode(rtc, (unsigned)(date.year % 100));
    rtc->ram[CENTURY] = encode(rtc, (unsigned)(date.year / 100 % 100));
}

/* The time that the registers hold, in seconds since 1970; takes over the day of the week. */
static s64 load_time(struct mc146818 *rtc)
{
    const u8 *ram = rtc->ram;
    struct date date = {
        .year = (s64)decode(rtc, ram[CENTURY]) * 100 + decode(rtc, ram[YEAR]),
        .month = decode(rtc, ram[MONTH]),
        .day = decode(rtc, ram[DAY]),
    };
    s64 day = day_of_date(date);

    rtc->weekday = weekday_shift(day, decode(rtc, ram[WEEKDAY]));
    return day * SEC_PER_DAY + (s64)decode_hour(rtc, ram[HOURS]) * 3600 +
           (s64)decode(rtc, ram[MINUTES]) * 60 + decode(rtc, ram[SECONDS]);
}

/* Sets the clock to `sec`, with the last update `phase` ns ago. */
static void set_time(struct mc146818 *rtc, s64 sec, u64 phase)
{
    u64 wall = clock_wall(rtc->clk);

    rtc->offset_sec = sec - (s64)(wall / NSEC_PER_SEC);
    if (phase < wall % NSEC_PER_SEC) {
        phase += NSEC_PER_SEC;
        rtc->offset_sec--;
    }
    rtc->offset_ns = phase - wall % NSEC_PER_SEC;
    rtc->seen = sec;
}

static int alarm_field(unsigned val, unsigned limit, u8 raw)
{
    if ((raw & ALARM_ANY) == ALARM_ANY)
        return ANY;
    return val < limit ? (int)val : NO_MATCH;
}

/* The first second after `sec` that the alarm registers match; false if none does. */
static bool next_alarm(const struct mc146818 *rtc, s64 sec, s64 *at)
{
    const u8 *ram = rtc->ram;
    int field[3] = {
        alarm_field(decode_hour(rtc, ram[HOURS_ALARM]), 24, ram[HOURS_ALARM]),
        alarm_field(decode(rtc, ram[MINUTES_ALARM]), 60, ram[MINUTES_ALARM]),
        alarm_field(decode(rtc, ram[SECONDS_ALARM]), 60, ram[SECONDS_ALARM]),
    };
    s64 day = floor_div(sec, SEC_PER_DAY);
    int tod;

    if (field[0] == NO_MATCH || field[1] == NO_MATCH || field[2] == NO_MATCH)
        return false;
    tod = next_time_of_day((int)(sec - day * SEC_PER_DAY), field);
    *at = day * SEC_PER_DAY + tod;
    return true;
}

/* Crystal periods between periodic interrupts, 0 for none. */
static u64 period(const struct mc146818 *rtc)
{
    unsigned rate = rtc->ram[REG_A] & A_RATE;

    if (!rate || !divider_runs(rtc))
        return 0;
    return BIT64((rate <= 2 ? rate + 7 : rate) - 1);
}

static u64 periods_now(const struct mc146818 *rtc)
{
    u64 len = period(rtc);

    return len ? ns_to_ticks(clock_now(rtc->clk) - rtc->divider_start, CRYSTAL_HZ) / len : 0;
}

/* Brings the flags of register C up to now. */
static void update_flags(struct mc146818 *rtc)
{
    s64 sec = time_sec(rtc), alarm;
    u64 periods = periods_now(rtc);

    if (time_runs(rtc) && sec != rtc->seen) {
        rtc->ram[REG_C] |= C_UF;
        if (next_alarm(rtc, rtc->seen, &alarm) && alarm <= sec)
            rtc->ram[REG_C] |= C_AF;
        rtc->seen = sec;
    }
    if (periods > rtc->seen_periods)
        rtc->ram[REG_C] |= C_PF;
    rtc->seen_periods = periods;
}

/* The virtual time of the next event that raises an interrupt; UINT64_MAX for none. */
static u64 next_event(const struct mc146818 *rtc)
{
    u8 wanted = rtc->ram[REG_B] & (B_PIE | B_AIE | B_UIE) & ~rtc->ram[REG_C];
    u64 now = clock_now(rtc->clk), at = UINT64_MAX;
    s64 alarm, sec = time_sec(rtc);

    if (wanted & B_PIE && period(rtc))
        at = rtc->divider_start + ticks_to_ns((periods_now(rtc) + 1) * period(rtc), CRYSTAL_HZ);
    if (!time_runs(rtc))
        return at;
    if (wanted & B_UIE)
        at = min_u64(at, now + NSEC_PER_SEC - phase_ns(rtc));
    if (wanted & B_AIE && next_alarm(rtc, sec, &alarm))
        at = min_u64(at, now + (u64)(alarm - sec) * NSEC_PER_SEC - phase_ns(rtc));
    return at;
}

/* The enable bits of B are where the flags are in C. */
static void update(struct mc146818 *rtc)
{
    u64 at;
    bool level;

    update_flags(rtc);
    level = rtc->ram[REG_B] & rtc->ram[REG_C] & (C_PF | C_AF | C_UF);
    rtc->ram[REG_C] = (u8)((rtc->ram[REG_C] & ~C_IRQF) | (level ? C_IRQF : 0));
    if (rtc->level != level)
        irq_set(&rtc->irq8, level);
    rtc->level = level;
    at = level ? UINT64_MAX : next_event(rtc);
    if (at == UINT64_MAX)
        timer_cancel(rtc->clk, &rtc->timer);
    else
        timer_set(rtc->clk, &rtc->timer, at);
}

static void expired(void *opaque)
{
    update(opaque);
}

/* Changes a control register, and stops or starts the clock as it says. */
static void write_control(struct mc146818 *rtc, u8 index, u8 val)
{
    bool ran = time_runs(rtc), divided = divider_runs(rtc);
    u64 phase = phase_ns(rtc); /* SET stops the updates, not the divider */

    if (ran)
        store_time(rtc, time_sec(rtc));
    rtc->ram[index] = val;
    if (!divided && divider_runs(rtc)) {
        phase = RESTART_NS;
        rtc->divider_start = clock_now(rtc->clk);
        set_time(rtc, time_sec(rtc), phase);
    }
    if (!ran && time_runs(rtc))
        set_time(rtc, load_time(rtc), phase);
    rtc->seen_periods = periods_now(rtc);
}

static bool is_time(u8 index)
{
    return index == CENTURY || (index <= YEAR && index != SECONDS_ALARM && index != MINUTES_ALARM &&
                                index != HOURS_ALARM);
}

static void write_time(struct mc146818 *rtc, u8 index, u8 val)
{
    u64 phase = phase_ns(rtc);

    if (time_runs(rtc))
        store_time(rtc, time_sec(rtc));
    rtc->ram[index] = val;
    if (time_runs(rtc))
        set_time(rtc, load_time(rtc), phase);
}

static void write_register(struct mc146818 *rtc, u8 index, u8 val)
{
    update_flags(rtc);
    if (is_time(index))
        write_time(rtc, index, val);
    else if (index == REG_A)
        write_control(rtc, index, val & (u8)~A_UIP);
    else if (index == REG_B)
        write_control(rtc, index, val & B_SET ? val & (u8)~B_UIE : val);
    else if (index != REG_C && index != REG_D)
        rtc->ram[index] = val;
    if (index <= REG_B)
        update(rtc);
}

static u8 read_register(struct mc146818 *rtc, u8 index)
{
    u8 val;

    if (is_time(index) && time_runs(rtc))
        store_time(rtc, time_sec(rtc));
    val = rtc->ram[index];
    if (index == REG_A && time_runs(rtc) && phase_ns(rtc) >= NSEC_PER_SEC - UIP_NS)
        val |= A_UIP;
    if (index == REG_C) {
        update(rtc);
        val = rtc->ram[REG_C];
        rtc->ram[REG_C] = 0;
        update(rtc);
    }
    return val;
}

static u64 rtc_read(void *dev, u64 off, unsigned size)
{
    struct mc146818 *rtc = dev;

    if (off == 1)
        return read_register(rtc, rtc->index);
    return off == 3 ? rtc->ram[0x80 | rtc->ext_index] : 0xff;
}

static void rtc_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct mc146818 *rtc = dev;

    switch (off) {
    case 0:
        rtc->index = val & 0x7f;
        rtc->nmi_masked = val & 0x80;
        break;
    case 1:
        write_register(rtc, rtc->index, (u8)val);
        break;
    case 2:
        rtc->ext_index = val & 0x7f;
        break;
    default:
        rtc->ram[0x80 | rtc->ext_index] = (u8)val;
    }
}

static const struct bus_ops rtc_ops = {.read = rtc_read, .write = rtc_write, .max_size = 1};

void mc146818_set_cmos(struct mc146818 *rtc, u8 index, u8 val)
{
    if (index > REG_D && !is_time(index))
        rtc->ram[index] = val;
}

u8 mc146818_cmos(const struct mc146818 *rtc, u8 index)
{
    return rtc->ram[index];
}

void mc146818_set_offset(struct mc146818 *rtc, s64 sec)
{
    u64 wall = clock_wall(rtc->clk);

    sec = sec < -MAX_SECONDS / 2 ? -MAX_SECONDS / 2 : sec > MAX_SECONDS / 2 ? MAX_SECONDS / 2 : sec;
    rtc->weekday = 0;
    set_time(rtc, (s64)(wall / NSEC_PER_SEC) + sec, wall % NSEC_PER_SEC);
    if (!time_runs(rtc))
        store_time(rtc, rtc->seen);
    update(rtc);
}

bool mc146818_nmi_masked(const struct mc146818 *rtc)
{
    return rtc->nmi_masked;
}

void mc146818_reset(struct mc146818 *rtc)
{
    update_flags(rtc);
    rtc->ram[REG_B] &= (u8) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->ram[REG_C] = 0;
    rtc->index = rtc->ext_index = 0;
    rtc->nmi_masked = false;
    update(rtc);
}

static bool sane_seconds(s64 sec)
{
    return sec >= -MAX_SECONDS && sec <= MAX_SECONDS;
}

/* Updates and alarms that fall between saving and loading happen now. */
static int loaded(void *dev)
{
    struct mc146818 *rtc = dev;

    if ((rtc->ram[REG_A] & A_UIP) || (rtc->ram[REG_C] & ~(C_IRQF | C_PF | C_AF | C_UF)) ||
        rtc->ram[REG_D] != D_VRT || ((rtc->index | rtc->ext_index) & 0x80))
        return -EINVAL;
    if (!sane_seconds(rtc->offset_sec) || !sane_seconds(rtc->seen) ||
        rtc->offset_ns >= NSEC_PER_SEC || rtc->weekday > 6 ||
        rtc->divider_start > clock_now(rtc->clk))
        return -EINVAL;
    update(rtc);
    irq_set(&rtc->irq8, rtc->level);
    return 0;
}

static const struct state_field fields[] = {
    STATE_ARRAY(struct mc146818, ram),
    STATE_UINT(struct mc146818, index),
    STATE_UINT(struct mc146818, ext_index),
    STATE_BOOL(struct mc146818, nmi_masked),
    STATE_UINT(struct mc146818, offset_sec),
    STATE_UINT(struct mc146818, offset_ns),
    STATE_UINT(struct mc146818, weekday),
    STATE_UINT(struct mc146818, seen),
    STATE_UINT(struct mc146818, divider_start),
    STATE_UINT(struct mc146818, seen_periods),
    STATE_END,
};

const struct state_table mc146818_state = {
    .name = "mc146818", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int mc146818_new(struct mc146818 **out, struct bus *pio, struct irq irq8, struct clock *clk)
{
    struct mc146818 *rtc = calloc(1, sizeof(*rtc));
    int rc;

    if (!rtc)
        return -ENOMEM;
    rtc->pio = pio;
    rtc->clk = clk;
    rtc->irq8 = irq8;
    timer_init(&rtc->timer, expired, rtc);
    rtc->ram[REG_A] = 0x26; /* 32768 Hz crystal, 1024 Hz rate: what a PC's firmware leaves */
    rtc->ram[REG_B] = B_24H;
    rtc->ram[REG_D] = D_VRT;
    rtc->seen = time_sec(rtc);
    rc = bus_claim(pio, 0x70, 0x73, &rtc_ops, rtc, "mc146818");
    if (rc) {
        mc146818_free(rtc);
        return rc;
    }
    *out = rtc;
    return 0;
}

void mc146818_free(struct mc146818 *rtc)
{
    if (!rtc)
        return;
    timer_cancel(rtc->clk, &rtc->timer);
    bus_release(rtc->pio, rtc);
    free(rtc);
}
