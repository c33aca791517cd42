/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard requests and descriptors (Universal Serial Bus Specification 2.0 and 3.0, sections 9.4
 * and 9.6), the same for every device: one configuration, no alternate settings, strings in US
 * English. Links save no power: what turns U1 and U2 on has no effect, and the exit latencies are
 * 0. Left out: SET_DESCRIPTOR, SYNCH_FRAME, test modes and FUNCTION_SUSPEND, which stall as they
 * may.
 */
#include "base/le.h"
#include "dev/usb.h"

#define STRING_MAKER  1u
#define STRING_NAME   2u
#define STRING_SERIAL 3u
#define LANG_ENGLISH  0x0409u

#define FEATURE_HALT          0u
#define FEATURE_REMOTE_WAKEUP 1u
#define FEATURE_U1_ENABLE     48u
#define FEATURE_LTM_ENABLE    50u
#define SEL_LEN               6u

#define CONFIG_VALUE      5u
#define CONFIG_INTERFACES 4u
#define CONFIG_ATTRIBUTES 7u
#define ATTRIBUTE_SELF    0x40u
#define ATTRIBUTE_WAKEUP  0x20u
#define STATUS_SELF       0x01u
#define STATUS_WAKEUP     0x02u

static const u8 *current_config(const struct usb_device *dev)
{
    return dev->descs->config[dev->speed];
}

unsigned usb_control_packet(const struct usb_device *dev)
{
    return dev->speed == USB_LOW ? 8 : dev->speed == USB_SUPER ? 512 : 64;
}

const u8 *usb_endpoint(const struct usb_device *dev, u8 ep)
{
    const u8 *p = current_config(dev);
    unsigned total = p ? le16(p + 2) : 0;

    if (!dev->config)
        return NULL;
    for (unsigned at = 0; at < total && p[at]; at += p[at])
        if (p[at + 1] == USB_DESC_ENDPOINT && p[at + 2] == ep)
            return p + at;
    return NULL;
}

static u16 usb_version(const struct usb_device *dev)
{
    const struct usb_descs *d = dev->descs;

    if (dev->speed == USB_SUPER)
        return 0x0300;
    return d->config[USB_SUPER] ? 0x0210 : d->config[USB_HIGH] ? 0x0200 : 0x0110;
}

static int device_desc(const struct usb_device *dev, u8 *buf)
{
    const struct usb_descs *d = dev->descs;

    buf[0] = 18;
    buf[1] = USB_DESC_DEVICE;
    put_le16(buf + 2, usb_version(dev));
    buf[4] = d->class;
    buf[5] = d->subclass;
    buf[6] = d->protocol;
    buf[7] = dev->speed == USB_SUPER ? 9 : (u8)usb_control_packet(dev); /* 2^9 */
    put_le16(buf + 8, d->vendor);
    put_le16(buf + 10, d->product);
    put_le16(buf + 12, d->release);
    buf[14] = STRING_MAKER;
    buf[15] = STRING_NAME;
    buf[16] = dev->serial ? STRING_SERIAL : 0;
    buf[17] = 1;
    return 18;
}

/* What the device would be at the other of full and high speed. */
static enum usb_speed other_speed(const struct usb_device *dev)
{
    return dev->speed == USB_HIGH ? USB_FULL : USB_HIGH;
}

static int qualifier_desc(const struct usb_device *dev, u8 *buf)
{
    const struct usb_descs *d = dev->descs;

    if (dev->speed == USB_SUPER || !d->config[other_speed(dev)])
        return USB_STALL;
    buf[0] = 10;
    buf[1] = USB_DESC_QUALIFIER;
    put_le16(buf + 2, 0x0200);
    buf[4] = d->class;
    buf[5] = d->subclass;
    buf[6] = d->protocol;
    buf[7] = 64;
    buf[8] = 1;
    return 10;
}

