/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network cards, disks and USB devices that come and go while a machine "pc" runs, and the networks
 * and images that are put behind them. Things have ids that a user chooses; of the configuration,
 * cards are called net0, net1, …, what --usb asks for usb0, usb1, …, disks as media_at names them.
 *
 * All by the loop's thread, without the machine's lock. Functions return -errno with a message;
 * -ENOENT where there is no such id, -EEXIST where there is already, -EBUSY for what is in use,
 * -ENOSPC where no more fit, -ENOTSUP for another machine.
 */
#pragma once
#include "block/block.h"

#define PLUG_ID 64u /* with its 0 */

struct machine;

/* A network that no card has yet; `net` as --net has it, without model and mac. */
must_check int plug_net_add(struct machine *m, const char *id, const char *net, struct err *err);
must_check int plug_net_remove(struct machine *m, const char *id, struct err *err);
/* An image that no disk has yet. */
must_check int plug_image_add(struct machine *m, const char *id, const struct block_config *image,
                              struct err *err);
must_check int plug_image_remove(struct machine *m, const char *id, struct err *err);

struct plug_config {
    const char *driver; /* as QEMU calls it: e1000, virtio-blk-pci, … */
    const char *id;
    const char *behind;       /* the id of a network or image; NULL: nothing */
    const char *mac, *serial; /* of a card and a disk; NULL: the machine's choice, none */
    const char *bus;          /* pci.0, usb-bus.0, xhci.0, scsi0.0; NULL: one that fits */
    unsigned slot;            /* on the PCI bus; 0: any */
    int target;               /* of the SCSI adapter; -1: any */
};

/* The guest is told; -EINVAL for what does not go together. */
must_check int plug_add(struct machine *m, const struct plug_config *cfg, struct err *err);
/* Of what is on PCI, asks the guest to give it up: it is gone when the guest ejects it, or at the
   next reset. What is on USB or SCSI is pulled out at once. Then MACHINE_UNPLUGGED is told.
   -EINVAL: it cannot be unplugged. */
must_check int plug_remove(struct machine *m, const char *id, struct err *err);
/* The id of the device that MACHINE_UNPLUGGED tells of, while it does. */
const char *plug_id(struct machine *m, unsigned n);
