/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/input.h"

void input_add(struct input *in, struct input_sink *sink)
{
    sink->next = in->sinks;
    in->sinks = sink;
}

void input_remove(struct input *in, struct input_sink *sink)
{
    for (struct input_sink **p = &in->sinks; *p; p = &(*p)->next)
        if (*p == sink) {
            *p = sink->next;
            return;
        }
}

bool input_key(struct input *in, u16 code, bool down)
{
    for (struct input_sink *s = in->sinks; s; s = s->next)
        if (s->active && s->ops->key)
            return s->ops->key(s->opaque, code, down);
    return true; /* no keyboard: the key goes nowhere */
}

void input_move(struct input *in, int dx, int dy, int wheel, unsigned buttons)
{
    for (struct input_sink *s = in->sinks; s; s = s->next)
        if (s->active && s->ops->move) {
            s->ops->move(s->opaque, dx, dy, wheel, buttons);
            return;
        }
}

static struct input_sink *absolute_sink(const struct input *in)
{
    for (struct input_sink *s = in->sinks; s; s = s->next)
        if (s->active && s->ops->point)
            return s;
    return NULL;
}

bool input_is_absolute(const struct input *in)
{
    return absolute_sink(in);
}

/* In counts of a mouse: 1024 for the whole width or height. The remainders are not lost, since
   the counts are differences of rounded positions. */
static int counts(u16 pos)
{
    return pos / 32;
}

void input_point(struct input *in, u16 x, u16 y, int wheel, unsigned buttons)
{
    struct input_sink *s = absolute_sink(in);

    if (s)
        s->ops->point(s->opaque, x, y, wheel, buttons);
    else
        input_move(in, counts(x) - counts(in->x), counts(y) - counts(in->y), wheel, buttons);
    in->x = x;
    in->y = y;
}
