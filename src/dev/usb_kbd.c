/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB keyboard with the boot protocol's report, in either protocol (Device Class Definition for
 * HID 1.11, appendix B.1). Each change of a key gives a report of its own, so that a key struck
 * between two polls is not lost. Runs under the machine's lock.
 */
#include "dev/usb_hid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS    32u
#define REPORT    8u
#define KEYS      6u
#define MODIFIERS 0xe0u /* eight usages from here are bits of the first byte */
#define ROLL_OVER 0x01u
#define LEDS      0x1fu
#define UP        0x100u /* of an event: the key's usage and this */

struct usb_kbd {
    struct usb_device usb;
    struct usb_hid hid;
    struct input_sink sink;
    u16 event[EVENTS];
    u8 head, count;
    u8 down[32]; /* bitmap by usage */
    u8 leds;
};

/* clang-format off */
static const u8 report_desc[] = {
    0x05, 0x01,             /* usage page: generic desktop */
    0x09, 0x06,             /* usage: keyboard */
    0xa1, 0x01,             /* collection: application */
    0x05, 0x07,             /*   usage page: keys */
    0x19, 0xe0, 0x29, 0xe7, /*   the modifiers */
    0x15, 0x00, 0x25, 0x01, /*   0..1 */
    0x75, 0x01, 0x95, 0x08, /*   8 of 1 bit */
    0x81, 0x02,             /*   input: variables */
    0x75, 0x08, 0x95, 0x01, /*   a byte that is reserved */
    0x81, 0x01,             /*   input: constant */
    0x05, 0x08,             /*   usage page: LEDs */
    0x19, 0x01, 0x29, 0x05, /*   Num Lock .. Kana */
    0x75, 0x01, 0x95, 0x05, /*   5 of 1 bit */
    0x91, 0x02,             /*   output: variables */
    0x75, 0x03, 0x95, 0x01, /*   and 3 to fill the byte */
    0x91, 0x01,             /*   output: constant */
    0x05, 0x07,             /*   usage page: keys */
    0x19, 0x00, 0x2a, 0xff, 0x00, /* any */
    0x15, 0x00, 0x26, 0xff, 0x00, /* 0..255 */
    0x75, 0x08, 0x95, 0x06, /*   6 bytes */
    0x81, 0x00,             /*   input: array */
    0xc0,
};

static const u8 config[] = {
    9, USB_DESC_CONFIG, 34, 0, 1, 1, 0, 0xa0, 50,
    9, USB_DESC_INTERFACE, 0, 0, 1, 3, 1, 1, 0, /* HID, boot, keyboard */
    9, 0x21, 0x11, 0x01, 0, 1, 0x22, sizeof(report_desc), 0,
    7, USB_DESC_ENDPOINT, 0x81, 3, REPORT, 0, 8,
};
/* clang-format on */

static const struct usb_descs descs = {.vendor = 0x0627,
                                       .product = 0x0001,
                                       .maker = "QEMU",
                                       .name = "QEMU USB Keyboard",
                                       .config = {[USB_FULL] = config}};

static void fill_report(const struct usb_kbd *kbd, u8 *buf)
{
    unsigned n = 0;

    memset(buf, 0, REPORT);
    buf[0] = kbd->down[MODIFIERS / 8];
    for (unsigned usage = 0; usage < MODIFIERS; usage++)
        if (kbd->down[usage / 8] & BIT(usage % 8) && n++ < KEYS)
            buf[1 + n] = (u8)usage;
    if (n > KEYS)
        memset(buf + 2, ROLL_OVER, KEYS);
}

/* The next event that changes something. */
static bool take_event(struct usb_kbd *kbd)
{
    while (kbd->count) {
        u16 event = kbd->event[kbd->head];
        u8 *byte = &kbd->down[(event & 0xff) / 8], bit = (u8)BIT(event % 8), old = *byte;
        kbd->head = (u8)((kbd->head + 1) % EVENTS);
        kbd->count--;
        *byte = event & UP ? old & (u8)~bit : old | bit;
        if (*byte != old)
            return true;
    }
    return false;
}

