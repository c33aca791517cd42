/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PS/2 keyboard behind the i8042; see ps2kbd.c. Embedded in struct i8042. */
#pragma once
#include "dev/ps2queue.h"

struct ps2kbd {
    struct ps2queue replies; /* to commands; go out before keys */
    struct ps2queue keys;
    u8 command; /* that waits for its argument, 0 for none */
    u8 last;    /* last byte sent, for Resend */
    u8 set;     /* scan code set 1..3 */
    u8 leds;
    u8 typematic;     /* rate and delay, remembered */
    bool scanning;    /* enabled by F4h */
    u8 key_type[256]; /* set 3: KEY_* by code */
    u8 down[32];      /* set 3: bitmap of keys held */
};

void ps2kbd_reset(struct ps2kbd *kbd);
/* A byte from the controller. */
void ps2kbd_command(struct ps2kbd *kbd, u8 byte);
/* A reply waits; a key's byte does, which it goes on doing while a command's argument is to come.
 */
bool ps2kbd_replies(const struct ps2kbd *kbd);
bool ps2kbd_has_key(const struct ps2kbd *kbd);
/* The next byte for the controller, replies first; false if there is none. */
bool ps2kbd_next(struct ps2kbd *kbd, u8 *byte);
/* One key's set 2 bytes; see i8042_put_key. */
bool ps2kbd_put_key(struct ps2kbd *kbd, const u8 *set2, size_t n);

extern const struct state_field ps2kbd_fields[];
/* What was loaded is a state of a keyboard. */
bool ps2kbd_valid(const struct ps2kbd *kbd);
