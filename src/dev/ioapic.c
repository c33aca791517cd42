/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O APIC after the 82093AA data sheet (290566), with the EOI register (40h) of version 20h as in
 * the ICH data sheets.
 *
 * Polarity is kept but has no effect: lines in Domus say "asserted", as if each were wired with
 * the polarity that its entry is programmed for. Delivery takes no time, so the delivery status
 * always reads idle. An ExtINT pin follows its line, whatever the trigger mode.
 *
 * Lock: its own, as EOIs come from CPU threads without the machine's. It is held while a message
 * is sent, so that no EOI can overtake the setting of Remote IRR; APICs call nothing back.
 */
#include "dev/ioapic.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define VERSION (0x20u | (IOAPIC_PINS - 1) << 16)

/* Offsets in the page. */
#define OFF_IOREGSEL 0x00
#define OFF_IOWIN    0x10
#define OFF_EOI      0x40

/* What IOREGSEL selects. */
#define REG_ID      0x00
#define REG_VERSION 0x01
#define REG_ARB     0x02
#define REG_TABLE   0x10

#define ID_BITS 0x0f000000u

/* Redirection table entry. */
#define RTE_DELIVERY(e) ((u8)bits(e, 10, 8))
#define RTE_LOGICAL     BIT64(11)
#define RTE_REMOTE_IRR  BIT64(14)
#define RTE_LEVEL       BIT64(15)
#define RTE_MASKED      BIT64(16)
#define RTE_DEST(e)     ((u32)((e) >> 56))
#define RTE_WRITABLE    0xff0000000001afffull /* all but delivery status, Remote IRR, reserved */

struct ioapic {
    pthread_mutex_t lock; /* all below */
    struct bus *mmio;
    struct lapic_bus *bus;
    u8 select;
    u32 id, arb;
    u64 rte[IOAPIC_PINS];
    u32 lines;  /* asserted inputs */
    u32 extint; /* pins whose ExtINT has been passed on as asserted */
};

static bool send(struct ioapic *io, u64 rte, bool level, bool assert)
{
    struct lapic_msg msg = {
        .vector = (u8)rte,
        .delivery_mode = RTE_DELIVERY(rte),
        .level_triggered = level,
        .assert = assert,
        .logical = rte & RTE_LOGICAL,
        .dest = RTE_DEST(rte),
    };

    return lapic_bus_deliver(io->bus, &msg);
}

/* Level triggering exists for fixed and lowest-priority delivery; the rest are edges. */
static bool is_level(u64 rte)
{
    return (rte & RTE_LEVEL) && RTE_DELIVERY(rte) <= LAPIC_LOWEST;
}

/* Remote IRR stands from acceptance by a local APIC to its EOI. */
static void try_level(struct ioapic *io, unsigned pin)
{
    u64 rte = io->rte[pin];

    if (!is_level(rte) || (rte & (RTE_MASKED | RTE_REMOTE_IRR)) || !(io->lines & BIT(pin)))
        return;
    if (send(io, rte, true, true))
        io->rte[pin] |= RTE_REMOTE_IRR;
}

static void try_edge(struct ioapic *io, unsigned pin)
{
    u64 rte = io->rte[pin];
    u8 mode = RTE_DELIVERY(rte);

    if (rte & RTE_MASKED || mode == LAPIC_SIPI || mode == LAPIC_EXTINT)
        return;
    send(io, rte, false, true);
}

static bool extint_wanted(const struct ioapic *io, unsigned pin)
{
    return RTE_DELIVERY(io->rte[pin]) == LAPIC_EXTINT && !(io->rte[pin] & RTE_MASKED) &&
           (io->lines & BIT(pin));
}

static void update_extint(struct ioapic *io, unsigned pin)
{
    bool want = extint_wanted(io, pin);

    if (want == !!(io->extint & BIT(pin)))
        return;
    io->extint ^= BIT(pin);
    send(io, io->rte[pin], true, want);
}

/* Before an entry changes: whoever sees an ExtINT through it must not be left with it. */
static void withdraw_extint(struct ioapic *io, unsigned pin)
{
    if (!(io->extint & BIT(pin)))
        return;
    io->extint &= ~BIT(pin);
    send(io, io->rte[pin], true, false);
}

void ioapic_set(void *opaque, unsigned pin, bool level)
{
    struct ioapic *io = opaque;
    bool rose;

    BUG_ON(pin >= IOAPIC_PINS);
    pthread_mutex_lock(&io->lock);
    rose = level && !(io->lines & BIT(pin));
    io->lines = level ? io->lines | BIT(pin) : io->lines & ~BIT(pin);
    if (is_level(io->rte[pin]))
        try_level(io, pin);
    else if (rose)
        try_edge(io, pin);
    update_extint(io, pin);
    pthread_mutex_unlock(&io->lock);
}

static void end_of_interrupt(struct ioapic *io, u8 vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        u64 rte = io->rte[pin];
        if ((u8)rte != vector || !(rte & RTE_REMOTE_IRR))
            continue;
        io->rte[pin] &= ~RTE_REMOTE_IRR;
        try_level(io, pin);
    }
}

