/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB tablet, which tells positions, and a mouse, which tells motion and has the boot protocol
 * (Device Class Definition for HID 1.11). The tablet's identity and report are the field's, which
 * guests know. Changes of buttons keep their order and place; motion between them merges.
 * Runs under the machine's lock.
 */
#include "base/le.h"
#include "dev/usb_hid.h"

#include <errno.h>
#include <stdlib.h>

#define EVENTS        16u
#define TABLET_REPORT 6u
#define MOUSE_REPORT  4u
#define BOOT_REPORT   3u
#define STEP          127 /* of a signed byte */
#define MOTION_MAX    4096
#define BUTTONS       0x1fu

struct event {
    s32 x, y, wheel;
    u8 buttons;
    bool edge; /* the buttons are not those of the event before */
};

struct usb_pointer {
    struct usb_device usb;
    struct usb_hid hid;
    struct input_sink sink;
    bool absolute;
    struct event event[EVENTS];
    u8 head, count;
    struct event last; /* as reported */
};

/* clang-format off */
static const u8 tablet_report_desc[] = {
    0x05, 0x01,             /* usage page: generic desktop */
    0x09, 0x02,             /* usage: mouse */
    0xa1, 0x01,             /* collection: application */
    0x09, 0x01,             /*   usage: pointer */
    0xa1, 0x00,             /*   collection: physical */
    0x05, 0x09,             /*     usage page: buttons */
    0x19, 0x01, 0x29, 0x05, /*     1..5 */
    0x15, 0x00, 0x25, 0x01, /*     0..1 */
    0x75, 0x01, 0x95, 0x05, /*     5 of 1 bit */
    0x81, 0x02,             /*     input: variables */
    0x75, 0x03, 0x95, 0x01, /*     and 3 to fill the byte */
    0x81, 0x01,             /*     input: constant */
    0x05, 0x01,             /*     usage page: generic desktop */
    0x09, 0x30, 0x09, 0x31, /*     x, y */
    0x15, 0x00, 0x26, 0xff, 0x7f, /* 0..7fffh */
    0x35, 0x00, 0x46, 0xff, 0x7f,
    0x75, 0x10, 0x95, 0x02, /*     2 of 16 bits */
    0x81, 0x02,             /*     input: absolute variables */
    0x09, 0x38,             /*     wheel */
    0x15, 0x81, 0x25, 0x7f, /*     -127..127 */
    0x35, 0x00, 0x45, 0x00,
    0x75, 0x08, 0x95, 0x01, /*     a byte */
    0x81, 0x06,             /*     input: relative variable */
    0xc0, 0xc0,
};

static const u8 mouse_report_desc[] = {
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00,
    0x05, 0x09, 0x19, 0x01, 0x29, 0x05, /* buttons 1..5, and 3 bits to fill the byte */
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x05, 0x81, 0x02,
    0x75, 0x03, 0x95, 0x01, 0x81, 0x01,
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38, /* x, y, wheel: relative bytes */
    0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x03, 0x81, 0x06,
    0xc0, 0xc0,
};

static const u8 tablet_config[] = {
    9, USB_DESC_CONFIG, 34, 0, 1, 1, 0, 0xa0, 50,
    9, USB_DESC_INTERFACE, 0, 0, 1, 3, 0, 0, 0, /* HID */
    9, 0x21, 0x11, 0x01, 0, 1, 0x22, sizeof(tablet_report_desc), 0,
    7, USB_DESC_ENDPOINT, 0x81, 3, 8, 0, 4,
};

static const u8 mouse_config[] = {
    9, USB_DESC_CONFIG, 34, 0, 1, 1, 0, 0xa0, 50,
    9, USB_DESC_INTERFACE, 0, 0, 1, 3, 1, 2, 0, /* HID, boot, mouse */
    9, 0x21, 0x11, 0x01, 0, 1, 0x22, sizeof(mouse_report_desc), 0,
    7, USB_DESC_ENDPOINT, 0x81, 3, MOUSE_REPORT, 0, 8,
};
/* clang-format on */

static const struct usb_descs tablet_descs = {.vendor = 0x0627,
                                              .product = 0x0001,
                                              .maker = "QEMU",
                                              .name = "QEMU USB Tablet",
                                              .config = {[USB_FULL] = tablet_config}};
