/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's commands that type and move the pointer. */
#include "ctl/qmp_core.h"
#include "ctl/qmp_keys.h"
#include "machine/machine.h"
#include "os/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define HOLD_DEFAULT 100 /* ms */
#define HOLD_MAX     10000
#define MOVE_MAX     32767 /* of one axis in one event */

static void press(struct qmp_core *q, u16 code, bool down)
{
    pthread_mutex_lock(machine_lock(q->cfg.machine));
    input_key(machine_input(q->cfg.machine), code, down);
    pthread_mutex_unlock(machine_lock(q->cfg.machine));
}

/* Works the queue off up to its next pause. */
static void go_on(struct qmp_core *q)
{
    struct qmp_keys *k = &q->keys;
    struct itimerspec when = {0};

    while (k->len) {
        unsigned at = k->head;
        if (!k->queue[at].code)
            when.it_value = (struct timespec){.tv_sec = k->queue[at].ms / 1000,
                                              .tv_nsec = k->queue[at].ms % 1000 * 1000000l};
        else
            press(q, k->queue[at].code, k->queue[at].down);
        k->head = (k->head + 1) % QMP_KEYS;
        k->len--;
        if (!k->queue[at].code)
            break;
    }
    timerfd_settime(k->timer, 0, &when, NULL);
}

static void timer_fired(void *opaque, unsigned events)
{
    struct qmp_core *q = opaque;
    u64 times;

    if (read(q->keys.timer, &times, sizeof(times)) == (ssize_t)sizeof(times))
        go_on(q);
}

int qmp_keys_init(struct qmp_core *q, struct err *err)
{
    q->keys.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (q->keys.timer < 0)
        return err_set(err, errno, "timerfd: %s", strerror(errno));
    return loop_add(q->cfg.loop, &q->keys.watch, q->keys.timer, LOOP_READ, timer_fired, q, err);
}

void qmp_keys_dispose(struct qmp_core *q)
{
    loop_remove(q->keys.watch);
    if (q->keys.timer >= 0)
        close(q->keys.timer);
}

static void push(struct qmp_keys *k, u16 code, bool down, unsigned ms)
{
    unsigned at = (k->head + k->len++) % QMP_KEYS;

    k->queue[at].code = code;
    k->queue[at].down = down;
    k->queue[at].ms = (u16)ms;
}

/* {"type": "qcode", "data": NAME} or {"type": "number", "data": N}; KEY_NONE and *e. */
static u16 key_of(const json_t *key, struct qmp_error *e)
{
    const char *type = qmp_string(key, "type"), *name = qmp_string(key, "data");
    const json_t *data = json_object_get(key, "data");
    json_int_t number = json_integer_value(data);
    u16 code = KEY_NONE;

    if (!type || !data)
        qmp_fail(e, "Parameter '%s' is missing", type ? "data" : "type");
    else if (!strcmp(type, "qcode") && name && !(code = qmp_key_code(name, strlen(name))))
        qmp_fail(e, "Parameter 'data' does not accept value '%.40s'", name);
    else if (!strcmp(type, "number") && json_is_integer(data) && number > 0 && number < 0x100)
        code = key_from_xt((u8)number);
    if (!code && !e->err.text[0])
        qmp_fail(e, "There is no such key");
    return code;
}

static bool has_input(struct qmp_core *q, struct qmp_error *e)
{
    if (!machine_input(q->cfg.machine))
        qmp_fail(e, "This machine has no keyboard and no pointer");
    return machine_input(q->cfg.machine);
}

json_t *qmp_send_key(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const json_t *keys = json_object_get(args, "keys"), *time = json_object_get(args, "hold-time");
    json_int_t hold = time ? json_integer_value(time) : HOLD_DEFAULT;
    size_t n = json_array_size(keys);
    bool idle = !q->keys.len;
    struct itimerspec left = {0};
    u16 code[QMP_KEYS];

    if (!has_input(q, e))
        return NULL;
    if (hold < 1 || hold > HOLD_MAX)
        return qmp_fail(e, "Parameter 'hold-time' expects a number from 1 to %d", HOLD_MAX);
    if (2 * n + 2 > QMP_KEYS - q->keys.len)
        return qmp_fail(e, "Too many keys are waiting to be sent");
    for (size_t i = 0; i < n; i++) {
        code[i] = key_of(json_array_get(keys, i), e);
        if (!code[i])
            return NULL;
    }
    for (size_t i = 0; i < n; i++)
        push(&q->keys, code[i], true, 0);
    push(&q->keys, KEY_NONE, false, (unsigned)hold);
    for (size_t i = n; i; i--)
        push(&q->keys, code[i - 1], false, 0);
    push(&q->keys, KEY_NONE, false, (unsigned)hold);
    timerfd_gettime(q->keys.timer, &left);
    if (idle && !left.it_value.tv_sec && !left.it_value.tv_nsec)
        go_on(q);
    return qmp_done();
}

