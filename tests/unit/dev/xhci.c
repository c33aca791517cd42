/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/xhci.h"
#include "../test.h"
#include "dev/usb_hid.h"
#include "dev/usb_hub.h"
#include "dev/usb_msd.h"
#include "fakeblock.h"
#include "xhcirig.h"

#include <errno.h>

static struct xhcirig r;
static struct usb_pointer *tablet;
static struct usb_kbd *kbd;
static struct usb_hub *hub;
static struct block disk;
static struct usb_msd *msd;
static struct trb ev;

/* Sockets: 0 a disk, 1 a tablet, 2 a hub with a keyboard at its port 3. */
static void open_all(void)
{
    struct usb_msd_config cfg = {.block = &disk, .serial = "0123456789AB", .removable = true};

    xhcirig_open(&r);
    fake_init(&disk, 128 * KiB, r.rig.clk);
    CHECK_EQ(usb_msd_new(&msd, &cfg), 0);
    CHECK_EQ(usb_tablet_new(&tablet, r.rig.clk), 0);
    CHECK_EQ(usb_kbd_new(&kbd, r.rig.clk), 0);
    CHECK_EQ(usb_hub_new(&hub), 0);
    CHECK_EQ(usb_attach(xhci_socket(r.xhci, 0), usb_msd_device(msd)), 0);
    CHECK_EQ(usb_attach(xhci_socket(r.xhci, 1), usb_pointer_device(tablet)), 0);
    CHECK_EQ(usb_attach(xhci_socket(r.xhci, 2), usb_hub_device(hub)), 0);
    CHECK_EQ(usb_attach(usb_hub_port(hub, 2), usb_kbd_device(kbd)), 0);
}

static void close_all(void)
{
    block_drain(&disk);
    usb_detach(usb_hub_port(hub, 2));
    for (unsigned n = 0; n < XHCI_SOCKETS; n++)
        usb_detach(xhci_socket(r.xhci, n));
    usb_msd_free(msd);
    usb_pointer_free(tablet);
    usb_kbd_free(kbd);
    usb_hub_free(hub);
    xhcirig_close(&r);
}

static void point(u16 x, u16 y)
{
    struct input_sink *s = usb_pointer_sink(tablet);

    s->ops->point(s->opaque, x, y, 0, 0);
}

static u32 ep_state(unsigned slot, unsigned dci)
{
    return get32(&r, AT_CONTEXT + 0x400 * slot + 0x20 * dci) & 7;
}

static u32 ep_dequeue(unsigned slot, unsigned dci)
{
    return get32(&r, AT_CONTEXT + 0x400 * slot + 0x20 * dci + 8);
}

static u32 slot_state(unsigned slot)
{
    return get32(&r, AT_CONTEXT + 0x400 * slot + 12);
}

/* The tablet in a slot with its interrupt endpoint (every 4 ms), and configured. */
static unsigned set_up_tablet(void)
{
    unsigned slot = enumerate(&r, 6, 0, 64);

    CHECK_EQ(add_endpoint(&r, slot, 3, 7, 8, 5), 1);
    CHECK_EQ(control(&r, slot, 0, USB_SET_CONFIGURATION, 1, 0, NULL, 0), 0);
    return slot;
}

static unsigned set_up_disk(void)
{
    unsigned slot = enumerate(&r, 1, 0, 512);

    CHECK_EQ(add_endpoint(&r, slot, 3, 6, 1024, 0), 1);
    CHECK_EQ(add_endpoint(&r, slot, 4, 2, 1024, 0), 1);
    CHECK_EQ(control(&r, slot, 0, USB_SET_CONFIGURATION, 1, 0, NULL, 0), 0);
    return slot;
}

static void is_a_pci_function(void)
{
    open_all();
    CHECK_EQ(pci_config_read(r.pci, XHCI_DEVFN, 0, 4), 0x000d1b36);
    CHECK_EQ(pci_config_read(r.pci, XHCI_DEVFN, 8, 4), 0x0c033001);
    CHECK_EQ(pci_config_read(r.pci, XHCI_DEVFN, 0x60, 1), 0x30);
    CHECK_EQ(pci_config_read(r.pci, XHCI_DEVFN, 0x3d, 1), 1);
    close_all();
}

