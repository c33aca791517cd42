/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What USB devices, hubs and host controllers have in common: ports, the control pipe, standard
 * requests (Universal Serial Bus Specification 2.0, chapters 8, 9 and 11; 3.0, chapter 9). See
 * usb.c.
 *
 * A controller makes one transaction at a time, of at most one packet. A device that has nothing
 * yet answers NAK and is asked again; usb_ready tells its controller that asking is worth while.
 * All of it runs under the machine's lock.
 */
#pragma once
#include "base/state.h"

enum usb_speed { USB_LOW, USB_FULL, USB_HIGH, USB_SUPER, USB_SPEEDS };

enum usb_pid { USB_PID_OUT = 0xe1, USB_PID_IN = 0x69, USB_PID_SETUP = 0x2d };

/* How a transaction ends that moves no data; otherwise it is a number of bytes. */
enum { USB_NAK = -1, USB_STALL = -2, USB_BABBLE = -3, USB_TIMEOUT = -4 };

#define USB_DIR_IN      0x80u
#define USB_CONTROL_MAX 512u /* bytes of a control transfer's data stage */
#define USB_PACKET_MAX  1024u
#define USB_DEPTH       5u /* hubs in a row */

/* Request codes (table 9-4) and descriptor types (table 9-5). */
enum {
    USB_GET_STATUS = 0,
    USB_CLEAR_FEATURE = 1,
    USB_SET_FEATURE = 3,
    USB_SET_ADDRESS = 5,
    USB_GET_DESCRIPTOR = 6,
    USB_GET_CONFIGURATION = 8,
    USB_SET_CONFIGURATION = 9,
    USB_GET_INTERFACE = 10,
    USB_SET_INTERFACE = 11,
    USB_SET_SEL = 48,
    USB_SET_ISOCH_DELAY = 49,
};
enum {
    USB_DESC_DEVICE = 1,
    USB_DESC_CONFIG = 2,
    USB_DESC_STRING = 3,
    USB_DESC_INTERFACE = 4,
    USB_DESC_ENDPOINT = 5,
    USB_DESC_QUALIFIER = 6,
    USB_DESC_OTHER_SPEED = 7,
    USB_DESC_BOS = 15,
    USB_DESC_CAPABILITY = 16,
    USB_DESC_COMPANION = 48, /* of a SuperSpeed endpoint */
};

/* bmRequestType and bRequest in one number, as tables of class requests have them. */
#define USB_REQUEST(type, request) ((unsigned)(type) << 8 | (unsigned)(request))

struct usb_setup {
    u8 type, request;
    u16 value, index, length;
};

/* What a kind of device says of itself. */
struct usb_descs {
    u16 vendor, product, release;
    u8 class, subclass, protocol;
    const char *maker, *name;     /* ASCII */
    const u8 *config[USB_SPEEDS]; /* the whole configuration; NULL where it lacks the speed */
};

struct usb_device;
struct usb_device_ops {
    /* A request that is not a standard one, or for a descriptor of an interface. `buf` holds what
       an OUT request brought, or takes up to USB_CONTROL_MAX bytes. The length, or USB_STALL. */
    int (*control)(void *opaque, const struct usb_setup *req, u8 *buf);
    /* One packet of an endpoint of the configuration; see usb_transact. May be NULL. */
    int (*in)(void *opaque, unsigned ep, u8 *buf, unsigned len);
    int (*out)(void *opaque, unsigned ep, const u8 *buf, unsigned len);
    /* After a reset or SET_CONFIGURATION: usb_configured tells. May be NULL. */
    void (*configured)(void *opaque);
    /* The host has cleared the halt of an endpoint. May be NULL. */
    void (*unhalted)(void *opaque, u8 ep);
    /* A hub's way down to a device; NULL for others. */
    struct usb_device *(*find)(void *opaque, u8 addr, unsigned depth);
    /* What is at a hub's port, from 1, if that is enabled; NULL for others. */
    struct usb_device *(*below)(void *opaque, unsigned port);
};

struct usb_port;
struct usb_port_ops {
    void (*connected)(void *opaque, unsigned n, bool present);
    /* The device has data, or wants the bus to wake (look at remote_wakeup). */
    void (*ready)(void *opaque, unsigned n);
};

struct usb_port { /* embedded in a hub or controller */
    const struct usb_port_ops *ops;
    void *opaque;
    unsigned n;
    enum usb_speed fastest;
    struct usb_device *dev;
};

struct usb_device { /* embedded in a device; the fields are usb.c's and usb_std.c's */
    const struct usb_descs *descs;
    const struct usb_device_ops *ops;
    void *opaque;
    const char *serial; /* NULL: none */
    struct usb_port *port;
    u8 speed;
    u8 addr, new_addr; /* the latter counts once the status stage is over */
    u8 config;         /* bConfigurationValue or 0 */
    bool remote_wakeup;
    u16 halted_in, halted_out; /* endpoints, by bit */
    u8 stage;                  /* of the control pipe */
    u8 setup[8];
    u16 at, len; /* in buf */
    u8 buf[USB_CONTROL_MAX];
};

void usb_device_init(struct usb_device *dev, const struct usb_descs *descs,
                     const struct usb_device_ops *ops, void *opaque);
/* Signals a bus reset: it has address 0 and no configuration then. */
void usb_device_reset(struct usb_device *dev);

void usb_port_init(struct usb_port *port, const struct usb_port_ops *ops, void *opaque, unsigned n,
                   enum usb_speed fastest);
/* Plugs it in. -EBUSY: the port is used; -EINVAL: the device has no speed that the port has. */
must_check int usb_attach(struct usb_port *port, struct usb_device *dev);
/* Pulls out what is there; harmless if nothing is. */
void usb_detach(struct usb_port *port);

/* The device with that address at the port or below; NULL. */
struct usb_device *usb_find(struct usb_port *port, u8 addr, unsigned depth);
/* One packet to or from an endpoint: of IN at most len bytes come. Bytes moved, or USB_NAK and so
   on. Data toggles are not kept: a wire that loses nothing needs none. */
int usb_transact(struct usb_device *dev, enum usb_pid pid, unsigned ep, u8 *buf, unsigned len);

/* For devices. */
static inline bool usb_configured(const struct usb_device *dev)
{
    return dev->config;
}
void usb_ready(struct usb_device *dev);
/* Halts an endpoint (number | USB_DIR_IN) until the host clears it. */
void usb_halt(struct usb_device *dev, u8 ep);
bool usb_is_halted(const struct usb_device *dev, u8 ep);

/* usb_std.c: the answer to a standard request, as ops->control gives it. */
int usb_standard_request(struct usb_device *dev, const struct usb_setup *req, u8 *buf);
/* The descriptor of an endpoint (number | USB_DIR_IN) in the current configuration, or NULL. */
const u8 *usb_endpoint(const struct usb_device *dev, u8 ep);
unsigned usb_control_packet(const struct usb_device *dev);

/* For a device's own table: STATE_STRUCTS(struct x, usb, 1, usb_device_fields), and the check
   that its `loaded` calls first. */
extern const struct state_field usb_device_fields[];
must_check int usb_device_loaded(struct usb_device *dev);
