/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a display device shows. A viewer (VNC, a screenshot, the text view) calls display_refresh,
 * which brings the surface up to date, and then takes the tiles that changed since the last
 * serial it has seen; viewers do not know of each other. The device compares what it shows with
 * what the surface holds, so guest stores are not tracked and nobody pays while nobody looks.
 *
 * Under the machine's lock.
 */
#pragma once
#include "base/base.h"

#define SURFACE_TILE_W 64u
#define SURFACE_TILE_H 16u
#define SURFACE_MAX    16384u              /* width and height … */
#define SURFACE_PIXELS (16u * 1024 * 1024) /* … and their product at most */

struct surface {
    u32 width, height; /* 0 before the first refresh */
    u32 *pixels;       /* XRGB8888, rows of width, X is 0 */
    u64 serial;        /* of the refresh that runs or ran last */
    u32 tiles_x, tiles_y;
    u64 *tile; /* the serial at which each tile changed last */
};

/* Another size: black, and all tiles changed. -EINVAL beyond the limits, -ENOMEM: no pixels then
   (0 x 0). Nothing happens if it has that size. */
must_check int surface_resize(struct surface *s, u32 width, u32 height);
/* Puts n pixels at (x, y), which lie within the surface. */
void surface_put(struct surface *s, u32 x, u32 y, const u32 *pixels, u32 n);
/* All of it in one colour. */
void surface_fill(struct surface *s, u32 colour);
void surface_dispose(struct surface *s);

#define TEXT_CELLS 16384u

/* A text mode's screen: code page 437 (or what font the guest loaded) and VGA attributes. */
struct text_screen {
    unsigned cols, rows; /* cols * rows is at most TEXT_CELLS */
    bool cursor;         /* is shown, at … */
    unsigned cursor_x, cursor_y;
    bool blink; /* bit 7 of an attribute blinks and is no colour */
    struct {
        u8 ch, attr;
    } cell[TEXT_CELLS];
    u32 palette[16]; /* XRGB8888 */
};

struct display_ops {
    /* Resizes s if need be and puts into it what changed. -ENOMEM, -EINVAL if the guest wants
       more than the surface's limits. */
    int (*refresh)(void *opaque, struct surface *s);
    /* False, with t untouched, in graphics modes. May be NULL. */
    bool (*text)(void *opaque, struct text_screen *t);
};

struct display { /* embedded in its device */
    const struct display_ops *ops;
    void *opaque;
    struct surface surface;
};

must_check int display_refresh(struct display *d);
bool display_text(struct display *d, struct text_screen *t);

struct surface_rect {
    u32 x, y, w, h;
};

/* The next rectangle of tiles that changed after `since`, from tile number *at on; false if there
   is none left. Start with *at = 0. */
bool surface_next_changed(const struct surface *s, u64 since, u32 *at, struct surface_rect *out);
