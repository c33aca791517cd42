/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * High precision event timers (IA-PC HPET specification 1.0a): a 64-bit main counter at 100 MHz
 * and three comparators, each one-shot or periodic, 32- or 64-bit, edge, level or FSB (MSI).
 *
 * Nothing ticks: the counter follows from the virtual clock, and a comparator is brought up to
 * date ("settled") when somebody looks and when its timer fires. A comparator matches when the
 * counter becomes equal, so one that is set in the past waits for the wrap. Matches of a period
 * below MIN_PERIOD, or that a late host merges, give one interrupt. Registers take aligned
 * 32- and 64-bit writes; narrower ones, which the specification leaves undefined, are ignored.
 * All of it, `msi` included, runs under the machine's lock.
 */
#include "dev/hpet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REG_CAPS    0x000u
#define REG_CONFIG  0x010u
#define REG_STATUS  0x020u
#define REG_COUNTER 0x0f0u
#define REG_TIMERS  0x100u
#define TIMER_SIZE  0x20u
#define TN_CONFIG   0x00u
#define TN_CMP      0x08u
#define TN_FSB      0x10u

#define ENABLE_CNF 0x1u
#define LEG_RT_CNF 0x2u

#define TN_LEVEL    0x0002u
#define TN_INT_ENB  0x0004u
#define TN_PERIODIC 0x0008u
#define TN_PER_CAP  0x0010u
#define TN_SIZE_CAP 0x0020u
#define TN_VAL_SET  0x0040u
#define TN_32MODE   0x0100u
#define TN_ROUTE    0x3e00u
#define TN_ROUTE_AT 9u
#define TN_FSB_EN   0x4000u
#define TN_FSB_CAP  0x8000u
#define TN_WRITABLE (TN_LEVEL | TN_INT_ENB | TN_PERIODIC | TN_VAL_SET | TN_32MODE | TN_FSB_EN)
#define ROUTES      0x00ff0000u /* IOAPIC inputs 16-23 */

#define FS_PER_NS  1000000ull
#define LINES      24u
#define PIT_LINE   0u
#define RTC_LINE   8u
#define MIN_PERIOD 2000u /* ticks between host timers: 20 us */

struct comparator {
    struct hpet *h;
    unsigned n;
    u64 config; /* the low half of the register */
    u64 cmp;
    u64 period; /* the last value written to the comparator */
    u64 fsb;
    u64 seen; /* the counter's value when last settled */
    struct timer timer;
};

struct hpet {
    struct bus *mmio;
    struct clock *clk;
    struct irq irqs[LINES];
    void (*msi)(void *opaque, u64 addr, u32 data);
    void *opaque;
    u64 config;
    u32 status;     /* interrupts of level-triggered timers */
    u64 base;       /* the counter at enabled_at, or while halted */
    u64 enabled_at; /* ns */
    u32 lines;      /* levels driven */
    u32 inputs;     /* levels of the PIT's and the RTC's lines */
    struct comparator t[HPET_TIMERS];
};

bool hpet_legacy(const struct hpet *h)
{
    return h->config & LEG_RT_CNF;
}

static bool enabled(const struct hpet *h)
{
    return h->config & ENABLE_CNF;
}

static u64 counter(const struct hpet *h)
{
    return enabled(h) ? h->base + (clock_now(h->clk) - h->enabled_at) / HPET_TICK_NS : h->base;
}

static void set_counter(struct hpet *h, u64 val)
{
    h->base = val;
    h->enabled_at = clock_now(h->clk);
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        h->t[i].seen = val;
}

/* The bits of the counter that a comparator looks at. */
static u64 width_mask(const struct comparator *t)
{
    return t->config & TN_32MODE ? UINT32_MAX : UINT64_MAX;
}

/* Ticks from `from` to a value that differs by `distance`; a distance of 0 is a whole turn. */
static unsigned __int128 turn(const struct comparator *t, u64 distance)
{
    distance &= width_mask(t);
    return distance ? distance : (unsigned __int128)width_mask(t) + 1;
}

/* The line a timer's interrupt goes to; LINES for none. */
static unsigned line_of(const struct comparator *t)
{
    unsigned route = (unsigned)(t->config & TN_ROUTE) >> TN_ROUTE_AT;

    if (hpet_legacy(t->h) && t->n < 2)
        return t->n ? RTC_LINE : PIT_LINE;
    return route < LINES && ROUTES & BIT(route) ? route : LINES;
}

static void update_lines(struct hpet *h)
{
    u32 want = hpet_legacy(h) ? 0 : h->inputs, changed;

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct comparator *t = &h->t[i];
        if (h->status & BIT(i) && t->config & TN_INT_ENB && !(t->config & TN_FSB_EN) &&
            line_of(t) < LINES)
            want |= BIT(line_of(t));
    }
    changed = h->lines ^ want;
    h->lines = want;
    for (unsigned i = 0; i < LINES; i++)
        if (changed & BIT(i))
            irq_set(&h->irqs[i], want & BIT(i));
}

