/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of a USB device that all have: its port, and the control pipe's stages (Universal
 * Serial Bus Specification 2.0, section 8.5.3). Left out: data toggles, high bandwidth endpoints,
 * split transactions. Runs under the machine's lock.
 */
#include "dev/usb.h"
#include "base/le.h"

#include <errno.h>

enum { STAGE_IDLE, STAGE_IN, STAGE_OUT, STAGE_STATUS_IN, STAGE_STALL, STAGES };

void usb_device_init(struct usb_device *dev, const struct usb_descs *descs,
                     const struct usb_device_ops *ops, void *opaque)
{
    *dev = (struct usb_device){.descs = descs, .ops = ops, .opaque = opaque};
}

void usb_device_reset(struct usb_device *dev)
{
    dev->addr = dev->new_addr = dev->config = 0;
    dev->remote_wakeup = false;
    dev->halted_in = dev->halted_out = 0;
    dev->stage = STAGE_IDLE;
    dev->at = dev->len = 0;
    if (dev->ops->configured)
        dev->ops->configured(dev->opaque);
}

void usb_port_init(struct usb_port *port, const struct usb_port_ops *ops, void *opaque, unsigned n,
                   enum usb_speed fastest)
{
    *port = (struct usb_port){.ops = ops, .opaque = opaque, .n = n, .fastest = fastest};
}

int usb_attach(struct usb_port *port, struct usb_device *dev)
{
    int speed = (int)port->fastest;

    if (port->dev || dev->port)
        return -EBUSY;
    while (speed >= 0 && !dev->descs->config[speed])
        speed--;
    if (speed < 0)
        return -EINVAL;
    dev->speed = (u8)speed;
    dev->port = port;
    port->dev = dev;
    usb_device_reset(dev);
    port->ops->connected(port->opaque, port->n, true);
    return 0;
}

void usb_detach(struct usb_port *port)
{
    struct usb_device *dev = port->dev;

    if (!dev)
        return;
    port->dev = NULL;
    dev->port = NULL;
    usb_device_reset(dev);
    port->ops->connected(port->opaque, port->n, false);
}

struct usb_device *usb_find(struct usb_port *port, u8 addr, unsigned depth)
{
    struct usb_device *dev = port->dev;

    if (!dev || dev->addr == addr)
        return dev;
    return dev->ops->find && depth ? dev->ops->find(dev->opaque, addr, depth - 1) : NULL;
}

void usb_ready(struct usb_device *dev)
{
    if (dev->port)
        dev->port->ops->ready(dev->port->opaque, dev->port->n);
}

static u16 *halted(struct usb_device *dev, u8 ep)
{
    return ep & USB_DIR_IN ? &dev->halted_in : &dev->halted_out;
}

void usb_halt(struct usb_device *dev, u8 ep)
{
    *halted(dev, ep) |= (u16)BIT(ep & 15);
}

bool usb_is_halted(const struct usb_device *dev, u8 ep)
{
    return (ep & USB_DIR_IN ? dev->halted_in : dev->halted_out) & BIT(ep & 15);
}

static struct usb_setup parse_setup(const u8 *p)
{
    return (struct usb_setup){.type = p[0],
                              .request = p[1],
                              .value = le16(p + 2),
                              .index = le16(p + 4),
                              .length = le16(p + 6)};
}

/* Does the request that the setup stage brought. */
static int perform(struct usb_device *dev)
{
    struct usb_setup req = parse_setup(dev->setup);
    bool of_interface = req.type == 0x81 && req.request == USB_GET_DESCRIPTOR;

    if (req.type & 0x60 || of_interface)
        return dev->ops->control ? dev->ops->control(dev->opaque, &req, dev->buf) : USB_STALL;
    return usb_standard_request(dev, &req, dev->buf);
}

