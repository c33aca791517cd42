/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PC's parallel port with a printer behind it: the standard port, bidirectional, and EPP's
 * address and data registers (IEEE 1284-1994; SMSC FDC37C665 data sheet for the registers).
 *
 * The printer takes a byte when STROBE goes active and acknowledges when it goes back, at once
 * unless the back end is full. An EPP write goes to it too; a read from it times out. Left out:
 * ECP, and the peripheral's side of IEEE 1284 negotiation. Runs under the machine's lock.
 */
#include "dev/parallel.h"

#include <errno.h>
#include <stdlib.h>

enum { DATA, STATUS, CONTROL, EPP_ADDRESS, EPP_DATA };

#define PORTS 8u

#define STATUS_TIMEOUT 0x01u
#define STATUS_ONES    0x06u
#define STATUS_NERROR  0x08u
#define STATUS_SELECT  0x10u
#define STATUS_PAPER   0x20u /* is out */
#define STATUS_NACK    0x40u
#define STATUS_NBUSY   0x80u

#define CONTROL_STROBE 0x01u
#define CONTROL_NINIT  0x04u
#define CONTROL_IRQ    0x10u
#define CONTROL_INPUT  0x20u
#define CONTROL_ALL    0x3fu
#define CONTROL_ONES   0xc0u

struct parallel {
    struct bus *pio;
    struct irq irq;
    struct parallel_backend be;
    u8 data, control;
    u8 waiting;      /* the byte that the back end has no room for … */
    bool is_waiting; /* … if there is one */
    bool ack;        /* the next read of the status shows the acknowledge pulse */
    bool timeout;    /* of EPP */
};

static void acknowledge(struct parallel *p)
{
    p->ack = true;
    if (p->control & CONTROL_IRQ)
        irq_pulse(&p->irq);
}

static void give(struct parallel *p, u8 byte)
{
    if (p->is_waiting)
        return; /* it is busy and does not look */
    p->waiting = byte;
    p->is_waiting = !p->be.put(p->be.opaque, byte);
}

void parallel_room(struct parallel *p)
{
    if (!p->is_waiting || !p->be.put(p->be.opaque, p->waiting))
        return;
    p->is_waiting = false;
    if (!(p->control & CONTROL_STROBE))
        acknowledge(p);
}

static u8 read_status(struct parallel *p)
{
    u8 status = STATUS_ONES | STATUS_NERROR | STATUS_SELECT | STATUS_NACK | STATUS_NBUSY |
                (p->timeout ? STATUS_TIMEOUT : 0);

    if (!p->be.put)
        return (u8)((status & ~STATUS_NBUSY) | STATUS_PAPER); /* pulled up; BUSY is inverted */
    if (p->is_waiting || p->control & CONTROL_STROBE || !(p->control & CONTROL_NINIT))
        status &= (u8)~STATUS_NBUSY;
    if (p->ack)
        status &= (u8)~STATUS_NACK;
    p->ack = false;
    return status;
}

static void write_control(struct parallel *p, u8 val)
{
    u8 old = p->control;

    p->control = val & CONTROL_ALL;
    if (!p->be.put)
        return;
    if (!(p->control & CONTROL_NINIT)) {
        p->is_waiting = p->ack = false;
        return;
    }
    if (p->control & ~old & CONTROL_STROBE)
        give(p, p->data);
    if (old & ~p->control & CONTROL_STROBE && !p->is_waiting)
        acknowledge(p);
}

static void write_epp(struct parallel *p, u8 val, bool is_data)
{
    if (!p->be.put || p->is_waiting)
        p->timeout = true;
    else if (is_data)
        give(p, val);
}

static u64 parallel_read(void *dev, u64 off, unsigned size)
{
    struct parallel *p = dev;

    switch (off) {
    case DATA:
        return p->control & CONTROL_INPUT ? 0xff : p->data;
    case STATUS:
        return read_status(p);
    case CONTROL:
        return p->control | CONTROL_ONES;
    default:
        p->timeout = true; /* nobody answers */
        return 0xff;
    }
}

static void parallel_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct parallel *p = dev;

    switch (off) {
    case DATA:
        p->data = (u8)val;
        break;
    case STATUS:
        p->timeout &= !(val & STATUS_TIMEOUT);
        break;
    case CONTROL:
        write_control(p, (u8)val);
        break;
    default:
        write_epp(p, (u8)val, off != EPP_ADDRESS);
    }
}

static const struct bus_ops parallel_ops = {
    .read = parallel_read, .write = parallel_write, .max_size = 1};

void parallel_reset(struct parallel *p)
{
    p->data = 0;
    p->control = CONTROL_NINIT | 0x08u; /* as firmware leaves it: initialised, selected */
    p->is_waiting = p->ack = p->timeout = false;
}

int parallel_new(struct parallel **out, struct bus *pio, u16 port, struct irq irq,
                 const struct parallel_backend *be)
{
    struct parallel *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    *p = (struct parallel){.pio = pio, .irq = irq, .be = *be};
    parallel_reset(p);
    rc = bus_claim(pio, port, port + PORTS - 1ull, &parallel_ops, p, "parallel");
    if (rc) {
        parallel_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void parallel_free(struct parallel *p)
{
    if (!p)
        return;
    bus_release(p->pio, p);
    free(p);
}

static int loaded(void *obj)
{
    const struct parallel *p = obj;

    return p->control & ~CONTROL_ALL || (p->is_waiting && !p->be.put) ? -EINVAL : 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct parallel, data),
    STATE_UINT(struct parallel, control),
    STATE_UINT(struct parallel, waiting),
    STATE_BOOL(struct parallel, is_waiting),
    STATE_BOOL(struct parallel, ack),
    STATE_BOOL(struct parallel, timeout),
    STATE_END,
};

const struct state_table parallel_state = {
    .name = "parallel", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
