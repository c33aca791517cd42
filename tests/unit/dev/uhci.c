/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/uhci.h"
#include "../test.h"
#include "dev/usb_hid.h"
#include "usbrig.h"

#include <errno.h>

static struct usbrig r;
static struct usb_pointer *tablet;
static struct usb_kbd *kbd;

static void open_all(void)
{
    usbrig_open(&r);
    CHECK_EQ(usb_tablet_new(&tablet, r.rig.clk), 0);
    CHECK_EQ(usb_kbd_new(&kbd, r.rig.clk), 0);
    CHECK_EQ(usb_attach(uhci_port(r.uhci, 0), usb_pointer_device(tablet)), 0);
    CHECK_EQ(usb_attach(uhci_port(r.uhci, 1), usb_kbd_device(kbd)), 0);
}

static void close_all(void)
{
    usb_detach(uhci_port(r.uhci, 0));
    usb_detach(uhci_port(r.uhci, 1));
    usb_pointer_free(tablet);
    usb_kbd_free(kbd);
    usbrig_close(&r);
}

static void point(u16 x, u16 y, int wheel, unsigned buttons)
{
    struct input_sink *s = usb_pointer_sink(tablet);

    s->ops->point(s->opaque, x, y, wheel, buttons);
}

static bool key(u16 code, bool down)
{
    struct input_sink *s = usb_kbd_sink(kbd);

    return s->ops->key(s->opaque, code, down);
}

static void is_a_pci_function(void)
{
    open_all();
    CHECK_EQ(pci_config_read(r.pci, UHCI_DEVFN, 0, 4), 0x70208086);
    CHECK_EQ(pci_config_read(r.pci, UHCI_DEVFN, 8, 4), 0x0c030001);
    CHECK_EQ(pci_config_read(r.pci, UHCI_DEVFN, 0x60, 1), 0x10);
    CHECK_EQ(pci_config_read(r.pci, UHCI_DEVFN, 0x3d, 1), 4);
    CHECK_EQ(pci_config_read(r.pci, UHCI_DEVFN, 0xc0, 2), 0x2000);
    pci_config_write(r.pci, UHCI_DEVFN, 0xc0, 2, 0x8f00);
    CHECK_EQ(pci_config_read(r.pci, UHCI_DEVFN, 0xc0, 2), 0);
    close_all();
}

static void has_registers(void)
{
    open_all();
    CHECK_EQ(inw(&r, 0), 0);
    CHECK_EQ(inw(&r, 2), 0x20); /* halted */
    CHECK_EQ(in8(&r.rig, UHCI_IO + 12), 64);
    CHECK_EQ(inw(&r, 0x10), 0x93); /* full speed, connected, changed */
    CHECK_EQ(inw(&r, 0x14), 0);    /* a third port there is not */
    outw(&r, 6, 0xffff);
    CHECK_EQ(inw(&r, 6), 0x7ff);
    bus_write(&r.rig.pio, UHCI_IO + 8, 4, 0xffffffff);
    CHECK_EQ(bus_read(&r.rig.pio, UHCI_IO + 8, 4), 0xfffff000);
    out8(&r.rig, UHCI_IO + 10, 0x12);
    CHECK_EQ(bus_read(&r.rig.pio, UHCI_IO + 8, 4), 0xff12f000);
    CHECK_EQ(bus_read(&r.rig.pio, UHCI_IO + 0x10, 4), 0x930093);
    out8(&r.rig, UHCI_IO + 0x11, 0x02); /* reset by a byte write clears no change */
    CHECK_EQ(inw(&r, 0x10), 0x293);
    outw(&r, 0x10, 2);
    CHECK_EQ(inw(&r, 0x10), 0x91);
    outw(&r, 0x10, 4);
    CHECK_EQ(inw(&r, 0x10), 0x95);
    usb_detach(uhci_port(r.uhci, 0));
    CHECK_EQ(inw(&r, 0x10), 0x8a);
    outw(&r, 0, 2);
    CHECK_EQ(inw(&r, 0), 0);
    CHECK_EQ(inw(&r, 6), 0);
    CHECK_EQ(inw(&r, 0x10), 0x80);
    CHECK_EQ(inw(&r, 0x12), 0x93);
    close_all();
}

