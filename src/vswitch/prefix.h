/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses with a length, as rules and guards name them. Pure functions. */
#pragma once
#include "base/err.h"
#include "vswitch/packet.h"

#define PREFIX_TEXT 50u

struct prefix {
    enum packet_family family; /* PACKET_OTHER: any address at all */
    u8 addr[16];
    u8 bits;
};

/* ADDRESS or ADDRESS/BITS. -EINVAL. */
must_check int prefix_parse(struct prefix *out, const char *text, struct err *err);
void prefix_print(const struct prefix *p, char text[PREFIX_TEXT]);
bool prefix_has(const struct prefix *p, enum packet_family family, const u8 *addr);
