/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the fuzz targets of devices read their input: a stream of operations, each a byte that
 * says what to do and its operands. Past the end, everything reads 0 and `left` is false.
 */
#pragma once
#include "../unit/dev/rig.h"

struct input {
    const u8 *data;
    size_t size;
};

static inline bool input_left(const struct input *in)
{
    return in->size;
}

static inline u64 input_take(struct input *in, unsigned n)
{
    u64 val = 0;

    for (unsigned i = 0; i < n && in->size; i++) {
        val |= (u64)*in->data++ << 8 * i;
        in->size--;
    }
    return val;
}

/* Moves time by up to 2^22 ns per byte of fuel: long enough for periods, short enough to end. */
static inline void input_advance(struct input *in, struct clock *clk)
{
    u64 n = input_take(in, 1);

    clock_advance(clk, 1ull << (n % 23) | (n >> 5));
}

/* One access of 1, 2, 4 or 8 bytes within [first, first + span) by the low bits of `op`: bit 0
   writes, bits 1-2 the size. */
static inline void input_access(struct input *in, struct bus *bus, u8 op, u64 first, u64 span)
{
    unsigned size = 1u << (op >> 1 & 3);
    u64 addr = first + input_take(in, span > 256 ? 2 : 1) % span;

    if (op & 1)
        bus_write(bus, addr, size, input_take(in, size));
    else
        BUG_ON(size < 8 && bus_read(bus, addr, size) >> 8 * size);
}
