/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PS/2 mouse (PS/2 Hardware Interface Technical Reference, Mouse, 1990) with the wheel and the
 * two more buttons of Microsoft's IntelliMouse and IntelliMouse Explorer, which guests unlock by
 * setting the sample rates 200, 100, 80 or 200, 200, 80 in a row.
 *
 * Commands and the self-test take no time; reports go out as fast as the guest takes them, the
 * sample rate is remembered only. Part of the i8042, under its lock.
 */
#include "dev/ps2mouse.h"

#include <string.h>

enum {
    CMD_SCALE_1 = 0xe6,
    CMD_SCALE_2 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_READ = 0xeb,
    CMD_WRAP_OFF = 0xec,
    CMD_WRAP = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

#define REPLY_ACK    0xfau
#define REPLY_BAT_OK 0xaau
#define REPLY_ERROR  0xfcu
#define REPLY_RESEND 0xfeu

#define ID_PLAIN    0u
#define ID_WHEEL    3u
#define ID_EXPLORER 4u

#define BUTTON_LEFT   0x01u
#define BUTTON_RIGHT  0x02u
#define BUTTON_MIDDLE 0x04u
#define BUTTONS3      0x07u
#define BUTTONS5      0x1fu

#define MAX_MOTION 32767
#define MAX_PACKET 4u

static void set_defaults(struct ps2mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->scale2 = m->remote = m->enabled = m->changed = false;
    m->dx = m->dy = m->dz = 0;
}

void ps2mouse_reset(struct ps2mouse *m)
{
    u8 buttons = m->buttons;

    memset(m, 0, sizeof(*m));
    m->buttons = buttons; /* fingers stay where they are */
    set_defaults(m);
}

static void reply(struct ps2mouse *m, u8 byte)
{
    ps2queue_put(&m->replies, byte);
}

static bool streams(const struct ps2mouse *m)
{
    return m->enabled && !m->remote && !m->wrap;
}

static s32 clamp(s32 v, s32 lo, s32 hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Takes from *sum what one packet can report of it. */
static s32 take(s32 *sum, s32 lo, s32 hi)
{
    s32 v = clamp(*sum, lo, hi);

    *sum -= v;
    return v;
}

/* 2:1 scaling makes small motions smaller and large ones larger. */
static s32 scale(s32 v)
{
    static const u8 scaled[6] = {0, 1, 1, 3, 6, 9};
    s32 size = v < 0 ? -v : v;

    size = size < 6 ? scaled[size] : 2 * size;
    return v < 0 ? -size : size;
}

/* The next packet, with as much of the motion as fits. Scaling is for the stream only. */
static void put_packet(struct ps2mouse *m, struct ps2queue *q, bool scaled)
{
    s32 limit = scaled ? 127 : 255;
    s32 x = take(&m->dx, -limit, limit), y = -take(&m->dy, -limit, limit), z;

    if (scaled) {
        x = scale(x);
        y = scale(y);
    }
    ps2queue_put(q, (u8)((m->buttons & BUTTONS3) | 0x08 | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0)));
    ps2queue_put(q, (u8)x);
    ps2queue_put(q, (u8)y);
    if (m->id == ID_WHEEL) {
        z = take(&m->dz, -128, 127);
        ps2queue_put(q, (u8)z);
    } else if (m->id == ID_EXPLORER) {
        z = take(&m->dz, -8, 7);
        ps2queue_put(q, (u8)((z & 0x0f) | (m->buttons & (BUTTONS5 & ~BUTTONS3)) << 1));
    }
    m->changed = false;
}

static void put_status(struct ps2mouse *m)
{
    reply(m, REPLY_ACK);
    reply(m, (u8)((m->remote ? 0x40 : 0) | (m->enabled ? 0x20 : 0) | (m->scale2 ? 0x10 : 0) |
                  (m->buttons & BUTTON_LEFT ? 0x04 : 0) | (m->buttons & BUTTON_MIDDLE ? 0x02 : 0) |
                  (m->buttons & BUTTON_RIGHT ? 0x01 : 0)));
    reply(m, m->resolution);
    reply(m, m->rate);
}

static void set_rate(struct ps2mouse *m, u8 rate)
{
    m->rate = rate;
    m->knock[0] = m->knock[1];
    m->knock[1] = m->knock[2];
    m->knock[2] = rate;
    if (m->knock[0] != 200 || m->knock[2] != 80)
        return;
    if (m->knock[1] == 100 && m->id == ID_PLAIN)
        m->id = ID_WHEEL;
    else if (m->knock[1] == 200)
        m->id = ID_EXPLORER;
}

static bool valid_rate(u8 rate)
{
    static const u8 rates[] = {10, 20, 40, 60, 80, 100, 200};

    return memchr(rates, rate, sizeof(rates));
}

/* The byte after a command that takes one. A wrong one may be sent again, once: then the command is
   given up, so that a driver that tries what this mouse has not finds it in order. */
static void argument(struct ps2mouse *m, u8 command, u8 byte)
{
    bool refused = m->refused;

    m->refused = false;
    if (command == CMD_RATE ? !valid_rate(byte) : byte > 3) {
        reply(m, refused ? REPLY_ERROR : REPLY_RESEND);
        m->command = refused ? 0 : command;
        m->refused = !refused;
        return;
    }
    if (command == CMD_RATE)
        set_rate(m, byte);
    else
        m->resolution = byte;
    reply(m, REPLY_ACK);
}

/* Commands that set something and are just acknowledged; false for others. */
static bool setting(struct ps2mouse *m, u8 command)
{
    switch (command) {
    case CMD_SCALE_1:
    case CMD_SCALE_2:
        m->scale2 = command == CMD_SCALE_2;
        break;
    case CMD_STREAM:
    case CMD_REMOTE:
        m->remote = command == CMD_REMOTE;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_WRAP:
    case CMD_WRAP_OFF:
        m->wrap = command == CMD_WRAP;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_ENABLE:
    case CMD_DISABLE:
        m->enabled = command == CMD_ENABLE;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_DEFAULTS:
        set_defaults(m);
        break;
    case CMD_RESOLUTION:
    case CMD_RATE:
        m->command = command;
        break;
    default:
        return false;
    }
    reply(m, REPLY_ACK);
    return true;
}

static void request(struct ps2mouse *m, u8 command)
{
    switch (command) {
    case CMD_STATUS:
        put_status(m);
        break;
    case CMD_READ:
        reply(m, REPLY_ACK);
        put_packet(m, &m->replies, false);
        break;
    case CMD_IDENTIFY:
        reply(m, REPLY_ACK);
        reply(m, m->id);
        break;
    case CMD_RESEND:
        reply(m, m->last);
        break;
    case CMD_RESET:
        ps2mouse_reset(m);
        reply(m, REPLY_ACK);
        reply(m, REPLY_BAT_OK);
        reply(m, ID_PLAIN);
        break;
    default:
        reply(m, REPLY_RESEND);
    }
}

/* A byte from the host cuts off what the mouse was about to send; buttons are reported anew. */
void ps2mouse_command(struct ps2mouse *m, u8 byte)
{
    u8 waiting = m->command;

    m->command = 0;
    m->changed |= m->packets.count != 0;
    ps2queue_clear(&m->replies);
    ps2queue_clear(&m->packets);
    if (m->wrap && byte != CMD_WRAP_OFF && byte != CMD_RESET)
        reply(m, byte);
    else if (waiting)
        argument(m, waiting, byte);
    else if (!setting(m, byte))
        request(m, byte);
}

bool ps2mouse_next(struct ps2mouse *m, u8 *byte)
{
    if (!ps2queue_get(&m->replies, byte)) {
        if (!streams(m) || m->command)
            return false;
        if (!m->packets.count && (m->changed || m->dx || m->dy || m->dz))
            put_packet(m, &m->packets, m->scale2);
        if (!ps2queue_get(&m->packets, byte))
            return false;
    }
    if (*byte != REPLY_RESEND)
        m->last = *byte;
    return true;
}

/* A change of buttons that waits gets its own packet before the next one, if there is room, so
   that a short click is not lost. */
void ps2mouse_move(struct ps2mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    buttons &= BUTTONS5;
    if (buttons != m->buttons) {
        if (m->changed && streams(m) && ps2queue_room(&m->packets) >= MAX_PACKET)
            put_packet(m, &m->packets, m->scale2);
        m->buttons = (u8)buttons;
        m->changed = true;
    }
    if (!m->remote && !streams(m))
        return;
    m->dx = clamp(m->dx + clamp(dx, -MAX_MOTION, MAX_MOTION), -MAX_MOTION, MAX_MOTION);
    m->dy = clamp(m->dy + clamp(dy, -MAX_MOTION, MAX_MOTION), -MAX_MOTION, MAX_MOTION);
    if (m->id != ID_PLAIN)
        m->dz = clamp(m->dz + clamp(dz, -MAX_MOTION, MAX_MOTION), -MAX_MOTION, MAX_MOTION);
}

static const struct state_field queue_fields[] = {PS2QUEUE_FIELDS};

const struct state_field ps2mouse_fields[] = {
    STATE_STRUCTS(struct ps2mouse, replies, 1, queue_fields),
    STATE_STRUCTS(struct ps2mouse, packets, 1, queue_fields),
    STATE_UINT(struct ps2mouse, command),
    STATE_ELEMENTS(struct ps2mouse, refused, 1, STATE_KIND_BOOL, 2),
    STATE_UINT(struct ps2mouse, last),
    STATE_UINT(struct ps2mouse, id),
    STATE_ARRAY(struct ps2mouse, knock),
    STATE_UINT(struct ps2mouse, rate),
    STATE_UINT(struct ps2mouse, resolution),
    STATE_BOOL(struct ps2mouse, scale2),
    STATE_BOOL(struct ps2mouse, remote),
    STATE_BOOL(struct ps2mouse, wrap),
    STATE_BOOL(struct ps2mouse, enabled),
    STATE_UINT(struct ps2mouse, buttons),
    STATE_BOOL(struct ps2mouse, changed),
    STATE_UINT(struct ps2mouse, dx),
    STATE_UINT(struct ps2mouse, dy),
    STATE_UINT(struct ps2mouse, dz),
    STATE_END,
};

static bool valid_motion(s32 v)
{
    return v >= -MAX_MOTION && v <= MAX_MOTION;
}

bool ps2mouse_valid(const struct ps2mouse *m)
{
    return ps2queue_valid(&m->replies) && ps2queue_valid(&m->packets) &&
           (!m->command || m->command == CMD_RATE || m->command == CMD_RESOLUTION) &&
           (m->command || !m->refused) &&
           (m->id == ID_PLAIN || m->id == ID_WHEEL || m->id == ID_EXPLORER) &&
           valid_rate(m->rate) && m->resolution <= 3 && !(m->buttons & ~BUTTONS5) &&
           valid_motion(m->dx) && valid_motion(m->dy) && valid_motion(m->dz);
}
