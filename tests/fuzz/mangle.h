/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device's saved state with bytes changed by the input, loaded again. */
#pragma once
#include "base/state.h"
#include "dev_input.h"

/* Up to three bytes, by pairs of a place and what is XORed there. What loading came to; where it
   failed, the caller resets the device. */
static inline int mangle(struct input *in, const struct state_table *t, void *obj)
{
    struct state_stream s = {0};
    struct err err;
    int rc;

    BUG_ON(state_save(&s, t, obj));
    for (unsigned n = (unsigned)input_take(in, 1) & 3; n; n--) {
        size_t at = (size_t)input_take(in, 2) % s.len;
        s.data[at] ^= (u8)input_take(in, 1);
    }
    rc = state_load(&s, t, obj, &err);
    state_dispose(&s);
    return rc;
}
