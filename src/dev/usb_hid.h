/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB keyboard, mouse and tablet; see usb_hid.c, usb_kbd.c and usb_pointer.c. */
#pragma once
#include "bus/clock.h"
#include "dev/usb.h"
#include "ui/input.h"

struct usb_kbd;

/* -ENOMEM. */
must_check int usb_kbd_new(struct usb_kbd **out, struct clock *clk);
/* Unplugged first. */
void usb_kbd_free(struct usb_kbd *kbd);
struct usb_device *usb_kbd_device(struct usb_kbd *kbd);
struct input_sink *usb_kbd_sink(struct usb_kbd *kbd);
/* Bit 0 Num Lock, 1 Caps Lock, 2 Scroll Lock, as the guest set them. */
u8 usb_kbd_leds(const struct usb_kbd *kbd);
extern const struct state_table usb_kbd_state;

struct usb_pointer;

/* A tablet, which takes positions, or a mouse. -ENOMEM. */
must_check int usb_tablet_new(struct usb_pointer **out, struct clock *clk);
must_check int usb_mouse_new(struct usb_pointer **out, struct clock *clk);
/* Unplugged first. */
void usb_pointer_free(struct usb_pointer *ptr);
struct usb_device *usb_pointer_device(struct usb_pointer *ptr);
struct input_sink *usb_pointer_sink(struct usb_pointer *ptr);
extern const struct state_table usb_pointer_state;

/* Of the two files above only: what devices of the class have in common. */
struct usb_hid {
    struct clock *clk;
    const u8 *report; /* the report descriptor */
    u16 report_len;
    bool boot; /* it has the boot protocol */
    u8 idle;   /* 4 ms; 0: reports only what is new */
    u8 protocol;
    u64 sent; /* ns: the last report */
};

enum { USB_HID_BOOT = 0, USB_HID_REPORT = 1 };

/* USB_REQUEST codes of the class (Device Class Definition for HID 1.11, section 7.2). */
#define USB_HID_GET_REPORT USB_REQUEST(0xa1, 0x01)
#define USB_HID_SET_REPORT USB_REQUEST(0x21, 0x09)
#define USB_HID_INPUT      1u /* wValue's high byte */
#define USB_HID_OUTPUT     2u

void usb_hid_reset(struct usb_hid *hid);
/* Requests other than those for reports. */
int usb_hid_control(struct usb_hid *hid, const struct usb_device *dev, const struct usb_setup *req,
                    u8 *buf);
/* A report is due though nothing is new. */
bool usb_hid_idle_over(const struct usb_hid *hid);
void usb_hid_sent(struct usb_hid *hid);
/* The usage of an evdev key, 0: none. */
u8 usb_hid_key(u16 code);
extern const struct state_field usb_hid_fields[];