static const struct usb_descs mouse_descs = {.vendor = 0x0627,
                                             .product = 0x0001,
                                             .maker = "QEMU",
                                             .name = "QEMU USB Mouse",
                                             .config = {[USB_FULL] = mouse_config}};

static s32 clamp(s32 v, s32 max)
{
    return v > max ? max : v < -max ? -max : v;
}

static void push(struct usb_pointer *ptr, s32 x, s32 y, int wheel, unsigned buttons)
{
    struct event *tail = &ptr->event[(ptr->head + ptr->count + EVENTS - 1) % EVENTS];
    u8 before = ptr->count ? tail->buttons : ptr->last.buttons;
    bool merge = ptr->count && ((!tail->edge && buttons == before) || ptr->count == EVENTS);
    struct event *e = merge ? tail : &ptr->event[(ptr->head + ptr->count) % EVENTS];

    if (!merge) {
        *e = (struct event){.edge = buttons != before};
        ptr->count++;
    }
    e->x = ptr->absolute ? x : clamp(e->x + clamp(x, MOTION_MAX), MOTION_MAX);
    e->y = ptr->absolute ? y : clamp(e->y + clamp(y, MOTION_MAX), MOTION_MAX);
    e->wheel = clamp(e->wheel - clamp(wheel, STEP), MOTION_MAX); /* HID's goes up */
    e->buttons = (u8)buttons;
    usb_ready(&ptr->usb);
}

/* Takes from *v what fits a report. */
static s32 step(s32 *v)
{
    s32 part = clamp(*v, STEP);

    *v -= part;
    return part;
}

/* Moves the first event into `last`, or as much of it as one report can tell. */
static void take_event(struct usb_pointer *ptr)
{
    struct event *e = &ptr->event[ptr->head];

    ptr->last.buttons = e->buttons;
    ptr->last.wheel = step(&e->wheel);
    ptr->last.x = ptr->absolute ? e->x : step(&e->x);
    ptr->last.y = ptr->absolute ? e->y : step(&e->y);
    e->edge = false;
    if (e->wheel || (!ptr->absolute && (e->x || e->y)))
        return;
    ptr->head = (u8)((ptr->head + 1) % EVENTS);
    ptr->count--;
}

static int fill_report(const struct usb_pointer *ptr, u8 *buf)
{
    const struct event *e = &ptr->last;

    buf[0] = e->buttons;
    if (ptr->absolute) {
        put_le16(buf + 1, (u16)e->x);
        put_le16(buf + 3, (u16)e->y);
        buf[5] = (u8)e->wheel;
        return TABLET_REPORT;
    }
    buf[1] = (u8)e->x;
    buf[2] = (u8)e->y;
    buf[3] = (u8)e->wheel;
    return ptr->hid.protocol == USB_HID_BOOT ? BOOT_REPORT : MOUSE_REPORT;
}

/* A report that tells nothing new has no motion. */
static void settle(struct usb_pointer *ptr)
{
    ptr->last.wheel = 0;
    if (!ptr->absolute)
        ptr->last.x = ptr->last.y = 0;
}

static int pointer_in(void *opaque, unsigned ep, u8 *buf, unsigned len)
{
    struct usb_pointer *ptr = opaque;
    u8 report[8];
    int n;

    if (ptr->count)
        take_event(ptr);
    else if (!usb_hid_idle_over(&ptr->hid))
        return USB_NAK;
    n = fill_report(ptr, report);
    settle(ptr);
    usb_hid_sent(&ptr->hid);
    if ((unsigned)n > len)
        return USB_BABBLE;
    memcpy(buf, report, (size_t)n);
    return n;
}

static int pointer_control(void *opaque, const struct usb_setup *req, u8 *buf)
{
    struct usb_pointer *ptr = opaque;

    switch (USB_REQUEST(req->type, req->request)) {
    case USB_HID_GET_REPORT:
        return req->value >> 8 == USB_HID_INPUT ? fill_report(ptr, buf) : USB_STALL;
    case USB_HID_SET_REPORT:
        return USB_STALL;
    default:
        return usb_hid_control(&ptr->hid, &ptr->usb, req, buf);
    }
}

static void pointer_configured(void *opaque)
{
    struct usb_pointer *ptr = opaque;

    usb_hid_reset(&ptr->hid);
    ptr->sink.active = usb_configured(&ptr->usb);
    ptr->head = ptr->count = 0;
    ptr->last = (struct event){0};
}

