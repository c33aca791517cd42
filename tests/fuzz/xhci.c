/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, rings and contexts of an xHCI controller with a disk, a tablet, and a keyboard behind
   a hub; commands and TRBs made likely, or not; saved state with some bytes changed. */
#define input ui_input /* dev_input.h has a struct of that name */
#include "ui/input.h"
#undef input

#include "../unit/dev/fakeblock.h"
#include "../unit/dev/xhcirig.h"
#include "dev/usb_hid.h"
#include "dev/usb_hub.h"
#include "dev/usb_msd.h"
#include "dev_input.h"
#include "mangle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct world {
    struct xhcirig r;
    struct block disk;
    struct usb_msd *msd;
    struct usb_pointer *tablet;
    struct usb_kbd *kbd;
    struct usb_hub *hub;
};

static void attach(struct world *w)
{
    struct usb_msd_config cfg = {.block = &w->disk, .removable = true};

    fake_init(&w->disk, 64 * KiB, w->r.rig.clk);
    BUG_ON(usb_msd_new(&w->msd, &cfg) || usb_tablet_new(&w->tablet, w->r.rig.clk) ||
           usb_kbd_new(&w->kbd, w->r.rig.clk) || usb_hub_new(&w->hub));
    BUG_ON(usb_attach(xhci_socket(w->r.xhci, 0), usb_msd_device(w->msd)));
    BUG_ON(usb_attach(xhci_socket(w->r.xhci, 1), usb_pointer_device(w->tablet)));
    BUG_ON(usb_attach(xhci_socket(w->r.xhci, 2), usb_hub_device(w->hub)));
    BUG_ON(usb_attach(usb_hub_port(w->hub, 0), usb_kbd_device(w->kbd)));
}

static void detach(struct world *w)
{
    block_drain(&w->disk);
    usb_detach(usb_hub_port(w->hub, 0));
    for (unsigned n = 0; n < XHCI_SOCKETS; n++)
        usb_detach(xhci_socket(w->r.xhci, n));
    usb_msd_free(w->msd);
    usb_pointer_free(w->tablet);
    usb_kbd_free(w->kbd);
    usb_hub_free(w->hub);
}

/* A TRB of a ring: mostly in order, at times anywhere. */
static void put_any_trb(struct xhcirig *r, struct input *in, struct ring *ring, u32 type)
{
    u8 how = (u8)input_take(in, 1), len = (u8)input_take(in, 1);
    u32 control = T_TYPE(type) | (how & 1 ? T_CHAIN : 0) | (how & 2 ? T_IOC : 0) |
                  (how & 4 ? T_ISP : 0) | (how & 8 ? T_IN : 0) | (how & 16 ? T_IDT : 0);
    u64 param = AT_DATA + 64 * len;

    if (!ring->at)
        return;
    if (how & 32)
        param = input_take(in, 8);
    if (how & 64)
        param = ring->at + 16 * (len % RING_LEN);
    push(r, ring, param, how & 128 ? (u32)input_take(in, 4) : len, control);
}

static void put_setup(struct xhcirig *r, struct input *in, unsigned slot)
{
    struct ring *ring = &r->ep[slot][1];
    u64 setup = input_take(in, 8);

    if (!ring->at)
        return;
    push(r, ring, setup, 8, T_TYPE(2) | T_IDT);
    if (setup >> 48 & 0xff)
        push(r, ring, AT_DATA, setup >> 48 & 0xff, T_TYPE(3) | T_ISP | (setup & 0x80 ? T_IN : 0));
    push(r, ring, 0, 0, T_TYPE(4) | T_IOC | (setup & 0x80 ? 0 : T_IN));
    outl(r, DOORBELL(slot), 1);
}

static void set_up_slot(struct xhcirig *r, struct input *in)
{
    static const u8 ports[4] = {1, 6, 7, 7};
    u8 b = (u8)input_take(in, 1);
    unsigned slot = 1 + (b & 3);

    outl(r, PORTSC(ports[b >> 2 & 3]), 0x210);
    command(r, 0, T_TYPE(9), NULL);
    put_device(r, slot, ports[b >> 2 & 3], b >> 4 & 1, b & 0x80 ? (u16)input_take(in, 2) : 64);
    command(r, AT_INPUT, slot_command(11, slot, 0) | (b & 0x20 ? T_BSR : 0), NULL);
    control(r, slot, 0, USB_SET_CONFIGURATION, 1, 0, NULL, 0);
}