static void has_registers(void)
{
    open_all();
    CHECK_EQ(inl(&r, 0), 0x01000040);
    CHECK_EQ(bus_read(&r.rig.mmio, XHCI_MMIO + 2, 2), 0x0100);
    CHECK_EQ(inl(&r, 4), 0x08001040); /* 8 ports, 16 interrupters, 64 slots */
    CHECK_EQ(inl(&r, 0x10) >> 16, 0x140);
    CHECK_EQ(inl(&r, 0x14), 0x2000);
    CHECK_EQ(inl(&r, 0x18), 0x1000);
    CHECK_EQ(inl(&r, 0x500), 0x0401); /* USB legacy support, then the protocols */
    CHECK_EQ(inl(&r, 0x510), 0x02000402);
    CHECK_EQ(inl(&r, 0x518), 0x0405);
    CHECK_EQ(inl(&r, 0x520), 0x03000002);
    CHECK_EQ(inl(&r, 0x528), 0x0401);
    bus_write(&r.rig.mmio, XHCI_MMIO + 0x503, 1, 1);
    CHECK_EQ(inl(&r, 0x500), 0x01000401);
    CHECK_EQ(inl(&r, OPER(4)), 0x11); /* halted; ports have changed */
    CHECK_EQ(inl(&r, OPER(8)), 1);    /* 4 KiB pages */
    bus_write(&r.rig.mmio, XHCI_MMIO + OPER(0), 1, 1);
    CHECK_EQ(inl(&r, OPER(0)), 0); /* registers take dwords */
    outq(&r, OPER(0x30), 0x123456789abull);
    CHECK_EQ(inl(&r, OPER(0x30)), 0x45678980);
    CHECK_EQ(inl(&r, OPER(0x34)), 0x123);
    outl(&r, OPER(0x38), 0xff);
    CHECK_EQ(inl(&r, OPER(0x38)), 64);
    outq(&r, OPER(0x18), AT_CMDS | 1);
    CHECK_EQ(inl(&r, OPER(0x18)), 0); /* the pointer reads as 0 */
    outl(&r, OPER(0), 0x200);         /* restore a state that was not saved */
    CHECK_EQ(inl(&r, OPER(4)), 0x411);
    CHECK_EQ(inl(&r, PORTSC(1)), 0x21203); /* SuperSpeed, enabled, U0, changed */
    CHECK_EQ(inl(&r, PORTSC(5)), 0x002a0);
    CHECK_EQ(inl(&r, PORTSC(6)), 0x206e1); /* full speed, polling */
    CHECK_EQ(inl(&r, PORTSC(2)), 0x002a0); /* nothing, RxDetect */
    outl(&r, OPER(0), 2);
    CHECK_EQ(inl(&r, OPER(0x30)), 0);
    CHECK_EQ(inl(&r, OPER(0)), 0);
    CHECK_EQ(inl(&r, 0x3ffc), 0);
    close_all();
}

static void ports_reset_and_tell(void)
{
    open_all();
    xhcirig_start(&r);
    CHECK_EQ(inl(&r, OPER(4)), 0x18); /* PCD, EINT */
    outl(&r, PORTSC(6), 0x20200);
    CHECK_EQ(inl(&r, PORTSC(6)), 0x6e1);
    outl(&r, PORTSC(6), 0x210);
    CHECK_EQ(inl(&r, PORTSC(6)), 0x200603); /* enabled, U0, PRC */
    CHECK(next_event(&r, &ev));
    CHECK_EQ(event_type(&ev), 34);
    CHECK_EQ(ev.param, 6ull << 24);
    CHECK_EQ(event_code(&ev), 1);
    outl(&r, PORTSC(6), 0x200202); /* the change is seen; disabled */
    CHECK_EQ(inl(&r, PORTSC(6)), 0x6e1);
    outl(&r, PORTSC(6), 0x210);
    CHECK(next_event(&r, &ev));
    usb_detach(xhci_socket(r.xhci, 1));
    CHECK_EQ(inl(&r, PORTSC(6)), 0x2202a0);
    CHECK(next_event(&r, &ev));
    CHECK_EQ(ev.param, 6ull << 24);
    outl(&r, PORTSC(1), 0x80000200); /* a warm reset of the SuperSpeed port */
    CHECK_EQ(inl(&r, PORTSC(1)) & 0x280000, 0x280000);
    CHECK(next_event(&r, &ev));
    outl(&r, PORTSC(2), 0x210); /* nobody is there */
    CHECK_EQ(inl(&r, PORTSC(2)), 0x2a0);
    CHECK(!next_event(&r, &ev));
    close_all();
}

static void suspends_and_wakes(void)
{
    unsigned slot;

    open_all();
    xhcirig_start(&r);
    slot = set_up_tablet();
    CHECK_EQ(control(&r, slot, 0x00, USB_SET_FEATURE, 1, 0, NULL, 0), 0);
    outl(&r, PORTSC(6), 0x600200); /* both changes seen */
    outl(&r, PORTSC(6), 0x10260);  /* U3 */
    CHECK_EQ(inl(&r, PORTSC(6)) & 0x1e0, 0x60);
    point(1, 1);
    CHECK_EQ(inl(&r, PORTSC(6)) & 0x4001e0, 0x4001e0); /* Resume, PLC */
    CHECK(next_event(&r, &ev));
    CHECK_EQ(event_type(&ev), 34);
    outl(&r, PORTSC(6), 0x410200); /* U0 */
    CHECK_EQ(inl(&r, PORTSC(6)) & 0x4001e0, 0x400000);
    close_all();
}

static void counts_microframes(void)
{
    open_all();
    xhcirig_start(&r);
    CHECK_EQ(inl(&r, 0x1000), 0);
    clock_advance(r.rig.clk, 10 * MS);
    CHECK_EQ(inl(&r, 0x1000), 80);
    outl(&r, OPER(0), 0x405); /* tell of its wrap */
    clock_advance(r.rig.clk, 2040 * MS);
    CHECK_EQ(inl(&r, 0x1000), 16);
    CHECK(next_event(&r, &ev));
    CHECK_EQ(event_type(&ev), 39);
    outl(&r, OPER(0), 0);
    clock_advance(r.rig.clk, 2040 * MS);
    CHECK_EQ(inl(&r, 0x1000), 16);
    close_all();
}

