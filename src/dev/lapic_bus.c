/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who gets an interrupt message: physical and logical destinations in xAPIC and x2APIC format,
 * lowest-priority arbitration, MSI, EOI to the I/O APICs (SDM 3A 10.6.2, 10.8.5, 10.11, 10.12.10).
 *
 * An 8-bit destination FFh is everybody, also for APICs in x2APIC mode; a 32-bit one is understood
 * by APICs in xAPIC mode too, so that APs with an ID above FEh can be started.
 *
 * No lock: the lists do not change while CPUs run.
 */
#include "dev/lapic_priv.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_LISTENERS 8

struct eoi_listener {
    void (*fn)(void *opaque, u8 vector);
    void *opaque;
};

struct lapic_bus {
    struct lapic **lapic;
    unsigned n, cap;
    struct eoi_listener listener[MAX_LISTENERS];
    unsigned nlisteners;
    _Atomic u32 turn; /* who is asked first among equals */
};

int lapic_bus_new(struct lapic_bus **out)
{
    struct lapic_bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return -ENOMEM;
    *out = bus;
    return 0;
}

void lapic_bus_free(struct lapic_bus *bus)
{
    if (!bus)
        return;
    BUG_ON(bus->n);
    free(bus->lapic);
    free(bus);
}

int lapic_bus_add(struct lapic_bus *bus, struct lapic *l)
{
    if (bus->n == bus->cap) {
        unsigned cap = bus->cap ? bus->cap * 2 : 8;
        struct lapic **p = realloc(bus->lapic, cap * sizeof(struct lapic *));
        if (!p)
            return -ENOMEM;
        bus->lapic = p;
        bus->cap = cap;
    }
    bus->lapic[bus->n++] = l;
    return 0;
}

void lapic_bus_remove(struct lapic_bus *bus, struct lapic *l)
{
    unsigned to = 0;

    for (unsigned i = 0; i < bus->n; i++)
        if (bus->lapic[i] != l)
            bus->lapic[to++] = bus->lapic[i];
    bus->n = to;
}

void lapic_bus_on_eoi(struct lapic_bus *bus, void (*fn)(void *opaque, u8 vector), void *opaque)
{
    unsigned to = 0;

    for (unsigned i = 0; i < bus->nlisteners; i++)
        if (bus->listener[i].opaque != opaque)
            bus->listener[to++] = bus->listener[i];
    bus->nlisteners = to;
    if (!fn)
        return;
    BUG_ON(bus->nlisteners == MAX_LISTENERS);
    bus->listener[bus->nlisteners++] = (struct eoi_listener){fn, opaque};
}

void lapic_bus_eoi(struct lapic_bus *bus, u8 vector)
{
    for (unsigned i = 0; i < bus->nlisteners; i++)
        bus->listener[i].fn(bus->listener[i].opaque, vector);
}

u32 lapic_x2_ldr(const struct lapic *l)
{
    return (u32)bits(l->x2id, 19, 4) << 16 | BIT(l->x2id & 15);
}

static bool is_physical_dest(const struct lapic *l, u32 dest)
{
    if (lapic_is_x2(l) || dest > 0xff)
        return dest == l->x2id;
    return dest == lapic_ld(&l->id) >> 24;
}

static bool is_logical_dest(const struct lapic *l, u32 dest)
{
    u32 id = lapic_ld(&l->ldr) >> 24;

    if (lapic_is_x2(l)) {
        u32 ldr = lapic_x2_ldr(l);
        return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
    }
    switch (lapic_ld(&l->dfr) >> 28) {
    case DFR_FLAT:
        return dest & id;
    case DFR_CLUSTER:
        return dest >> 4 == id >> 4 && (dest & id & 0xf);
    default:
        return false;
    }
}

static bool is_dest(const struct lapic *l, const struct lapic_msg *msg)
{
    if (!lapic_is_on(l))
        return false;
    if (msg->dest == (msg->x2_dest ? UINT32_MAX : 0xff))
        return true;
    return msg->logical ? is_logical_dest(l, msg->dest) : is_physical_dest(l, msg->dest);
}

/* The one with the lowest priority of those that could take it. Equals take turns. */
static struct lapic *arbitrate(struct lapic_bus *bus, const struct lapic_msg *msg)
{
    unsigned first = bus->n ? atomic_fetch_add(&bus->turn, 1) % bus->n : 0;
    struct lapic *best = NULL;
    u8 best_apr = 0;

    for (unsigned i = 0; i < bus->n; i++) {
        struct lapic *l = bus->lapic[(first + i) % bus->n];
        u8 apr;
        if (!is_dest(l, msg) || !lapic_svr_enabled(l))
            continue;
        apr = lapic_apr(l);
        if (!best || apr < best_apr) {
            best = l;
            best_apr = apr;
        }
    }
    return best;
}

bool lapic_bus_deliver(struct lapic_bus *bus, const struct lapic_msg *msg)
{
    bool taken = false;

    if (msg->delivery_mode == LAPIC_LOWEST) {
        struct lapic *l = arbitrate(bus, msg);
        return l && lapic_receive(l, msg);
    }
    for (unsigned i = 0; i < bus->n; i++)
        if (is_dest(bus->lapic[i], msg) && lapic_receive(bus->lapic[i], msg))
            taken = true;
    return taken;
}

void lapic_bus_send(struct lapic_bus *bus, const struct lapic_msg *msg)
{
    (void)lapic_bus_deliver(bus, msg);
}

void lapic_bus_broadcast(struct lapic_bus *bus, const struct lapic_msg *msg,
                         const struct lapic *but)
{
    for (unsigned i = 0; i < bus->n; i++)
        if (bus->lapic[i] != but && lapic_is_on(bus->lapic[i]))
            lapic_receive(bus->lapic[i], msg);
}

void lapic_bus_msi(struct lapic_bus *bus, u64 addr, u32 data)
{
    bool redirect = addr & BIT(3);
    struct lapic_msg msg = {
        .vector = (u8)data,
        .delivery_mode = (u8)bits(data, 10, 8),
        .level_triggered = data & BIT(15),
        .assert = data & BIT(14),
        .logical = addr & BIT(2),
        .dest = (u32)bits(addr, 19, 12),
    };

    if (addr >> 20 != 0xfee || msg.delivery_mode == LAPIC_SIPI)
        return;
    if (redirect && msg.logical && msg.delivery_mode == LAPIC_FIXED)
        msg.delivery_mode = LAPIC_LOWEST;
    lapic_bus_send(bus, &msg);
}

struct lapic_bus *lapic_bus_of(const struct lapic *l)
{
    return l->bus;
}
