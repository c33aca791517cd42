/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/queue.h"

#include <stdlib.h>

#define FRAME_COST 128u /* of keeping one, however small */

void queue_init(struct queue *q)
{
    *q = (struct queue){.tail = &q->head};
}

void queue_clear(struct queue *q)
{
    while (q->head)
        queue_pop(q);
}

struct queue_frame *queue_room(const struct queue *q, unsigned from, size_t len)
{
    struct queue_frame *f;

    if (q->share[from] + len + FRAME_COST > QUEUE_BYTES - q->bytes)
        return NULL;
    f = malloc(sizeof(*f) + len);
    if (f)
        *f = (struct queue_frame){.from = from};
    return f;
}

void queue_push(struct queue *q, struct queue_frame *f)
{
    q->bytes += f->len + FRAME_COST;
    q->share[f->from] += f->len + FRAME_COST;
    *q->tail = f;
    q->tail = &f->next;
}

void queue_pop(struct queue *q)
{
    struct queue_frame *f = q->head;

    q->bytes -= f->len + FRAME_COST;
    q->share[f->from] -= f->len + FRAME_COST;
    q->head = f->next;
    if (!q->head)
        q->tail = &q->head;
    free(f);
}
