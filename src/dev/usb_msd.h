/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB disk; see usb_msd.c. */
#pragma once
#include "block/block.h"
#include "dev/usb.h"

struct usb_msd;

struct usb_msd_config {
    struct block *block; /* not owned; closed, or drained, before the device is freed */
    const char *serial;  /* NULL: one that all have */
    bool removable;      /* as a stick says of itself */
};

/* -ENOMEM. */
must_check int usb_msd_new(struct usb_msd **out, const struct usb_msd_config *cfg);
/* Unplugged first. */
void usb_msd_free(struct usb_msd *msd);
struct usb_device *usb_msd_device(struct usb_msd *msd);

/* Saving waits for what the disk does at the moment. */
extern const struct state_table usb_msd_state;
