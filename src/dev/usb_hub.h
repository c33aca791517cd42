/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB hub with eight ports; see usb_hub.c. */
#pragma once
#include "dev/usb.h"

#define USB_HUB_PORTS 8u

struct usb_hub;

/* -ENOMEM. */
must_check int usb_hub_new(struct usb_hub **out);
/* Unplugged first; what is plugged into it is pulled out. */
void usb_hub_free(struct usb_hub *hub);
struct usb_device *usb_hub_device(struct usb_hub *hub);
/* Ports 0..USB_HUB_PORTS-1, which the guest calls 1 and so on. */
struct usb_port *usb_hub_port(struct usb_hub *hub, unsigned n);

extern const struct state_table usb_hub_state;
