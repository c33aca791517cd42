/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8254 programmable interval timer (data sheet 231164) at ports 40h-43h, as wired in a PC:
 * counter 0 to IRQ 0, counter 2 to the speaker with its gate on port 61h.
 *
 * A counter is not ticked: its value and output follow from the tick at which its count was
 * loaded and the virtual clock. Only counter 0 has a timer, at the next edge of its output.
 * Left out: what hardware leaves undefined (count 1 in modes 2 and 3 gives no edges). Edges less
 * than MIN_EDGE_TICKS apart reach IRQ 0 thinned out; a late host merges edges the same way.
 * All of it runs under the machine's lock.
 */
#include "dev/i8254.h"

#include <errno.h>
#include <stdlib.h>

#define MIN_EDGE_TICKS 24u /* 20 us */
#define MAX_COUNT      65536u

enum { RW_LATCH, RW_LSB, RW_MSB, RW_BOTH };

struct counter {
    u8 control; /* D5-D0 of the control word as written */
    u8 mode;    /* 0..5 */
    u8 rw;      /* RW_* */
    bool bcd;
    bool write_msb; /* the next write is the high byte */
    bool read_msb;
    u8 write_lsb;
    bool count_latched, status_latched;
    u16 count_latch;
    u8 status_latch;

    bool gate;
    u32 cr;         /* the count register, 1..65536 */
    bool has_count; /* cr was written since the control word */
    bool null;      /* cr has not moved to the counting element yet */
    bool armed;     /* it moves at tick load_at … */
    bool load_low;  /* … and in mode 3 starts the low half there */
    u64 load_at;

    bool running;  /* the counting element was loaded since the control word: */
    u64 start;     /* at this tick … */
    u32 n;         /* … with this count */
    bool paused;   /* the gate, while low, holds it … */
    u64 paused_at; /* … this many ticks after start */
    u16 held;      /* what the element reads while not running */
};

struct i8254 {
    struct counter c[3];
    struct clock *clk;
    struct bus *pio;
    struct irq irq0;
    bool level;      /* of irq0 */
    bool edge_rises; /* the edge that the timer waits for, */
    u64 edge_at;     /* and when, in ns; UINT64_MAX for none */
    struct timer timer;
};

static u64 ticks_now(const struct i8254 *pit)
{
    return ns_to_ticks(clock_now(pit->clk), I8254_HZ);
}

static u32 modulus(const struct counter *c)
{
    return c->bcd ? 10000 : 65536;
}

static u32 decode_count(const struct counter *c, u16 raw)
{
    u32 n = raw;

    if (c->bcd)
        n = (raw & 15u) + 10u * (raw >> 4 & 15u) + 100u * (raw >> 8 & 15u) + 1000u * (raw >> 12);
    return n ? n : modulus(c);
}

static u16 encode_count(const struct counter *c, u32 n)
{
    n %= modulus(c);
    if (c->bcd)
        n = n % 10 | n / 10 % 10 << 4 | n / 100 % 10 << 8 | n / 1000 << 12;
    return (u16)n;
}

/* Modes in which a low gate stops the count, instead of a rising gate starting it. */
static bool gate_is_level(const struct counter *c)
{
    return c->mode != 1 && c->mode != 5;
}

/* Ticks of mode 3 with the output high. */
static u32 high_half(u32 n)
{
    return (n + 1) / 2;
}

static void arm(struct counter *c, u64 at, bool low)
{
    c->armed = true;
    c->load_at = at;
    c->load_low = low;
}

/* Does what was to happen up to tick t. */
static void settle(struct counter *c, u64 t)
{
    if (!c->armed || t < c->load_at)
        return;
    c->armed = false;
    c->null = false;
    c->running = true;
    c->n = c->cr;
    c->start = c->load_at - (c->load_low ? high_half(c->n) : 0);
    c->paused_at = 0;
}

static u64 elapsed(const struct counter *c, u64 t)
{
    return c->paused ? c->paused_at : t - c->start;
}

