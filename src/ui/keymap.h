/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From X11 keysyms, which say what a key means, to keys by a keyboard's layout: that which the
 * guest is set to. Pure functions over const tables.
 */
#pragma once
#include "ui/keys.h"

#define KEYMAP_SHIFT BIT(0)
#define KEYMAP_ALTGR BIT(1)

struct keymap;

/* By name, such as "us" or "de"; NULL if there is none. */
const struct keymap *keymap_find(const char *name);
/* The names, in alphabetical order; NULL past the end. */
const char *keymap_name(unsigned n);

struct keymap_key {
    u16 code;
    u8 mods;        /* KEYMAP_* that must be held, if it is a character */
    bool is_char;   /* otherwise mods do not matter */
    bool is_letter; /* Caps Lock turns Shift around */
};

/* False if no key means that. What the layout does not have is looked for in the US one. */
bool keymap_lookup(const struct keymap *map, u32 keysym, struct keymap_key *out);
/* A character by its Unicode number, for terminals. */
u32 keysym_from_unicode(u32 ch);
