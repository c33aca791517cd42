/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Setting up an interface of the host, for which it takes CAP_NET_ADMIN. Each returns -errno with a
 * message that begins with the interface's name. Addresses are IPv4, in host order. Any thread.
 */
#pragma once
#include "base/err.h"

#include <net/if.h>

bool hostif_exists(const char *ifname);
must_check int hostif_up(const char *ifname, struct err *err);
/* Makes it a port of a bridge, with the bridge's MTU and without an address of its own to be
   reached at; the bridge keeps its own. */
must_check int hostif_join_bridge(const char *ifname, const char *bridge, struct err *err);
must_check int hostif_add_address(const char *ifname, u32 addr, unsigned prefix, struct err *err);
/* To one address, directly. */
must_check int hostif_add_route(const char *ifname, u32 addr, struct err *err);
/* Whether ARP on the interface is answered for an address that is elsewhere. */
must_check int hostif_proxy(const char *ifname, u32 addr, bool on, struct err *err);
/* /proc/sys/net/GROUP/IFNAME/KEY */
must_check int hostif_set(const char *ifname, const char *group, const char *key, int value,
                          struct err *err);
/* The value, or -errno. */
int hostif_get(const char *ifname, const char *group, const char *key);
