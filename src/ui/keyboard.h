/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A viewer's keyboard: keysyms in, keys of the guest's keyboard out, with the modifiers that the
 * guest's layout needs for a character. One for each viewer. Under the machine's lock.
 */
#pragma once
#include "ui/input.h"
#include "ui/keymap.h"

#define KEYBOARD_HELD 32u /* keys that can be down at once */

struct keyboard {
    struct input *input;
    const struct keymap *map;
    bool caps; /* Caps Lock, as the viewer's key presses tell */
    u8 down[KEY_CODES / 8];
    struct {
        u32 keysym;
        u16 code;
    } held[KEYBOARD_HELD];
    unsigned nheld;
};

void keyboard_init(struct keyboard *kb, struct input *input, const struct keymap *map);
void keyboard_keysym(struct keyboard *kb, u32 keysym, bool down);
/* A key by its place. */
void keyboard_code(struct keyboard *kb, u16 code, bool down);
/* The viewer has gone: nothing stays held. */
void keyboard_release_all(struct keyboard *kb);