/* Settled counters only. */
static u16 element(const struct counter *c, u64 t)
{
    u64 d = elapsed(c, t);
    u32 phase = (u32)(d % c->n);

    if (!c->running)
        return c->held;
    if (c->mode == 2)
        return encode_count(c, c->n - phase);
    if (c->mode == 3)
        return encode_count(
            c, (c->n & ~1u) - 2 * (phase >= high_half(c->n) ? phase - high_half(c->n) : phase));
    return encode_count(c, c->n + modulus(c) - (u32)(d % modulus(c)));
}

/* Settled counters only. */
static bool output(const struct counter *c, u64 t)
{
    u64 d = elapsed(c, t);

    if (!c->running)
        return c->mode != 0;
    switch (c->mode) {
    case 0:
    case 1:
        return d >= c->n;
    case 2:
        return c->paused || d % c->n != c->n - 1;
    case 3:
        return c->paused || d % c->n < high_half(c->n);
    default:
        return d != c->n;
    }
}

/* Stops the element at what it reads at t, until a count is loaded. */
static void stop(struct counter *c, u64 t)
{
    c->held = element(c, t);
    c->running = false;
}

/* The first edge of the output after t that matters to an interrupt line; false if none comes.
   In the strobe modes that is the strobe's end. */
static bool next_edge(struct counter c, u64 t, u64 *at, bool *rises)
{
    u64 d, from;
    u32 phase;

    if (c.armed && (!c.running || c.mode == 4)) {
        t = c.load_at;
        settle(&c, t);
    }
    if (!c.running || c.paused)
        return false;
    d = t - c.start;
    *rises = true;
    switch (c.mode) {
    case 0:
        *at = c.start + c.n;
        return d < c.n;
    case 4:
        *at = c.start + c.n + 1;
        return d <= c.n;
    case 2:
    case 3:
        if (c.n == 1)
            return false;
        phase = (u32)(d % c.n);
        from = c.n < MIN_EDGE_TICKS ? d + MIN_EDGE_TICKS : d;
        *at = c.start + (from / c.n + 1) * c.n;
        if (c.mode == 3 && c.n >= MIN_EDGE_TICKS && phase < high_half(c.n)) {
            *at = t - phase + high_half(c.n);
            *rises = false;
        }
        return true;
    default:
        return false; /* triggered by a gate, and gate 0 is tied high */
    }
}

static void drive_irq0(struct i8254 *pit, bool level)
{
    if (pit->level != level)
        irq_set(&pit->irq0, level);
    pit->level = level;
}

static void set_timer(struct i8254 *pit)
{
    if (pit->edge_at == UINT64_MAX)
        timer_cancel(pit->clk, &pit->timer);
    else
        timer_set(pit->clk, &pit->timer, pit->edge_at);
}

/* Brings IRQ 0 up to date and waits for the next edge. */
static void update_irq0(struct i8254 *pit)
{
    struct counter *c = &pit->c[0];
    u64 t = ticks_now(pit), at;

    settle(c, t);
    drive_irq0(pit, output(c, t));
    pit->edge_at = UINT64_MAX;
    if (next_edge(*c, t, &at, &pit->edge_rises))
        pit->edge_at = ticks_to_ns(at, I8254_HZ);
    set_timer(pit);
}

static void edge(void *opaque)
{
    struct i8254 *pit = opaque;

    if (pit->edge_rises) {
        drive_irq0(pit, false);
        drive_irq0(pit, true);
    }
    update_irq0(pit);
}

static void write_count(struct counter *c, u16 raw, u64 t)
{
    u64 d;

    c->cr = decode_count(c, raw);
    c->has_count = true;
    c->null = true;
    switch (c->mode) {
    case 0:
        stop(c, t);
        arm(c, t + 1, false);
        break;
    case 4:
        arm(c, t + 1, false);
        break;
    case 2:
    case 3: /* the current period (or half of it) goes on to its end */
        d = elapsed(c, t);
        if (!c->running)
            arm(c, t + 1, false);
        else if (c->paused)
            break;
        else if (c->mode == 3 && d % c->n < high_half(c->n))
            arm(c, t - d % c->n + high_half(c->n), true);
        else
            arm(c, t - d % c->n + c->n, false);
        break;
    }
}

