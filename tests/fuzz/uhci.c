/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and a schedule in memory that the input writes; a tablet, a hub, a keyboard behind
   it; input events; saved state with some bytes changed. */
#define input ui_input /* dev_input.h has a struct of that name */
#include "ui/input.h"
#undef input

#include "../unit/dev/usbrig.h"
#include "dev/usb_hid.h"
#include "dev/usb_hub.h"
#include "dev_input.h"
#include "mangle.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define SLOTS 16u
#define SLOT  0x8000u /* descriptors and queue heads, 16 bytes each */
#define DATA  0x9000u

struct devices {
    struct usb_pointer *tablet;
    struct usb_kbd *kbd;
    struct usb_hub *hub;
};

static u32 take_link(struct input *in)
{
    u8 b = (u8)input_take(in, 1);

    return SLOT + 16 * (b & 15) + (b >> 4 & 7);
}

/* One that is likely to be carried out. */
static void put_likely_td(struct usbrig *r, struct input *in, unsigned slot)
{
    static const u8 pids[4] = {USB_PID_IN, USB_PID_OUT, USB_PID_SETUP, 0};
    u8 how = (u8)input_take(in, 1), where = (u8)input_take(in, 1), len = (u8)input_take(in, 1);
    u32 at = SLOT + 16 * slot;

    put32(r, at, take_link(in));
    put32(r, at + 4,
          TD_ACTIVE | (u32)(how >> 2 & 3) << 27 | (how & 0x10 ? TD_SPD : 0) |
              (how & 0x20 ? TD_IOC : 0) | (how & 0x40 ? BIT(25) : 0));
    put32(r, at + 8, td_token(pids[how & 3], where & 3, where >> 2 & 3, 0, len & 0x3f));
    put32(r, at + 12, DATA + 8 * (where >> 4));
}

static void put_data(struct usbrig *r, struct input *in, unsigned slot)
{
    for (unsigned i = 0; i < 2; i++)
        put32(r, DATA + 8 * slot + 4 * i, (u32)input_take(in, 4));
}

static void put_words(struct usbrig *r, struct input *in, unsigned slot)
{
    put32(r, SLOT + 16 * slot, take_link(in));
    put32(r, SLOT + 16 * slot + 4, take_link(in));
}

static void hurt_state(struct usbrig *r, struct devices *d, struct input *in)
{
    if (mangle(in, &uhci_state, r->uhci))
        uhci_reset(r->uhci);
    if (mangle(in, &usb_hub_state, d->hub))
        usb_device_reset(usb_hub_device(d->hub));
    if (mangle(in, &usb_pointer_state, d->tablet))
        usb_device_reset(usb_pointer_device(d->tablet));
    if (mangle(in, &usb_kbd_state, d->kbd))
        usb_device_reset(usb_kbd_device(d->kbd));
    usbrig_map(r);
}

static void send_input(struct devices *d, struct input *in, bool key)
{
    u16 x = (u16)input_take(in, 2);
    struct input_sink *sink = key ? usb_kbd_sink(d->kbd) : usb_pointer_sink(d->tablet);

    if (key)
        sink->ops->key(sink->opaque, x & 0xff, x >> 8 & 1);
    else
        sink->ops->point(sink->opaque, x, (u16)(x * 3), (s8)x, x >> 9);
}

static void step(struct usbrig *r, struct devices *d, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    switch (op >> 4) {
    case 0:
    case 1:
    case 2:
        put_likely_td(r, in, op & 15);
        break;
    case 3:
        put_data(r, in, op & 15);
        break;
    case 4:
        put_words(r, in, op & 15);
        break;
    case 5:
        for (unsigned i = 0; i < 1024; i++)
            put32(r, SCHED_LIST + 4 * i, SLOT + 16 * (op & 15) + 2);
        break;
    case 6:
        send_input(d, in, op & 1);
        break;
    case 7:
        usbrig_start(r);
        usbrig_reset_port(r, op & 1);
        break;
    case 8:
        hurt_state(r, d, in);
        break;
    case 9:
    case 10:
        input_access(in, &r->rig.pio, op, UHCI_IO - 4, 40);
        break;
    case 11:
        pci_config_write(r->pci, UHCI_DEVFN, (u8)input_take(in, 1), 1, (u8)input_take(in, 1));
        usbrig_map(r);
        break;
    case 12:
        put32(r, SLOT + (u32)input_take(in, 1), (u32)input_take(in, 4));
        break;
    default:
        input_advance(in, r->rig.clk);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct devices d;
    struct usbrig r;

    usbrig_open(&r);
    BUG_ON(usb_tablet_new(&d.tablet, r.rig.clk) || usb_kbd_new(&d.kbd, r.rig.clk) ||
           usb_hub_new(&d.hub));
    BUG_ON(usb_attach(uhci_port(r.uhci, 0), usb_pointer_device(d.tablet)));
    BUG_ON(usb_attach(uhci_port(r.uhci, 1), usb_hub_device(d.hub)));
    BUG_ON(usb_attach(usb_hub_port(d.hub, 0), usb_kbd_device(d.kbd)));
    for (unsigned i = 0; i < 64 && input_left(&in); i++)
        step(&r, &d, &in);
    usb_detach(uhci_port(r.uhci, 0));
    usb_detach(uhci_port(r.uhci, 1));
    usb_hub_free(d.hub);
    usb_pointer_free(d.tablet);
    usb_kbd_free(d.kbd);
    usbrig_close(&r);
    return 0;
}
