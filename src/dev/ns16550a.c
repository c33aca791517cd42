/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * National NS16550A serial port (PC16550D data sheet, June 1995), wired as in a PC: OUT2 gates
 * the interrupt.
 *
 * Transmission takes no time: a byte written goes to the back end at once, and the transmitter
 * is always empty; its interrupt still comes and goes as the data sheet says (section 8.5).
 * Received bytes arrive as fast as the receiver has room. The line's speed matters only to the
 * character timeout. Left out: parity and framing errors (there is no wire to make them), DMA
 * mode and pins. All of it, back end and on_room included, runs under the machine's lock.
 */
#include "dev/ns16550a.h"

#include <errno.h>
#include <stdlib.h>

enum { RBR_THR_DLL, IER_DLM, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define PORTS 8u
#define FIFO  16u

#define IER_RDA  0x01u
#define IER_THRE 0x02u
#define IER_RLS  0x04u
#define IER_MS   0x08u
#define IER_ALL  0x0fu

#define IIR_NONE  0x01u
#define IIR_MS    0x00u
#define IIR_THRE  0x02u
#define IIR_RDA   0x04u
#define IIR_CTI   0x0cu
#define IIR_RLS   0x06u
#define IIR_FIFOS 0xc0u

#define FCR_ENABLE   0x01u
#define FCR_RX_RESET 0x02u

#define LCR_WORD  0x03u
#define LCR_STOP  0x04u
#define LCR_PEN   0x08u
#define LCR_BREAK 0x40u
#define LCR_DLAB  0x80u

#define MCR_DTR  0x01u
#define MCR_RTS  0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_ALL  0x1fu

#define LSR_DR     0x01u
#define LSR_OE     0x02u
#define LSR_PE     0x04u
#define LSR_FE     0x08u
#define LSR_BI     0x10u
#define LSR_THRE   0x20u
#define LSR_TEMT   0x40u
#define LSR_IN_ERR 0x80u
#define LSR_ERRORS (LSR_OE | LSR_PE | LSR_FE | LSR_BI)

#define MSR_DELTAS 0x0fu /* DCTS, DDSR, TERI, DDCD: each four bits below its line */
#define MSR_LINES  0xf0u

#define CLOCK_HZ      1843200u
#define TIMEOUT_CHARS 4u

struct ns16550a {
    struct bus *pio;
    struct clock *clk;
    struct irq irq;
    struct ns16550a_backend be;
    void (*on_room)(void *opaque);
    void *on_room_opaque;

