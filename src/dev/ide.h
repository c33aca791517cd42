/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IDE channel: two drives on a cable, their task file, and a bus-master function that moves
 * their data; see ide.c and ide_bm.c. Embedded in a controller such as piix_ide.c.
 */
#pragma once
#include "dev/ata.h"
#include "pci/pci.h"

/* Where the bus master stands in its list of descriptors. */
struct ide_bm {
    u8 command, status;
    u32 table;    /* as the guest wrote it */
    u32 next;     /* the next descriptor */
    u32 at, left; /* of the one in use */
    bool last;    /* it is the list's last */
};

struct ide_channel {
    struct ata_drive drive[2];
    u8 select, control;
    struct ide_bm bm;
    bool level; /* of the interrupt line */

    /* Not part of the saved state: nothing is in flight then. */
    struct ata_drive *direct; /* the disk that an image moves data for; or NULL */
    struct ide_bm after;      /* where the list stands then */

    struct irq irq;
    struct pci_device *pci;
};

/* `c` is zeroed; `number` is the channel's. Drives that have neither image nor `cdrom` are not
   there. */
void ide_channel_init(struct ide_channel *c, unsigned number, struct pci_device *pci,
                      struct irq irq, const struct ata_drive_config cfg[2]);
void ide_channel_reset(struct ide_channel *c);

/* The command block, eight registers; the device control register (or, read, the alternate status)
   is on its own. dev is the channel. */
extern const struct bus_ops ide_command_ops, ide_control_ops;

/* The eight bus-master registers of the channel. */
u8 ide_bm_read(struct ide_channel *c, unsigned off);
void ide_bm_write(struct ide_channel *c, unsigned off, u8 val);
/* Moves the drive's data as far as it and the list go. False: the bus master has stopped. */
bool ide_bm_move(struct ide_channel *c, struct ata_drive *d);
/* Takes note that the image is done with c->direct. */
void ide_bm_settle(struct ide_channel *c);
/* The drive or the bus master may have something to do, and the interrupt may have changed. */
void ide_service(struct ide_channel *c);

#define IDE_BM_ACTIVE 0x01u
#define IDE_BM_ERROR  0x02u
#define IDE_BM_INTR   0x04u

extern const struct state_field ide_channel_fields[];
must_check int ide_channel_loaded(struct ide_channel *c);