static void counts_frames(void)
{
    u64 longest = 0;

    open_all();
    usbrig_start(&r);
    CHECK_EQ(clock_run(r.rig.clk), UINT64_MAX); /* no port is enabled: no timer */
    clock_advance(r.rig.clk, 7 * MS);
    CHECK_EQ(inw(&r, 6), 7);
    CHECK_EQ(inw(&r, 2), 0);
    usbrig_reset_port(&r, 0);
    CHECK_EQ(clock_run(r.rig.clk), 1 * MS);
    clock_advance(r.rig.clk, 3000 * MS);
    CHECK_EQ(inw(&r, 6), 3057 & 0x7ff);
    for (unsigned i = 0; i < 8; i++) {
        clock_advance(r.rig.clk, MS / 2);
        longest = max_u64(longest, clock_run(r.rig.clk));
    }
    CHECK(longest > 3 * MS); /* idle */
    outw(&r, 0, 0xc0);
    CHECK_EQ(inw(&r, 2), 0x20);
    CHECK_EQ(clock_run(r.rig.clk), UINT64_MAX);
    close_all();
}

static void enumerates_a_tablet(void)
{
    u8 buf[256];

    open_all();
    usbrig_start(&r);
    CHECK_EQ(control(&r, 0, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 18),
             XFER_LATE); /* not enabled */
    usbrig_reset_port(&r, 0);
    CHECK_EQ(control(&r, 0, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 64), 18);
    CHECK_EQ(le32(buf + 8), 0x00010627);
    CHECK_EQ(control(&r, 0, 0x00, USB_SET_ADDRESS, 5, 0, NULL, 0), 0);
    CHECK_EQ(control(&r, 0, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 18), XFER_STALL);
    CHECK_EQ(control(&r, 5, 0x80, USB_GET_DESCRIPTOR, 0x200, 0, buf, 9), 9);
    CHECK_EQ(control(&r, 5, 0x80, USB_GET_DESCRIPTOR, 0x200, 0, buf, 255), 34);
    CHECK_EQ(le16(buf + 25), 72); /* the report descriptor's length */
    CHECK_EQ(control(&r, 5, 0x81, USB_GET_DESCRIPTOR, 0x2200, 0, buf, 200), 72);
    CHECK_EQ(control(&r, 5, 0x80, USB_GET_DESCRIPTOR, 0x302, 0x409, buf, 255), 32);
    CHECK_EQ(control(&r, 5, 0x80, USB_GET_DESCRIPTOR, 0x600, 0, buf, 10), XFER_STALL);
    CHECK(!usb_pointer_sink(tablet)->active);
    CHECK_EQ(control(&r, 5, 0x00, USB_SET_CONFIGURATION, 2, 0, NULL, 0), XFER_STALL);
    CHECK_EQ(control(&r, 5, 0x00, USB_SET_CONFIGURATION, 1, 0, NULL, 0), 0);
    CHECK(usb_pointer_sink(tablet)->active);
    CHECK_EQ(control(&r, 5, 0x80, USB_GET_CONFIGURATION, 0, 0, buf, 1), 1);
    CHECK_EQ(buf[0], 1);
    CHECK_EQ(control(&r, 5, 0x21, 0x0a, 0, 0, NULL, 0), 0); /* SET_IDLE */
    CHECK_EQ(control(&r, 5, 0x82, USB_GET_STATUS, 0, 0x81, buf, 2), 2);
    CHECK_EQ(control(&r, 5, 0x82, USB_GET_STATUS, 0, 0x82, buf, 2), XFER_STALL);
    CHECK_EQ(control(&r, 5, 0x00, USB_SET_FEATURE, 1, 0, NULL, 0), 0);
    CHECK_EQ(control(&r, 5, 0x80, USB_GET_STATUS, 0, 0, buf, 2), 2);
    CHECK_EQ(buf[0], 2);
    close_all();
}

