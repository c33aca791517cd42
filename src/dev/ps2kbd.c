/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 102-key PS/2 keyboard (PS/2 Hardware Interface Technical Reference, Keyboards, 1990): the
 * commands EDh-FFh, scan code sets 1, 2 and 3, a 16-byte buffer.
 *
 * Commands and the self-test take no time. Repetition of held keys comes from the host, which
 * sends the make again; rate and delay are remembered only. Part of the i8042, under its lock.
 */
#include "dev/ps2kbd.h"
#include "dev/ps2scan.h"

#include <string.h>

enum {
    CMD_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SET = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_TYPEMATIC = 0xf7,
    CMD_ALL_MAKE_BREAK = 0xf8,
    CMD_ALL_MAKE = 0xf9,
    CMD_ALL_BOTH = 0xfa,
    CMD_KEY_TYPEMATIC = 0xfb,
    CMD_KEY_MAKE_BREAK = 0xfc,
    CMD_KEY_MAKE = 0xfd,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

#define REPLY_ACK      0xfau
#define REPLY_BAT_OK   0xaau
#define REPLY_RESEND   0xfeu
#define REPLY_ECHO     0xeeu
#define LEDS           0x07u
#define TYPEMATIC      0x7fu
#define RATE_DEFAULT   0x2bu /* 10.9 a second after 500 ms */
#define KEY_TYPEMATIC  1u
#define KEY_MAKE_BREAK 2u
#define MAX_SEQUENCE   8u /* Pause */

static u8 default_type(u8 code)
{
    return (u8)((ps2scan_set3_typematic(code) ? KEY_TYPEMATIC : 0) |
                (ps2scan_set3_make_break(code) ? KEY_MAKE_BREAK : 0));
}

static void set_defaults(struct ps2kbd *kbd)
{
    kbd->set = 2;
    kbd->typematic = RATE_DEFAULT;
    for (unsigned code = 0; code < 256; code++)
        kbd->key_type[code] = default_type((u8)code);
    memset(kbd->down, 0, sizeof(kbd->down));
    ps2queue_clear(&kbd->keys);
}

void ps2kbd_reset(struct ps2kbd *kbd)
{
    memset(kbd, 0, sizeof(*kbd));
    set_defaults(kbd);
    kbd->scanning = true;
}

static void reply(struct ps2kbd *kbd, u8 byte)
{
    ps2queue_put(&kbd->replies, byte);
}

static void select_set(struct ps2kbd *kbd, u8 set)
{
    if (set > 3) {
        reply(kbd, REPLY_RESEND);
        return;
    }
    reply(kbd, REPLY_ACK);
    if (!set) {
        reply(kbd, kbd->set);
        return;
    }
    kbd->set = set;
    ps2queue_clear(&kbd->keys);
    memset(kbd->down, 0, sizeof(kbd->down));
}

/* The byte after a command that takes one. The key type commands take any number. */
static void argument(struct ps2kbd *kbd, u8 command, u8 byte)
{
    switch (command) {
    case CMD_SET:
        select_set(kbd, byte);
        return;
    case CMD_LEDS:
        kbd->leds = byte & LEDS;
        break;
    case CMD_RATE:
        kbd->typematic = byte & TYPEMATIC;
        break;
    case CMD_KEY_TYPEMATIC:
        kbd->key_type[byte] = KEY_TYPEMATIC;
        kbd->command = command;
        break;
    case CMD_KEY_MAKE_BREAK:
        kbd->key_type[byte] = KEY_MAKE_BREAK;
        kbd->command = command;
        break;
    case CMD_KEY_MAKE:
        kbd->key_type[byte] = 0;
        kbd->command = command;
        break;
    }
    reply(kbd, REPLY_ACK);
}

static void set_all_types(struct ps2kbd *kbd, u8 type)
{
    memset(kbd->key_type, type, sizeof(kbd->key_type));
    ps2queue_clear(&kbd->keys);
    reply(kbd, REPLY_ACK);
}

/* Commands that change the keyboard at once; false for those that do not. */
static bool immediate(struct ps2kbd *kbd, u8 command)
{
    switch (command) {
    case CMD_ENABLE:
        ps2queue_clear(&kbd->keys);
        kbd->scanning = true;
        break;
    case CMD_DISABLE:
    case CMD_DEFAULTS:
        set_defaults(kbd);
        kbd->scanning = command == CMD_DEFAULTS;
        break;
    case CMD_RESET:
        ps2kbd_reset(kbd);
        reply(kbd, REPLY_ACK);
        reply(kbd, REPLY_BAT_OK);
        return true;
    case CMD_ALL_TYPEMATIC:
        set_all_types(kbd, KEY_TYPEMATIC);
        return true;
    case CMD_ALL_MAKE_BREAK:
        set_all_types(kbd, KEY_MAKE_BREAK);
        return true;
    case CMD_ALL_MAKE:
        set_all_types(kbd, 0);
        return true;
    case CMD_ALL_BOTH:
        set_all_types(kbd, KEY_TYPEMATIC | KEY_MAKE_BREAK);
        return true;
    default:
        return false;
    }
    reply(kbd, REPLY_ACK);
    return true;
}

static bool takes_argument(u8 command)
{
    switch (command) {
    case CMD_LEDS:
    case CMD_SET:
    case CMD_RATE:
    case CMD_KEY_TYPEMATIC:
    case CMD_KEY_MAKE_BREAK:
    case CMD_KEY_MAKE:
        return true;
    default:
        return false;
    }
}

/* A command that comes where an argument is awaited replaces the one that waits. */
void ps2kbd_command(struct ps2kbd *kbd, u8 byte)
{
    u8 waiting = kbd->command;

    kbd->command = 0;
    ps2queue_clear(&kbd->replies);
    if (waiting && byte < CMD_LEDS) {
        argument(kbd, waiting, byte);
        return;
    }
    if (immediate(kbd, byte))
        return;
    if (takes_argument(byte)) {
        kbd->command = byte;
        reply(kbd, REPLY_ACK);
        return;
    }
    switch (byte) {
    case CMD_ECHO:
        reply(kbd, REPLY_ECHO);
        break;
    case CMD_IDENTIFY:
        reply(kbd, REPLY_ACK);
        reply(kbd, 0xab);
        reply(kbd, 0x83);
        break;
    case CMD_RESEND:
        reply(kbd, kbd->last);
        break;
    default:
        reply(kbd, REPLY_RESEND);
    }
}

bool ps2kbd_replies(const struct ps2kbd *kbd)
{
    return kbd->replies.count != 0;
}

bool ps2kbd_has_key(const struct ps2kbd *kbd)
{
    return !kbd->command && kbd->keys.count;
}

bool ps2kbd_next(struct ps2kbd *kbd, u8 *byte)
{
    if (!ps2queue_get(&kbd->replies, byte) &&
        (!ps2kbd_has_key(kbd) || !ps2queue_get(&kbd->keys, byte)))
        return false;
    if (*byte != REPLY_RESEND)
        kbd->last = *byte;
    return true;
}

static void put_set1(struct ps2kbd *kbd, const u8 *set2, size_t n)
{
    bool broke = false;
    u8 out;

    for (size_t i = 0; i < n; i++)
        if (ps2scan_to_set1(&broke, set2[i], &out))
            ps2queue_put(&kbd->keys, out);
}

static void put_set3(struct ps2kbd *kbd, const u8 *set2, size_t n)
{
    bool broke, held;
    u8 code = ps2scan_to_set3(set2, n, &broke);
    u8 type = kbd->key_type[code], bit = (u8)BIT(code % 8);

    if (!code)
        return;
    held = kbd->down[code / 8] & bit;
    kbd->down[code / 8] = (u8)((kbd->down[code / 8] & ~bit) | (broke ? 0 : bit));
    if (broke && type & KEY_MAKE_BREAK)
        ps2queue_put(&kbd->keys, 0xf0);
    if (broke ? type & KEY_MAKE_BREAK : !held || type & KEY_TYPEMATIC)
        ps2queue_put(&kbd->keys, code);
}

bool ps2kbd_put_key(struct ps2kbd *kbd, const u8 *set2, size_t n)
{
    if (!kbd->scanning)
        return true; /* nobody scans the keys */
    if (n > MAX_SEQUENCE || n > ps2queue_room(&kbd->keys))
        return false;
    if (kbd->set == 1)
        put_set1(kbd, set2, n);
    else if (kbd->set == 3)
        put_set3(kbd, set2, n);
    else
        for (size_t i = 0; i < n; i++)
            ps2queue_put(&kbd->keys, set2[i]);
    return true;
}

static const struct state_field queue_fields[] = {PS2QUEUE_FIELDS};

const struct state_field ps2kbd_fields[] = {
    STATE_STRUCTS(struct ps2kbd, replies, 1, queue_fields),
    STATE_STRUCTS(struct ps2kbd, keys, 1, queue_fields),
    STATE_UINT(struct ps2kbd, command),
    STATE_UINT(struct ps2kbd, last),
    STATE_UINT(struct ps2kbd, set),
    STATE_UINT(struct ps2kbd, leds),
    STATE_UINT(struct ps2kbd, typematic),
    STATE_BOOL(struct ps2kbd, scanning),
    STATE_ARRAY(struct ps2kbd, key_type),
    STATE_ARRAY(struct ps2kbd, down),
    STATE_END,
};

bool ps2kbd_valid(const struct ps2kbd *kbd)
{
    for (unsigned code = 0; code < 256; code++)
        if (kbd->key_type[code] & ~(KEY_TYPEMATIC | KEY_MAKE_BREAK))
            return false;
    return ps2queue_valid(&kbd->replies) && ps2queue_valid(&kbd->keys) &&
           (!kbd->command || takes_argument(kbd->command)) && kbd->set >= 1 && kbd->set <= 3 &&
           !(kbd->leds & ~LEDS) && !(kbd->typematic & ~TYPEMATIC);
}
