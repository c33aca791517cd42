/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A full-speed USB hub (Universal Serial Bus Specification 2.0, chapter 11) with power switched
 * port by port. Resetting a port takes no time. Left out: over-current, test modes, indicators,
 * the transaction translator of a high-speed hub. Runs under the machine's lock.
 */
#include "dev/usb_hub.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define DESC_HUB 0x29u
#define CHANGES  2u /* bytes of the status change bitmap: a bit for the hub, one for each port */

#define GET_HUB_STATUS     USB_REQUEST(0xa0, USB_GET_STATUS)
#define CLEAR_HUB_FEATURE  USB_REQUEST(0x20, USB_CLEAR_FEATURE)
#define SET_HUB_FEATURE    USB_REQUEST(0x20, USB_SET_FEATURE)
#define GET_HUB_DESCRIPTOR USB_REQUEST(0xa0, USB_GET_DESCRIPTOR)
#define GET_PORT_STATUS    USB_REQUEST(0xa3, USB_GET_STATUS)
#define CLEAR_PORT_FEATURE USB_REQUEST(0x23, USB_CLEAR_FEATURE)
#define SET_PORT_FEATURE   USB_REQUEST(0x23, USB_SET_FEATURE)

/* Port features (table 11-17); those from C_PORT_CONNECTION on are bits of the changes. */
enum {
    PORT_ENABLE = 1,
    PORT_SUSPEND = 2,
    PORT_RESET = 4,
    PORT_POWER = 8,
    C_PORT_CONNECTION = 16,
    C_PORT_RESET = 20,
};

/* wPortStatus (table 11-21) and wPortChange (table 11-22). */
#define STATUS_CONNECTION 0x0001u
#define STATUS_ENABLE     0x0002u
#define STATUS_SUSPEND    0x0004u
#define STATUS_POWER      0x0100u
#define STATUS_LOW_SPEED  0x0200u
#define CHANGE_CONNECTION 0x0001u
#define CHANGE_SUSPEND    0x0004u
#define CHANGE_RESET      0x0010u
#define CHANGE_ALL        0x001fu

struct usb_hub {
    struct usb_device usb;
    struct usb_port port[USB_HUB_PORTS];
    u16 status[USB_HUB_PORTS], change[USB_HUB_PORTS];
};

/* clang-format off */
static const u8 config[] = {
    9, USB_DESC_CONFIG, 25, 0, 1, 1, 0, 0xe0, 0, /* self-powered, wakes the host */
    9, USB_DESC_INTERFACE, 0, 0, 1, 9, 0, 0, 0,
    7, USB_DESC_ENDPOINT, 0x81, 3, CHANGES, 0, 0xff,
};

static const u8 hub_desc[] = {
    11, DESC_HUB, USB_HUB_PORTS,
    0x11, 0,    /* power port by port, no over-current protection */
    1,          /* power is good after 2 ms */
    0,          /* mA */
    0, 0,       /* all can be unplugged */
    0xff, 0xff, /* as USB 1.0 wants it */
};
/* clang-format on */

static const struct usb_descs descs = {.vendor = 0x0409,
                                       .product = 0x55aa,
                                       .release = 0x0101,
                                       .class = 9,
                                       .maker = "QEMU",
                                       .name = "QEMU USB Hub",
                                       .config = {[USB_FULL] = config}};

static void changed(struct usb_hub *hub, unsigned n, u16 change)
{
    hub->change[n] |= change;
    usb_ready(&hub->usb);
}

/* What the port sees of the device that is there. */
static void sense_connection(struct usb_hub *hub, unsigned n)
{
    const struct usb_device *dev = hub->port[n].dev;
    u16 *status = &hub->status[n];

    *status &= STATUS_POWER;
    if (!*status || !dev)
        return;
    *status |= STATUS_CONNECTION | (dev->speed == USB_LOW ? STATUS_LOW_SPEED : 0);
}

static void port_connected(void *opaque, unsigned n, bool present)
{
    struct usb_hub *hub = opaque;

    sense_connection(hub, n);
    if (hub->status[n] & STATUS_POWER)
        changed(hub, n, CHANGE_CONNECTION);
}

