/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and pointer motion from displays to the PS/2 keyboard and mouse. A PS/2 keyboard's buffer
 * has 16 bytes; what does not fit waits here and is offered again every few milliseconds, so that
 * no release of a key is lost. When the queue is full too, presses are dropped and releases of keys
 * that the guest knows as pressed still find room.
 *
 * What waits is not saved state: it belongs to the viewer's side. Under the machine's lock.
 */
#include "dev/ps2input.h"
#include "ui/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE    512u /* more than twice the keys there are */
#define RETRY_NS 5000000ull

struct event {
    u16 code;
    bool down;
};

struct ps2input {
    struct i8042 *kbc;
    struct input *in;
    struct clock *clk;
    struct input_sink sink;
    struct timer retry;
    struct event queue[QUEUE];
    unsigned head, count;
    u8 down[KEY_CODES / 8]; /* keys whose press was queued or sent last */
};

static bool send(struct ps2input *ps2, struct event e)
{
    u8 bytes[KEY_SET2_MAX];
    size_t n = key_to_set2(e.code, e.down, bytes);

    return !n || i8042_put_key(ps2->kbc, bytes, n);
}

static void drain(void *opaque)
{
    struct ps2input *ps2 = opaque;

    while (ps2->count && send(ps2, ps2->queue[ps2->head])) {
        ps2->head = (ps2->head + 1) % QUEUE;
        ps2->count--;
    }
    if (ps2->count)
        timer_set(ps2->clk, &ps2->retry, clock_now(ps2->clk) + RETRY_NS);
}

static bool on_key(void *opaque, u16 code, bool down)
{
    struct ps2input *ps2 = opaque;
    u8 *byte, bit = (u8)BIT(code % 8);

    if (code >= KEY_CODES)
        return true;
    byte = &ps2->down[code / 8];
    if ((!down && !(*byte & bit)) || ps2->count == QUEUE)
        return true;
    if (down && ps2->count >= QUEUE - KEY_CODES)
        return true; /* the rest is for releases */
    *byte = (u8)(down ? *byte | bit : *byte & ~bit);
    ps2->queue[(ps2->head + ps2->count++) % QUEUE] = (struct event){code, down};
    if (ps2->count == 1)
        drain(ps2);
    return true;
}

static void on_move(void *opaque, int dx, int dy, int wheel, unsigned buttons)
{
    struct ps2input *ps2 = opaque;

    _Static_assert(INPUT_LEFT == I8042_MOUSE_LEFT && INPUT_RIGHT == I8042_MOUSE_RIGHT &&
                       INPUT_MIDDLE == I8042_MOUSE_MIDDLE && INPUT_SIDE == I8042_MOUSE_SIDE &&
                       INPUT_EXTRA == I8042_MOUSE_EXTRA,
                   "buttons");
    i8042_mouse(ps2->kbc, dx, dy, wheel, buttons);
}

static const struct input_ops ops = {.key = on_key, .move = on_move};

void ps2input_reset(struct ps2input *ps2)
{
    timer_cancel(ps2->clk, &ps2->retry);
    ps2->head = ps2->count = 0;
    memset(ps2->down, 0, sizeof(ps2->down));
}

int ps2input_new(struct ps2input **out, struct i8042 *kbc, struct input *in, struct clock *clk)
{
    struct ps2input *ps2 = calloc(1, sizeof(*ps2));

    if (!ps2)
        return -ENOMEM;
    ps2->kbc = kbc;
    ps2->in = in;
    ps2->clk = clk;
    timer_init(&ps2->retry, drain, ps2);
    ps2->sink = (struct input_sink){.ops = &ops, .opaque = ps2, .active = true};
    input_add(in, &ps2->sink);
    *out = ps2;
    return 0;
}

void ps2input_free(struct ps2input *ps2)
{
    if (!ps2)
        return;
    timer_cancel(ps2->clk, &ps2->retry);
    input_remove(ps2->in, &ps2->sink);
    free(ps2);
}
