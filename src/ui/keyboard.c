/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/keyboard.h"

#include <string.h>

#define KEYSYM_CAPS_LOCK 0xffe5u

void keyboard_init(struct keyboard *kb, struct input *input, const struct keymap *map)
{
    *kb = (struct keyboard){.input = input, .map = map};
}

static bool is_down(const struct keyboard *kb, u16 code)
{
    return kb->down[code / 8] & BIT(code % 8);
}

void keyboard_code(struct keyboard *kb, u16 code, bool down)
{
    if (code == KEY_NONE || code >= KEY_CODES || (!down && !is_down(kb, code)))
        return;
    kb->down[code / 8] =
        (u8)(down ? kb->down[code / 8] | BIT(code % 8) : kb->down[code / 8] & ~BIT(code % 8));
    input_key(kb->input, code, down);
}

/* A modifier for the time of one character, without the viewer's having pressed or released it. */
static void fake(struct keyboard *kb, u16 code, bool down)
{
    input_key(kb->input, code, down);
}

/* Shift is not as the next character needs it: so it is made, … */
static void toggle_shift(struct keyboard *kb, bool want)
{
    if (want)
        fake(kb, KEY_CODE_LEFTSHIFT, true);
    for (unsigned i = 0; !want && i < 2; i++) {
        u16 code = i ? KEY_CODE_RIGHTSHIFT : KEY_CODE_LEFTSHIFT;
        if (is_down(kb, code))
            fake(kb, code, false);
    }
}

/* … and then as the viewer has it again. */
static void restore_shift(struct keyboard *kb, bool wanted)
{
    if (wanted)
        fake(kb, KEY_CODE_LEFTSHIFT, false);
    for (unsigned i = 0; !wanted && i < 2; i++) {
        u16 code = i ? KEY_CODE_RIGHTSHIFT : KEY_CODE_LEFTSHIFT;
        if (is_down(kb, code))
            fake(kb, code, true);
    }
}

/* With Ctrl or Alt a key is a command, and its modifiers are the user's. */
static bool is_command(const struct keyboard *kb)
{
    return is_down(kb, KEY_CODE_LEFTCTRL) || is_down(kb, KEY_CODE_RIGHTCTRL) ||
           is_down(kb, KEY_CODE_LEFTALT);
}

static void press_char(struct keyboard *kb, const struct keymap_key *key)
{
    bool shift = is_down(kb, KEY_CODE_LEFTSHIFT) || is_down(kb, KEY_CODE_RIGHTSHIFT);
    bool altgr = is_down(kb, KEY_CODE_RIGHTALT);
    bool want_shift = key->mods & KEYMAP_SHIFT, want_altgr = key->mods & KEYMAP_ALTGR;

    if (key->is_letter && kb->caps)
        want_shift = !want_shift;
    if (is_command(kb))
        want_shift = shift, want_altgr = altgr;
    if (shift != want_shift)
        toggle_shift(kb, want_shift);
    if (altgr != want_altgr)
        fake(kb, KEY_CODE_RIGHTALT, want_altgr);
    keyboard_code(kb, key->code, true);
    if (altgr != want_altgr)
        fake(kb, KEY_CODE_RIGHTALT, altgr);
    if (shift != want_shift)
        restore_shift(kb, want_shift);
}

static void remember(struct keyboard *kb, u32 keysym, u16 code)
{
    for (unsigned i = 0; i < kb->nheld; i++)
        if (kb->held[i].keysym == keysym)
            return;
    if (kb->nheld == KEYBOARD_HELD)
        return;
    kb->held[kb->nheld].keysym = keysym;
    kb->held[kb->nheld++].code = code;
}

/* The key that was pressed by this keysym, or that holds a place by any (its character may have
   changed with the modifiers meanwhile). */
static void release(struct keyboard *kb, u32 keysym)
{
    struct keymap_key key;
    u16 code = KEY_NONE;

    for (unsigned i = 0; i < kb->nheld; i++)
        if (kb->held[i].keysym == keysym)
            code = kb->held[i].code;
    if (!code && keymap_lookup(kb->map, keysym, &key))
        code = key.code;
    for (unsigned i = 0; i < kb->nheld;)
        if (kb->held[i].code == code)
            kb->held[i] = kb->held[--kb->nheld];
        else
            i++;
    keyboard_code(kb, code, false);
}

void keyboard_keysym(struct keyboard *kb, u32 keysym, bool down)
{
    struct keymap_key key;

    if (!down) {
        release(kb, keysym);
        return;
    }
    if (!keymap_lookup(kb->map, keysym, &key))
        return;
    if (keysym == KEYSYM_CAPS_LOCK && !is_down(kb, key.code))
        kb->caps = !kb->caps;
    remember(kb, keysym, key.code);
    if (key.is_char)
        press_char(kb, &key);
    else
        keyboard_code(kb, key.code, true);
}

void keyboard_release_all(struct keyboard *kb)
{
    for (u16 code = 1; code < KEY_CODES; code++)
        keyboard_code(kb, code, false);
    kb->nheld = 0;
}