static void port_ready(void *opaque, unsigned n)
{
    struct usb_hub *hub = opaque;

    if (hub->status[n] & STATUS_SUSPEND) {
        if (!hub->port[n].dev || !hub->port[n].dev->remote_wakeup)
            return;
        hub->status[n] &= (u16)~STATUS_SUSPEND;
        changed(hub, n, CHANGE_SUSPEND);
    } else {
        usb_ready(&hub->usb);
    }
}

static void reset_port(struct usb_hub *hub, unsigned n)
{
    if (!(hub->status[n] & STATUS_CONNECTION))
        return;
    usb_device_reset(hub->port[n].dev);
    hub->status[n] &= (u16)~STATUS_SUSPEND;
    hub->status[n] |= STATUS_ENABLE;
    changed(hub, n, CHANGE_RESET);
}

static void set_power(struct usb_hub *hub, unsigned n, bool on)
{
    if (!!(hub->status[n] & STATUS_POWER) == on)
        return;
    hub->status[n] = on ? STATUS_POWER : 0;
    hub->change[n] = 0;
    sense_connection(hub, n);
    if (!on && hub->port[n].dev)
        usb_device_reset(hub->port[n].dev);
    else if (on && hub->port[n].dev)
        changed(hub, n, CHANGE_CONNECTION);
}

static int set_port_feature(struct usb_hub *hub, unsigned n, u16 feature)
{
    switch (feature) {
    case PORT_ENABLE: /* only a reset enables */
        return 0;
    case PORT_RESET:
        reset_port(hub, n);
        return 0;
    case PORT_SUSPEND:
        if (hub->status[n] & STATUS_ENABLE)
            hub->status[n] |= STATUS_SUSPEND;
        return 0;
    case PORT_POWER:
        set_power(hub, n, true);
        return 0;
    default:
        return USB_STALL;
    }
}

static int clear_port_feature(struct usb_hub *hub, unsigned n, u16 feature)
{
    if (feature >= C_PORT_CONNECTION && feature <= C_PORT_RESET) {
        hub->change[n] &= (u16)~BIT(feature - C_PORT_CONNECTION);
        return 0;
    }
    switch (feature) {
    case PORT_ENABLE:
        hub->status[n] &= (u16) ~(STATUS_ENABLE | STATUS_SUSPEND);
        return 0;
    case PORT_SUSPEND:
        if (hub->status[n] & STATUS_SUSPEND) {
            hub->status[n] &= (u16)~STATUS_SUSPEND;
            changed(hub, n, CHANGE_SUSPEND);
        }
        return 0;
    case PORT_POWER:
        set_power(hub, n, false);
        return 0;
    default:
        return USB_STALL;
    }
}

static int port_request(struct usb_hub *hub, const struct usb_setup *req, u8 *buf)
{
    unsigned n = (req->index & 0xff) - 1u;

    if (n >= USB_HUB_PORTS)
        return USB_STALL;
    switch (USB_REQUEST(req->type, req->request)) {
    case GET_PORT_STATUS:
        put_le16(buf, hub->status[n]);
        put_le16(buf + 2, hub->change[n]);
        return 4;
    case SET_PORT_FEATURE:
        return set_port_feature(hub, n, req->value);
    default:
        return clear_port_feature(hub, n, req->value);
    }
}

static int hub_control(void *opaque, const struct usb_setup *req, u8 *buf)
{
    struct usb_hub *hub = opaque;

    switch (USB_REQUEST(req->type, req->request)) {
    case GET_HUB_DESCRIPTOR:
        memcpy(buf, hub_desc, sizeof(hub_desc));
        return sizeof(hub_desc);
    case GET_HUB_STATUS:
        put_le32(buf, 0);
        return 4;
    case SET_HUB_FEATURE:
    case CLEAR_HUB_FEATURE: /* changes of local power and over-current */
        return req->value > 1 ? USB_STALL : 0;
    case GET_PORT_STATUS:
    case SET_PORT_FEATURE:
    case CLEAR_PORT_FEATURE:
        return port_request(hub, req, buf);
    default:
        return USB_STALL;
    }
}

