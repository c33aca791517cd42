/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboard controller with a PS/2 keyboard and a wheel mouse, ports 60h and 64h; see i8042.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

struct i8042;

/* a20 is high while the output port enables A20; reset is pulsed. -ENOMEM, -EEXIST. */
must_check int i8042_new(struct i8042 **out, struct bus *pio, struct irq irq1, struct irq irq12,
                         struct irq a20, struct irq reset);
void i8042_reset(struct i8042 *kbc);
/* Before the guest runs: keys' bytes come a millisecond apart from now on, not as fast as they are
   read. */
void i8042_set_clock(struct i8042 *kbc, struct clock *clk);
void i8042_free(struct i8042 *kbc);
extern const struct state_table i8042_state;

/*
 * The scan code set 2 bytes of one key's make or break, e.g. {e0 75} or {e0 f0 75}; a held key
 * is repeated by sending its make again. The keyboard turns them into the set the guest chose.
 * False, with nothing taken, while the keyboard's buffer is too full for them; n is at most 8.
 */
bool i8042_put_key(struct i8042 *kbc, const u8 *set2, size_t n);

#define I8042_MOUSE_LEFT   0x01u
#define I8042_MOUSE_RIGHT  0x02u
#define I8042_MOUSE_MIDDLE 0x04u
#define I8042_MOUSE_SIDE   0x08u
#define I8042_MOUSE_EXTRA  0x10u

/* Motion in counts since the last call, dx to the right, dy and the wheel's dz downwards; the
   buttons that are down now. Motion the guest has not fetched yet adds up. */
void i8042_mouse(struct i8042 *kbc, int dx, int dy, int dz, unsigned buttons);
/* Keyboard LEDs as the guest set them: bit 0 scroll, 1 num, 2 caps lock. */
u8 i8042_leds(const struct i8042 *kbc);