static void interrupt(struct comparator *t)
{
    struct hpet *h = t->h;

    if (!(t->config & TN_INT_ENB))
        return;
    if (t->config & TN_FSB_EN) {
        h->msi(h->opaque, t->fsb >> 32, (u32)t->fsb);
    } else if (t->config & TN_LEVEL) {
        h->status |= BIT(t->n);
        update_lines(h);
    } else if (line_of(t) < LINES && !(h->lines & BIT(line_of(t)))) {
        irq_pulse(&h->irqs[line_of(t)]);
    }
}

/* Does what the comparator had to do up to now. */
static void settle(struct comparator *t)
{
    u64 now = counter(t->h), passed = now - t->seen;
    unsigned __int128 first = turn(t, t->cmp - t->seen);

    t->seen = now;
    if (passed < first)
        return;
    if (t->config & TN_PERIODIC) {
        u64 more = (u64)((passed - first) / turn(t, t->period));
        t->cmp = (t->cmp + (more + 1) * t->period) & width_mask(t);
    }
    interrupt(t);
}

/* Sets the host timer for the next match that someone wants to hear of. */
static void arm(struct comparator *t)
{
    struct hpet *h = t->h;
    unsigned __int128 ticks = turn(t, t->cmp - t->seen), step = turn(t, t->period), at;

    if (t->config & TN_PERIODIC && ticks < MIN_PERIOD)
        ticks += (MIN_PERIOD - ticks + step - 1) / step * step;
    at = h->enabled_at + (t->seen - h->base + ticks) * HPET_TICK_NS;
    if (enabled(h) && t->config & TN_INT_ENB && at < UINT64_MAX)
        timer_set(h->clk, &t->timer, (u64)at);
    else
        timer_cancel(h->clk, &t->timer);
}

static void fired(void *opaque)
{
    struct comparator *t = opaque;

    settle(t);
    arm(t);
}

static void settle_all(struct hpet *h)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        settle(&h->t[i]);
}

static void arm_all(struct hpet *h)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        arm(&h->t[i]);
}

static void write_config(struct hpet *h, u64 val)
{
    u64 now = counter(h);
    bool toggled = (h->config ^ val) & ENABLE_CNF;

    h->config = val & (ENABLE_CNF | LEG_RT_CNF);
    if (toggled)
        set_counter(h, now);
    update_lines(h);
}

/* A route that the timer cannot take is not taken. */
static void write_timer_config(struct comparator *t, u64 val)
{
    u64 writable = t->h->msi ? TN_WRITABLE : TN_WRITABLE & ~TN_FSB_EN;
    u64 route = (val & TN_ROUTE) >> TN_ROUTE_AT;

    if (BIT64(route) & ROUTES)
        writable |= TN_ROUTE;
    t->config = (t->config & ~writable) | (val & writable);
    t->cmp &= width_mask(t);
    t->period &= width_mask(t);
    if (!(t->config & TN_LEVEL))
        t->h->status &= ~BIT(t->n);
    update_lines(t->h);
}

/* Section 2.3.9.2: in periodic mode a write sets the period; with VAL_SET, which it clears, the
   comparator too. */
static void write_comparator(struct comparator *t, u64 val, u64 mask)
{
    t->period = ((t->period & ~mask) | val) & width_mask(t);
    if (!(t->config & TN_PERIODIC) || t->config & TN_VAL_SET)
        t->cmp = ((t->cmp & ~mask) | val) & width_mask(t);
    t->config &= ~(u64)TN_VAL_SET;
}

static struct comparator *timer_at(struct hpet *h, u64 reg)
{
    u64 n = (reg - REG_TIMERS) / TIMER_SIZE;

    return reg >= REG_TIMERS && n < HPET_TIMERS ? &h->t[n] : NULL;
}

static u64 read_timer(const struct comparator *t, u64 reg)
{
    switch (reg % TIMER_SIZE) {
    case TN_CONFIG:
        return t->config | (u64)ROUTES << 32;
    case TN_CMP:
        return t->cmp;
    case TN_FSB:
        return t->fsb;
    default:
        return 0;
    }
}

static u64 read_register(struct hpet *h, u64 reg)
{
    switch (reg) {
    case REG_CAPS:
        return HPET_TICK_NS * FS_PER_NS << 32 | HPET_ID;
    case REG_CONFIG:
        return h->config;
    case REG_STATUS:
        return h->status;
    case REG_COUNTER:
        return counter(h);
    default:
        return timer_at(h, reg) ? read_timer(timer_at(h, reg), reg) : 0;
    }
}

static void write_timer(struct comparator *t, u64 reg, u64 val, u64 mask)
{
    switch (reg % TIMER_SIZE) {
    case TN_CONFIG:
        write_timer_config(t, (t->config & ~mask) | val);
        break;
    case TN_CMP:
        write_comparator(t, val, mask);
        break;
    case TN_FSB:
        t->fsb = (t->fsb & ~mask) | val;
        break;
    }
}

/* val lies within mask. */
static void write_register(struct hpet *h, u64 reg, u64 val, u64 mask)
{
    switch (reg) {
    case REG_CONFIG:
        write_config(h, (h->config & ~mask) | val);
        break;
    case REG_STATUS:
        h->status &= ~(u32)val;
        update_lines(h);
        break;
    case REG_COUNTER:
        set_counter(h, (counter(h) & ~mask) | val);
        break;
    default:
        if (timer_at(h, reg))
            write_timer(timer_at(h, reg), reg, val, mask);
    }
}