static void reports_positions(void)
{
    u8 buf[8] = {0};

    open_all();
    usbrig_start(&r);
    enumerate(&r, 0, 5);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), XFER_LATE);
    CHECK(get32(&r, td_at(0) + 4) & TD_NAKED);
    CHECK(get32(&r, td_at(0) + 4) & TD_ACTIVE);
    outw(&r, 2, 1);
    CHECK(!r.pirq[3].level);
    point(100, 200, 0, 0);
    point(0x1234, 0x7fff, 0, 0);           /* merges */
    point(0x1234, 0x7fff, -1, INPUT_LEFT); /* a press does not */
    point(0x1235, 0x7fff, 0, INPUT_LEFT);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), 6);
    CHECK(!memcmp(buf, "\x00\x34\x12\xff\x7f\x00", 6));
    CHECK_EQ(inw(&r, 2), 1);
    CHECK(r.pirq[3].level);
    outw(&r, 2, 1);
    CHECK(!r.pirq[3].level);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), 6);
    CHECK(!memcmp(buf, "\x01\x34\x12\xff\x7f\x01", 6));
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), 6);
    CHECK(!memcmp(buf, "\x01\x35\x12\xff\x7f\x00", 6));
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), XFER_LATE);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 2, buf, 8, 8), XFER_STALL); /* no such endpoint */
    point(1, 1, 0, 0);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 4, 4), XFER_STALL); /* babble */
    CHECK(get32(&r, td_at(0) + 4) & BIT(20));
    close_all();
}

static void reports_keys(void)
{
    u8 buf[8] = {0}, leds = 2;

    open_all();
    usbrig_start(&r);
    CHECK(key(30, true)); /* nobody listens */
    enumerate(&r, 1, 9);
    CHECK_EQ(control(&r, 9, 0x21, 0x0b, 0, 0, NULL, 0), 0); /* boot protocol */
    CHECK_EQ(control(&r, 9, 0x21, 0x09, 0x200, 0, &leds, 1), 1);
    CHECK_EQ(usb_kbd_leds(kbd), 2);
    CHECK(key(42, true)); /* left Shift, A */
    CHECK(key(30, true));
    CHECK(key(30, true));
    CHECK(key(30, false));
    CHECK_EQ(transfer(&r, 9, USB_PID_IN, 1, buf, 8, 8), 8);
    CHECK(!memcmp(buf, "\x02\0\0\0\0\0\0\0", 8));
    CHECK_EQ(transfer(&r, 9, USB_PID_IN, 1, buf, 8, 8), 8);
    CHECK(!memcmp(buf, "\x02\0\x04\0\0\0\0\0", 8));
    CHECK_EQ(transfer(&r, 9, USB_PID_IN, 1, buf, 8, 8), 8);
    CHECK(!memcmp(buf, "\x02\0\0\0\0\0\0\0", 8));
    CHECK_EQ(transfer(&r, 9, USB_PID_IN, 1, buf, 8, 8), XFER_LATE);
    for (u16 code = 2; code < 9; code++) /* seven keys */
        CHECK(key(code, true));
    for (unsigned i = 0; i < 7; i++)
        CHECK_EQ(transfer(&r, 9, USB_PID_IN, 1, buf, 8, 8), 8);
    CHECK(!memcmp(buf, "\x02\0\1\1\1\1\1\1", 8)); /* too many */
    for (unsigned i = 0; i < 32; i++)
        CHECK(key(16, !(i & 1)));
    CHECK(!key(16, true));                                       /* full */
    CHECK_EQ(control(&r, 9, 0x21, 0x0a, 0x0100, 0, NULL, 0), 0); /* idle rate of 4 ms */
    for (unsigned i = 0; i < 40; i++)
        CHECK_EQ(transfer(&r, 9, USB_PID_IN, 1, buf, 8, 8), 8);
    close_all();
}

/* Both through one queue, as a driver has them: breadth first, a queue head for each. */
static void goes_round_queues(void)
{
    open_all();
    usbrig_start(&r);
    enumerate(&r, 0, 1);
    enumerate(&r, 1, 2);
    put32(&r, SCHED_QH, (SCHED_QH + 16) | LINK_QH);
    put32(&r, SCHED_QH + 16, SCHED_QH | LINK_QH); /* round and round */
    put_td(&r, 0, td_at(1), TD_ACTIVE, td_token(USB_PID_IN, 1, 1, 0, 8), SCHED_DATA);
    put_td(&r, 1, LINK_END, TD_ACTIVE, td_token(USB_PID_IN, 1, 1, 0, 8), SCHED_DATA + 8);
    put_td(&r, 2, LINK_END, TD_ACTIVE, td_token(USB_PID_IN, 2, 1, 0, 8), SCHED_DATA + 16);
    point(1, 2, 0, 0);
    point(1, 2, 0, 1);
    key(30, true);
    put32(&r, SCHED_QH + 20, td_at(2));
    put32(&r, SCHED_QH + 4, td_at(0));
    clock_advance(r.rig.clk, 1 * MS);
    CHECK_EQ(get32(&r, td_at(0) + 4), 5);
    CHECK_EQ(get32(&r, td_at(1) + 4), 5);
    CHECK_EQ(get32(&r, td_at(2) + 4), 7);
    CHECK_EQ(get32(&r, SCHED_QH + 4), LINK_END);
    CHECK_EQ(get32(&r, SCHED_DATA + 16), 0x40000);
    close_all();
}