static int kbd_in(void *opaque, unsigned ep, u8 *buf, unsigned len)
{
    struct usb_kbd *kbd = opaque;

    if (!take_event(kbd) && !usb_hid_idle_over(&kbd->hid))
        return USB_NAK;
    if (len < REPORT)
        return USB_BABBLE;
    fill_report(kbd, buf);
    usb_hid_sent(&kbd->hid);
    return REPORT;
}

static int kbd_control(void *opaque, const struct usb_setup *req, u8 *buf)
{
    struct usb_kbd *kbd = opaque;

    switch (USB_REQUEST(req->type, req->request)) {
    case USB_HID_GET_REPORT:
        if (req->value >> 8 != USB_HID_INPUT) {
            buf[0] = kbd->leds;
            return req->value >> 8 == USB_HID_OUTPUT ? 1 : USB_STALL;
        }
        fill_report(kbd, buf);
        return REPORT;
    case USB_HID_SET_REPORT:
        if (req->value >> 8 != USB_HID_OUTPUT || !req->length)
            return USB_STALL;
        kbd->leds = buf[0] & LEDS;
        return 0;
    default:
        return usb_hid_control(&kbd->hid, &kbd->usb, req, buf);
    }
}

static void kbd_configured(void *opaque)
{
    struct usb_kbd *kbd = opaque;

    usb_hid_reset(&kbd->hid);
    kbd->sink.active = usb_configured(&kbd->usb);
    kbd->head = kbd->count = kbd->leds = 0;
    memset(kbd->down, 0, sizeof(kbd->down));
}

static bool kbd_key(void *opaque, u16 code, bool down)
{
    struct usb_kbd *kbd = opaque;
    u8 usage = usb_hid_key(code);

    if (!usage || !usb_configured(&kbd->usb))
        return true;
    if (kbd->count == EVENTS)
        return false;
    kbd->event[(kbd->head + kbd->count++) % EVENTS] = (u16)(usage | (down ? 0 : UP));
    usb_ready(&kbd->usb);
    return true;
}

static const struct usb_device_ops usb_ops = {
    .control = kbd_control, .in = kbd_in, .configured = kbd_configured};
static const struct input_ops input_ops = {.key = kbd_key};

int usb_kbd_new(struct usb_kbd **out, struct clock *clk)
{
    struct usb_kbd *kbd = calloc(1, sizeof(*kbd));

    if (!kbd)
        return -ENOMEM;
    usb_device_init(&kbd->usb, &descs, &usb_ops, kbd);
    kbd->hid = (struct usb_hid){
        .clk = clk, .report = report_desc, .report_len = sizeof(report_desc), .boot = true};
    kbd->sink = (struct input_sink){.ops = &input_ops, .opaque = kbd};
    usb_device_reset(&kbd->usb);
    *out = kbd;
    return 0;
}

void usb_kbd_free(struct usb_kbd *kbd)
{
    if (!kbd)
        return;
    BUG_ON(kbd->usb.port);
    free(kbd);
}

struct usb_device *usb_kbd_device(struct usb_kbd *kbd)
{
    return &kbd->usb;
}

struct input_sink *usb_kbd_sink(struct usb_kbd *kbd)
{
    return &kbd->sink;
}

u8 usb_kbd_leds(const struct usb_kbd *kbd)
{
    return kbd->leds;
}

static int kbd_loaded(void *obj)
{
    struct usb_kbd *kbd = obj;

    if (kbd->head >= EVENTS || kbd->count > EVENTS || kbd->hid.protocol > USB_HID_REPORT)
        return -EINVAL;
    kbd->sink.active = usb_configured(&kbd->usb);
    usb_hid_sent(&kbd->hid);
    return usb_device_loaded(&kbd->usb);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct usb_kbd, usb, 1, usb_device_fields),
    STATE_STRUCTS(struct usb_kbd, hid, 1, usb_hid_fields),
    STATE_ARRAY(struct usb_kbd, event),
    STATE_UINT(struct usb_kbd, head),
    STATE_UINT(struct usb_kbd, count),
    STATE_ARRAY(struct usb_kbd, down),
    STATE_UINT(struct usb_kbd, leds),
    STATE_END,
};

const struct state_table usb_kbd_state = {
    .name = "usb-kbd", .version = 1, .oldest = 1, .fields = fields, .loaded = kbd_loaded};