static void write_counter(struct counter *c, u8 val, u64 t)
{
    settle(c, t);
    switch (c->rw) {
    case RW_LSB:
        write_count(c, val, t);
        break;
    case RW_MSB:
        write_count(c, (u16)(val << 8), t);
        break;
    default:
        if (c->write_msb) {
            write_count(c, (u16)(val << 8 | c->write_lsb), t);
        } else {
            c->write_lsb = val;
            if (c->mode == 0) {
                stop(c, t);
                c->armed = false;
            }
        }
        c->write_msb = !c->write_msb;
    }
}

static u8 read_counter(struct counter *c, u64 t)
{
    u16 val;
    bool msb;

    settle(c, t);
    if (c->status_latched) {
        c->status_latched = false;
        return c->status_latch;
    }
    val = c->count_latched ? c->count_latch : element(c, t);
    msb = c->rw == RW_MSB || (c->rw == RW_BOTH && c->read_msb);
    if (c->rw == RW_BOTH)
        c->read_msb = !c->read_msb;
    if (c->rw != RW_BOTH || msb)
        c->count_latched = false;
    return (u8)(msb ? val >> 8 : val);
}

static void latch_count(struct counter *c, u64 t)
{
    settle(c, t);
    if (c->count_latched)
        return;
    c->count_latched = true;
    c->count_latch = element(c, t);
}

static void latch_status(struct counter *c, u64 t)
{
    settle(c, t);
    if (c->status_latched)
        return;
    c->status_latched = true;
    c->status_latch = (u8)(output(c, t) << 7 | c->null << 6 | c->control);
}

static void set_mode(struct counter *c, u8 control, u64 t)
{
    settle(c, t);
    stop(c, t);
    c->control = control & 0x3f;
    c->rw = control >> 4 & 3;
    c->mode = control >> 1 & 7;
    if (c->mode > 5)
        c->mode -= 4; /* D3 is "don't care" in modes 2 and 3 */
    c->bcd = control & 1;
    c->write_msb = c->read_msb = false;
    c->count_latched = c->status_latched = false;
    c->armed = c->has_count = false;
    c->null = true;
    c->paused = !c->gate && gate_is_level(c);
    c->paused_at = 0;
}

static void write_control(struct i8254 *pit, u8 val, u64 t)
{
    if (val >> 6 != 3) {
        struct counter *c = &pit->c[val >> 6];
        if ((val >> 4 & 3) == RW_LATCH)
            latch_count(c, t);
        else
            set_mode(c, val, t);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (!(val & 2u << i))
            continue;
        if (!(val & 0x20))
            latch_count(&pit->c[i], t);
        if (!(val & 0x10))
            latch_status(&pit->c[i], t);
    }
}

static u64 pit_read(void *dev, u64 off, unsigned size)
{
    struct i8254 *pit = dev;

    return off < 3 ? read_counter(&pit->c[off], ticks_now(pit)) : 0xff;
}

static void pit_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i8254 *pit = dev;
    u64 t = ticks_now(pit);

    if (off < 3)
        write_counter(&pit->c[off], (u8)val, t);
    else
        write_control(pit, (u8)val, t);
    if (off == 0 || (off == 3 && val >> 6 == 0 && val & 0x30))
        update_irq0(pit);
}

bool i8254_out_of(struct i8254 *pit, unsigned counter)
{
    struct counter *c = &pit->c[counter];
    u64 t = ticks_now(pit);

    settle(c, t);
    return output(c, t);
}

bool i8254_out(struct i8254 *pit)
{
    return i8254_out_of(pit, 2);
}

void i8254_set_gate2(struct i8254 *pit, bool level)
{
    struct counter *c = &pit->c[2];
    u64 t = ticks_now(pit);

    settle(c, t);
    if (c->gate == level)
        return;
    c->gate = level;
    if (!gate_is_level(c)) {
        if (level && c->has_count)
            arm(c, t + 1, false);
        return;
    }
    if (!level) {
        c->paused_at = c->running ? t - c->start : 0;
        c->paused = true;
        if (c->running && (c->mode == 2 || c->mode == 3))
            c->armed = false;
        return;
    }
    if ((c->mode == 2 || c->mode == 3) && c->has_count) {
        stop(c, t);
        arm(c, t + 1, false);
    }
    c->paused = false;
    c->start = t - c->paused_at;
}