static void set_up_endpoint(struct xhcirig *r, struct input *in)
{
    u8 b = (u8)input_take(in, 1), c = (u8)input_take(in, 1);
    unsigned dci = b & 4 ? 3 + (b >> 3 & 1) : b >> 3;

    if (dci)
        add_endpoint(r, 1 + (b & 3), dci, c & 7, c & 8 ? 1024 : 8u << (c >> 6), c >> 4 & 7);
}

static void hurt_state(struct world *w, struct input *in)
{
    block_drain(&w->disk);
    if (mangle(in, &xhci_state, w->r.xhci))
        xhci_reset(w->r.xhci);
    if (mangle(in, &usb_msd_state, w->msd))
        usb_device_reset(usb_msd_device(w->msd));
    xhcirig_map(&w->r);
}

static void send_input(struct world *w, struct input *in, bool key)
{
    u16 x = (u16)input_take(in, 2);
    struct input_sink *sink = key ? usb_kbd_sink(w->kbd) : usb_pointer_sink(w->tablet);

    if (key)
        sink->ops->key(sink->opaque, x & 0xff, x >> 8 & 1);
    else
        sink->ops->point(sink->opaque, x, (u16)(x * 3), (s8)x, x >> 9);
}

static void access_register(struct world *w, struct input *in, u8 op)
{
    static const u16 where[8] = {0x40, 0x440, 0x500, 0x1000, 0x1020, 0x2000, 0, 0x3ff0};

    input_access(in, &w->r.rig.mmio, op, XHCI_MMIO + where[input_take(in, 1) & 7], 64);
}

static void put_cbw(struct xhcirig *r, struct input *in)
{
    static const u8 signature[4] = {'U', 'S', 'B', 'C'};
    u8 cbw[31] = {0};

    memcpy(cbw, signature, 4);
    put_le16(cbw + 8, (u16)input_take(in, 2));
    cbw[12] = (u8)input_take(in, 1);
    cbw[14] = 10;
    for (unsigned i = 0; i < 10; i++)
        cbw[15 + i] = (u8)input_take(in, 1);
    BUG_ON(mem_write(r->mem, AT_DATA, cbw, sizeof(cbw)));
    if (r->ep[1][4].at)
        push(r, &r->ep[1][4], AT_DATA, 31, T_TYPE(1) | T_IOC);
    outl(r, DOORBELL(1), 4);
}

static void step(struct world *w, struct input *in)
{
    struct xhcirig *r = &w->r;
    u8 op = (u8)input_take(in, 1);
    unsigned slot = 1 + (op & 3), dci = 1 + (op >> 2 & 3);
    struct trb ev;

    switch (op >> 4) {
    case 0:
        xhcirig_start(r);
        break;
    case 1:
        set_up_slot(r, in);
        break;
    case 2:
        set_up_endpoint(r, in);
        break;
    case 3:
    case 4:
        put_any_trb(r, in, &r->ep[slot][dci], input_take(in, 1) & 15);
        break;
    case 5:
        outl(r, DOORBELL(slot), dci);
        break;
    case 6:
        put_any_trb(r, in, &r->cmds, (u32)input_take(in, 1) & 31);
        outl(r, DOORBELL(0), 0);
        break;
    case 7:
        push(r, &r->cmds, input_take(in, 1) & 1 ? AT_INPUT : r->ep[slot][dci].at | 1, 0,
             slot_command(10 + (op & 7), slot, dci));
        outl(r, DOORBELL(0), 0);
        break;
    case 8:
        put_setup(r, in, slot);
        break;
    case 9:
        put_cbw(r, in);
        break;
    case 10:
        hurt_state(w, in);
        break;
    case 11:
        access_register(w, in, op);
        break;
    case 12:
        put32(r, (op & 1 ? AT_RINGS + 0x4000 : AT_DCBAA) + (u32)input_take(in, 2),
              (u32)input_take(in, 4));
        break;
    case 13:
        send_input(w, in, op & 1);
        break;
    case 14:
        w->disk.delay = op & 1 ? 1 * MS : 0;
        for (unsigned i = 0; i < 40 && next_event(r, &ev); i++)
            continue;
        break;
    default:
        input_advance(in, r->rig.clk);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct world *w = calloc(1, sizeof(*w));

    BUG_ON(!w);
    xhcirig_open(&w->r);
    xhcirig_rings(&w->r);
    attach(w);
    for (unsigned i = 0; i < 96 && input_left(&in); i++)
        step(w, &in);
    detach(w);
    xhcirig_close(&w->r);
    free(w);
    return 0;
}
