/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Input device (VIRTIO 1.2, section 5.8): a keyboard, a mouse or a tablet, which speaks Linux'
 * evdev. What belongs together goes to the driver as a whole, or waits until there are buffers for
 * all of it. Runs under the machine's lock.
 */
#include "virtio/input.h"
#include "base/le.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE 64u
#define EVENTS     256u
#define EVENT_LEN  8u
#define FRAME_MAX  9u /* events: two axes, a wheel, five buttons, EV_SYN */

/* Configuration space, and what is asked of it. */
#define CFG_SELECT    0u
#define CFG_SUBSEL    1u
#define CFG_SIZE      2u
#define CFG_DATA      8u
#define CFG_LEN       136u
#define SELECT_NAME   0x01u
#define SELECT_DEVIDS 0x03u
#define SELECT_EVENTS 0x11u
#define SELECT_ABS    0x12u

/* linux/input-event-codes.h */
#define EV_SYN      0u
#define EV_KEY      1u
#define EV_REL      2u
#define EV_ABS      3u
#define EV_LED      0x11u
#define EV_REP      0x14u
#define ABS_X       0u
#define ABS_Y       1u
#define REL_X       0u
#define REL_Y       1u
#define REL_WHEEL   8u
#define KEY_LAST    0xf7u /* of those that keyboards have */
#define BTN_LEFT    0x110u
#define BUTTONS     5u
#define LEDS        3u
#define BUS_VIRTUAL 6u
#define VENDOR      0x0627u

struct event {
    u16 type, code;
    u32 value;
};

struct virtio_input {
    struct virtio virtio;
    enum virtio_input_kind kind;
    struct input *from;
    struct input_sink sink;
    struct event event[EVENTS]; /* whole frames, each ended by EV_SYN */
    u32 head, count;
    u8 buttons; /* as told */
    struct virtq_buf buf;
};

static const char *const kinds[] = {
    [VIRTIO_KEYBOARD] = "keyboard", [VIRTIO_MOUSE] = "mouse", [VIRTIO_TABLET] = "tablet"};

bool virtio_input_parse(const char *name, enum virtio_input_kind *out)
{
    for (unsigned n = 0; n < ARRAY_SIZE(kinds); n++)
        if (!strcmp(name, kinds[n])) {
            *out = (enum virtio_input_kind)n;
            return true;
        }
    return false;
}

/* Events up to the next EV_SYN. */
static u32 frame_len(const struct virtio_input *in)
{
    for (u32 n = 0; n < in->count; n++)
        if (in->event[(in->head + n) % EVENTS].type == EV_SYN)
            return n + 1;
    return in->count;
}

/* A buffer for each event of the frame, or none is taken. */
static bool take_buffers(struct virtio_input *in, struct virtq *q, u32 n, struct virtq_head *heads)
{
    struct virtq_buf *buf = &in->buf;
    u8 raw[EVENT_LEN];

    for (u32 i = 0; i < n; i++) {
        const struct event *e = &in->event[(in->head + i) % EVENTS];
        if (!virtq_pop(q, buf)) {
            while (i)
                virtq_unpop(q, heads[--i]);
            return false;
        }
        heads[i] = buf->head;
        put_le16(raw, e->type);
        put_le16(raw + 2, e->code);
        put_le32(raw + 4, e->value);
        virtq_write(q, buf, 0, raw, EVENT_LEN);
    }
    return true;
}

static void deliver(struct virtio_input *in)
{
    struct virtq *q = &in->virtio.queue[0];
    struct virtq_head heads[FRAME_MAX];
    u32 written[FRAME_MAX], n;

    for (u32 i = 0; i < FRAME_MAX; i++)
        written[i] = EVENT_LEN;
    while (in->count) {
        n = (u32)min_u64(frame_len(in), FRAME_MAX);
        if (n <= q->size) { /* else it can never have enough */
            if (!take_buffers(in, q, n, heads))
                break;
            virtq_push_all(q, heads, written, n);
        }
        in->head = (in->head + n) % EVENTS;
        in->count -= n;
    }
    virtq_interrupt(q);
}

static void add(struct virtio_input *in, u16 type, u16 code, u32 value)
{
    in->event[(in->head + in->count++) % EVENTS] = (struct event){type, code, value};
}