static void on_eoi(void *opaque, u8 vector)
{
    struct ioapic *io = opaque;

    pthread_mutex_lock(&io->lock);
    end_of_interrupt(io, vector);
    pthread_mutex_unlock(&io->lock);
}

static u32 read_win(const struct ioapic *io)
{
    unsigned reg = io->select;

    switch (reg) {
    case REG_ID:
        return io->id;
    case REG_VERSION:
        return VERSION;
    case REG_ARB:
        return io->arb;
    case REG_TABLE ... REG_TABLE + 2 * IOAPIC_PINS - 1:
        return (u32)(io->rte[(reg - REG_TABLE) / 2] >> (reg & 1 ? 32 : 0));
    default:
        return 0;
    }
}

static void write_rte(struct ioapic *io, unsigned pin, unsigned shift, u32 val)
{
    u64 half = (u64)UINT32_MAX << shift & RTE_WRITABLE;
    u64 rte = (io->rte[pin] & ~half) | ((u64)val << shift & half);

    if (!(rte & RTE_LEVEL)) /* how software gets rid of a stuck Remote IRR */
        rte &= ~RTE_REMOTE_IRR;
    withdraw_extint(io, pin);
    io->rte[pin] = rte;
    try_level(io, pin);
    update_extint(io, pin);
}

static void write_win(struct ioapic *io, u32 val)
{
    unsigned reg = io->select;

    switch (reg) {
    case REG_ID: /* loads the arbitration ID as well */
        io->id = io->arb = val & ID_BITS;
        break;
    case REG_TABLE ... REG_TABLE + 2 * IOAPIC_PINS - 1:
        write_rte(io, (reg - REG_TABLE) / 2, reg & 1 ? 32 : 0, val);
        break;
    default:
        break;
    }
}

static u32 read_word(const struct ioapic *io, u64 off)
{
    switch (off) {
    case OFF_IOREGSEL:
        return io->select;
    case OFF_IOWIN:
        return read_win(io);
    default:
        return 0;
    }
}

static u64 mmio_read(void *dev, u64 off, unsigned size)
{
    struct ioapic *io = dev;
    u64 val;

    pthread_mutex_lock(&io->lock);
    val = read_word(io, off & ~(u64)3);
    pthread_mutex_unlock(&io->lock);
    return val >> 8 * (off & 3) & size_mask(size);
}

/* Narrow accesses are byte lanes: the other bytes of the register stay. */
static void mmio_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct ioapic *io = dev;
    unsigned shift = 8 * (off & 3);
    u32 lanes = (u32)(size_mask(size) << shift), old, word;

    pthread_mutex_lock(&io->lock);
    off &= ~(u64)3;
    old = read_word(io, off);
    word = (old & ~lanes) | ((u32)(val << shift) & lanes);
    if (off == OFF_IOREGSEL)
        io->select = (u8)word;
    else if (off == OFF_IOWIN)
        write_win(io, word);
    else if (off == OFF_EOI && (lanes & 0xff))
        end_of_interrupt(io, (u8)word);
    pthread_mutex_unlock(&io->lock);
}

static const struct bus_ops mmio_ops = {.read = mmio_read, .write = mmio_write, .max_size = 4};

/* Lines keep their state: they belong to the devices that drive them. */
void ioapic_reset(struct ioapic *io)
{
    pthread_mutex_lock(&io->lock);
    io->select = 0;
    io->id = io->arb = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        withdraw_extint(io, pin);
        io->rte[pin] = RTE_MASKED;
    }
    pthread_mutex_unlock(&io->lock);
}

/* Messages that were sent are in the state of the local APICs. */
static int loaded(void *dev)
{
    const struct ioapic *io = dev;

    if (((io->id | io->arb) & ~ID_BITS) || ((io->lines | io->extint) & ~(BIT(IOAPIC_PINS) - 1)))
        return -EINVAL;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (io->rte[pin] & ~(RTE_WRITABLE | RTE_REMOTE_IRR))
            return -EINVAL;
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct ioapic, select),
    STATE_UINT(struct ioapic, id),
    STATE_UINT(struct ioapic, arb),
    STATE_ARRAY(struct ioapic, rte),
    STATE_UINT(struct ioapic, lines),
    STATE_UINT(struct ioapic, extint),
    STATE_END,
};

const struct state_table ioapic_state = {
    .name = "ioapic", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int ioapic_new(struct ioapic **out, struct bus *mmio, gpa_t base, struct lapic_bus *bus)
{
    struct ioapic *io = calloc(1, sizeof(*io));
    int rc;

    if (!io)
        return -ENOMEM;
    io->mmio = mmio;
    io->bus = bus;
    rc = bus_claim(mmio, base, base + 0xfff, &mmio_ops, io, "ioapic");
    if (rc) {
        free(io);
        return rc;
    }
    pthread_mutex_init(&io->lock, NULL);
    ioapic_reset(io);
    lapic_bus_on_eoi(bus, on_eoi, io);
    *out = io;
    return 0;
}

void ioapic_free(struct ioapic *io)
{
    if (!io)
        return;
    lapic_bus_on_eoi(io->bus, NULL, io);
    bus_release(io->mmio, io);
    pthread_mutex_destroy(&io->lock);
    free(io);
}
