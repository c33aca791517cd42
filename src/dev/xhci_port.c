/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root hub ports (xHCI 1.1, sections 4.15, 4.19 and 5.4.8). Each socket is a USB 3 port and a USB 2
 * port, and what is plugged in appears at the one of its speed. Resets take no time, power is
 * always on. Left out: over-current, link power management but U3, test modes.
 */
#include "dev/xhci_priv.h"

#include <errno.h>

enum { PORTSC = 0, PORTPMSC = 4 };

#define SC_CCS         BIT(0)
#define SC_PED         BIT(1)
#define SC_PR          BIT(4)
#define SC_PLS         (15u << 5)
#define SC_PP          BIT(9)
#define SC_SPEED_SHIFT 10
#define SC_PIC         (3u << 14)
#define SC_LWS         BIT(16)
#define SC_CSC         BIT(17)
#define SC_PEC         BIT(18)
#define SC_WRC         BIT(19)
#define SC_PRC         BIT(21)
#define SC_PLC         BIT(22)
#define SC_CHANGES     (0x7fu << 17)
#define SC_WAKE        (7u << 25)
#define SC_WPR         BIT(31)

enum { PLS_U0 = 0, PLS_U3 = 3, PLS_RX_DETECT = 5, PLS_POLLING = 7, PLS_RESUME = 15 };

#define PMSC_USB2 0x0000ffffu /* L1 status is read only */
#define PMSC_USB3 0x0001ffffu

static unsigned link_state(const struct xhci_root_port *p)
{
    return (p->portsc & SC_PLS) >> 5;
}

static void set_link_state(struct xhci_root_port *p, unsigned pls)
{
    p->portsc = (p->portsc & ~SC_PLS) | pls << 5;
}

static void tell(struct xhci *x, unsigned n)
{
    struct xhci_event ev = {.param = (u64)(n + 1) << 24,
                            .status = (u32)CC_SUCCESS << 24,
                            .control = TRB_TYPE(TRB_PORT_EVENT)};

    if (!xhci_running(x) || !(x->port[n].portsc & SC_CHANGES))
        return;
    x->port[n].told = true;
    xhci_event(x, &ev);
}

static void changed(struct xhci *x, unsigned n, u32 bits)
{
    bool news = bits & ~x->port[n].portsc;

    x->port[n].portsc |= bits;
    x->sts |= XHCI_STS_PCD;
    if (news)
        tell(x, n);
}

void xhci_ports_tell(struct xhci *x)
{
    for (unsigned n = 0; n < XHCI_ROOT; n++)
        if (!x->port[n].told)
            tell(x, n);
}

/* What is at the port: devices of the other kind are at the other port of the socket. */
static struct usb_device *device_at(const struct xhci *x, unsigned n)
{
    struct usb_device *dev = x->socket[xhci_socket_of(n)].dev;

    return dev && (dev->speed == USB_SUPER) == xhci_port_is_usb3(n) ? dev : NULL;
}

static u32 speed_id(const struct usb_device *dev)
{
    static const u8 ids[USB_SPEEDS] = {
        [USB_LOW] = 2, [USB_FULL] = 1, [USB_HIGH] = 3, [USB_SUPER] = 4};

    return (u32)ids[dev->speed] << SC_SPEED_SHIFT;
}

/* A USB 3 link trains itself; a USB 2 port waits for its reset. */
static void sense(struct xhci *x, unsigned n)
{
    struct xhci_root_port *p = &x->port[n];
    struct usb_device *dev = device_at(x, n);
    u32 keep = SC_CHANGES | SC_PIC | SC_WAKE;

    p->portsc = (p->portsc & keep) | SC_PP;
    if (!dev) {
        set_link_state(p, PLS_RX_DETECT);
        return;
    }
    p->portsc |= SC_CCS | speed_id(dev);
    set_link_state(p, dev->speed == USB_SUPER ? PLS_U0 : PLS_POLLING);
    if (dev->speed == USB_SUPER)
        p->portsc |= SC_PED;
}

void xhci_port_connected(void *opaque, unsigned socket, bool present)
{
    struct xhci *x = opaque;

    for (unsigned n = socket; n < XHCI_ROOT; n += XHCI_SOCKETS) {
        bool was = x->port[n].portsc & SC_CCS, is = device_at(x, n);
        if (!was && !is)
            continue;
        sense(x, n);
        changed(x, n, SC_CSC);
    }
    xhci_device_ready(x, socket); /* transfers to what is gone fail */
}