static void counts_errors(void)
{
    u8 buf[8];

    open_all();
    usbrig_start(&r);
    enumerate(&r, 0, 5);
    outw(&r, 2, 0x3f);
    put_td(&r, 0, LINK_END, TD_ACTIVE | 2u << 27, td_token(USB_PID_IN, 6, 1, 0, 8), SCHED_DATA);
    put32(&r, SCHED_QH + 4, td_at(0)); /* nobody has address 6 */
    clock_advance(r.rig.clk, 1 * MS);
    CHECK_EQ(get32(&r, td_at(0) + 4), TD_ACTIVE | 1u << 27 | BIT(18));
    CHECK_EQ(inw(&r, 2), 0);
    clock_advance(r.rig.clk, 1 * MS);
    CHECK_EQ(get32(&r, td_at(0) + 4), 0x7ff | TD_STALLED | BIT(18));
    CHECK_EQ(inw(&r, 2), 2);
    CHECK(r.pirq[3].level);
    pci_config_write(r.pci, UHCI_DEVFN, 0xc0, 2, 0); /* the firmware's turn */
    CHECK(!r.pirq[3].level);
    outw(&r, 2, 2);
    put_td(&r, 0, LINK_END, TD_ACTIVE, td_token(0x12, 5, 1, 0, 8), SCHED_DATA); /* no PID */
    put32(&r, SCHED_QH + 4, td_at(0));
    clock_advance(r.rig.clk, 1 * MS);
    CHECK_EQ(inw(&r, 2), 0x30);
    CHECK_EQ(inw(&r, 0) & 1, 0);
    outw(&r, 2, 0x10);
    put_td(&r, 0, LINK_END, TD_ACTIVE, td_token(USB_PID_IN, 5, 1, 0, 8), 0xf0000000);
    put32(&r, SCHED_QH + 4, td_at(0));
    point(1, 1, 0, 0);
    outw(&r, 0, 0xc1);
    clock_advance(r.rig.clk, 1 * MS);
    CHECK_EQ(inw(&r, 2), 0x28);
    outw(&r, 2, 8);
    outw(&r, 0, 0xc1);
    pci_config_write(r.pci, UHCI_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), XFER_LATE); /* no bus master, no frames */
    close_all();
}

/* Guests suspend an idle tablet; a movement wakes it. */
static void suspends_and_wakes(void)
{
    open_all();
    usbrig_start(&r);
    enumerate(&r, 0, 5);
    CHECK_EQ(control(&r, 5, 0x00, USB_SET_FEATURE, 1, 0, NULL, 0), 0);
    outw(&r, 0x10, 0x1004);
    outw(&r, 0, 0x48); /* global suspend, stopped */
    outw(&r, 2, 0x3f);
    CHECK_EQ(clock_run(r.rig.clk), UINT64_MAX);
    point(1, 1, 0, 0);
    CHECK_EQ(inw(&r, 2), 0x24);
    CHECK_EQ(inw(&r, 0) & 0x18, 0x18);
    CHECK_EQ(inw(&r, 0x10), 0x10d5);
    CHECK(r.pirq[3].level);
    outw(&r, 0, 0xc1);
    outw(&r, 0x10, 4);
    CHECK_EQ(inw(&r, 0x10), 0x95);
    close_all();
}

