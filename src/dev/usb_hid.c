/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What human interface devices have in common (Device Class Definition for HID 1.11): class
 * descriptors, idle rate, boot or report protocol. Runs under the machine's lock.
 */
#include "dev/usb_hid.h"
#include "base/le.h"

#define DESC_HID    0x21u
#define DESC_REPORT 0x22u

#define GET_IDLE     USB_REQUEST(0xa1, 0x02)
#define GET_PROTOCOL USB_REQUEST(0xa1, 0x03)
#define SET_IDLE     USB_REQUEST(0x21, 0x0a)
#define SET_PROTOCOL USB_REQUEST(0x21, 0x0b)

#define IDLE_NS 4000000ull

void usb_hid_reset(struct usb_hid *hid)
{
    hid->idle = 0;
    hid->protocol = USB_HID_REPORT;
    hid->sent = clock_now(hid->clk);
}

/* It stands among the configuration's descriptors. */
static int hid_descriptor(const struct usb_device *dev, u8 *buf)
{
    const u8 *p = dev->descs->config[dev->speed];
    unsigned total = le16(p + 2);

    for (unsigned at = 0; at < total && p[at]; at += p[at])
        if (p[at + 1] == DESC_HID) {
            memcpy(buf, p + at, p[at]);
            return p[at];
        }
    return USB_STALL;
}

static int descriptor(const struct usb_hid *hid, const struct usb_device *dev, u8 type, u8 *buf)
{
    if (type == DESC_HID)
        return hid_descriptor(dev, buf);
    if (type != DESC_REPORT)
        return USB_STALL;
    memcpy(buf, hid->report, hid->report_len);
    return hid->report_len;
}

int usb_hid_control(struct usb_hid *hid, const struct usb_device *dev, const struct usb_setup *req,
                    u8 *buf)
{
    if (req->index & 0xff)
        return USB_STALL;
    switch (USB_REQUEST(req->type, req->request)) {
    case USB_REQUEST(0x81, USB_GET_DESCRIPTOR):
        return descriptor(hid, dev, (u8)(req->value >> 8), buf);
    case GET_IDLE:
        buf[0] = hid->idle;
        return 1;
    case SET_IDLE:
        hid->idle = (u8)(req->value >> 8);
        return 0;
    case GET_PROTOCOL:
        if (!hid->boot)
            return USB_STALL;
        buf[0] = hid->protocol;
        return 1;
    case SET_PROTOCOL:
        if (!hid->boot || req->value > USB_HID_REPORT)
            return USB_STALL;
        hid->protocol = (u8)req->value;
        return 0;
    default:
        return USB_STALL;
    }
}

bool usb_hid_idle_over(const struct usb_hid *hid)
{
    return hid->idle && clock_now(hid->clk) - hid->sent >= hid->idle * IDLE_NS;
}

void usb_hid_sent(struct usb_hid *hid)
{
    hid->sent = clock_now(hid->clk);
}

const struct state_field usb_hid_fields[] = {
    STATE_UINT(struct usb_hid, idle),
    STATE_UINT(struct usb_hid, protocol),
    STATE_END,
};