    u8 ier, lcr, mcr, scr;
    u8 fcr; /* ENABLE and the trigger level */
    u16 divisor;
    u8 lsr; /* the error bits of the byte at the top */
    u8 msr;
    u8 lines;    /* the modem inputs outside, as MSR bits */
    u8 rx[FIFO]; /* one byte deep without FIFOs */
    u8 rx_errors[FIFO];
    u8 head, count;
    bool thre_pending;  /* THRE interrupt not answered yet */
    bool cti;           /* character timeout happened */
    u64 last_rx;        /* ns: when the receive FIFO last changed */
    bool level;         /* of irq */
    struct timer timer; /* character timeout */
};

static bool fifos(const struct ns16550a *u)
{
    return u->fcr & FCR_ENABLE;
}

static unsigned depth(const struct ns16550a *u)
{
    return fifos(u) ? FIFO : 1;
}

static unsigned trigger(const struct ns16550a *u)
{
    static const u8 level[4] = {1, 4, 8, 14};

    return fifos(u) ? level[u->fcr >> 6] : 1;
}

/* Time of TIMEOUT_CHARS characters: start, data, parity and stop bits, of 16 clocks each. */
static u64 timeout_ns(const struct ns16550a *u)
{
    unsigned bits_per_char =
        1 + 5 + (u->lcr & LCR_WORD) + !!(u->lcr & LCR_PEN) + (u->lcr & LCR_STOP ? 2 : 1);
    u64 clocks = 16ull * (u->divisor ? u->divisor : 0x10000) * bits_per_char * TIMEOUT_CHARS;

    return ticks_to_ns(clocks, CLOCK_HZ);
}

/* The highest interrupt that is pending and enabled, as in IIR bits 3-0. */
static u8 pending(const struct ns16550a *u)
{
    if (u->ier & IER_RLS && u->lsr & LSR_ERRORS)
        return IIR_RLS;
    if (u->ier & IER_RDA && u->count >= trigger(u))
        return IIR_RDA;
    if (u->ier & IER_RDA && u->cti)
        return IIR_CTI;
    if (u->ier & IER_THRE && u->thre_pending)
        return IIR_THRE;
    if (u->ier & IER_MS && u->msr & MSR_DELTAS)
        return IIR_MS;
    return IIR_NONE;
}

/* Sees whether the receive FIFO has been left alone for too long, or waits for that. */
static void update_timeout(struct ns16550a *u)
{
    u64 deadline;

    if (!fifos(u) || !u->count || u->cti) {
        timer_cancel(u->clk, &u->timer);
        return;
    }
    deadline = u->last_rx + timeout_ns(u);
    u->cti = clock_now(u->clk) >= deadline;
    if (!u->cti && u->ier & IER_RDA && u->count < trigger(u))
        timer_set(u->clk, &u->timer, deadline);
    else
        timer_cancel(u->clk, &u->timer);
}

/* In loopback the OUT2 pin is inactive, and with it the PC's interrupt driver. */
static void update(struct ns16550a *u)
{
    bool gate = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2, level;

    update_timeout(u);
    level = gate && pending(u) != IIR_NONE;
    if (u->level != level)
        irq_set(&u->irq, level);
    u->level = level;
}

static void timed_out(void *opaque)
{
    update(opaque);
}

/* The errors of the byte that is now at the top show up in LSR. */
static void show_top(struct ns16550a *u)
{
    if (u->count)
        u->lsr |= u->rx_errors[u->head];
}

static void push(struct ns16550a *u, u8 byte, u8 errors)
{
    unsigned at = (u->head + u->count) % FIFO;

    u->last_rx = clock_now(u->clk);
    if (u->count == depth(u)) {
        u->lsr |= LSR_OE;
        if (fifos(u))
            return; /* the byte is lost in the shift register */
        at = u->head;
        u->count = 0;
    }
    u->rx[at] = byte;
    u->rx_errors[at] = errors;
    if (!u->count++)
        show_top(u);
}

/* For the console: the receiver is empty and connected. Last in an access, since it may call
   ns16550a_receive. */
static void tell_room(struct ns16550a *u)
{
    if (u->on_room && !u->count && ns16550a_room(u))
        u->on_room(u->on_room_opaque);
}

static u8 read_rbr(struct ns16550a *u)
{
    u8 byte = u->rx[u->head];

    if (!u->count)
        return byte; /* the last one again */
    if (--u->count)
        u->head = (u8)((u->head + 1) % FIFO);
    u->cti = false;
    u->last_rx = clock_now(u->clk);
    show_top(u);
    update(u);
    tell_room(u);
    return byte;
}

static u8 read_iir(struct ns16550a *u)
{
    u8 id;

    update(u);
    id = pending(u);
    if (id == IIR_THRE) {
        u->thre_pending = false;
        update(u);
    }
    return (u8)(id | (fifos(u) ? IIR_FIFOS : 0));
}

static u8 read_lsr(struct ns16550a *u)
{
    u8 lsr = u->lsr | LSR_THRE | LSR_TEMT | (u->count ? LSR_DR : 0);

    for (unsigned i = 0; fifos(u) && i < u->count; i++)
        if (u->rx_errors[(u->head + i) % FIFO])
            lsr |= LSR_IN_ERR;
    if (u->lsr & LSR_ERRORS) {
        u->lsr = 0;
        if (u->count)
            u->rx_errors[u->head] = 0;
        update(u);
    }
    return lsr;
}

/* The modem inputs: the pins, or in loopback the modem outputs. */
static u8 modem_lines(const struct ns16550a *u)
{
    if (!(u->mcr & MCR_LOOP))
        return u->lines;
    return (u8)((u->mcr & MCR_RTS ? NS16550A_CTS : 0) | (u->mcr & MCR_DTR ? NS16550A_DSR : 0) |
                (u->mcr & MCR_OUT1 ? NS16550A_RI : 0) | (u->mcr & MCR_OUT2 ? NS16550A_DCD : 0));
}

/* Only the trailing edge of RI counts. */
static void update_msr(struct ns16550a *u)
{
    u8 now = modem_lines(u), old = u->msr & MSR_LINES;
    u8 edges = (u8)((now ^ old) & ~NS16550A_RI) | (u8)(old & ~now & NS16550A_RI);

    u->msr = (u8)(now | (u->msr & MSR_DELTAS) | edges >> 4);
}

static u8 read_msr(struct ns16550a *u)
{
    u8 msr = u->msr;

    u->msr &= MSR_LINES;
    update(u);
    return msr;
}

static void write_thr(struct ns16550a *u, u8 byte)
{
    u->thre_pending = false;
    update(u);
    if (u->mcr & MCR_LOOP)
        push(u, byte & (u8)(0xff >> (3 - (u->lcr & LCR_WORD))), 0);
    else if (u->be.write)
        u->be.write(u->be.opaque, &byte, 1);
    u->thre_pending = true;
    update(u);
}

/* Enabling the THRE interrupt while the transmitter is empty raises it. */
static void write_ier(struct ns16550a *u, u8 val)
{
    if (val & ~u->ier & IER_THRE)
        u->thre_pending = true;
    u->ier = val & IER_ALL;
    update(u);
}

static void clear_rx(struct ns16550a *u)
{
    u->count = u->head = 0;
    u->cti = false;
}

/* The other bits are taken only while bit 0 is set. */
static void write_fcr(struct ns16550a *u, u8 val)
{
    bool toggled = (val ^ u->fcr) & FCR_ENABLE;

    u->fcr = val & FCR_ENABLE ? val & (FCR_ENABLE | 0xc0) : 0;
    if (toggled || (val & (FCR_ENABLE | FCR_RX_RESET)) == (FCR_ENABLE | FCR_RX_RESET))
        clear_rx(u);
    update(u);
    tell_room(u);
}

static void write_lcr(struct ns16550a *u, u8 val)
{
    bool breaks = val & ~u->lcr & LCR_BREAK;

    u->lcr = val;
    if (breaks && u->mcr & MCR_LOOP)
        push(u, 0, LSR_BI | LSR_FE);
    update(u);
}

static void write_mcr(struct ns16550a *u, u8 val)
{
    bool reconnected = u->mcr & ~val & MCR_LOOP;

    u->mcr = val & MCR_ALL;
    update_msr(u);
    update(u);
    if (reconnected)
        tell_room(u);
}

static u64 uart_read(void *dev, u64 off, unsigned size)
{
    struct ns16550a *u = dev;
    bool dlab = u->lcr & LCR_DLAB;

    switch (off) {
    case RBR_THR_DLL:
        return dlab ? u->divisor & 0xff : read_rbr(u);
    case IER_DLM:
        return dlab ? u->divisor >> 8 : u->ier;
    case IIR_FCR:
        return read_iir(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_lsr(u);
    case MSR:
        return read_msr(u);
    default:
        return u->scr;
    }
}

static void uart_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct ns16550a *u = dev;
    bool dlab = u->lcr & LCR_DLAB;

    switch (off) {
    case RBR_THR_DLL:
        if (dlab)
            u->divisor = (u16)((u->divisor & 0xff00) | val);
        else
            write_thr(u, (u8)val);
        break;
    case IER_DLM:
        if (dlab)
            u->divisor = (u16)((u->divisor & 0xff) | val << 8);
        else
            write_ier(u, (u8)val);
        break;
    case IIR_FCR:
        write_fcr(u, (u8)val);
        break;
    case LCR:
        write_lcr(u, (u8)val);
        break;
    case MCR:
        write_mcr(u, (u8)val);
        break;
    case SCR:
        u->scr = (u8)val;
        break;
    default:
        break; /* writing LSR and MSR is for factory tests */
    }
}

size_t ns16550a_room(const struct ns16550a *u)
{
    return u->mcr & MCR_LOOP ? 0 : depth(u) - u->count;
}

void ns16550a_receive(struct ns16550a *u, const u8 *buf, size_t n)
{
    if (u->mcr & MCR_LOOP)
        return;
    for (size_t i = 0; i < n; i++)
        push(u, buf[i], 0);
    update(u);
}

void ns16550a_receive_break(struct ns16550a *u)
{
    if (u->mcr & MCR_LOOP)
        return;
    push(u, 0, LSR_BI | LSR_FE);
    update(u);
}

void ns16550a_set_modem(struct ns16550a *u, u8 lines)
{
    u->lines = lines & MSR_LINES;
    update_msr(u);
    update(u);
}

void ns16550a_set_on_room(struct ns16550a *u, void (*on_room)(void *opaque), void *opaque)
{
    u->on_room = on_room;
    u->on_room_opaque = opaque;
}

static const struct bus_ops uart_ops = {.read = uart_read, .write = uart_write, .max_size = 1};

/* Data sheet section 8.1: the divisor and the scratch register keep their values. */
void ns16550a_reset(struct ns16550a *u)
{
    u->ier = u->lcr = u->mcr = u->fcr = u->lsr = 0;
    u->msr = u->lines;
    u->thre_pending = false;
    clear_rx(u);
    update(u);
    tell_room(u);
}

static int loaded(void *dev)
{
    struct ns16550a *u = dev;

    if ((u->ier & ~IER_ALL) || (u->mcr & ~MCR_ALL) || (u->fcr & ~(FCR_ENABLE | 0xc0u)) ||
        (u->fcr && !fifos(u)) || (u->lsr & ~LSR_ERRORS) || (u->lines & ~MSR_LINES) ||
        u->head >= FIFO || u->count > depth(u))
        return -EINVAL;
    for (unsigned n = 0; n < FIFO; n++)
        if (u->rx_errors[n] & ~LSR_ERRORS)
            return -EINVAL;
    update(u);
    irq_set(&u->irq, u->level);
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct ns16550a, ier),
    STATE_UINT(struct ns16550a, lcr),
    STATE_UINT(struct ns16550a, mcr),
    STATE_UINT(struct ns16550a, scr),
    STATE_UINT(struct ns16550a, fcr),
    STATE_UINT(struct ns16550a, divisor),
    STATE_UINT(struct ns16550a, lsr),
    STATE_UINT(struct ns16550a, msr),
    STATE_UINT(struct ns16550a, lines),
    STATE_ARRAY(struct ns16550a, rx),
    STATE_ARRAY(struct ns16550a, rx_errors),
    STATE_UINT(struct ns16550a, head),
    STATE_UINT(struct ns16550a, count),
    STATE_BOOL(struct ns16550a, thre_pending),
    STATE_BOOL(struct ns16550a, cti),
    STATE_UINT(struct ns16550a, last_rx),
    STATE_END,
};

const struct state_table ns16550a_state = {
    .name = "ns16550a", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int ns16550a_new(struct ns16550a **out, struct bus *pio, u16 port, struct irq irq,
                 struct clock *clk, struct ns16550a_backend be)
{
    struct ns16550a *u = calloc(1, sizeof(*u));
    int rc;

    if (!u)
        return -ENOMEM;
    *u = (struct ns16550a){.pio = pio, .clk = clk, .irq = irq, .be = be};
    u->divisor = 12; /* 9600 baud */
    u->lines = NS16550A_CTS | NS16550A_DSR | NS16550A_DCD;
    timer_init(&u->timer, timed_out, u);
    ns16550a_reset(u);
    rc = bus_claim(pio, port, port + PORTS - 1ull, &uart_ops, u, "ns16550a");
    if (rc) {
        ns16550a_free(u);
        return rc;
    }
    *out = u;
    return 0;
}

void ns16550a_free(struct ns16550a *u)
{
    if (!u)
        return;
    timer_cancel(u->clk, &u->timer);
    bus_release(u->pio, u);
    free(u);
}
