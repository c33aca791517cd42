/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a sound card's output goes. Called under the machine's lock; must not block for long.
 */
#pragma once
#include "base/base.h"

struct sound_out {
    /* `frames` pairs of left and right, at `rate` a second. NULL: nobody listens. */
    void (*play)(void *opaque, u32 rate, const s16 *samples, size_t frames);
    void *opaque;
};