static int hub_in(void *opaque, unsigned ep, u8 *buf, unsigned len)
{
    struct usb_hub *hub = opaque;
    u8 raw[CHANGES];
    u16 map = 0;

    for (unsigned i = 0; i < USB_HUB_PORTS; i++)
        map |= hub->change[i] ? (u16)BIT(i + 1) : 0;
    if (!map)
        return USB_NAK;
    put_le16(raw, map);
    if (len < CHANGES && map >> 8 * len)
        return USB_BABBLE; /* some drivers ask for one byte of two */
    memcpy(buf, raw, min_u64(len, CHANGES));
    return (int)min_u64(len, CHANGES);
}

static struct usb_device *hub_find(void *opaque, u8 addr, unsigned depth)
{
    struct usb_hub *hub = opaque;

    for (unsigned i = 0; i < USB_HUB_PORTS; i++) {
        struct usb_device *dev = NULL;
        if ((hub->status[i] & (STATUS_ENABLE | STATUS_SUSPEND)) == STATUS_ENABLE)
            dev = usb_find(&hub->port[i], addr, depth);
        if (dev)
            return dev;
    }
    return NULL;
}

static struct usb_device *hub_below(void *opaque, unsigned port)
{
    struct usb_hub *hub = opaque;
    unsigned n = port - 1;

    if (n >= USB_HUB_PORTS || (hub->status[n] & (STATUS_ENABLE | STATUS_SUSPEND)) != STATUS_ENABLE)
        return NULL;
    return hub->port[n].dev;
}

/* A reset takes the power off. */
static void hub_configured(void *opaque)
{
    struct usb_hub *hub = opaque;

    for (unsigned i = 0; !usb_configured(&hub->usb) && i < USB_HUB_PORTS; i++)
        set_power(hub, i, false);
}

static const struct usb_device_ops usb_ops = {.control = hub_control,
                                              .in = hub_in,
                                              .configured = hub_configured,
                                              .find = hub_find,
                                              .below = hub_below};
static const struct usb_port_ops port_ops = {.connected = port_connected, .ready = port_ready};

int usb_hub_new(struct usb_hub **out)
{
    struct usb_hub *hub = calloc(1, sizeof(*hub));

    if (!hub)
        return -ENOMEM;
    for (unsigned i = 0; i < USB_HUB_PORTS; i++)
        usb_port_init(&hub->port[i], &port_ops, hub, i, USB_FULL);
    usb_device_init(&hub->usb, &descs, &usb_ops, hub);
    usb_device_reset(&hub->usb);
    *out = hub;
    return 0;
}

void usb_hub_free(struct usb_hub *hub)
{
    if (!hub)
        return;
    BUG_ON(hub->usb.port);
    for (unsigned i = 0; i < USB_HUB_PORTS; i++)
        usb_detach(&hub->port[i]);
    free(hub);
}

struct usb_device *usb_hub_device(struct usb_hub *hub)
{
    return &hub->usb;
}

struct usb_port *usb_hub_port(struct usb_hub *hub, unsigned n)
{
    BUG_ON(n >= USB_HUB_PORTS);
    return &hub->port[n];
}

static int hub_loaded(void *obj)
{
    struct usb_hub *hub = obj;

    for (unsigned i = 0; i < USB_HUB_PORTS; i++) {
        u16 status = hub->status[i];
        bool present = status & STATUS_CONNECTION;
        if (present != (hub->port[i].dev && status & STATUS_POWER) || hub->change[i] & ~CHANGE_ALL)
            return -EINVAL;
        if (status & (STATUS_ENABLE | STATUS_SUSPEND) && !present)
            return -EINVAL;
    }
    return usb_device_loaded(&hub->usb);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct usb_hub, usb, 1, usb_device_fields),
    STATE_ARRAY(struct usb_hub, status),
    STATE_ARRAY(struct usb_hub, change),
    STATE_END,
};

const struct state_table usb_hub_state = {
    .name = "usb-hub", .version = 1, .oldest = 1, .fields = fields, .loaded = hub_loaded};