static void tablet_point(void *opaque, u16 x, u16 y, int wheel, unsigned buttons)
{
    struct usb_pointer *ptr = opaque;

    if (usb_configured(&ptr->usb))
        push(ptr, (s32)min_u64(x, INPUT_ABS_MAX), (s32)min_u64(y, INPUT_ABS_MAX), wheel,
             buttons & BUTTONS);
}

static void mouse_move(void *opaque, int dx, int dy, int wheel, unsigned buttons)
{
    struct usb_pointer *ptr = opaque;

    if (usb_configured(&ptr->usb))
        push(ptr, dx, dy, wheel, buttons & BUTTONS);
}

static const struct usb_device_ops usb_ops = {
    .control = pointer_control, .in = pointer_in, .configured = pointer_configured};
static const struct input_ops tablet_ops = {.point = tablet_point};
static const struct input_ops mouse_ops = {.move = mouse_move};

static int pointer_new(struct usb_pointer **out, const struct usb_descs *descs,
                       const struct input_ops *input, const struct usb_hid *hid)
{
    struct usb_pointer *ptr = calloc(1, sizeof(*ptr));

    if (!ptr)
        return -ENOMEM;
    usb_device_init(&ptr->usb, descs, &usb_ops, ptr);
    ptr->hid = *hid;
    ptr->absolute = input->point;
    ptr->sink = (struct input_sink){.ops = input, .opaque = ptr};
    usb_device_reset(&ptr->usb);
    *out = ptr;
    return 0;
}

int usb_tablet_new(struct usb_pointer **out, struct clock *clk)
{
    struct usb_hid hid = {
        .clk = clk, .report = tablet_report_desc, .report_len = sizeof(tablet_report_desc)};

    return pointer_new(out, &tablet_descs, &tablet_ops, &hid);
}

int usb_mouse_new(struct usb_pointer **out, struct clock *clk)
{
    struct usb_hid hid = {.clk = clk,
                          .report = mouse_report_desc,
                          .report_len = sizeof(mouse_report_desc),
                          .boot = true};

    return pointer_new(out, &mouse_descs, &mouse_ops, &hid);
}

void usb_pointer_free(struct usb_pointer *ptr)
{
    if (!ptr)
        return;
    BUG_ON(ptr->usb.port);
    free(ptr);
}

struct usb_device *usb_pointer_device(struct usb_pointer *ptr)
{
    return &ptr->usb;
}

struct input_sink *usb_pointer_sink(struct usb_pointer *ptr)
{
    return &ptr->sink;
}

static bool is_sane(const struct event *e)
{
    return e->x == clamp(e->x, INPUT_ABS_MAX) && e->y == clamp(e->y, INPUT_ABS_MAX) &&
           e->wheel == clamp(e->wheel, MOTION_MAX);
}

static int pointer_loaded(void *obj)
{
    struct usb_pointer *ptr = obj;
    bool sane = is_sane(&ptr->last);

    for (unsigned i = 0; i < EVENTS; i++)
        sane &= is_sane(&ptr->event[i]);
    if (!sane || ptr->head >= EVENTS || ptr->count > EVENTS || ptr->hid.protocol > USB_HID_REPORT)
        return -EINVAL;
    ptr->sink.active = usb_configured(&ptr->usb);
    usb_hid_sent(&ptr->hid);
    return usb_device_loaded(&ptr->usb);
}

static const struct state_field event_fields[] = {
    STATE_UINT(struct event, x),     STATE_UINT(struct event, y),
    STATE_UINT(struct event, wheel), STATE_UINT(struct event, buttons),
    STATE_BOOL(struct event, edge),  STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct usb_pointer, usb, 1, usb_device_fields),
    STATE_STRUCTS(struct usb_pointer, hid, 1, usb_hid_fields),
    STATE_STRUCTS(struct usb_pointer, event, EVENTS, event_fields),
    STATE_UINT(struct usb_pointer, head),
    STATE_UINT(struct usb_pointer, count),
    STATE_STRUCTS(struct usb_pointer, last, 1, event_fields),
    STATE_END,
};

const struct state_table usb_pointer_state = {
    .name = "usb-pointer", .version = 1, .oldest = 1, .fields = fields, .loaded = pointer_loaded};