static u64 hpet_read(void *dev, u64 off, unsigned size)
{
    struct hpet *h = dev;
    unsigned shift = 8 * (off & 7);
    u64 val;

    if (off >= REG_TIMERS || (off & ~7ull) == REG_STATUS)
        settle_all(h);
    val = read_register(h, off & ~7ull) >> shift;
    if (shift + 8 * size > 64)
        val |= read_register(h, (off & ~7ull) + 8) << (64 - shift);
    return val;
}

static void hpet_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct hpet *h = dev;
    unsigned shift = 8 * (off & 7);

    if (size < 4 || off & (size - 1))
        return;
    settle_all(h);
    write_register(h, off & ~7ull, val << shift, size_mask(size) << shift);
    arm_all(h);
}

static void set_input(struct hpet *h, unsigned line, bool level)
{
    h->inputs = level ? h->inputs | BIT(line) : h->inputs & ~BIT(line);
    update_lines(h);
}

void hpet_pit_irq(void *hpet, unsigned n, bool level)
{
    set_input(hpet, PIT_LINE, level);
}

void hpet_rtc_irq(void *hpet, unsigned n, bool level)
{
    set_input(hpet, RTC_LINE, level);
}

static const struct bus_ops hpet_ops = {.read = hpet_read, .write = hpet_write, .max_size = 8};

void hpet_reset(struct hpet *h)
{
    h->config = 0;
    h->status = 0;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct comparator *t = &h->t[i];
        t->config = TN_PER_CAP | TN_SIZE_CAP | (h->msi ? TN_FSB_CAP : 0);
        t->cmp = UINT64_MAX;
        t->period = 0;
        t->fsb = 0;
    }
    set_counter(h, 0);
    update_lines(h);
    arm_all(h);
}

static bool comparator_valid(const struct comparator *t)
{
    u64 caps = TN_PER_CAP | TN_SIZE_CAP | (t->h->msi ? TN_FSB_CAP : 0);
    u64 writable = t->h->msi ? TN_WRITABLE : TN_WRITABLE & ~TN_FSB_EN;
    u64 route = (t->config & TN_ROUTE) >> TN_ROUTE_AT;

    return (t->config & ~(writable | TN_ROUTE)) == caps && (!route || BIT64(route) & ROUTES) &&
           !((t->cmp | t->period) & ~width_mask(t));
}

static int loaded(void *dev)
{
    struct hpet *h = dev;

    if ((h->config & ~(u64)(ENABLE_CNF | LEG_RT_CNF)) || (h->status & ~(BIT(HPET_TIMERS) - 1)) ||
        (h->inputs & ~(BIT(PIT_LINE) | BIT(RTC_LINE))) || h->enabled_at > clock_now(h->clk))
        return -EINVAL;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        if (!comparator_valid(&h->t[i]))
            return -EINVAL;
    update_lines(h);
    for (unsigned i = 0; i < LINES; i++)
        irq_set(&h->irqs[i], h->lines & BIT(i));
    arm_all(h); /* what was due already comes at once */
    return 0;
}

static const struct state_field comparator_fields[] = {
    STATE_UINT(struct comparator, config), STATE_UINT(struct comparator, cmp),
    STATE_UINT(struct comparator, period), STATE_UINT(struct comparator, fsb),
    STATE_UINT(struct comparator, seen),   STATE_END,
};

static const struct state_field fields[] = {
    STATE_UINT(struct hpet, config),
    STATE_UINT(struct hpet, status),
    STATE_UINT(struct hpet, base),
    STATE_UINT(struct hpet, enabled_at),
    STATE_UINT(struct hpet, inputs),
    STATE_STRUCTS(struct hpet, t, HPET_TIMERS, comparator_fields),
    STATE_END,
};

const struct state_table hpet_state = {
    .name = "hpet", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int hpet_new(struct hpet **out, struct bus *mmio, gpa_t base, struct clock *clk,
             const struct irq *isa_irqs, void (*msi)(void *opaque, u64 addr, u32 data),
             void *opaque)
{
    struct hpet *h = calloc(1, sizeof(*h));
    int rc;

    if (!h)
        return -ENOMEM;
    *h = (struct hpet){.mmio = mmio, .clk = clk, .msi = msi, .opaque = opaque};
    memcpy(h->irqs, isa_irqs, sizeof(h->irqs));
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        h->t[i].h = h;
        h->t[i].n = i;
        timer_init(&h->t[i].timer, fired, &h->t[i]);
    }
    hpet_reset(h);
    rc = bus_claim(mmio, base, base + HPET_SIZE - 1, &hpet_ops, h, "hpet");
    if (rc) {
        hpet_free(h);
        return rc;
    }
    *out = h;
    return 0;
}

void hpet_free(struct hpet *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        timer_cancel(h->clk, &h->t[i].timer);
    bus_release(h->mmio, h);
    free(h);
}
