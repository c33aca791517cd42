/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A short byte queue inside a PS/2 device. */
#pragma once
#include "base/base.h"
#include "base/state.h"

#define PS2_QUEUE_SIZE 16u /* the buffer of a PS/2 keyboard */

struct ps2queue {
    u8 buf[PS2_QUEUE_SIZE];
    u8 head, count;
};

static inline unsigned ps2queue_room(const struct ps2queue *q)
{
    return PS2_QUEUE_SIZE - q->count;
}

/* A byte that finds no room is dropped. */
static inline void ps2queue_put(struct ps2queue *q, u8 byte)
{
    if (q->count == PS2_QUEUE_SIZE)
        return;
    q->buf[(q->head + q->count) % PS2_QUEUE_SIZE] = byte;
    q->count++;
}

static inline bool ps2queue_get(struct ps2queue *q, u8 *byte)
{
    if (!q->count)
        return false;
    *byte = q->buf[q->head];
    q->head = (u8)((q->head + 1u) % PS2_QUEUE_SIZE);
    q->count--;
    return true;
}

static inline void ps2queue_clear(struct ps2queue *q)
{
    q->count = 0;
}

/* For the tables of the devices that have one. */
#define PS2QUEUE_FIELDS                                                                            \
    STATE_ARRAY(struct ps2queue, buf), STATE_UINT(struct ps2queue, head),                          \
        STATE_UINT(struct ps2queue, count), STATE_END

static inline bool ps2queue_valid(const struct ps2queue *q)
{
    return q->head < PS2_QUEUE_SIZE && q->count <= PS2_QUEUE_SIZE;
}