static void runs_commands(void)
{
    unsigned slot = 9;

    open_all();
    xhcirig_start(&r);
    for (unsigned i = 0; i < 100; i++) /* round the ring */
        CHECK_EQ(command(&r, 0, T_TYPE(23), &slot), 1);
    CHECK_EQ(slot, 0);
    CHECK_EQ(inl(&r, OPER(0x18)), 8); /* CRR */
    CHECK_EQ(command(&r, 0, T_TYPE(18), NULL), 5);
    CHECK_EQ(command(&r, 0, T_TYPE(50), NULL), 5);
    CHECK_EQ(command(&r, 0, T_TYPE(1), NULL), 5);
    CHECK_EQ(command(&r, AT_DATA, T_TYPE(21) | 4 << 16, NULL), 1); /* port bandwidth */
    CHECK_EQ(get32(&r, AT_DATA), 0x5a5a5a00);
    CHECK_EQ(get32(&r, AT_DATA + 4), 0x0000005a);
    outl(&r, OPER(0x18), 2); /* stop */
    CHECK(next_event(&r, &ev));
    CHECK_EQ(event_type(&ev), 33);
    CHECK_EQ(event_code(&ev), 24);
    CHECK_EQ(ev.param, r.cmds.at + 16 * r.cmds.n);
    CHECK_EQ(inl(&r, OPER(0x18)), 0);
    ring_init(&r, &r.cmds, AT_CMDS + 0x400);
    outq(&r, OPER(0x18), (AT_CMDS + 0x400) | 1);
    CHECK_EQ(command(&r, 0, T_TYPE(23), NULL), 1);
    outl(&r, OPER(0), 0);
    push(&r, &r.cmds, 0, 0, T_TYPE(23));
    outl(&r, DOORBELL(0), 0);
    CHECK(!next_event(&r, &ev)); /* halted */
    close_all();
}

static void gives_slots(void)
{
    unsigned slot;

    open_all();
    xhcirig_start(&r);
    outl(&r, OPER(0x38), 2);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1);
    CHECK_EQ(slot, 1);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1);
    CHECK_EQ(slot, 2);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 9);
    CHECK_EQ(command(&r, 0, slot_command(10, 1, 0), NULL), 1);
    CHECK_EQ(command(&r, 0, slot_command(10, 1, 0), NULL), 11);
    CHECK_EQ(command(&r, 0, slot_command(10, 3, 0), NULL), 5);
    CHECK_EQ(command(&r, 0, slot_command(10, 0, 0), NULL), 5);
    for (unsigned type = 11; type <= 17; type++)
        CHECK_EQ(command(&r, AT_INPUT, slot_command(type, 1, 1), NULL), 11);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1);
    CHECK_EQ(slot, 1);
    close_all();
}

static void addresses_a_device(void)
{
    unsigned slot;
    u8 buf[64];

    open_all();
    xhcirig_start(&r);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1);
    put_device(&r, slot, 6, 0, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 4); /* no port is enabled */
    outl(&r, PORTSC(6), 0x210);
    put_device(&r, slot, 9, 0, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 17); /* no such port */
    put_device(&r, slot, 6, 0, 0);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 17); /* no packet size */
    put_device(&r, slot, 6, 0, 8);
    put32(&r, AT_INPUT + 4, 1);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 17);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(12, slot, 0), NULL), 19);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(13, slot, 0), NULL), 19);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(17, slot, 0), NULL), 19);
    put_device(&r, slot, 6, 0, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0) | T_BSR, NULL), 1);
    CHECK_EQ(slot_state(slot), 1u << 27);
    CHECK_EQ(usb_pointer_device(tablet)->addr, 0);
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 8), 8);
    put_device(&r, slot, 6, 0, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 1);
    CHECK_EQ(slot_state(slot), 2u << 27 | slot);
    CHECK_EQ(usb_pointer_device(tablet)->addr, slot);
    CHECK_EQ(ep_state(slot, 1), 1);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 19); /* once is enough */
    put32(&r, AT_INPUT + 4, 2);
    put32(&r, AT_INPUT + 0x44, 64u << 16);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(13, slot, 0), NULL), 1); /* packets of 64 */
    CHECK_EQ(get32(&r, AT_CONTEXT + 0x400 * slot + 0x24) >> 16, 64);
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 18), 18);
    CHECK_EQ(le32(buf + 8), 0x00010627);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1); /* another slot for the same device */
    put_device(&r, slot, 6, 0, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 5);
    CHECK_EQ(command(&r, 0, slot_command(17, 1, 0), NULL), 1); /* Reset Device */
    CHECK_EQ(slot_state(1), 1u << 27);
    close_all();
}

static void configures_endpoints(void)
{
    unsigned slot;

    open_all();
    xhcirig_start(&r);
    slot = enumerate(&r, 6, 0, 64);
    CHECK_EQ(add_endpoint(&r, slot, 3, 5, 8, 5), 7);     /* isochronous */
    CHECK_EQ(add_endpoint(&r, slot, 3, 3, 8, 5), 17);    /* OUT at an IN place */
    CHECK_EQ(add_endpoint(&r, slot, 4, 4, 8, 5), 17);    /* control */
    CHECK_EQ(add_endpoint(&r, slot, 3, 7, 2048, 5), 17); /* too large */
    CHECK_EQ(add_endpoint(&r, slot, 3, 7, 0, 5), 17);
    CHECK_EQ(add_endpoint(&r, slot, 3, 7, 8, 16), 17);
    CHECK_EQ(slot_state(slot) >> 27, 2);
    CHECK_EQ(add_endpoint(&r, slot, 3, 7, 8, 5), 1);
    CHECK_EQ(slot_state(slot), 3u << 27 | slot);
    CHECK_EQ(get32(&r, AT_CONTEXT + 0x400 * slot) >> 27, 3);
    CHECK_EQ(ep_state(slot, 3), 1);
    put32(&r, AT_INPUT + 0x60 + 0x20, 1 << 10); /* streams */
    CHECK_EQ(command(&r, AT_INPUT, slot_command(12, slot, 0), NULL), 7);
    put32(&r, AT_INPUT, 1 << 3);
    put32(&r, AT_INPUT + 4, 0);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(12, slot, 0), NULL), 1); /* dropped */
    CHECK_EQ(ep_state(slot, 3), 0);
    CHECK_EQ(slot_state(slot) >> 27, 2);
    put32(&r, AT_INPUT, 2);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(12, slot, 0), NULL), 17);
    CHECK_EQ(add_endpoint(&r, slot, 3, 7, 8, 5), 1);
    CHECK_EQ(command(&r, 0, slot_command(12, slot, 0) | T_BSR, NULL), 1); /* deconfigure */
    CHECK_EQ(ep_state(slot, 3), 0);
    CHECK_EQ(ep_state(slot, 1), 1);
    CHECK_EQ(command(&r, AT_INPUT + 8, slot_command(12, slot, 0), NULL), 5); /* not aligned */
    close_all();
}

