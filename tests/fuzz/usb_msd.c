/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to a USB disk's endpoints, command wrappers made likely; slow and failing disks; saved
   state with some bytes changed. */
#include "dev/usb_msd.h"
#include "../unit/dev/fakeblock.h"
#include "base/le.h"
#include "dev_input.h"
#include "mangle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void connected(void *opaque, unsigned n, bool present)
{
}

static void ready(void *opaque, unsigned n)
{
}

static void send_cbw(struct usb_device *dev, struct input *in, u8 op)
{
    u8 cbw[31] = {'U', 'S', 'B', 'C'};

    put_le16(cbw + 8, (u16)input_take(in, 2));
    cbw[12] = op & 1 ? 0x80 : 0;
    cbw[14] = 16;
    for (unsigned i = 0; i < 16; i++)
        cbw[15 + i] = (u8)input_take(in, 1);
    usb_transact(dev, USB_PID_OUT, 2, cbw, sizeof(cbw));
}

static void send_setup(struct usb_device *dev, struct input *in)
{
    u8 setup[8], buf[64];

    for (unsigned i = 0; i < 8; i++)
        setup[i] = (u8)input_take(in, 1);
    usb_transact(dev, USB_PID_SETUP, 0, setup, 8);
    if (!(setup[0] & 0x80))
        usb_transact(dev, USB_PID_IN, 0, buf, sizeof(buf));
}

static void move_packets(struct usb_device *dev, enum usb_pid pid, unsigned ep, unsigned n,
                         unsigned len)
{
    u8 buf[USB_PACKET_MAX] = {0};

    while (n--) {
        int rc = usb_transact(dev, pid, ep, buf, len);
        BUG_ON(rc > (int)len || rc < USB_TIMEOUT);
    }
}

static void step(struct usb_msd *msd, struct block *b, struct input *in)
{
    static const u16 lens[8] = {64, 64, 13, 31, 0, 512, 1024, 8};
    struct usb_device *dev = usb_msd_device(msd);
    u8 op = (u8)input_take(in, 1);

    switch (op >> 5) {
    case 0:
    case 1:
        send_cbw(dev, in, op);
        break;
    case 2:
        move_packets(dev, USB_PID_IN, 1, 1u << (op & 3) * 3, lens[op >> 2 & 7]);
        break;
    case 3:
        move_packets(dev, USB_PID_OUT, 2, 1u << (op & 3) * 3, lens[op >> 2 & 7]);
        break;
    case 4:
        send_setup(dev, in);
        break;
    case 5:
        b->delay = op & 1 ? 1000 : 0;
        b->fail = op & 2 ? -EIO : 0;
        b->read_only = op & 4;
        if (op & 8)
            usb_device_reset(dev);
        if (op & 16)
            dev->config = 1;
        break;
    case 6:
        if (mangle(in, &usb_msd_state, msd))
            usb_device_reset(dev);
        break;
    default:
        clock_advance(b->clk, 500u * (op & 31));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const struct usb_port_ops ops = {.connected = connected, .ready = ready};
    struct input in = {data, size};
    struct usb_msd_config cfg = {.block = malloc(sizeof(struct block))};
    struct usb_port port;
    struct usb_msd *msd;
    struct clock *clk;

    BUG_ON(!cfg.block || clock_new_manual(&clk));
    fake_init(cfg.block, size & 1 ? 0 : 64 * KiB, clk);
    BUG_ON(usb_msd_new(&msd, &cfg));
    usb_port_init(&port, &ops, NULL, 0, size & 2 ? USB_HIGH : USB_FULL);
    BUG_ON(usb_attach(&port, usb_msd_device(msd)));
    usb_msd_device(msd)->config = 1;
    for (unsigned i = 0; i < 256 && input_left(&in); i++)
        step(msd, cfg.block, &in);
    block_drain(cfg.block);
    usb_detach(&port);
    usb_msd_free(msd);
    clock_free(clk);
    free(cfg.block);
    return 0;
}
