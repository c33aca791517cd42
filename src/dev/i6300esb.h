/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watchdog of the Intel 6300ESB; see i6300esb.c. */
#pragma once
#include "bus/clock.h"
#include "bus/irq.h"
#include "pci/pci.h"

struct i6300esb;

struct i6300esb_config {
    struct irq irq; /* after the first stage, where the guest wants it; may be unconnected */
    /* After the second stage: whatever the user wants to happen to the guest. */
    void (*bark)(void *opaque);
    void *opaque;
};

/* -ENOMEM, -EEXIST. */
must_check int i6300esb_new(struct i6300esb **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                            const struct i6300esb_config *cfg);
/* The guest can tell afterwards whether the watchdog was the reason. */
void i6300esb_reset(struct i6300esb *w);
void i6300esb_free(struct i6300esb *w);

extern const struct state_table i6300esb_state;
