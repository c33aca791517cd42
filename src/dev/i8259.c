/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two 8259A (Intel 231468) cascaded on IR2, with the edge/level control registers of the PIIX
 * (ELCR, ports 4D0h and 4D1h), which take the place of LTIM in ICW1.
 *
 * As on other virtual machines, an edge is remembered until it is acknowledged even if its line
 * falls before (the 8259A would give a spurious IRQ 7): a guest must not lose timer ticks because
 * the host let it wait. A level-triggered request does follow its line. Not modelled: the MCS-80
 * mode's CALL sequence and buffered mode, which no PC has.
 *
 * Lock: the machine's.
 */
#include "dev/i8259.h"

#include <errno.h>
#include <stdlib.h>

#define CASCADE 2

#define ICW1_IC4  BIT(0)
#define ICW1_SNGL BIT(1)
#define ICW1      BIT(4)
#define ICW4_AEOI BIT(1)
#define ICW4_SFNM BIT(4)

#define OCW3      BIT(3)
#define OCW3_RIS  BIT(0)
#define OCW3_RR   BIT(1)
#define OCW3_POLL BIT(2)
#define OCW3_SMM  BIT(5)
#define OCW3_ESMM BIT(6)

#define POLL_PENDING BIT(7)

enum init_step { INIT_NONE, INIT_DONE, WANT_ICW2, WANT_ICW3, WANT_ICW4 };

struct chip {
    struct i8259 *pic;
    u8 lines; /* state of the inputs */
    u8 edges; /* rises not acknowledged yet */
    u8 isr, imr;
    u8 elcr, elcr_mask; /* inputs that are level-triggered; that can be */
    u8 lowest;          /* the input with the lowest priority */
    u8 icw1, icw2, icw3, icw4;
    u8 init; /* enum init_step */
    bool special_mask, rotate_aeoi, read_isr, poll;
    bool out; /* INT as driven last */
};

struct i8259 {
    struct chip chip[2]; /* master, slave */
    struct bus *pio;
    struct irq intr;
};

static bool is_master(const struct chip *c)
{
    return c == &c->pic->chip[0];
}

static bool has_slave_on(const struct chip *c, unsigned n)
{
    return is_master(c) && n == CASCADE && !(c->icw1 & ICW1_SNGL) && (c->icw3 & BIT(n));
}

/* The slave's INT counts as a level: it drops with each acknowledgement anyway. */
static u8 level_inputs(const struct chip *c)
{
    return has_slave_on(c, CASCADE) ? c->elcr | BIT(CASCADE) : c->elcr;
}

static u8 irr(const struct chip *c)
{
    u8 level = level_inputs(c);

    return (c->lines & level) | (c->edges & ~level);
}

/* The input of the set with the highest priority, 8 if it is empty. */
static unsigned first_of(const struct chip *c, u8 set)
{
    for (unsigned i = 1; i <= 8; i++)
        if (set & BIT((c->lowest + i) & 7))
            return (c->lowest + i) & 7;
    return 8;
}

/* 0 is the highest. */
static unsigned rank(const struct chip *c, unsigned input)
{
    return input == 8 ? 8 : (input - c->lowest - 1) & 7;
}

/* What is in service and holds up what is below it. */
static u8 inhibiting(const struct chip *c)
{
    return c->special_mask ? c->isr & ~c->imr : c->isr;
}

/* The input whose request goes to the CPU now, 8 for none. */
static unsigned pending(const struct chip *c)
{
    unsigned want = first_of(c, irr(c) & ~c->imr), serving = first_of(c, inhibiting(c));

    if (c->init != INIT_DONE)
        return 8;
    if (rank(c, want) < rank(c, serving))
        return want;
    /* Special fully nested mode: the slave may have something more urgent than what it had. */
    if (want == serving && (c->icw4 & ICW4_SFNM) && has_slave_on(c, want))
        return want;
    return 8;
}

static void set_line(struct chip *c, unsigned n, bool level)
{
    if (level && !(c->lines & BIT(n)))
        c->edges |= (u8)BIT(n);
    c->lines = (u8)(level ? c->lines | BIT(n) : c->lines & ~BIT(n));
}

static void drive(struct chip *c, bool out)
{
    if (c->out == out)
        return;
    c->out = out;
    if (is_master(c))
        irq_set(&c->pic->intr, out);
    else
        set_line(&c->pic->chip[0], CASCADE, out);
}

