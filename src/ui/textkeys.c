/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/textkeys.h"

#include <string.h>

#define CTRL_A  0x01u
#define ESC     0x1bu
#define DEL     0x7fu
#define NPARAMS 4u

#define MOD_SHIFT BIT(0) /* as terminals number them */
#define MOD_ALT   BIT(1)
#define MOD_CTRL  BIT(2)

void textkeys_init(struct textkeys *tk, struct input *in, const struct keymap *map)
{
    *tk = (struct textkeys){0};
    keyboard_init(&tk->keyboard, in, map);
}

static void modifiers(struct textkeys *tk, unsigned mods, bool down)
{
    if (mods & MOD_CTRL)
        keyboard_code(&tk->keyboard, KEY_CODE_LEFTCTRL, down);
    if (mods & MOD_ALT)
        keyboard_code(&tk->keyboard, KEY_CODE_LEFTALT, down);
    if (mods & MOD_SHIFT)
        keyboard_code(&tk->keyboard, KEY_CODE_LEFTSHIFT, down);
}

static void tap(struct textkeys *tk, u16 code, unsigned mods)
{
    modifiers(tk, mods, true);
    keyboard_code(&tk->keyboard, code, true);
    keyboard_code(&tk->keyboard, code, false);
    modifiers(tk, mods, false);
}

static void tap_char(struct textkeys *tk, u32 ch, unsigned mods)
{
    u32 keysym = keysym_from_unicode(ch);

    modifiers(tk, mods, true);
    keyboard_keysym(&tk->keyboard, keysym, true);
    keyboard_keysym(&tk->keyboard, keysym, false);
    modifiers(tk, mods, false);
}

/* One byte that is a key or a character. */
static void plain(struct textkeys *tk, u8 byte, unsigned mods)
{
    switch (byte) {
    case '\t':
        tap(tk, KEY_CODE_TAB, mods);
        break;
    case '\r':
        tap(tk, KEY_CODE_ENTER, mods);
        break;
    case DEL:
        tap(tk, KEY_CODE_BACKSPACE, mods);
        break;
    case ESC:
        tap(tk, KEY_CODE_ESC, mods);
        break;
    case 0:
        tap(tk, KEY_CODE_SPACE, mods | MOD_CTRL);
        break;
    default:
        if (byte < 0x1b)
            tap_char(tk, byte + 0x60u, mods | MOD_CTRL);
        else if (byte < 0x20)
            tap_char(tk, byte + 0x40u, mods | MOD_CTRL);
        else
            tap_char(tk, byte, mods);
    }
}

/* The key of ESC [ <final>, or ESC O <final>. */
static u16 by_letter(u8 final)
{
    switch (final) {
    case 'A':
        return KEY_CODE_UP;
    case 'B':
        return KEY_CODE_DOWN;
    case 'C':
        return KEY_CODE_RIGHT;
    case 'D':
        return KEY_CODE_LEFT;
    case 'F':
        return KEY_CODE_END;
    case 'H':
        return KEY_CODE_HOME;
    case 'P':
    case 'Q':
    case 'R':
    case 'S':
        return (u16)(KEY_CODE_F1 + final - 'P');
    case 'Z':
        return KEY_CODE_TAB; /* with Shift */
    default:
        return KEY_NONE;
    }
}

/* The key of ESC [ <n> ~. */
static u16 by_number(unsigned n)
{
    static const u8 keys[25] = {
        [1] = KEY_CODE_HOME,    [2] = KEY_CODE_INSERT,  [3] = KEY_CODE_DELETE,
        [4] = KEY_CODE_END,     [5] = KEY_CODE_PAGEUP,  [6] = KEY_CODE_PAGEDOWN,
        [7] = KEY_CODE_HOME,    [8] = KEY_CODE_END,     [11] = KEY_CODE_F1,
        [12] = KEY_CODE_F1 + 1, [13] = KEY_CODE_F1 + 2, [14] = KEY_CODE_F1 + 3,
        [15] = KEY_CODE_F1 + 4, [17] = KEY_CODE_F1 + 5, [18] = KEY_CODE_F1 + 6,
        [19] = KEY_CODE_F1 + 7, [20] = KEY_CODE_F1 + 8, [21] = KEY_CODE_F1 + 9,
        [23] = KEY_CODE_F11,    [24] = KEY_CODE_F12,
    };

    return n < ARRAY_SIZE(keys) ? keys[n] : KEY_NONE;
}

