/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real-time clock and CMOS memory, ports 70h-73h; see mc146818.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

struct mc146818;

/* irq8 is high while register C shows IRQF. -ENOMEM, -EEXIST. */
must_check int mc146818_new(struct mc146818 **out, struct bus *pio, struct irq irq8,
                            struct clock *clk);
/* The RESET pin: interrupts off; time and memory stay. */
void mc146818_reset(struct mc146818 *rtc);
void mc146818_free(struct mc146818 *rtc);
extern const struct state_table mc146818_state;

/* The calendar shows the host's UTC and `sec` seconds more (dev/rtcbase.h), with the weekday that
   belongs to the date, until the guest sets it. */
void mc146818_set_offset(struct mc146818 *rtc, s64 sec);
/* What firmware leaves in CMOS (memory sizes, drive types): index 0eh-7fh, and 80h-ffh for the
   extended bank. Time and control registers are not for it, and are ignored. */
void mc146818_set_cmos(struct mc146818 *rtc, u8 index, u8 val);
u8 mc146818_cmos(const struct mc146818 *rtc, u8 index);
/* Bit 7 last written to port 70h: NMI is masked. */
bool mc146818_nmi_masked(const struct mc146818 *rtc);
