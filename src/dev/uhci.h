/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PIIX3's USB host controller with two ports; see uhci.c. */
#pragma once
#include "bus/clock.h"
#include "dev/usb.h"
#include "pci/pci.h"

#define UHCI_PORTS 2u

struct uhci;

/* Function 2 of the PIIX3 in a PC, with INTD#. -ENOMEM, -EEXIST. */
must_check int uhci_new(struct uhci **out, struct pci_bus *bus, u8 devfn, struct clock *clk);
void uhci_reset(struct uhci *u);
/* After its devices: they are pulled out. */
void uhci_free(struct uhci *u);

struct usb_port *uhci_port(struct uhci *u, unsigned n);

extern const struct state_table uhci_state;