static void update(struct i8259 *pic)
{
    for (int i = 1; i >= 0; i--)
        drive(&pic->chip[i], pending(&pic->chip[i]) != 8);
}

void i8259_set(void *opaque, unsigned irq, bool level)
{
    struct i8259 *pic = opaque;

    BUG_ON(irq > 15);
    if (irq == CASCADE)
        return;
    set_line(&pic->chip[irq / 8], irq & 7, level);
    update(pic);
}

static void end_of_interrupt(struct chip *c, unsigned n, bool rotate)
{
    if (n == 8)
        return;
    c->isr &= (u8)~BIT(n);
    if (rotate)
        c->lowest = (u8)n;
}

/* One chip's part of INTA or a poll: takes its request into service. INT drops, and may rise again
   at the next update, which gives the receiver its edge. 8 if there is none (any more). */
static unsigned acknowledge(struct chip *c)
{
    unsigned n = pending(c);

    drive(c, false);
    if (n == 8)
        return 8;
    c->edges &= (u8)~BIT(n);
    c->isr |= (u8)BIT(n);
    if (c->icw4 & ICW4_AEOI)
        end_of_interrupt(c, n, c->rotate_aeoi);
    return n;
}

static u8 vector_of(const struct chip *c, unsigned n)
{
    return (c->icw2 & 0xf8) | (n == 8 ? 7 : (u8)n);
}

u8 i8259_ack(struct i8259 *pic)
{
    struct chip *master = &pic->chip[0], *slave = &pic->chip[1];
    unsigned n = acknowledge(master);
    u8 vector = vector_of(master, n);

    if (n != 8 && has_slave_on(master, n)) {
        /* Nobody answers if the slave was told another number. */
        vector = 0xff;
        if ((slave->icw3 & 7) == n)
            vector = vector_of(slave, acknowledge(slave));
    }
    update(pic);
    return vector;
}

static void write_icw1(struct chip *c, u8 val)
{
    c->icw1 = val;
    c->icw4 = 0;
    c->edges = 0;
    c->imr = 0;
    c->isr = 0;
    c->lowest = 7;
    c->special_mask = c->rotate_aeoi = c->read_isr = c->poll = false;
    c->init = WANT_ICW2;
}

static void write_ocw2(struct chip *c, u8 val)
{
    unsigned n = val & 7;

    switch (val >> 5) {
    case 0: /* clear rotate in AEOI mode */
    case 4:
        c->rotate_aeoi = val >> 5 == 4;
        break;
    case 1: /* non-specific EOI; 5: with rotation. Skips what special mask mode masks. */
    case 5:
        end_of_interrupt(c, first_of(c, inhibiting(c)), val >> 5 == 5);
        break;
    case 3: /* specific EOI; 7: with rotation */
    case 7:
        end_of_interrupt(c, n, val >> 5 == 7);
        break;
    case 6:
        c->lowest = (u8)n;
        break;
    default:
        break;
    }
}

static void write_ocw3(struct chip *c, u8 val)
{
    if (val & OCW3_ESMM)
        c->special_mask = val & OCW3_SMM;
    if (val & OCW3_RR)
        c->read_isr = val & OCW3_RIS;
    c->poll = val & OCW3_POLL;
}

static void finish_init(struct chip *c, u8 next)
{
    if (next == WANT_ICW3 && (c->icw1 & ICW1_SNGL))
        next = WANT_ICW4;
    if (next == WANT_ICW4 && !(c->icw1 & ICW1_IC4))
        next = INIT_DONE;
    c->init = next;
}

/* A0 set: the next ICW, or OCW1. */
static void write_high(struct chip *c, u8 val)
{
    switch (c->init) {
    case WANT_ICW2:
        c->icw2 = val;
        finish_init(c, WANT_ICW3);
        break;
    case WANT_ICW3:
        c->icw3 = val;
        finish_init(c, WANT_ICW4);
        break;
    case WANT_ICW4:
        c->icw4 = val;
        finish_init(c, INIT_DONE);
        break;
    default:
        c->imr = val;
    }
}

static void port_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct chip *c = dev;

    if (off)
        write_high(c, (u8)val);
    else if (val & ICW1)
        write_icw1(c, (u8)val);
    else if (val & OCW3)
        write_ocw3(c, (u8)val);
    else
        write_ocw2(c, (u8)val);
    update(c->pic);
}

