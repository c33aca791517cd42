/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets of disk controllers share: small images that sometimes fail, guest memory,
   and saved states that are nearly right. */
#pragma once
#include "../unit/dev/memdisk.h"
#include "../unit/dev/pcirig.h"
#include "base/state.h"
#include "dev_input.h"
#include "guest_memory.h"

#include <errno.h>

#define DISK_INPUT_SIZE (300 * KiB)
#define DISK_INPUT_RAM  (128 * KiB)

/* The n-th of three images, whose bytes are in one place for all inputs. */
static inline struct memdisk *input_disk(unsigned n, u64 size, bool read_only)
{
    static u8 data[3][DISK_INPUT_SIZE];

    BUG_ON(n >= ARRAY_SIZE(data) || size > sizeof(data[0]));
    return memdisk_new_in(data[n], size, read_only);
}

/* Guest memory: `len` bytes of the input at an address below 64 KiB. */
static inline void input_memory(struct input *in, struct mem *mem)
{
    u8 buf[64];
    u64 at = input_take(in, 2), len = input_take(in, 1) % sizeof(buf);

    for (u64 i = 0; i < len; i++)
        buf[i] = (u8)input_take(in, 1);
    BUG_ON(mem_write(mem, at, buf, len));
}

/* Saves, changes a few bytes near an end of the stream, loads. On refusal the caller resets. */
static inline int input_state(struct input *in, const struct state_table *t, void *obj)
{
    struct state_stream s = {0};
    struct err err;
    int rc;

    BUG_ON(state_save(&s, t, obj));
    for (unsigned n = (unsigned)input_take(in, 1) % 4; n; n--) {
        size_t at = input_take(in, 2);
        s.data[at % s.len] = (u8)input_take(in, 1);
    }
    rc = state_load(&s, t, obj, &err);
    state_dispose(&s);
    return rc;
}
