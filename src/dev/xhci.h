/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An xHCI host controller with four sockets, each a USB 2 and a USB 3 port; see xhci.c. */
#pragma once
#include "bus/clock.h"
#include "dev/usb.h"
#include "pci/pci.h"

#define XHCI_SOCKETS 4u

struct xhci;

/* A PCI function with INTA#, MSI and MSI-X. -ENOMEM, -EEXIST. */
must_check int xhci_new(struct xhci **out, struct pci_bus *bus, u8 devfn, struct clock *clk);
void xhci_reset(struct xhci *x);
/* After its devices: they are pulled out. */
void xhci_free(struct xhci *x);

struct usb_port *xhci_socket(struct xhci *x, unsigned n);

extern const struct state_table xhci_state;
