/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/prefix.h"
#include "net/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int prefix_parse(struct prefix *out, const char *text, struct err *err)
{
    char addr[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");
    u32 bits, max;

    *out = (struct prefix){0};
    if (n < sizeof(addr)) {
        memcpy(addr, text, n);
        addr[n] = 0;
        if (inet_pton(AF_INET, addr, out->addr) == 1)
            out->family = PACKET_V4;
        else if (inet_pton(AF_INET6, addr, out->addr) == 1)
            out->family = PACKET_V6;
    }
    if (out->family == PACKET_OTHER)
        return err_set(err, EINVAL, "'%.60s' is no IP address", text);
    bits = max = out->family == PACKET_V4 ? 32 : 128;
    if (text[n] && value_number(&bits, text + n + 1, 0, max, err))
        return -EINVAL;
    out->bits = (u8)bits;
    return 0;
}

void prefix_print(const struct prefix *p, char text[PREFIX_TEXT])
{
    char addr[INET6_ADDRSTRLEN] = "";
    bool v4 = p->family == PACKET_V4;

    inet_ntop(v4 ? AF_INET : AF_INET6, p->addr, addr, sizeof(addr));
    snprintf(text, PREFIX_TEXT, p->bits == (v4 ? 32 : 128) ? "%s" : "%s/%u", addr, p->bits);
}

bool prefix_has(const struct prefix *p, enum packet_family family, const u8 *addr)
{
    unsigned whole = p->bits / 8, rest = p->bits % 8;

    if (p->family == PACKET_OTHER)
        return true;
    if (p->family != family || memcmp(p->addr, addr, whole) != 0)
        return false;
    return !rest || !((p->addr[whole] ^ addr[whole]) >> (8 - rest));
}
