/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device needs around it in a test: two buses, a manual clock, wires that remember. */
#pragma once
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

#define MS 1000000ull
#define US 1000ull

struct wire {
    bool level;
    unsigned rises, falls;
};

struct rig {
    pthread_mutex_t lock;
    struct bus pio, mmio;
    struct clock *clk;
};

static inline void rig_open(struct rig *rig)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&rig->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    bus_init(&rig->pio, "pio", &rig->lock);
    bus_init(&rig->mmio, "mmio", &rig->lock);
    BUG_ON(clock_new_manual(&rig->clk) != 0);
}

static inline void rig_close(struct rig *rig)
{
    bus_dispose(&rig->pio);
    bus_dispose(&rig->mmio);
    clock_free(rig->clk);
    pthread_mutex_destroy(&rig->lock);
}

static inline void wire_set(void *opaque, unsigned n, bool level)
{
    struct wire *w = (struct wire *)opaque + n;

    w->rises += level && !w->level;
    w->falls += !level && w->level;
    w->level = level;
}

static inline struct irq wire_irq(struct wire *w)
{
    return (struct irq){.set = wire_set, .opaque = w};
}

static inline u8 in8(struct rig *rig, u16 port)
{
    return (u8)bus_read(&rig->pio, port, 1);
}

static inline void out8(struct rig *rig, u16 port, u8 val)
{
    bus_write(&rig->pio, port, 1, val);
}
