/* SPDX-License-Identifier: GPL-2.0-or-later */
/* High precision event timers; see hpet.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

#define HPET_BASE     0xfed00000ull
#define HPET_SIZE     0x400u
#define HPET_TIMERS   3u
#define HPET_ID       0x8086a201u /* low half of the capabilities, as in the ACPI HPET table */
#define HPET_TICK_NS  10u
#define HPET_MIN_TICK 0x80u /* for the ACPI HPET table */

struct hpet;

/*
 * isa_irqs: 24 wires, copied; 0 and 8 are used in legacy replacement mode (see hpet_pit_irq), 16
 * to 23 by routed timers. `msi` may be NULL. -ENOMEM, -EEXIST.
 */
must_check int hpet_new(struct hpet **out, struct bus *mmio, gpa_t base, struct clock *clk,
                        const struct irq *isa_irqs, void (*msi)(void *opaque, u64 addr, u32 data),
                        void *opaque);
void hpet_reset(struct hpet *h);
void hpet_free(struct hpet *h);
extern const struct state_table hpet_state;

/* Legacy replacement mode: the HPET drives IRQ 0 and IRQ 8 instead of the PIT and the RTC. */
bool hpet_legacy(const struct hpet *h);

/*
 * Where the machine connects the PIT's and the RTC's outputs: as struct irq.set with the hpet as
 * opaque. They pass through to isa_irqs[0] and [8] except in legacy replacement mode.
 */
void hpet_pit_irq(void *hpet, unsigned n, bool level);
void hpet_rtc_irq(void *hpet, unsigned n, bool level);