/* The numbers of a control sequence; returns the bytes up to its final one, 0 if that is not there.
 */
static size_t parameters(const u8 *at, size_t n, unsigned param[NPARAMS])
{
    size_t i, which = 0;

    memset(param, 0, NPARAMS * sizeof(*param));
    for (i = 0; i < n && at[i] < 0x40; i++)
        if (at[i] >= '0' && at[i] <= '9' && which < NPARAMS)
            param[which] = (param[which] * 10 + at[i] - '0') % 1000;
        else if (at[i] == ';')
            which++;
    return i < n ? i + 1 : 0;
}

/* A sequence after ESC; returns how many bytes of it, 0 if it is none. */
static size_t sequence(struct textkeys *tk, const u8 *at, size_t n)
{
    unsigned param[NPARAMS], mods;
    size_t len;
    u16 code;

    if (n >= 3 && at[0] == '[' && at[1] == '[' && at[2] >= 'A' && at[2] <= 'E') {
        tap(tk, (u16)(KEY_CODE_F1 + at[2] - 'A'), 0); /* the Linux console's */
        return 3;
    }
    if (n < 2 || (at[0] != '[' && at[0] != 'O'))
        return 0;
    len = parameters(at + 1, n - 1, param);
    if (!len)
        return 0;
    mods = param[1] ? param[1] - 1 : 0;
    code = at[len] == '~' ? by_number(param[0]) : by_letter(at[len]);
    if (at[len] == 'Z')
        mods |= MOD_SHIFT;
    if (code)
        tap(tk, code, mods);
    return len + 1;
}

/* A UTF-8 character at `at`: its length, 0 if it is not complete. What is no UTF-8 is dropped. */
static size_t utf8(const u8 *at, size_t n, u32 *ch)
{
    size_t len = at[0] < 0xc0 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    *ch = 0;
    if (len > n)
        return 0;
    if (len > 1)
        *ch = at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        *ch = *ch << 6 | (at[i] & 0x3f);
    return len;
}

static enum textkeys_wish escape_key(struct textkeys *tk, u8 key)
{
    switch (key) {
    case 'x':
        return TEXTKEYS_QUIT;
    case 'h':
    case '?':
        return TEXTKEYS_HELP;
    case 'r':
        return TEXTKEYS_REDRAW;
    case 'd':
        tap(tk, KEY_CODE_DELETE, MOD_CTRL | MOD_ALT);
        break;
    case 'a':
    case CTRL_A:
        plain(tk, CTRL_A, 0);
        break;
    default:
        break;
    }
    return TEXTKEYS_NOTHING;
}

/* One key; returns how many bytes it took, 0 if more must come. */
static size_t one_key(struct textkeys *tk, const u8 *at, size_t n, enum textkeys_wish *wish)
{
    size_t len;
    u32 ch;

    if (tk->after_ctrl_a) {
        tk->after_ctrl_a = false;
        *wish = escape_key(tk, at[0]);
        return 1;
    }
    if (at[0] == CTRL_A) {
        tk->after_ctrl_a = true;
        return 1;
    }
    if (at[0] >= 0x80) {
        len = utf8(at, n, &ch);
        if (ch)
            tap_char(tk, ch, 0);
        return len;
    }
    if (at[0] != ESC || n == 1) {
        plain(tk, at[0], 0);
        return 1;
    }
    len = sequence(tk, at + 1, n - 1);
    if (len)
        return 1 + len;
    if (at[1] < 0x80 && at[1] != ESC && at[1] != CTRL_A) {
        plain(tk, at[1], MOD_ALT);
        return 2;
    }
    plain(tk, ESC, 0);
    return 1;
}

enum textkeys_wish textkeys_feed(struct textkeys *tk, const u8 *bytes, size_t n)
{
    enum textkeys_wish wish = TEXTKEYS_NOTHING;
    u8 buf[TEXTKEYS_MAX + sizeof(tk->held)];
    size_t have = tk->nheld, at, used = 1;

    BUG_ON(n > TEXTKEYS_MAX);
    memcpy(buf, tk->held, have);
    memcpy(buf + have, bytes, n);
    have += n;
    for (at = 0; at < have && used; at += used)
        used = one_key(tk, buf + at, have - at, &wish);
    tk->nheld = have - at; /* of one character: 3 at most */
    memcpy(tk->held, buf + at, tk->nheld);
    return wish;
}