static int config_desc(const struct usb_device *dev, u8 type, u8 *buf)
{
    const u8 *config =
        type == USB_DESC_CONFIG ? current_config(dev) : dev->descs->config[other_speed(dev)];
    unsigned len;

    if (!config || (type == USB_DESC_OTHER_SPEED && dev->speed == USB_SUPER))
        return USB_STALL;
    len = le16(config + 2);
    BUG_ON(len > USB_CONTROL_MAX);
    memcpy(buf, config, len);
    buf[1] = type;
    return (int)len;
}

static int string_desc(const struct usb_device *dev, u8 index, u8 *buf)
{
    const char *text = index == STRING_MAKER    ? dev->descs->maker
                       : index == STRING_NAME   ? dev->descs->name
                       : index == STRING_SERIAL ? dev->serial
                                                : NULL;
    unsigned n = 0;

    buf[1] = USB_DESC_STRING;
    if (!index) {
        put_le16(buf + 2, LANG_ENGLISH);
        n = 1;
    } else if (!text) {
        return USB_STALL;
    } else {
        for (; text[n] && n < 126; n++)
            put_le16(buf + 2 + 2 * n, (u16)(u8)text[n]);
    }
    buf[0] = (u8)(2 + 2 * n);
    return buf[0];
}

/* Of a device that has SuperSpeed, at any speed. */
static int bos_desc(const struct usb_device *dev, u8 *buf)
{
    /* clang-format off */
    static const u8 bos[] = {
        5, USB_DESC_BOS, 22, 0, 2,
        7, USB_DESC_CAPABILITY, 2, 0x02, 0, 0, 0,           /* USB 2.0 extension: LPM */
        10, USB_DESC_CAPABILITY, 3, 0, 0x0e, 0, 1, 0, 0, 0, /* full, high and super speed */
    };
    /* clang-format on */

    if (!dev->descs->config[USB_SUPER])
        return USB_STALL;
    memcpy(buf, bos, sizeof(bos));
    return sizeof(bos);
}

static int get_descriptor(const struct usb_device *dev, const struct usb_setup *req, u8 *buf)
{
    u8 type = (u8)(req->value >> 8), index = (u8)req->value;

    switch (type) {
    case USB_DESC_DEVICE:
        return device_desc(dev, buf);
    case USB_DESC_CONFIG:
    case USB_DESC_OTHER_SPEED:
        return index ? USB_STALL : config_desc(dev, type, buf);
    case USB_DESC_STRING:
        return string_desc(dev, index, buf);
    case USB_DESC_QUALIFIER:
        return qualifier_desc(dev, buf);
    case USB_DESC_BOS:
        return index ? USB_STALL : bos_desc(dev, buf);
    default:
        return USB_STALL;
    }
}

static int set_configuration(struct usb_device *dev, u8 value)
{
    const u8 *config = current_config(dev);

    if (value && (!config || value != config[CONFIG_VALUE]))
        return USB_STALL;
    dev->config = value;
    dev->halted_in = dev->halted_out = 0;
    if (dev->ops->configured)
        dev->ops->configured(dev->opaque);
    return 0;
}

static int set_wakeup(struct usb_device *dev, u16 feature, bool on)
{
    if (dev->speed == USB_SUPER && feature >= FEATURE_U1_ENABLE && feature <= FEATURE_LTM_ENABLE)
        return 0;
    if (feature != FEATURE_REMOTE_WAKEUP ||
        !(current_config(dev)[CONFIG_ATTRIBUTES] & ATTRIBUTE_WAKEUP))
        return USB_STALL;
    dev->remote_wakeup = on;
    return 0;
}

static int device_status(const struct usb_device *dev, u8 *buf)
{
    bool self = current_config(dev)[CONFIG_ATTRIBUTES] & ATTRIBUTE_SELF;

    buf[0] = (u8)((self ? STATUS_SELF : 0) | (dev->remote_wakeup ? STATUS_WAKEUP : 0));
    buf[1] = 0;
    return 2;
}

