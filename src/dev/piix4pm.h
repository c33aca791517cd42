/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel 82371AB (PIIX4), function 3: power management and SMBus; see piix4pm.c. */
#pragma once
#include "dev/acpipm.h"
#include "pci/pci.h"

struct piix4pm;
extern const struct state_table piix4pm_state;

/* At `devfn`, in front of the ACPI block `pm`, which it moves (and does not own). `smi` is pulsed
   when port B2h is written, if the guest has enabled that. -ENOMEM, -EEXIST. */
must_check int piix4pm_new(struct piix4pm **out, struct pci_bus *pci, u8 devfn, struct acpipm *pm,
                           struct irq smi);
void piix4pm_reset(struct piix4pm *d);
void piix4pm_free(struct piix4pm *d);
/* Where the ACPI block is now; 0: nowhere. */
u16 piix4pm_base(const struct piix4pm *d);
