/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user says about a USB device, as text and read. Any thread. */
#pragma once
#include "base/err.h"

enum usb_kind { USB_TABLET, USB_MOUSE, USB_KEYBOARD };

struct usb_config {
    enum usb_kind kind;
    bool xhci; /* on the xHCI controller rather than the chipset's */
};

/* "tablet|mouse|keyboard[,bus=usb|xhci]". -EINVAL with a message that names what is wrong. */
must_check int usb_parse(struct usb_config *out, const char *text, struct err *err);
