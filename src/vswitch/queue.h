/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that wait to leave by a port. Bounded in bytes; a port that sends may have as much of it
 * as is still free, so that whoever floods leaves room for others (dynamic thresholds: Choudhury
 * and Hahne, 1998). Under the switch's lock.
 */
#pragma once
#include "base/base.h"

#define QUEUE_BYTES MiB
#define QUEUE_PORTS 64u

struct queue_frame {
    struct queue_frame *next;
    size_t len;
    unsigned from;
    u8 data[];
};

struct queue {
    struct queue_frame *head, **tail;
    size_t bytes, share[QUEUE_PORTS]; /* with what keeping them costs */
};

void queue_init(struct queue *q);
void queue_clear(struct queue *q);
/* Memory for a frame of up to `len` bytes from port `from`; NULL where there is no room. It goes to
   queue_push, or is freed. */
struct queue_frame *queue_room(const struct queue *q, unsigned from, size_t len);
void queue_push(struct queue *q, struct queue_frame *f);
void queue_pop(struct queue *q); /* frees the first */