/* There is room for a frame; for releases of keys some is kept. */
static bool has_room(const struct virtio_input *in, u32 kept)
{
    return virtio_live(&in->virtio) && in->count + FRAME_MAX + kept <= EVENTS;
}

static void end_frame(struct virtio_input *in)
{
    add(in, EV_SYN, 0, 0);
    deliver(in);
}

static bool on_key(void *opaque, u16 code, bool down)
{
    struct virtio_input *in = opaque;

    if (!code || code > KEY_LAST || !has_room(in, down ? EVENTS / 2 : 0))
        return false;
    add(in, EV_KEY, code, down);
    end_frame(in);
    return true;
}

/* evdev's wheel goes up. */
static void add_wheel_and_buttons(struct virtio_input *in, int wheel, unsigned buttons)
{
    if (wheel)
        add(in, EV_REL, REL_WHEEL, (u32)-wheel);
    for (unsigned n = 0; n < BUTTONS; n++)
        if ((buttons ^ in->buttons) & BIT(n))
            add(in, EV_KEY, (u16)(BTN_LEFT + n), buttons >> n & 1);
    in->buttons = (u8)(buttons & (BIT(BUTTONS) - 1));
}

static void on_move(void *opaque, int dx, int dy, int wheel, unsigned buttons)
{
    struct virtio_input *in = opaque;

    if (!has_room(in, 0))
        return;
    if (dx)
        add(in, EV_REL, REL_X, (u32)dx);
    if (dy)
        add(in, EV_REL, REL_Y, (u32)dy);
    add_wheel_and_buttons(in, wheel, buttons);
    end_frame(in);
}

static void on_point(void *opaque, u16 x, u16 y, int wheel, unsigned buttons)
{
    struct virtio_input *in = opaque;

    if (!has_room(in, 0))
        return;
    add(in, EV_ABS, ABS_X, x);
    add(in, EV_ABS, ABS_Y, y);
    add_wheel_and_buttons(in, wheel, buttons);
    end_frame(in);
}

static const struct input_ops sink_ops[] = {[VIRTIO_KEYBOARD] = {.key = on_key},
                                            [VIRTIO_MOUSE] = {.move = on_move},
                                            [VIRTIO_TABLET] = {.point = on_point}};

/* What the driver sends back, LEDs, goes nowhere: a viewer's keyboard has its own. */
static void take_status(struct virtio_input *in, struct virtq *q)
{
    while (virtq_pop(q, &in->buf))
        virtq_push(q, in->buf.head, 0);
    virtq_interrupt(q);
}

static void notify(void *opaque, struct virtq *q)
{
    if (q->index)
        take_status(opaque, q);
    else
        deliver(opaque);
}

static void set_bits(u8 *map, unsigned from, unsigned to)
{
    for (unsigned n = from; n <= to; n++)
        map[n / 8] |= (u8)BIT(n % 8);
}

/* Events of a type that the device knows; how many bytes of bitmap. */
static u8 events_of(const struct virtio_input *in, u8 type, u8 *map)
{
    bool keyboard = in->kind == VIRTIO_KEYBOARD;

    if (type == EV_KEY && keyboard) {
        set_bits(map, 1, KEY_LAST);
        return KEY_LAST / 8 + 1;
    }
    if (type == EV_KEY) {
        set_bits(map, BTN_LEFT, BTN_LEFT + BUTTONS - 1);
        return (BTN_LEFT + BUTTONS - 1) / 8 + 1;
    }
    if (type == EV_REL && !keyboard) {
        set_bits(map, REL_WHEEL, REL_WHEEL);
        if (in->kind == VIRTIO_MOUSE)
            set_bits(map, REL_X, REL_Y);
        return REL_WHEEL / 8 + 1;
    }
    if (type == EV_ABS && in->kind == VIRTIO_TABLET) {
        set_bits(map, ABS_X, ABS_Y);
        return 1;
    }
    if ((type == EV_LED || type == EV_REP) && keyboard) {
        set_bits(map, 0, type == EV_LED ? LEDS - 1 : 1);
        return 1;
    }
    return 0;
}

static u8 device_ids(const struct virtio_input *in, u8 *to)
{
    put_le16(to, BUS_VIRTUAL);
    put_le16(to + 2, VENDOR);
    put_le16(to + 4, (u16)(in->kind + 1));
    put_le16(to + 6, 1);
    return 8;
}

