/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port A of the PS/2, port 92h: fast A20 gate and fast CPU reset (ICH data
 * sheets, "PORT92"). Left out: security lock and disk LEDs, whose bits are only remembered.
 *
 * The chip sets OR the A20 wire with the keyboard controller's. Here the last write to either
 * counts, as in other virtual PCs: SeaBIOS leaves this one on, and DOS's HIMEM switches the other.
 * Runs under the machine's lock.
 */
#include "dev/port92.h"

#include <errno.h>
#include <stdlib.h>

#define INIT_NOW 0x01u
#define A20      0x02u

struct port92 {
    struct bus *pio;
    struct irq a20, reset;
    u8 val;
};

static u64 port92_read(void *dev, u64 off, unsigned size)
{
    return ((struct port92 *)dev)->val;
}

static void port92_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct port92 *p = dev;
    u8 old = p->val;

    p->val = (u8)val;
    irq_set(&p->a20, val & A20);
    if (val & ~old & INIT_NOW)
        irq_pulse(&p->reset);
}

static const struct bus_ops port92_ops = {
    .read = port92_read, .write = port92_write, .max_size = 1};

void port92_reset(struct port92 *p)
{
    p->val = 0;
    irq_set(&p->a20, false);
}

static int loaded(void *dev)
{
    const struct port92 *p = dev;

    irq_set(&p->a20, p->val & A20);
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct port92, val),
    STATE_END,
};

const struct state_table port92_state = {
    .name = "port92", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int port92_new(struct port92 **out, struct bus *pio, struct irq a20, struct irq reset)
{
    struct port92 *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    *p = (struct port92){.pio = pio, .a20 = a20, .reset = reset};
    rc = bus_claim(pio, 0x92, 0x92, &port92_ops, p, "port92");
    if (rc) {
        port92_free(p);
        return rc;
    }
    port92_reset(p);
    *out = p;
    return 0;
}

void port92_free(struct port92 *p)
{
    if (!p)
        return;
    bus_release(p->pio, p);
    free(p);
}