static u64 port_read(void *dev, u64 off, unsigned size)
{
    struct chip *c = dev;
    unsigned n;

    if (c->poll) { /* this read is the acknowledgement */
        c->poll = false;
        n = acknowledge(c);
        update(c->pic);
        return n == 8 ? 0 : POLL_PENDING | n;
    }
    if (off)
        return c->imr;
    return c->read_isr ? c->isr : irr(c);
}

static u64 elcr_read(void *dev, u64 off, unsigned size)
{
    struct i8259 *pic = dev;

    return pic->chip[off].elcr;
}

static void elcr_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i8259 *pic = dev;
    struct chip *c = &pic->chip[off];
    u8 old = c->elcr;

    c->elcr = (u8)val & c->elcr_mask;
    c->edges &= ~(old ^ c->elcr); /* an edge is one that came while the input looked for edges */
    update(pic);
}

static const struct bus_ops port_ops = {.read = port_read, .write = port_write, .max_size = 1};
static const struct bus_ops elcr_ops = {.read = elcr_read, .write = elcr_write, .max_size = 1};

static void reset_chip(struct chip *c)
{
    write_icw1(c, 0);
    c->icw2 = c->icw3 = 0;
    c->elcr = 0;
    c->init = INIT_NONE; /* no request goes out before it is programmed */
}

/* Lines keep their state: they belong to the devices that drive them. */
void i8259_reset(struct i8259 *pic)
{
    reset_chip(&pic->chip[0]);
    reset_chip(&pic->chip[1]);
    update(pic);
}

static bool chip_valid(const struct chip *c)
{
    return !(c->elcr & ~c->elcr_mask) && c->lowest <= 7 && c->init <= WANT_ICW4;
}

static int loaded(void *dev)
{
    struct i8259 *pic = dev;

    if (!chip_valid(&pic->chip[0]) || !chip_valid(&pic->chip[1]))
        return -EINVAL;
    pic->chip[1].out = pic->chip[0].lines & BIT(CASCADE);
    update(pic);
    irq_set(&pic->intr, pic->chip[0].out);
    return 0;
}

static const struct state_field chip_fields[] = {
    STATE_UINT(struct chip, lines),       STATE_UINT(struct chip, edges),
    STATE_UINT(struct chip, isr),         STATE_UINT(struct chip, imr),
    STATE_UINT(struct chip, elcr),        STATE_UINT(struct chip, lowest),
    STATE_UINT(struct chip, icw1),        STATE_UINT(struct chip, icw2),
    STATE_UINT(struct chip, icw3),        STATE_UINT(struct chip, icw4),
    STATE_UINT(struct chip, init),        STATE_BOOL(struct chip, special_mask),
    STATE_BOOL(struct chip, rotate_aeoi), STATE_BOOL(struct chip, read_isr),
    STATE_BOOL(struct chip, poll),        STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i8259, chip, 2, chip_fields),
    STATE_END,
};

const struct state_table i8259_state = {
    .name = "i8259", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

static int claim_ports(struct i8259 *pic)
{
    int rc = bus_claim(pic->pio, 0x20, 0x21, &port_ops, &pic->chip[0], "i8259");

    if (!rc)
        rc = bus_claim(pic->pio, 0xa0, 0xa1, &port_ops, &pic->chip[1], "i8259");
    if (!rc)
        rc = bus_claim(pic->pio, 0x4d0, 0x4d1, &elcr_ops, pic, "elcr");
    return rc;
}

int i8259_new(struct i8259 **out, struct bus *pio, struct irq intr)
{
    struct i8259 *pic = calloc(1, sizeof(*pic));
    int rc;

    if (!pic)
        return -ENOMEM;
    pic->pio = pio;
    pic->intr = intr;
    pic->chip[0].pic = pic->chip[1].pic = pic;
    pic->chip[0].elcr_mask = 0xf8; /* not the timer, keyboard, cascade … */
    pic->chip[1].elcr_mask = 0xde; /* … clock, coprocessor */
    rc = claim_ports(pic);
    if (rc) {
        i8259_free(pic);
        return rc;
    }
    i8259_reset(pic);
    *out = pic;
    return 0;
}

void i8259_free(struct i8259 *pic)
{
    if (!pic)
        return;
    bus_release(pic->pio, &pic->chip[0]);
    bus_release(pic->pio, &pic->chip[1]);
    bus_release(pic->pio, pic);
    free(pic);
}
