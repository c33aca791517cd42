/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int value_number(u32 *out, const char *value, u32 min, u32 max, struct err *err)
{
    char *end;
    unsigned long long v = strtoull(value, &end, 10);

    if (*value < '0' || *value > '9' || *end || v < min || v > max)
        return err_set(err, EINVAL, "'%s' is not a number from %u to %u", value, min, max);
    *out = (u32)v;
    return 0;
}

int value_switch(bool *out, const char *value, struct err *err)
{
    bool on = !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "y");

    if (!on && strcmp(value, "off") && strcmp(value, "no") && strcmp(value, "n"))
        return err_set(err, EINVAL, "'%s' is neither on nor off", value);
    *out = on;
    return 0;
}

int value_ipv4(u32 *out, const char *text, struct err *err)
{
    struct in_addr a;

    if (inet_pton(AF_INET, text, &a) != 1 || !a.s_addr)
        return err_set(err, EINVAL, "'%s' is not an IPv4 address", text);
    *out = ntohl(a.s_addr);
    return 0;
}

const char *value_word(const char *p, char stop, char *out, size_t size, struct err *err)
{
    size_t n = 0;

    for (; *p && *p != stop && (*p != ',' || (stop != '=' && p[1] == ',')); p++) {
        if (n == size - 1) {
            err_set(err, EINVAL, "'%.40s…' is too long", out);
            return NULL;
        }
        p += *p == ',';
        out[n++] = *p;
        out[n] = 0;
    }
    out[n] = 0;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int value_mac_any(u8 mac[6], const char *text, struct err *err)
{
    const char *p = text;
    u8 out[6];

    for (unsigned i = 0; i < 6; i++) {
        int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);
        bool end_ok = low >= 0 && (i == 5 ? !p[2] : p[2] == ':' || p[2] == '-');
        if (!end_ok)
            return err_set(err, EINVAL, "'%.40s' is not a MAC address like 52:54:00:12:34:56",
                           text);
        out[i] = (u8)(high << 4 | low);
        p += 3;
    }
    memcpy(mac, out, sizeof(out));
    return 0;
}

int value_mac(u8 mac[6], const char *text, struct err *err)
{
    u8 out[6];
    int rc = value_mac_any(out, text, err);

    if (!rc && out[0] & 1)
        rc = err_set(err, EINVAL, "'%s' is a multicast address: its first byte must be even", text);
    if (!rc)
        memcpy(mac, out, sizeof(out));
    return rc;
}
