/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/usb_hub.h"
#include "../test.h"
#include "dev/usb_hid.h"
#include "usbrig.h"

#include <errno.h>

#define HUB 2u

static struct usbrig r;
static struct usb_hub *hub;
static struct usb_pointer *tablet, *mouse;

static void open_hub(void)
{
    usbrig_open(&r);
    CHECK_EQ(usb_hub_new(&hub), 0);
    CHECK_EQ(usb_tablet_new(&tablet, r.rig.clk), 0);
    CHECK_EQ(usb_mouse_new(&mouse, r.rig.clk), 0);
    CHECK_EQ(usb_attach(uhci_port(r.uhci, 0), usb_hub_device(hub)), 0);
    CHECK_EQ(usb_attach(usb_hub_port(hub, 2), usb_pointer_device(tablet)), 0);
    usbrig_start(&r);
    enumerate(&r, 0, HUB);
}

static void close_hub(void)
{
    usb_detach(uhci_port(r.uhci, 0));
    usb_hub_free(hub);
    usb_pointer_free(tablet);
    usb_pointer_free(mouse);
    usbrig_close(&r);
}

static u32 port_status(u16 port)
{
    u8 buf[4] = {0};

    CHECK_EQ(control(&r, HUB, 0xa3, USB_GET_STATUS, 0, port, buf, 4), 4);
    return le32(buf);
}

static void set_feature(u16 port, u16 feature)
{
    CHECK_EQ(control(&r, HUB, 0x23, USB_SET_FEATURE, feature, port, NULL, 0), 0);
}

static void clear_feature(u16 port, u16 feature)
{
    CHECK_EQ(control(&r, HUB, 0x23, USB_CLEAR_FEATURE, feature, port, NULL, 0), 0);
}

static int changes(u16 *map)
{
    u8 buf[2] = {0};
    int n = transfer(&r, HUB, USB_PID_IN, 1, buf, 2, 2);

    *map = le16(buf);
    return n;
}

/* As a hub driver does: power, wait for the change, reset, address, configuration. */
static void bring_up(u16 port, u8 addr)
{
    u16 map;

    set_feature(port, 8);
    CHECK_EQ(changes(&map), 2);
    CHECK_EQ(map, 1u << port);
    CHECK_EQ(port_status(port), 0x10101);
    clear_feature(port, 16);
    set_feature(port, 4);
    CHECK_EQ(port_status(port), 0x100103);
    clear_feature(port, 20);
    CHECK_EQ(control(&r, 0, 0x00, USB_SET_ADDRESS, addr, 0, NULL, 0), 0);
    CHECK_EQ(control(&r, addr, 0x00, USB_SET_CONFIGURATION, 1, 0, NULL, 0), 0);
}

static void has_ports(void)
{
    u8 buf[16];
    u16 map;

    open_hub();
    CHECK_EQ(control(&r, HUB, 0xa0, USB_GET_DESCRIPTOR, 0x2900, 0, buf, 15), 11);
    CHECK_EQ(buf[2], 8);
    CHECK_EQ(control(&r, HUB, 0xa0, USB_GET_STATUS, 0, 0, buf, 4), 4);
    CHECK_EQ(control(&r, HUB, 0xa3, USB_GET_STATUS, 0, 9, buf, 4), XFER_STALL);
    CHECK_EQ(port_status(3), 0); /* no power yet */
    CHECK_EQ(changes(&map), XFER_LATE);
    set_feature(1, 8);
    CHECK_EQ(port_status(1), 0x100);
    bring_up(3, 5);
    CHECK_EQ(changes(&map), XFER_LATE);
    usb_pointer_sink(tablet)->ops->point(usb_pointer_sink(tablet)->opaque, 1, 2, 0, 0);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), 6);
    close_hub();
}

static void sees_plugs(void)
{
    u8 buf[8];
    u16 map;

    open_hub();
    set_feature(8, 8);
    CHECK_EQ(usb_attach(usb_hub_port(hub, 7), usb_pointer_device(mouse)), 0);
    CHECK_EQ(changes(&map), 2);
    CHECK_EQ(map, 0x100);
    clear_feature(8, 16);
    set_feature(8, 4);
    CHECK_EQ(control(&r, 0, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 8), 8);
    clear_feature(8, 1);
    CHECK_EQ(port_status(8), 0x100101);
    usb_detach(usb_hub_port(hub, 7));
    CHECK_EQ(port_status(8), 0x110100);
    close_hub();
}

static void wakes(void)
{
    u16 map;

    open_hub();
    bring_up(3, 5);
    CHECK_EQ(control(&r, 5, 0x00, USB_SET_FEATURE, 1, 0, NULL, 0), 0);
    set_feature(3, 2);
    CHECK_EQ(port_status(3), 0x107);
    CHECK_EQ(control(&r, HUB, 0x00, USB_SET_FEATURE, 1, 0, NULL, 0), 0);
    outw(&r, 0x10, 0x1004); /* and the hub */
    outw(&r, 2, 0x3f);
    usb_pointer_sink(tablet)->ops->point(usb_pointer_sink(tablet)->opaque, 1, 2, 0, 0);
    CHECK_EQ(inw(&r, 2), 4);
    outw(&r, 0x10, 4);
    CHECK_EQ(changes(&map), 2);
    CHECK_EQ(port_status(3), 0x40103);
    close_hub();
}

static void keeps_its_state(void)
{
    struct state_stream s = {0};
    struct err err;

    open_hub();
    bring_up(3, 5);
    CHECK_EQ(state_save(&s, &usb_hub_state, hub), 0);
    CHECK_EQ(state_save(&s, &usb_pointer_state, tablet), 0);
    usb_device_reset(usb_hub_device(hub));
    CHECK(!usb_pointer_sink(tablet)->active);
    CHECK_EQ(state_load(&s, &usb_hub_state, hub, &err), 0);
    CHECK_EQ(state_load(&s, &usb_pointer_state, tablet, &err), 0);
    CHECK_EQ(port_status(3), 0x103);
    CHECK(usb_pointer_sink(tablet)->active);
    usb_detach(usb_hub_port(hub, 2));
    s.at = 0;
    CHECK_EQ(state_load(&s, &usb_hub_state, hub, &err), -EINVAL);
    usb_device_reset(usb_hub_device(hub));
    state_dispose(&s);
    close_hub();
}

int main(void)
{
    TEST_RUN(has_ports);
    TEST_RUN(sees_plugs);
    TEST_RUN(wakes);
    TEST_RUN(keeps_its_state);
    return test_result();
}
