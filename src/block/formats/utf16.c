/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names in Microsoft's formats, to and from what they are here. */
#include "block/formats/utf16.h"
#include "base/be.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN 0xfffdu

static u32 unit(const u8 *p, u64 i, enum utf16_order order)
{
    return order == UTF16_BE ? be16(p + 2 * i) : le16(p + 2 * i);
}

static size_t put_utf8(char *out, u32 c)
{
    static const u8 lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n > 1 ? n : 0] | c);
    return n;
}

char *utf16_text(const u8 *p, u64 units, enum utf16_order order)
{
    char *out = malloc(units * 3 + 1);
    size_t n = 0;

    for (u64 i = 0; out && i < units; i++) {
        u32 c = unit(p, i, order), low;
        if (!c)
            break;
        if (c >= 0xd800 && c < 0xe000) {
            low = i + 1 < units ? unit(p, i + 1, order) : 0;
            if (c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
                i++;
            } else {
                c = UNKNOWN;
            }
        }
        n += put_utf8(out + n, c);
    }
    if (out)
        out[n] = '\0';
    return out;
}

void utf16_local_path(char *path)
{
    const char *last;

    for (char *c = path; *c; c++)
        if (*c == '\\')
            *c = '/';
    if (path[0] && path[1] == ':') { /* is nowhere here */
        last = strrchr(path, '/');
        last = last ? last + 1 : path + 2;
        memmove(path, last, strlen(last) + 1);
    }
}

/* One character of UTF-8; 0: none. */
static u32 get_utf8(const u8 **p)
{
    static const u32 least[] = {0, 0x80, 0x800, 0x10000};
    u8 first = *(*p)++;
    unsigned more = first < 0x80                    ? 0
                    : first >= 0xc0 && first < 0xe0 ? 1
                    : first >= 0xe0 && first < 0xf0 ? 2
                    : first >= 0xf0 && first < 0xf8 ? 3
                                                    : 4;
    u32 c = more ? first & (0x3fu >> more) : first;

    if (more == 4)
        return 0;
    for (unsigned i = 0; i < more; i++, (*p)++) {
        if ((**p & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (**p & 0x3f);
    }
    return c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : c;
}

static void put_unit(u8 *p, u32 c, enum utf16_order order)
{
    if (order == UTF16_BE)
        put_be16(p, (u16)c);
    else
        put_le16(p, (u16)c);
}

int utf16_put(u8 *p, u64 max, const char *text, enum utf16_order order, u64 *units)
{
    const u8 *from = (const u8 *)text;
    u64 n = 0;

    while (*from) {
        u32 c = get_utf8(&from);
        if (!c || n + 1 + (c >= 0x10000) > max)
            return -EINVAL;
        if (c >= 0x10000)
            put_unit(p + 2 * n++, 0xd7c0 + (c >> 10), order);
        put_unit(p + 2 * n++, c >= 0x10000 ? 0xdc00 | (c & 0x3ff) : c, order);
    }
    *units = n;
    return 0;
}

char *utf16_windows_path(const char *path)
{
    char *out = strchr(path, '\\') ? NULL : malloc(strlen(path) + 3);

    if (!out)
        return NULL;
    strcpy(out, path[0] == '/' || !strncmp(path, "./", 2) || !strncmp(path, "../", 3) ? "" : ".\\");
    strcat(out, path);
    for (char *c = out; *c; c++)
        if (*c == '/')
            *c = '\\';
    return out;
}
