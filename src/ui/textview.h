/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's VGA text screen on a terminal; see textview.c.
 *
 * textview_new and textview_free are called by the main thread without the machine's lock,
 * textview_free before the display goes.
 */
#pragma once
#include "base/err.h"
#include "ui/input.h"
#include "ui/surface.h"

#include <pthread.h>

struct textview;

struct textview_config {
    int in, out;          /* the terminal's descriptors, not owned */
    const char *keyboard; /* the guest's layout, ui/keymap.h; NULL: "us" */
    struct display *display;
    struct input *input;
    pthread_mutex_t *lock; /* the machine's */
    /* Ctrl-A x, or the terminal has gone; by a thread of the view's, no lock held. */
    void (*quit)(void *opaque);
    void *quit_opaque;
};

/* Puts the terminal into raw mode and takes its screen. -ENOTTY if it is none, -EINVAL, -ENOMEM. */
must_check int textview_new(struct textview **out, const struct textview_config *cfg,
                            struct err *err);
void textview_free(struct textview *tv);

/* The drawing alone: what a terminal must be sent to show `t` where it shows *shown (cols 0:
   nothing, or unknown), at most width x height of it; *shown becomes what it shows then. Returns a
   string that the caller frees, NULL without memory. */
char *textview_update(struct text_screen *shown, const struct text_screen *t, unsigned width,
                      unsigned height);
