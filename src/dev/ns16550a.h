/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial port with FIFOs; see ns16550a.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

struct ns16550a;

/* Where transmitted bytes go. Called under the machine's lock; must not block. May be NULL. */
struct ns16550a_backend {
    void (*write)(void *opaque, const u8 *buf, size_t n);
    void *opaque;
};

/* Modem inputs, as MSR bits 7-4. */
#define NS16550A_CTS 0x10u
#define NS16550A_DSR 0x20u
#define NS16550A_RI  0x40u
#define NS16550A_DCD 0x80u

/* Claims port..port+7. A peer with CTS, DSR and DCD on is connected. -ENOMEM, -EEXIST. */
must_check int ns16550a_new(struct ns16550a **out, struct bus *pio, u16 port, struct irq irq,
                            struct clock *clk, struct ns16550a_backend be);
void ns16550a_reset(struct ns16550a *u);
void ns16550a_free(struct ns16550a *u);
extern const struct state_table ns16550a_state;

/* Bytes the receiver can take now; 0 in loopback, where the input pin is disconnected. */
size_t ns16550a_room(const struct ns16550a *u);
/* Bytes from the line. More than the room overruns, as on the chip. */
void ns16550a_receive(struct ns16550a *u, const u8 *buf, size_t n);
/* The line held in break for a character time. */
void ns16550a_receive_break(struct ns16550a *u);
/* Changes the modem inputs to the NS16550A_* in `lines`. */
void ns16550a_set_modem(struct ns16550a *u, u8 lines);
/* `on_room` is called when the receiver has become empty or is connected again, from inside a
   register access; it may call ns16550a_receive. NULL for none. */
void ns16550a_set_on_room(struct ns16550a *u, void (*on_room)(void *opaque), void *opaque);
