/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SATA controller of the ICH9 in AHCI mode, six ports; see ahci.c. */
#pragma once
#include "dev/ata.h"
#include "pci/pci.h"

#define AHCI_PORTS 6u

struct ahci;

struct ahci_config {
    struct ata_drive_config drive[AHCI_PORTS];
};

/* INTA or MSI; registers at base address 5. Images are not owned: close them first, then free
   this. -ENOMEM, -EEXIST. */
must_check int ahci_new(struct ahci **out, struct pci_bus *bus, u8 devfn,
                        const struct ahci_config *cfg);
void ahci_reset(struct ahci *hba);
void ahci_free(struct ahci *hba);

/* NULL where no drive is. Of a CD-ROM: cd.unit is for scsi.h. */
struct ata_drive *ahci_drive(struct ahci *hba, unsigned port);

/* Saved with nothing in flight: block_drain comes first. */
extern const struct state_table ahci_state;