/* What the events of one command come to. */
struct pointer {
    int dx, dy, wheel;
    u16 x, y;
    unsigned buttons;
    bool moved, placed, pressed;
    struct { /* keys, in their order */
        u16 code;
        bool down;
    } key[QMP_KEYS];
    unsigned nkeys;
};

static bool take_axis(struct pointer *p, const json_t *data, bool absolute, struct qmp_error *e)
{
    const char *axis = qmp_string(data, "axis");
    const json_t *val = json_object_get(data, "value");
    json_int_t n = json_integer_value(val);
    bool is_x = axis && !strcmp(axis, "x");

    if (!json_is_integer(val) || !axis || (!is_x && strcmp(axis, "y") != 0)) {
        qmp_fail(e, "An axis event has 'axis' (x or y) and 'value'");
        return false;
    }
    if (n > (absolute ? (int)INPUT_ABS_MAX : MOVE_MAX) || n < (absolute ? 0 : -MOVE_MAX)) {
        qmp_fail(e, "Parameter 'value' is out of range");
        return false;
    }
    if (absolute)
        *(is_x ? &p->x : &p->y) = (u16)n;
    else
        *(is_x ? &p->dx : &p->dy) += (int)n;
    p->placed |= absolute;
    p->moved |= !absolute;
    return true;
}

static bool take_button(struct pointer *p, const json_t *data, struct qmp_error *e)
{
    static const struct {
        const char *name;
        unsigned bit;
        int wheel;
    } buttons[] = {{"left", INPUT_LEFT, 0}, {"middle", INPUT_MIDDLE, 0}, {"right", INPUT_RIGHT, 0},
                   {"side", INPUT_SIDE, 0}, {"extra", INPUT_EXTRA, 0},   {"wheel-up", 0, -1},
                   {"wheel-down", 0, 1}};
    const char *name = qmp_string(data, "button");
    bool down = qmp_flag(data, "down");

    for (size_t n = 0; name && n < ARRAY_SIZE(buttons); n++)
        if (!strcmp(name, buttons[n].name)) {
            p->buttons = down ? p->buttons | buttons[n].bit : p->buttons & ~buttons[n].bit;
            p->wheel += down ? buttons[n].wheel : 0;
            p->pressed = true;
            return true;
        }
    qmp_fail(e, "Parameter 'button' does not accept value '%.40s'", name ? name : "");
    return false;
}

static bool take_key(struct pointer *p, const json_t *data, struct qmp_error *e)
{
    u16 code = key_of(json_object_get(data, "key"), e);

    if (code && p->nkeys == QMP_KEYS)
        qmp_fail(e, "Too many events");
    if (!code || p->nkeys == QMP_KEYS)
        return false;
    p->key[p->nkeys].code = code;
    p->key[p->nkeys++].down = qmp_flag(data, "down");
    return true;
}

static bool take_event(struct pointer *p, const json_t *event, struct qmp_error *e)
{
    const char *type = qmp_string(event, "type");
    const json_t *data = json_object_get(event, "data");

    if (!type || !json_is_object(data))
        qmp_fail(e, "Parameter '%s' is missing", type ? "data" : "type");
    else if (!strcmp(type, "rel") || !strcmp(type, "abs"))
        return take_axis(p, data, *type == 'a', e);
    else if (!strcmp(type, "btn"))
        return take_button(p, data, e);
    else if (!strcmp(type, "key"))
        return take_key(p, data, e);
    else
        qmp_fail(e, "Parameter 'type' does not accept value '%.40s'", type);
    return false;
}

static void hand_over(struct input *in, const struct pointer *p)
{
    for (unsigned n = 0; n < p->nkeys; n++)
        input_key(in, p->key[n].code, p->key[n].down);
    if (p->placed)
        input_point(in, p->x, p->y, p->wheel, p->buttons);
    if (p->moved || (p->pressed && !p->placed))
        input_move(in, p->dx, p->dy, p->placed ? 0 : p->wheel, p->buttons);
}

json_t *qmp_send_event(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const json_t *events = json_object_get(args, "events");
    struct pointer p = {.buttons = q->buttons};
    struct input *in = machine_input(q->cfg.machine);

    if (!has_input(q, e))
        return NULL;
    if (json_array_size(events) > QMP_KEYS)
        return qmp_fail(e, "Too many events");
    pthread_mutex_lock(machine_lock(q->cfg.machine));
    p.x = in->x;
    p.y = in->y;
    pthread_mutex_unlock(machine_lock(q->cfg.machine));
    for (size_t n = 0; n < json_array_size(events); n++)
        if (!take_event(&p, json_array_get(events, n), e))
            return NULL;
    q->buttons = p.buttons;
    pthread_mutex_lock(machine_lock(q->cfg.machine));
    hand_over(in, &p);
    pthread_mutex_unlock(machine_lock(q->cfg.machine));
    return qmp_done();
}