static void reports_positions(void)
{
    unsigned slot;
    u8 buf[8];
    u32 at;

    open_all();
    xhcirig_start(&r);
    slot = set_up_tablet();
    push(&r, &r.ep[slot][3], AT_DATA, 8, T_TYPE(1) | T_IOC | T_ISP);
    CHECK_EQ(wait_transfer(&r, slot, 3, 20, &ev), 0);
    point(0x1234, 0x7fff);
    CHECK_EQ(wait_transfer(&r, slot, 3, 0, &ev), 13); /* at once, short */
    CHECK_EQ(ev.status & 0xffffff, 2);
    CHECK_EQ(ev.param, r.ep[slot][3].at);
    BUG_ON(mem_read(r.mem, AT_DATA, buf, 6));
    CHECK(!memcmp(buf, "\x00\x34\x12\xff\x7f\x00", 6));
    at = push(&r, &r.ep[slot][3], AT_DATA, 6, T_TYPE(1) | T_IOC);
    point(1, 1);
    CHECK_EQ(wait_transfer(&r, slot, 3, 0, &ev), 0); /* not twice within its interval */
    CHECK_EQ(wait_transfer(&r, slot, 3, 4, &ev), 1);
    CHECK_EQ(ev.status & 0xffffff, 0);
    CHECK_EQ(ev.param, at);
    push(&r, &r.ep[slot][3], AT_DATA, 4, T_TYPE(1) | T_IOC);
    point(2, 2);
    CHECK_EQ(wait_transfer(&r, slot, 3, 10, &ev), 3); /* babble */
    CHECK_EQ(ep_state(slot, 3), 2);
    close_all();
}

/* The keyboard behind the hub. */
static void goes_through_hubs(void)
{
    unsigned slot, hub_slot;
    u8 buf[8];

    open_all();
    xhcirig_start(&r);
    hub_slot = enumerate(&r, 7, 0, 64);
    CHECK_EQ(control(&r, hub_slot, 0, USB_SET_CONFIGURATION, 1, 0, NULL, 0), 0);
    CHECK_EQ(control(&r, hub_slot, 0x23, USB_SET_FEATURE, 8, 3, NULL, 0), 0);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1);
    put_device(&r, slot, 7, 3, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 4); /* not reset */
    CHECK_EQ(control(&r, hub_slot, 0x23, USB_SET_FEATURE, 4, 3, NULL, 0), 0);
    put_device(&r, slot, 7, 2, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 4); /* the next port */
    put_device(&r, slot, 7, 0x13, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 4); /* it is no hub */
    put_device(&r, slot, 7, 3, 8);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 1);
    CHECK_EQ(usb_kbd_device(kbd)->addr, slot);
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 8), 8);
    CHECK_EQ(buf[7], 64);
    usb_detach(usb_hub_port(hub, 2));
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 8), -4);
    CHECK_EQ(ep_state(slot, 1), 2);
    CHECK_EQ(command(&r, 0, slot_command(10, slot, 0), NULL), 1);
    CHECK_EQ(slot_state(slot), 0);
    close_all();
}

/* A SCSI command's wrapper goes out; the completion code. */
static unsigned send_cbw(unsigned slot, const char *cdb, unsigned len, bool in, u32 data)
{
    u8 cbw[31] = {0};

    put_le32(cbw, 0x43425355);
    put_le32(cbw + 8, data);
    cbw[12] = in ? 0x80 : 0;
    cbw[14] = (u8)len;
    memcpy(cbw + 15, cdb, len);
    BUG_ON(mem_write(r.mem, AT_DATA + 0x1000, cbw, sizeof(cbw)));
    push(&r, &r.ep[slot][4], AT_DATA + 0x1000, 31, T_TYPE(1) | T_IOC);
    return wait_transfer(&r, slot, 4, 2, &ev);
}

static unsigned get_csw(unsigned slot)
{
    push(&r, &r.ep[slot][3], AT_DATA + 0x1100, 13, T_TYPE(1) | T_IOC | T_ISP);
    CHECK_EQ(wait_transfer(&r, slot, 3, 10, &ev), 1);
    return get32(&r, AT_DATA + 0x1100 + 12) & 0xff;
}

static void set_pattern(void)
{
    for (unsigned i = 0; i < 128 * KiB; i++)
        disk.data[i] = (u8)(i * 7 + i / 251);
}