/* Answers what select and subsel ask for; with a size of 0 where there is no such thing. */
static void fill_config(struct virtio_input *in)
{
    u8 *c = in->virtio.config, *data = c + CFG_DATA, size = 0;

    memset(c + CFG_SIZE, 0, CFG_LEN - CFG_SIZE);
    switch (c[CFG_SELECT]) {
    case SELECT_NAME:
        size = (u8)snprintf((char *)data, CFG_LEN - CFG_DATA, "Domus virtio %s", kinds[in->kind]);
        break;
    case SELECT_DEVIDS:
        size = device_ids(in, data);
        break;
    case SELECT_EVENTS:
        size = events_of(in, c[CFG_SUBSEL], data);
        break;
    case SELECT_ABS:
        if (in->kind == VIRTIO_TABLET && c[CFG_SUBSEL] <= ABS_Y) {
            put_le32(data + 4, INPUT_ABS_MAX);
            size = 20;
        }
        break;
    default:
        break;
    }
    c[CFG_SIZE] = size;
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    fill_config(opaque);
}

static void started(void *opaque)
{
    ((struct virtio_input *)opaque)->sink.active = true;
}

static void reset(void *opaque)
{
    struct virtio_input *in = opaque;

    in->sink.active = false;
    in->head = in->count = 0;
    in->buttons = 0;
    memset(in->virtio.config, 0, CFG_LEN);
}

static const struct virtio_ops ops = {
    .notify = notify, .started = started, .reset = reset, .config_written = config_written};

int virtio_input_new(struct virtio_input **out, struct mem *mem, struct clock *clk,
                     enum virtio_input_kind kind, struct input *from, bool packed)
{
    static const u16 classes[] = {
        [VIRTIO_KEYBOARD] = 0x0900, [VIRTIO_MOUSE] = 0x0902, [VIRTIO_TABLET] = 0x0980};
    struct virtio_input *in = calloc(1, sizeof(*in));
    struct virtio_init init = {.name = "virtio-input",
                               .type = VIRTIO_INPUT,
                               .class = classes[kind],
                               .ops = &ops,
                               .opaque = in,
                               .mem = mem,
                               .clk = clk,
                               .features = packed ? BIT64(VIRTIO_F_RING_PACKED) : 0,
                               .config_len = CFG_LEN};

    if (!in)
        return -ENOMEM;
    in->kind = kind;
    in->from = from;
    virtio_init(&in->virtio, &init);
    virtio_add_queue(&in->virtio, QUEUE_SIZE);
    virtio_add_queue(&in->virtio, QUEUE_SIZE);
    in->virtio.config_wmask[CFG_SELECT] = in->virtio.config_wmask[CFG_SUBSEL] = 0xff;
    in->sink = (struct input_sink){.ops = &sink_ops[kind], .opaque = in};
    input_add(from, &in->sink);
    *out = in;
    return 0;
}

void virtio_input_free(struct virtio_input *in)
{
    if (!in)
        return;
    input_remove(in->from, &in->sink);
    virtio_dispose(&in->virtio);
    free(in);
}

struct virtio *virtio_input_dev(struct virtio_input *in)
{
    return &in->virtio;
}

static const struct state_field event_fields[] = {
    STATE_UINT(struct event, type),
    STATE_UINT(struct event, code),
    STATE_UINT(struct event, value),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_input, virtio, 1, virtio_fields),
    STATE_STRUCTS(struct virtio_input, event, EVENTS, event_fields),
    STATE_UINT(struct virtio_input, head),
    STATE_UINT(struct virtio_input, count),
    STATE_UINT(struct virtio_input, buttons),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_input *in = opaque;
    int rc = virtio_loaded(&in->virtio);

    fill_config(in);
    if (rc || in->head >= EVENTS || in->count > EVENTS || in->virtio.queue[0].in_use ||
        in->virtio.queue[1].in_use)
        return -EINVAL;
    in->sink.active = in->virtio.status & VIRTIO_DRIVER_OK;
    return 0;
}

const struct state_table virtio_input_state = {
    .name = "virtio-input", .version = 2, .oldest = 2, .fields = fields, .loaded = loaded};