static int device_request(struct usb_device *dev, const struct usb_setup *req, u8 *buf)
{
    switch (USB_REQUEST(req->type, req->request)) {
    case USB_REQUEST(0x80, USB_GET_STATUS):
        return device_status(dev, buf);
    case USB_REQUEST(0x00, USB_CLEAR_FEATURE):
        return set_wakeup(dev, req->value, false);
    case USB_REQUEST(0x00, USB_SET_FEATURE):
        return set_wakeup(dev, req->value, true);
    case USB_REQUEST(0x00, USB_SET_ADDRESS):
        if (req->value > 127)
            return USB_STALL;
        dev->new_addr = (u8)req->value;
        return 0;
    case USB_REQUEST(0x80, USB_GET_DESCRIPTOR):
        return get_descriptor(dev, req, buf);
    case USB_REQUEST(0x80, USB_GET_CONFIGURATION):
        buf[0] = dev->config;
        return 1;
    case USB_REQUEST(0x00, USB_SET_CONFIGURATION):
        return set_configuration(dev, (u8)req->value);
    case USB_REQUEST(0x00, USB_SET_SEL):
        return dev->speed == USB_SUPER && req->length == SEL_LEN ? 0 : USB_STALL;
    case USB_REQUEST(0x00, USB_SET_ISOCH_DELAY):
        return dev->speed == USB_SUPER ? 0 : USB_STALL;
    default:
        return USB_STALL;
    }
}

static int interface_request(struct usb_device *dev, const struct usb_setup *req, u8 *buf)
{
    if (!dev->config || (req->index & 0xff) >= current_config(dev)[CONFIG_INTERFACES])
        return USB_STALL;
    switch (USB_REQUEST(req->type, req->request)) {
    case USB_REQUEST(0x81, USB_GET_STATUS):
        put_le16(buf, 0);
        return 2;
    case USB_REQUEST(0x81, USB_GET_INTERFACE):
        buf[0] = 0;
        return 1;
    case USB_REQUEST(0x01, USB_SET_INTERFACE):
        return req->value ? USB_STALL : 0;
    default:
        return USB_STALL;
    }
}

static int set_halt(struct usb_device *dev, u8 ep, bool halt)
{
    if (!(ep & 15))
        return 0; /* the control pipe recovers by itself */
    if (halt) {
        usb_halt(dev, ep);
        return 0;
    }
    if (ep & USB_DIR_IN)
        dev->halted_in &= (u16)~BIT(ep & 15);
    else
        dev->halted_out &= (u16)~BIT(ep & 15);
    if (dev->ops->unhalted)
        dev->ops->unhalted(dev->opaque, ep);
    return 0;
}

static int endpoint_request(struct usb_device *dev, const struct usb_setup *req, u8 *buf)
{
    u8 ep = (u8)(req->index & (USB_DIR_IN | 15));

    if (ep & 15 && !usb_endpoint(dev, ep))
        return USB_STALL;
    switch (USB_REQUEST(req->type, req->request)) {
    case USB_REQUEST(0x82, USB_GET_STATUS):
        put_le16(buf, usb_is_halted(dev, ep));
        return 2;
    case USB_REQUEST(0x02, USB_CLEAR_FEATURE):
        return req->value == FEATURE_HALT ? set_halt(dev, ep, false) : USB_STALL;
    case USB_REQUEST(0x02, USB_SET_FEATURE):
        return req->value == FEATURE_HALT ? set_halt(dev, ep, true) : USB_STALL;
    default:
        return USB_STALL;
    }
}

int usb_standard_request(struct usb_device *dev, const struct usb_setup *req, u8 *buf)
{
    switch (req->type & 0x1f) {
    case 0:
        return device_request(dev, req, buf);
    case 1:
        return interface_request(dev, req, buf);
    case 2:
        return endpoint_request(dev, req, buf);
    default:
        return USB_STALL;
    }
}
