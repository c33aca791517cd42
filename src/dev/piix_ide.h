/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDE function of the PIIX3 and PIIX4: two channels of two drives; see piix_ide.c. */
#pragma once
#include "bus/bus.h"
#include "bus/irq.h"
#include "dev/ata.h"
#include "pci/pci.h"

struct piix_ide;

struct piix_ide_config {
    bool piix4;                          /* else a PIIX3 */
    struct ata_drive_config drive[2][2]; /* by channel, and master before slave */
};

/* On `pio`: 1F0h-1F7h and 3F6h, 170h-177h and 376h, and bus-master registers where the guest puts
   them. Images are not owned: close them first, then free this. -ENOMEM, -EEXIST. */
must_check int piix_ide_new(struct piix_ide **out, struct pci_bus *bus, u8 devfn, struct bus *pio,
                            struct irq irq14, struct irq irq15, const struct piix_ide_config *cfg);
void piix_ide_reset(struct piix_ide *ide);
void piix_ide_free(struct piix_ide *ide);

/* NULL where no drive is. Of a CD-ROM: cd.unit is for scsi.h. */
struct ata_drive *piix_ide_drive(struct piix_ide *ide, unsigned channel, unsigned unit);

/* Saved with nothing in flight: block_drain comes first. */
extern const struct state_table piix_ide_state;
