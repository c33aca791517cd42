/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI configuration mechanism 1 and the reset control register, ports CF8h-CFFh; see pcihost.c. */
#pragma once
#include "bus/bus.h"
#include "bus/irq.h"
#include "pci/pci.h"

#define PCIHOST_RESET_PORT 0xcf9u /* for the FADT's reset register … */
#define PCIHOST_RESET_HARD 0x06u  /* … and the value to write */

struct pcihost;
extern const struct state_table pcihost_state;

/* `reset` is pulsed by port CF9h. -ENOMEM, -EEXIST. */
must_check int pcihost_new(struct pcihost **out, struct bus *pio, struct pci_bus *pci,
                           struct irq reset);
void pcihost_reset(struct pcihost *host);
void pcihost_free(struct pcihost *host);