/* Reads 4 KiB through TRBs whose borders are not those of packets. */
static void reads_a_disk(void)
{
    static const u32 parts[] = {100, 1, 923, 1500, 0, 1572};
    unsigned slot;
    u8 buf[4096];
    u32 sum = 0;

    open_all();
    set_pattern();
    xhcirig_start(&r);
    slot = set_up_disk();
    disk.delay = 3 * MS;
    CHECK_EQ(usb_msd_device(msd)->speed, USB_SUPER);
    CHECK_EQ(send_cbw(slot, "\x28\0\0\0\0\x10\0\0\x08\0", 10, true, 4096), 1);
    for (unsigned i = 0; i < 6; i++) {
        push(&r, &r.ep[slot][3], AT_DATA + 0x2000 + sum, parts[i],
             T_TYPE(1) | T_ISP | (i < 5 ? T_CHAIN : T_IOC));
        sum += parts[i];
    }
    CHECK_EQ(sum, 4096);
    CHECK_EQ(wait_transfer(&r, slot, 3, 10, &ev), 1);
    CHECK_EQ(ev.param, r.ep[slot][3].at + 16 * 5);
    CHECK_EQ(get_csw(slot), 0);
    BUG_ON(mem_read(r.mem, AT_DATA + 0x2000, buf, sizeof(buf)));
    CHECK(!memcmp(buf, disk.data + 16 * 512, sizeof(buf)));
    close_all();
}

static void writes_a_disk(void)
{
    unsigned slot;
    u8 buf[1024];

    open_all();
    xhcirig_start(&r);
    slot = set_up_disk();
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (u8)(i * 3);
    BUG_ON(mem_write(r.mem, AT_DATA + 0x2000, buf, sizeof(buf)));
    CHECK_EQ(send_cbw(slot, "\x2a\0\0\0\0\x03\0\0\x02\0", 10, false, 1024), 1);
    push(&r, &r.ep[slot][4], AT_DATA + 0x2000, 1016, T_TYPE(1) | T_CHAIN);
    push(&r, &r.ep[slot][4], le64(buf + 1016), 8, T_TYPE(1) | T_IDT | T_IOC);
    CHECK_EQ(wait_transfer(&r, slot, 4, 4, &ev), 1);
    CHECK_EQ(get_csw(slot), 0);
    CHECK(!memcmp(buf, disk.data + 3 * 512, sizeof(buf)));
    close_all();
}

/* A reply that is shorter than the TD: one event for it, and what Event Data TRBs count. */
static void ends_short(void)
{
    unsigned slot;
    u32 first;

    open_all();
    xhcirig_start(&r);
    slot = set_up_disk();
    CHECK_EQ(send_cbw(slot, "\x12\0\0\0\x24\0", 6, true, 200), 1); /* INQUIRY */
    first = push(&r, &r.ep[slot][3], AT_DATA, 20, T_TYPE(1) | T_CHAIN | T_ISP);
    push(&r, &r.ep[slot][3], AT_DATA + 20, 80, T_TYPE(1) | T_CHAIN | T_ISP);
    push(&r, &r.ep[slot][3], AT_DATA + 100, 100, T_TYPE(1) | T_CHAIN | T_IOC);
    push(&r, &r.ep[slot][3], 0x1122334455667788, 0, T_TYPE(7) | T_IOC);
    CHECK_EQ(wait_transfer(&r, slot, 3, 4, &ev), 13);
    CHECK_EQ(ev.param, first + 16);
    CHECK_EQ(ev.status & 0xffffff, 64);
    CHECK(next_event(&r, &ev));
    CHECK_EQ(ev.param, 0x1122334455667788);
    CHECK_EQ(ev.status, 13u << 24 | 36);
    CHECK(ev.control & 4); /* ED */
    CHECK(!next_event(&r, &ev));
    CHECK_EQ(get_csw(slot), 0);
    CHECK_EQ(send_cbw(slot, "\x12\0\0\0\x24\0", 6, true, 36), 1); /* exact, with a count too */
    push(&r, &r.ep[slot][3], AT_DATA, 36, T_TYPE(1) | T_CHAIN);
    push(&r, &r.ep[slot][3], 0x77, 0, T_TYPE(7) | T_IOC | T_BEI);
    CHECK_EQ(wait_transfer(&r, slot, 3, 4, &ev), 1);
    CHECK_EQ(ev.param, 0x77);
    CHECK_EQ(ev.status & 0xffffff, 36);
    CHECK_EQ(get_csw(slot), 0);
    close_all();
}

static void halts_and_recovers(void)
{
    unsigned slot;
    u32 at;

    open_all();
    xhcirig_start(&r);
    slot = set_up_tablet();
    CHECK_EQ(command(&r, 0, slot_command(14, slot, 1), NULL), 19); /* not halted */
    CHECK_EQ(command(&r, 0, slot_command(14, slot, 5), NULL), 12); /* no endpoint */
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x600, 0, NULL, 10), -6);
    CHECK_EQ(ep_state(slot, 1), 2);
    at = ep_dequeue(slot, 1);
    CHECK_EQ(at, (r.ep[slot][1].at + 16 * 3) | 1); /* the data stage */
    outl(&r, DOORBELL(slot), 1);
    CHECK(!next_event(&r, &ev));                                    /* halted it stays */
    CHECK_EQ(command(&r, at, slot_command(16, slot, 1), NULL), 19); /* not yet */
    CHECK_EQ(command(&r, 0, slot_command(14, slot, 1), NULL), 1);
    CHECK_EQ(ep_state(slot, 1), 3);
    CHECK_EQ(
        command(&r, (r.ep[slot][1].at + 16 * r.ep[slot][1].n) | 1, slot_command(16, slot, 1), NULL),
        1);
    CHECK_EQ(ep_dequeue(slot, 1), (r.ep[slot][1].at + 16 * r.ep[slot][1].n) | 1);
    CHECK_EQ(control(&r, slot, 0, USB_SET_CONFIGURATION, 1, 0, NULL, 0), 0);
    CHECK_EQ(ep_state(slot, 1), 1);
    close_all();
}