static int setup_stage(struct usb_device *dev, const u8 *buf, unsigned len)
{
    struct usb_setup req;
    int rc;

    if (len != sizeof(dev->setup))
        return USB_TIMEOUT;
    memcpy(dev->setup, buf, len);
    req = parse_setup(buf);
    dev->at = dev->len = 0;
    dev->new_addr = dev->addr;
    if (!(req.type & USB_DIR_IN) && req.length) {
        dev->stage = req.length > USB_CONTROL_MAX ? STAGE_STALL : STAGE_OUT;
        dev->len = dev->stage == STAGE_OUT ? req.length : 0;
        return (int)len;
    }
    memset(dev->buf, 0, sizeof(dev->buf));
    rc = perform(dev);
    dev->stage = rc < 0 ? STAGE_STALL : req.type & USB_DIR_IN ? STAGE_IN : STAGE_STATUS_IN;
    dev->len = rc < 0 ? 0 : (u16)min_u64((u64)rc, req.length);
    return (int)len;
}

static void status_over(struct usb_device *dev)
{
    dev->stage = STAGE_IDLE;
    dev->addr = dev->new_addr;
}

static int control_in(struct usb_device *dev, u8 *buf, unsigned len)
{
    unsigned n;

    switch (dev->stage) {
    case STAGE_IN:
        n = (unsigned)min_u64(min_u64(len, usb_control_packet(dev)), dev->len - dev->at);
        memcpy(buf, dev->buf + dev->at, n);
        dev->at = (u16)(dev->at + n);
        return (int)n;
    case STAGE_STATUS_IN:
        status_over(dev);
        return 0;
    default:
        return USB_STALL;
    }
}

static int control_out(struct usb_device *dev, const u8 *buf, unsigned len)
{
    if (dev->stage == STAGE_IN) { /* the status stage, which may cut the data stage short */
        status_over(dev);
        return (int)len;
    }
    if (dev->stage != STAGE_OUT)
        return USB_STALL;
    if (len > (unsigned)(dev->len - dev->at)) {
        dev->stage = STAGE_STALL;
        return USB_STALL;
    }
    memcpy(dev->buf + dev->at, buf, len);
    dev->at = (u16)(dev->at + len);
    if (dev->at == dev->len)
        dev->stage = perform(dev) < 0 ? STAGE_STALL : STAGE_STATUS_IN;
    return (int)len;
}

static int control(struct usb_device *dev, enum usb_pid pid, u8 *buf, unsigned len)
{
    if (pid == USB_PID_SETUP)
        return setup_stage(dev, buf, len);
    return pid == USB_PID_IN ? control_in(dev, buf, len) : control_out(dev, buf, len);
}

int usb_transact(struct usb_device *dev, enum usb_pid pid, unsigned ep, u8 *buf, unsigned len)
{
    u8 address = (u8)(ep | (pid == USB_PID_IN ? USB_DIR_IN : 0));

    if (!ep)
        return control(dev, pid, buf, len);
    if (pid == USB_PID_SETUP)
        return USB_TIMEOUT;
    if (!usb_endpoint(dev, address) || usb_is_halted(dev, address))
        return USB_STALL;
    if (pid == USB_PID_IN)
        return dev->ops->in ? dev->ops->in(dev->opaque, ep, buf, len) : USB_STALL;
    return dev->ops->out ? dev->ops->out(dev->opaque, ep, buf, len) : USB_STALL;
}

const struct state_field usb_device_fields[] = {
    STATE_UINT(struct usb_device, addr),      STATE_UINT(struct usb_device, new_addr),
    STATE_UINT(struct usb_device, config),    STATE_BOOL(struct usb_device, remote_wakeup),
    STATE_UINT(struct usb_device, halted_in), STATE_UINT(struct usb_device, halted_out),
    STATE_UINT(struct usb_device, stage),     STATE_ARRAY(struct usb_device, setup),
    STATE_UINT(struct usb_device, at),        STATE_UINT(struct usb_device, len),
    STATE_ARRAY(struct usb_device, buf),      STATE_END,
};

int usb_device_loaded(struct usb_device *dev)
{
    const u8 *config = dev->descs->config[dev->speed];

    if (dev->addr > 127 || dev->new_addr > 127 || dev->stage >= STAGES)
        return -EINVAL;
    if (dev->len > USB_CONTROL_MAX || dev->at > dev->len)
        return -EINVAL;
    return dev->config && (!config || dev->config != config[5]) ? -EINVAL : 0;
}
