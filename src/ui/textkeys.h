/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal's bytes as keys: characters, control characters, the escape sequences of xterm, the
 * VT220 and the Linux console; Ctrl-A as for serial consoles. Under the machine's lock.
 */
#pragma once
#include "ui/keyboard.h"

#define TEXTKEYS_MAX 256u /* bytes at once */

enum textkeys_wish { TEXTKEYS_NOTHING, TEXTKEYS_QUIT, TEXTKEYS_HELP, TEXTKEYS_REDRAW };

struct textkeys {
    struct keyboard keyboard;
    bool after_ctrl_a;
    u8 held[8]; /* a character that is not complete */
    size_t nheld;
};

void textkeys_init(struct textkeys *tk, struct input *in, const struct keymap *map);
/* What one read from the terminal gave: an Escape at its end is the key. The last wish in it. */
enum textkeys_wish textkeys_feed(struct textkeys *tk, const u8 *bytes, size_t n);
