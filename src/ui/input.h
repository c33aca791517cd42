/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and pointers on their way from a display to the guest's input devices. A key is a place on
 * the keyboard, by Linux' evdev number (KEY_A is 30); what a letter means is the guest's business.
 *
 * Under the machine's lock.
 */
#pragma once
#include "base/base.h"

#define INPUT_LEFT   BIT(0)
#define INPUT_RIGHT  BIT(1)
#define INPUT_MIDDLE BIT(2)
#define INPUT_SIDE   BIT(3)
#define INPUT_EXTRA  BIT(4)

#define INPUT_ABS_MAX 0x7fffu /* the right and lower edge */

/* A device that takes some of it; NULL for what it does not take. */
struct input_ops {
    /* False: it has no room, and the key is lost. Sinks queue what their buffer cannot take. A held
       key is repeated by telling its press again. */
    bool (*key)(void *opaque, u16 code, bool down);
    /* dx to the right, dy and the wheel downwards; buttons that are down: INPUT_*. */
    void (*move)(void *opaque, int dx, int dy, int wheel, unsigned buttons);
    /* x and y are 0..INPUT_ABS_MAX. */
    void (*point)(void *opaque, u16 x, u16 y, int wheel, unsigned buttons);
};

struct input_sink { /* embedded in its device */
    const struct input_ops *ops;
    void *opaque;
    bool active; /* the guest's driver uses it (a tablet that was configured, for one) */
    struct input_sink *next;
};

/* Where events go: the active sink that was added last takes them. One for each machine. */
struct input {
    struct input_sink *sinks;
    u16 x, y; /* last absolute position */
};

void input_add(struct input *in, struct input_sink *sink);
void input_remove(struct input *in, struct input_sink *sink);
bool input_key(struct input *in, u16 code, bool down);
void input_move(struct input *in, int dx, int dy, int wheel, unsigned buttons);
/* Becomes motion where no active sink takes positions. */
void input_point(struct input *in, u16 x, u16 y, int wheel, unsigned buttons);
/* Some active sink takes positions. */
bool input_is_absolute(const struct input *in);