static void stops_in_the_midst(void)
{
    unsigned slot;
    u32 at;
    u8 buf[4096];

    open_all();
    set_pattern();
    xhcirig_start(&r);
    slot = set_up_disk();
    CHECK_EQ(send_cbw(slot, "\x28\0\0\0\0\0\0\0\x02\0", 10, true, 1024), 1);
    push(&r, &r.ep[slot][3], AT_DATA, 1024, T_TYPE(1) | T_CHAIN); /* more than there is */
    at = push(&r, &r.ep[slot][3], AT_DATA + 1024, 2048, T_TYPE(1) | T_ISP | T_IOC);
    disk.delay = 50 * MS;
    outl(&r, DOORBELL(slot), 3);
    CHECK_EQ(command(&r, 0, slot_command(15, slot, 3), NULL), 1);
    CHECK_EQ(ep_state(slot, 3), 3);
    CHECK_EQ(command(&r, 0, slot_command(15, slot, 3), NULL), 19);
    CHECK_EQ(ep_dequeue(slot, 3), r.ep[slot][3].at | 1);
    CHECK_EQ(wait_transfer(&r, slot, 3, 100, &ev), 13); /* goes on; then the CSW ends it */
    CHECK_EQ(ev.param, at);
    CHECK_EQ(ev.status & 0xffffff, 2048 - 13);
    BUG_ON(mem_read(r.mem, AT_DATA, buf, 1024));
    CHECK(!memcmp(buf, disk.data, 1024));
    push(&r, &r.ep[slot][3], AT_DATA, 13, T_TYPE(1) | T_IOC);
    outl(&r, DOORBELL(slot), 3);
    push(&r, &r.cmds, 0, 0, slot_command(15, slot, 3));
    outl(&r, DOORBELL(0), 0);
    CHECK(next_event(&r, &ev)); /* it tells where it stopped */
    CHECK_EQ(event_type(&ev), 32);
    CHECK_EQ(event_code(&ev), 26);
    CHECK_EQ(ev.param, at + 16);
    CHECK_EQ(ev.status & 0xffffff, 13);
    CHECK(next_event(&r, &ev));
    CHECK_EQ(event_code(&ev), 1);
    close_all();
}

static void refuses_bad_trbs(void)
{
    static const u32 bad[] = {
        T_TYPE(1), T_TYPE(5), T_TYPE(2), T_TYPE(2) | T_IDT, T_TYPE(63), T_TYPE(23),
    };
    unsigned slot;

    open_all();
    xhcirig_start(&r);
    slot = enumerate(&r, 6, 0, 64);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        u32 at = push(&r, &r.ep[slot][1], AT_DATA, 9, bad[i]);
        CHECK_EQ(wait_transfer(&r, slot, 1, 0, &ev), 5);
        CHECK_EQ(ev.param, at);
        CHECK_EQ(ep_state(slot, 1), 4);
        CHECK_EQ(command(&r, 0, slot_command(14, slot, 1), NULL), 19);
        CHECK_EQ(command(&r, (at + 16) | 1, slot_command(16, slot, 1), NULL), 1);
        CHECK_EQ(ep_state(slot, 1), 3);
    }
    close_all();
}

/* Loops of every kind come to an end, and leave the controller alive. */
static void survives_loops(void)
{
    unsigned slot;
    u32 ring;

    open_all();
    xhcirig_start(&r);
    slot = set_up_tablet();
    ring = r.ep[slot][3].at;
    put_trb(&r, ring, ring, 0, T_TYPE(6) | T_CYCLE); /* a link to itself */
    CHECK_EQ(wait_transfer(&r, slot, 3, 0, &ev), 5);
    CHECK_EQ(command(&r, ring | 1, slot_command(16, slot, 3), NULL), 1);
    put_trb(&r, ring, 0, 0, T_TYPE(8) | T_CYCLE | T_CHAIN); /* no-ops that never end */
    put_trb(&r, ring + 16, ring, 0, T_TYPE(6) | T_CYCLE);
    CHECK_EQ(wait_transfer(&r, slot, 3, 0, &ev), 5);
    CHECK_EQ(command(&r, ring | 1, slot_command(16, slot, 3), NULL), 1);
    put_trb(&r, ring, 0, 0, T_TYPE(8) | T_CYCLE); /* each of which ends */
    outl(&r, DOORBELL(slot), 3);
    clock_advance(r.rig.clk, 5 * MS);
    CHECK_EQ(command(&r, 0, slot_command(15, slot, 3), NULL), 1);
    put_trb(&r, ring, 0, 0, T_TYPE(8) | T_CYCLE | T_IOC); /* and tells */
    outl(&r, DOORBELL(slot), 3);
    for (unsigned i = 0; i < 3; i++) {
        clock_advance(r.rig.clk, 4 * MS); /* the endpoint's interval */
        CHECK(next_event(&r, &ev));
        CHECK_EQ(event_type(&ev), 32);
    }
    put_trb(&r, ring, 0, 0, 0);
    while (next_event(&r, &ev))
        continue;
    CHECK_EQ(command(&r, 0, slot_command(15, slot, 3), NULL), 1);
    put_trb(&r, r.cmds.at + 16 * r.cmds.n, r.cmds.at + 16 * r.cmds.n, 0,
            T_TYPE(6) | (r.cmds.cycle ? T_CYCLE : 0));
    outl(&r, DOORBELL(0), 0);
    CHECK_EQ(inl(&r, OPER(4)) & 0x1001, 0x1001); /* HCE: it makes no sense */
    close_all();
}