static const struct bus_ops pit_ops = {.read = pit_read, .write = pit_write, .max_size = 1};

/* The data sheet leaves the state at power-on undefined: idle in mode 0. */
void i8254_reset(struct i8254 *pit)
{
    for (unsigned i = 0; i < 3; i++)
        pit->c[i] = (struct counter){
            .control = 0x30, .rw = RW_BOTH, .null = true, .gate = i != 2, .paused = i == 2, .n = 1};
    update_irq0(pit);
}

/* Times are no later than those that a counter can have got to. */
static bool counter_valid(const struct counter *c, u64 now)
{
    u32 least = c->has_count || c->armed;

    return c->mode <= 5 && c->rw >= RW_LSB && c->rw <= RW_BOTH && c->cr >= least &&
           c->cr <= MAX_COUNT && c->n >= 1 && c->n <= MAX_COUNT &&
           (!c->armed || c->load_at <= now + MAX_COUNT + 1) &&
           (!c->running || now - c->start <= now + MAX_COUNT) && c->paused_at <= now + MAX_COUNT;
}

static int loaded(void *dev)
{
    struct i8254 *pit = dev;

    for (unsigned i = 0; i < 3; i++)
        if (!counter_valid(&pit->c[i], ticks_now(pit)))
            return -EINVAL;
    irq_set(&pit->irq0, pit->level);
    set_timer(pit);
    return 0;
}

static const struct state_field counter_fields[] = {
    STATE_UINT(struct counter, control),
    STATE_UINT(struct counter, mode),
    STATE_UINT(struct counter, rw),
    STATE_BOOL(struct counter, bcd),
    STATE_BOOL(struct counter, write_msb),
    STATE_BOOL(struct counter, read_msb),
    STATE_UINT(struct counter, write_lsb),
    STATE_BOOL(struct counter, count_latched),
    STATE_BOOL(struct counter, status_latched),
    STATE_UINT(struct counter, count_latch),
    STATE_UINT(struct counter, status_latch),
    STATE_BOOL(struct counter, gate),
    STATE_UINT(struct counter, cr),
    STATE_BOOL(struct counter, has_count),
    STATE_BOOL(struct counter, null),
    STATE_BOOL(struct counter, armed),
    STATE_BOOL(struct counter, load_low),
    STATE_UINT(struct counter, load_at),
    STATE_BOOL(struct counter, running),
    STATE_UINT(struct counter, start),
    STATE_UINT(struct counter, n),
    STATE_BOOL(struct counter, paused),
    STATE_UINT(struct counter, paused_at),
    STATE_UINT(struct counter, held),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i8254, c, 3, counter_fields),
    STATE_BOOL(struct i8254, level),
    STATE_BOOL(struct i8254, edge_rises),
    STATE_UINT(struct i8254, edge_at),
    STATE_END,
};

const struct state_table i8254_state = {
    .name = "i8254", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int i8254_new(struct i8254 **out, struct bus *pio, struct irq irq0, struct clock *clk)
{
    struct i8254 *pit = calloc(1, sizeof(*pit));
    int rc;

    if (!pit)
        return -ENOMEM;
    pit->clk = clk;
    pit->pio = pio;
    pit->irq0 = irq0;
    timer_init(&pit->timer, edge, pit);
    i8254_reset(pit);
    rc = bus_claim(pio, 0x40, 0x43, &pit_ops, pit, "i8254");
    if (rc) {
        i8254_free(pit);
        return rc;
    }
    *out = pit;
    return 0;
}

void i8254_free(struct i8254 *pit)
{
    if (!pit)
        return;
    timer_cancel(pit->clk, &pit->timer);
    bus_release(pit->pio, pit);
    free(pit);
}
