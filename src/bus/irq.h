/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire. A device drives it and does not know what is behind: an interrupt controller's input,
 * an OR gate, the reset line. Passed by value; the receiver outlives the device.
 */
#pragma once
#include "base/base.h"

struct irq {
    void (*set)(void *opaque, unsigned n, bool level);
    void *opaque;
    unsigned n;
};

/* Drives the level. An unconnected wire (all zero) is allowed. */
static inline void irq_set(const struct irq *irq, bool level)
{
    if (irq->set)
        irq->set(irq->opaque, irq->n, level);
}

static inline void irq_pulse(const struct irq *irq)
{
    irq_set(irq, true);
    irq_set(irq, false);
}