/* A full event ring says so, stops everything, and loses nothing. */
static void fills_the_event_ring(void)
{
    unsigned got = 0, full = 0;

    open_all();
    xhcirig_start(&r);
    for (unsigned i = 0; i < EVENTS_LEN + 10; i++) {
        push(&r, &r.cmds, 0, 0, T_TYPE(23));
        outl(&r, DOORBELL(0), 0);
        if (i == 25) { /* the ring of commands has no room for more than that */
            CHECK(next_event(&r, &ev));
            got++;
        }
    }
    clock_advance(r.rig.clk, 5 * MS);
    while (next_event(&r, &ev)) {
        full += event_type(&ev) == 37 && event_code(&ev) == 21;
        got += event_type(&ev) == 33;
        clock_advance(r.rig.clk, 1 * MS);
    }
    CHECK_EQ(got, EVENTS_LEN + 10);
    CHECK(full >= 1);
    close_all();
}

static void uses_segments(void)
{
    static const u64 segment[2] = {AT_EVENTS, AT_EVENTS + 0x1000};
    unsigned place = 0;

    open_all();
    xhcirig_start(&r);
    put_trb(&r, AT_ERST + 16, segment[1], 16, 0);
    put_trb(&r, AT_ERST, segment[0], 16, 0);
    for (u32 i = 0; i < 16; i++) {
        put_trb(&r, segment[0] + 16 * i, 0, 0, 0);
        put_trb(&r, segment[1] + 16 * i, 0, 0, 0);
    }
    outl(&r, INTR(0, 8), 2);
    outq(&r, INTR(0, 0x18), segment[0]);
    outq(&r, INTR(0, 0x10), AT_ERST);
    for (unsigned i = 0; i < 70; i++) {
        u64 at = segment[place / 16] + 16 * (place % 16);
        push(&r, &r.cmds, 0, 0, T_TYPE(23));
        outl(&r, DOORBELL(0), 0);
        CHECK_EQ(get32(&r, at + 12), T_TYPE(33) | (i / 32 % 2 ? 0 : T_CYCLE));
        place = (place + 1) % 32;
        outq(&r, INTR(0, 0x18), segment[place / 16] + 16 * (place % 16));
    }
    put_trb(&r, AT_ERST, segment[0], 15, 0); /* too short */
    outq(&r, INTR(0, 0x10), AT_ERST);
    CHECK_EQ(inl(&r, OPER(4)) & 0x1001, 0x1001);
    outl(&r, OPER(0), 1);
    CHECK_EQ(inl(&r, OPER(0)), 0); /* only a reset helps */
    close_all();
}

static void interrupts(void)
{
    unsigned pin = 2; /* slot 3, INTA# */

    open_all();
    xhcirig_start(&r);
    outl(&r, INTR(0, 0), 3);
    CHECK(!r.pirq[pin].level);
    outl(&r, INTR(0, 4), 8000); /* 2 ms */
    CHECK_EQ(command(&r, 0, T_TYPE(23), NULL), 1);
    CHECK(r.pirq[pin].level);
    CHECK_EQ(inl(&r, INTR(0, 0)), 3);
    outl(&r, INTR(0, 0), 3);
    CHECK(!r.pirq[pin].level);
    outl(&r, OPER(4), 8);
    push(&r, &r.cmds, 0, 0, T_TYPE(23));
    outl(&r, DOORBELL(0), 0);
    CHECK(!r.pirq[pin].level); /* too soon */
    clock_advance(r.rig.clk, 2 * MS);
    CHECK(r.pirq[pin].level);
    CHECK_EQ(inl(&r, INTR(0, 0x18)) & 8, 8); /* EHB */
    outl(&r, INTR(0, 0), 3);
    push(&r, &r.cmds, 0, 0, T_TYPE(23));
    outl(&r, DOORBELL(0), 0);
    clock_advance(r.rig.clk, 5 * MS);
    CHECK(!r.pirq[pin].level); /* the guest is still at the last one */
    CHECK(next_event(&r, &ev));
    CHECK(r.pirq[pin].level); /* and has left something */
    outl(&r, OPER(0), 1);
    CHECK(!r.pirq[pin].level); /* INTE */
    outl(&r, OPER(0), 5);
    CHECK(r.pirq[pin].level);
    close_all();
}

static void sends_messages(void)
{
    open_all();
    xhcirig_start(&r);
    outl(&r, INTR(0, 0), 3);
    bus_write(&r.rig.mmio, XHCI_MSIX, 8, 0xfee00000);
    bus_write(&r.rig.mmio, XHCI_MSIX + 8, 8, 0x41);
    pci_config_write(r.pci, XHCI_DEVFN, 0x82, 2, 0x8000);
    CHECK_EQ(command(&r, 0, T_TYPE(23), NULL), 1);
    CHECK_EQ(r.messages, 1);
    CHECK_EQ(r.message, 0x41);
    CHECK_EQ(inl(&r, INTR(0, 0)), 2); /* the message cleared IP */
    pci_config_write(r.pci, XHCI_DEVFN, 0x82, 2, 0);
    pci_config_write(r.pci, XHCI_DEVFN, 0x74, 4, 0xfee01000);
    pci_config_write(r.pci, XHCI_DEVFN, 0x7c, 2, 0x52);
    pci_config_write(r.pci, XHCI_DEVFN, 0x72, 2, 1);
    CHECK_EQ(command(&r, 0, T_TYPE(23), NULL), 1);
    CHECK_EQ(r.messages, 2);
    CHECK_EQ(r.message, 0x52);
    close_all();
}