/* Loops of every kind end with the frame. */
static void survives_loops(void)
{
    open_all();
    usbrig_start(&r);
    enumerate(&r, 0, 5);
    put_td(&r, 0, td_at(0), 0, 0, 0); /* an inactive descriptor that follows itself */
    for (unsigned i = 0; i < 1024; i++)
        put32(&r, SCHED_LIST + 4 * i, td_at(0));
    clock_advance(r.rig.clk, 5 * MS);
    put32(&r, SCHED_QH, SCHED_QH | LINK_QH);
    put32(&r, SCHED_QH + 4, SCHED_QH | LINK_QH);
    for (unsigned i = 0; i < 1024; i++)
        put32(&r, SCHED_LIST + 4 * i, SCHED_QH | LINK_QH);
    clock_advance(r.rig.clk, 5 * MS);
    put_td(&r, 0, td_at(0) | LINK_DEPTH, TD_ACTIVE, td_token(USB_PID_IN, 5, 1, 0, 8), SCHED_DATA);
    put32(&r, SCHED_QH + 4, td_at(0));
    clock_advance(r.rig.clk, 5 * MS);
    CHECK_EQ(inw(&r, 2) & 0x20, 0);
    close_all();
}

static void keeps_its_state(void)
{
    struct state_stream s = {0};
    struct err err;
    u8 buf[8];

    open_all();
    usbrig_start(&r);
    enumerate(&r, 0, 5);
    point(7, 8, 0, 1);
    clock_advance(r.rig.clk, 300 * US);
    CHECK_EQ(state_save(&s, &uhci_state, r.uhci), 0);
    CHECK_EQ(state_save(&s, &usb_pointer_state, tablet), 0);
    uhci_reset(r.uhci);
    CHECK(!usb_pointer_sink(tablet)->active);
    CHECK_EQ(state_load(&s, &uhci_state, r.uhci, &err), 0);
    CHECK_EQ(state_load(&s, &usb_pointer_state, tablet, &err), 0);
    CHECK(usb_pointer_sink(tablet)->active);
    CHECK_EQ(clock_run(r.rig.clk), 700 * US);
    CHECK_EQ(transfer(&r, 5, USB_PID_IN, 1, buf, 8, 8), 6);
    CHECK(!memcmp(buf, "\x01\x07\x00\x08\x00\x00", 6));
    usb_detach(uhci_port(r.uhci, 0)); /* no device where the saved one had it */
    s.at = 0;
    CHECK_EQ(state_load(&s, &uhci_state, r.uhci, &err), -EINVAL);
    uhci_reset(r.uhci);
    state_dispose(&s);
    close_all();
}

static void moves_a_mouse(void)
{
    struct usb_pointer *mouse = NULL;
    struct input_sink *sink;
    u8 buf[8];

    usbrig_open(&r);
    CHECK_EQ(usb_mouse_new(&mouse, r.rig.clk), 0);
    CHECK_EQ(usb_attach(uhci_port(r.uhci, 1), usb_pointer_device(mouse)), 0);
    CHECK_EQ(usb_attach(uhci_port(r.uhci, 1), usb_pointer_device(mouse)), -EBUSY);
    sink = usb_pointer_sink(mouse);
    usbrig_start(&r);
    enumerate(&r, 1, 3);
    sink->ops->move(sink->opaque, 100, -5, 0, 0);
    sink->ops->move(sink->opaque, 100, -5, 1, 0);
    CHECK_EQ(transfer(&r, 3, USB_PID_IN, 1, buf, 4, 4), 4);
    CHECK(!memcmp(buf, "\x00\x7f\xf6\xff", 4));
    CHECK_EQ(transfer(&r, 3, USB_PID_IN, 1, buf, 4, 4), 4);
    CHECK(!memcmp(buf, "\x00\x49\x00\x00", 4));
    CHECK_EQ(control(&r, 3, 0x21, 0x0b, 0, 0, NULL, 0), 0); /* boot protocol */
    sink->ops->move(sink->opaque, 1, 2, 0, 4);
    CHECK_EQ(transfer(&r, 3, USB_PID_IN, 1, buf, 4, 4), 3);
    CHECK(!memcmp(buf, "\x04\x01\x02", 3));
    usb_detach(uhci_port(r.uhci, 1));
    usb_pointer_free(mouse);
    usbrig_close(&r);
}

int main(void)
{
    TEST_RUN(is_a_pci_function);
    TEST_RUN(has_registers);
    TEST_RUN(counts_frames);
    TEST_RUN(enumerates_a_tablet);
    TEST_RUN(reports_positions);
    TEST_RUN(reports_keys);
    TEST_RUN(goes_round_queues);
    TEST_RUN(counts_errors);
    TEST_RUN(suspends_and_wakes);
    TEST_RUN(survives_loops);
    TEST_RUN(keeps_its_state);
    TEST_RUN(moves_a_mouse);
    return test_result();
}
