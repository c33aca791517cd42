/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anti-spoofing: the addresses that a port may send from. A port with IP addresses is that of an
 * end station: it sends ARP and IP only, answers for its own addresses only, and is neither DHCP
 * server nor IPv6 router. Pure functions.
 */
#pragma once
#include "vswitch/prefix.h"

#define GUARD_MACS 8u
#define GUARD_IPS  16u

struct guard {
    unsigned nmacs, nips; /* 0: any */
    u8 mac[GUARD_MACS][6];
    struct prefix ip[GUARD_IPS];
};

bool guard_has_mac(const struct guard *g, const u8 mac[6]); /* false where any is allowed */
bool guard_allows(const struct guard *g, const struct packet *p);
