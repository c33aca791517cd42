/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel 82371SB (PIIX3), function 0: the PCI-to-ISA bridge; see piix3.c. */
#pragma once
#include "bus/irq.h"
#include "pci/pci.h"

#define PIIX3_PIRQRC 0x60u /* four registers, one for each of PIRQA# to PIRQD# */

struct piix3;
extern const struct state_table piix3_state;

/* At `devfn`. isa[n] is an input of ISA interrupt n for PCI's use; those that PCI cannot have are
   not driven. -ENOMEM, -EEXIST. */
must_check int piix3_new(struct piix3 **out, struct pci_bus *pci, u8 devfn,
                         const struct irq isa[16]);
void piix3_reset(struct piix3 *d);
void piix3_free(struct piix3 *d);
/* PIRQn# as struct irq.set. */
void piix3_set_pirq(void *piix3, unsigned n, bool level);