/* Memory that does not answer is a host system error. */
static void dies_of_bad_memory(void)
{
    unsigned slot;

    open_all();
    xhcirig_start(&r);
    slot = set_up_tablet();
    push(&r, &r.ep[slot][3], 0xf0000000, 8, T_TYPE(1) | T_IOC);
    point(1, 1);
    CHECK_EQ(wait_transfer(&r, slot, 3, 4, &ev), 0);
    CHECK_EQ(inl(&r, OPER(4)) & 5, 5);
    outl(&r, OPER(0), 2);
    CHECK_EQ(inl(&r, OPER(4)), 1);
    xhcirig_start(&r);
    CHECK_EQ(command(&r, 0, T_TYPE(23), NULL), 1);
    outq(&r, OPER(0x30), 0xffffffffffffffc0);
    CHECK_EQ(command(&r, 0, T_TYPE(9), &slot), 1);
    outl(&r, PORTSC(6), 0x210);
    put_device(&r, slot, 6, 0, 64);
    CHECK_EQ(command(&r, AT_INPUT, slot_command(11, slot, 0), NULL), 0);
    CHECK_EQ(inl(&r, OPER(4)) & 5, 5);
    close_all();
}

static void save_all(struct state_stream *s)
{
    CHECK_EQ(state_save(s, &xhci_state, r.xhci), 0);
    CHECK_EQ(state_save(s, &usb_msd_state, msd), 0);
    CHECK_EQ(state_save(s, &usb_pointer_state, tablet), 0);
}

/* Saved while a disk is read and the tablet is waited for; a fresh controller goes on. */
static void keeps_its_state(void)
{
    struct state_stream s = {0};
    unsigned slot, tab;
    struct err err;
    u8 buf[2048];

    open_all();
    set_pattern();
    xhcirig_start(&r);
    slot = set_up_disk();
    tab = set_up_tablet();
    CHECK_EQ(send_cbw(slot, "\x28\0\0\0\0\0\0\0\x04\0", 10, true, 2048), 1);
    push(&r, &r.ep[tab][3], AT_DATA + 0x5000, 8, T_TYPE(1) | T_IOC | T_ISP);
    outl(&r, DOORBELL(tab), 3);
    push(&r, &r.ep[slot][3], AT_DATA, 1024, T_TYPE(1) | T_CHAIN);
    outl(&r, DOORBELL(slot), 3); /* half of the TD is there and moved */
    clock_advance(r.rig.clk, 20 * MS);
    CHECK(!next_event(&r, &ev));
    save_all(&s);
    xhci_reset(r.xhci);
    CHECK_EQ(usb_msd_device(msd)->addr, 0);
    CHECK_EQ(state_load(&s, &xhci_state, r.xhci, &err), 0);
    CHECK_EQ(state_load(&s, &usb_msd_state, msd, &err), 0);
    CHECK_EQ(state_load(&s, &usb_pointer_state, tablet, &err), 0);
    push(&r, &r.ep[slot][3], AT_DATA + 1024, 1024, T_TYPE(1) | T_IOC);
    CHECK_EQ(wait_transfer(&r, slot, 3, 10, &ev), 1);
    BUG_ON(mem_read(r.mem, AT_DATA, buf, sizeof(buf)));
    CHECK(!memcmp(buf, disk.data, sizeof(buf)));
    CHECK_EQ(get_csw(slot), 0);
    point(7, 8);
    CHECK_EQ(wait_transfer(&r, tab, 3, 10, &ev), 13);
    usb_detach(xhci_socket(r.xhci, 1)); /* no device where the saved one had it */
    s.at = 0;
    CHECK_EQ(state_load(&s, &xhci_state, r.xhci, &err), -EINVAL);
    xhci_reset(r.xhci);
    state_dispose(&s);
    close_all();
}

static void has_superspeed_descriptors(void)
{
    u8 buf[64], sel[6] = {0};
    unsigned slot;

    open_all();
    xhcirig_start(&r);
    slot = set_up_disk();
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, buf, 18), 18);
    CHECK_EQ(le16(buf + 2), 0x300);
    CHECK_EQ(buf[7], 9);
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x200, 0, buf, 64), 44);
    CHECK_EQ(le16(buf + 2), 44);
    CHECK_EQ(buf[25 + 1], USB_DESC_COMPANION);
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0xf00, 0, buf, 64), 22);
    CHECK_EQ(buf[4], 2);
    CHECK_EQ(control(&r, slot, 0x00, USB_SET_SEL, 0, 0, sel, 6), 6);
    CHECK_EQ(control(&r, slot, 0x00, USB_SET_ISOCH_DELAY, 40, 0, NULL, 0), 0);
    CHECK_EQ(control(&r, slot, 0x80, USB_GET_DESCRIPTOR, 0x600, 0, buf, 10), -6);
    close_all();
}

int main(void)
{
    TEST_RUN(is_a_pci_function);
    TEST_RUN(has_registers);
    TEST_RUN(ports_reset_and_tell);
    TEST_RUN(suspends_and_wakes);
    TEST_RUN(counts_microframes);
    TEST_RUN(runs_commands);
    TEST_RUN(gives_slots);
    TEST_RUN(addresses_a_device);
    TEST_RUN(configures_endpoints);
    TEST_RUN(reports_positions);
    TEST_RUN(goes_through_hubs);
    TEST_RUN(reads_a_disk);
    TEST_RUN(writes_a_disk);
    TEST_RUN(ends_short);
    TEST_RUN(halts_and_recovers);
    TEST_RUN(stops_in_the_midst);
    TEST_RUN(refuses_bad_trbs);
    TEST_RUN(survives_loops);
    TEST_RUN(fills_the_event_ring);
    TEST_RUN(uses_segments);
    TEST_RUN(interrupts);
    TEST_RUN(sends_messages);
    TEST_RUN(dies_of_bad_memory);
    TEST_RUN(keeps_its_state);
    TEST_RUN(has_superspeed_descriptors);
    return test_result();
}
