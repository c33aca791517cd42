/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys as places on a keyboard, by Linux' evdev numbers, and what they are called elsewhere: scan
 * code set 2 of PS/2 keyboards, usages of USB keyboards, scan code set 1 in VNC. Pure functions.
 */
#pragma once
#include "base/base.h"

/* The evdev codes that code here names. */
enum {
    KEY_NONE = 0,
    KEY_CODE_ESC = 1,
    KEY_CODE_BACKSPACE = 14,
    KEY_CODE_TAB = 15,
    KEY_CODE_ENTER = 28,
    KEY_CODE_LEFTCTRL = 29,
    KEY_CODE_LEFTSHIFT = 42,
    KEY_CODE_RIGHTSHIFT = 54,
    KEY_CODE_LEFTALT = 56,
    KEY_CODE_SPACE = 57,
    KEY_CODE_CAPSLOCK = 58,
    KEY_CODE_F1 = 59,
    KEY_CODE_F11 = 87,
    KEY_CODE_F12 = 88,
    KEY_CODE_RIGHTCTRL = 97,
    KEY_CODE_SYSRQ = 99,
    KEY_CODE_RIGHTALT = 100,
    KEY_CODE_HOME = 102,
    KEY_CODE_UP = 103,
    KEY_CODE_PAGEUP = 104,
    KEY_CODE_LEFT = 105,
    KEY_CODE_RIGHT = 106,
    KEY_CODE_END = 107,
    KEY_CODE_DOWN = 108,
    KEY_CODE_PAGEDOWN = 109,
    KEY_CODE_INSERT = 110,
    KEY_CODE_DELETE = 111,
    KEY_CODE_PAUSE = 119,
    KEY_CODES = 256, /* one more than the last */
};

#define KEY_SET2_MAX 8u

/* The bytes of make or break in set 2; 0 if the keyboard has no such key, or nothing on break. */
size_t key_to_set2(u16 code, bool down, u8 out[KEY_SET2_MAX]);
/* The usage of the HID page "keyboard"; 0: there is none. */
u8 key_to_hid(u16 code);
/* Set 1 code in one byte, bit 7 for E0h, as VNC's QEMU extension and others write it. */
u16 key_from_xt(u8 xt);
