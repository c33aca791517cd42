/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An I/O APIC with 24 inputs (82093AA; version 20h, which has an EOI register). */
#pragma once
#include "base/base.h"
#include "base/state.h"
#include "bus/bus.h"
#include "dev/lapic.h"

#define IOAPIC_PINS 24

struct ioapic;

/* Claims 1000h bytes at base and listens for EOIs on `bus`. -ENOMEM, -EEXIST. */
must_check int ioapic_new(struct ioapic **out, struct bus *mmio, gpa_t base, struct lapic_bus *bus);
void ioapic_free(struct ioapic *io); /* under the machine's lock, with no CPU thread running */
void ioapic_reset(struct ioapic *io);
extern const struct state_table ioapic_state;

/* For struct irq. `level` true is asserted, whatever the polarity bit says. Machine's lock. */
void ioapic_set(void *opaque, unsigned pin, bool level);