void xhci_port_wake(struct xhci *x, unsigned socket)
{
    for (unsigned n = socket; n < XHCI_ROOT; n += XHCI_SOCKETS) {
        struct usb_device *dev = device_at(x, n);
        if (!dev || !dev->remote_wakeup || link_state(&x->port[n]) != PLS_U3)
            continue;
        set_link_state(&x->port[n], PLS_RESUME);
        changed(x, n, SC_PLC);
    }
}

static void reset_port(struct xhci *x, unsigned n, bool warm)
{
    struct usb_device *dev = device_at(x, n);

    if (!dev)
        return;
    usb_device_reset(dev);
    x->port[n].portsc |= SC_PED;
    set_link_state(&x->port[n], PLS_U0);
    changed(x, n, SC_PRC | (warm ? SC_WRC : 0));
}

/* A write to the link state with its strobe: suspends or resumes. */
static void command_link(struct xhci *x, unsigned n, unsigned pls)
{
    struct xhci_root_port *p = &x->port[n];
    unsigned old = link_state(p);

    if (pls == PLS_RX_DETECT && xhci_port_is_usb3(n) && !(p->portsc & SC_PED)) {
        sense(x, n); /* leaves Disabled */
        return;
    }
    if (!(p->portsc & SC_PED))
        return;
    if (pls == PLS_U3 || (pls == PLS_RESUME && old == PLS_U3 && !xhci_port_is_usb3(n))) {
        set_link_state(p, pls);
    } else if (pls == PLS_U0) {
        set_link_state(p, PLS_U0);
        if (old == PLS_U3 || old == PLS_RESUME)
            changed(x, n, SC_PLC);
        xhci_device_ready(x, xhci_socket_of(n));
    }
}

static void disable(struct xhci *x, unsigned n)
{
    struct xhci_root_port *p = &x->port[n];

    p->portsc &= ~SC_PED;
    set_link_state(p, xhci_port_is_usb3(n) ? 4 /* Disabled */ : PLS_POLLING);
    xhci_device_ready(x, xhci_socket_of(n));
}

static void write_portsc(struct xhci *x, unsigned n, u32 val)
{
    struct xhci_root_port *p = &x->port[n];

    p->portsc &= ~(val & SC_CHANGES);
    p->portsc = (p->portsc & ~(SC_PIC | SC_WAKE)) | (val & (SC_PIC | SC_WAKE));
    if (!(p->portsc & SC_CHANGES))
        p->told = false;
    if (val & SC_WPR && xhci_port_is_usb3(n))
        reset_port(x, n, true);
    else if (val & SC_PR)
        reset_port(x, n, false);
    else if (val & SC_PED && p->portsc & SC_PED)
        disable(x, n);
    else if (val & SC_LWS)
        command_link(x, n, (val & SC_PLS) >> 5);
}

u32 xhci_port_read(const struct xhci *x, unsigned n, unsigned reg)
{
    return reg == PORTSC ? x->port[n].portsc : reg == PORTPMSC ? x->port[n].pmsc : 0;
}

void xhci_port_write(struct xhci *x, unsigned n, unsigned reg, u32 val)
{
    if (reg == PORTSC)
        write_portsc(x, n, val);
    else if (reg == PORTPMSC)
        x->port[n].pmsc = val & (xhci_port_is_usb3(n) ? PMSC_USB3 : PMSC_USB2 & ~7u);
}

void xhci_ports_reset(struct xhci *x)
{
    for (unsigned n = 0; n < XHCI_ROOT; n++) {
        x->port[n] = (struct xhci_root_port){0};
        sense(x, n);
        if (!(x->port[n].portsc & SC_CCS))
            continue;
        usb_device_reset(device_at(x, n));
        x->port[n].portsc |= SC_CSC;
    }
}

int xhci_ports_loaded(struct xhci *x)
{
    for (unsigned n = 0; n < XHCI_ROOT; n++) {
        const struct usb_device *dev = device_at(x, n);
        u32 portsc = x->port[n].portsc;
        if (!!(portsc & SC_CCS) != !!dev || (portsc & SC_PED && !dev))
            return -EINVAL;
    }
    return 0;
}
