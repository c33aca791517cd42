/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tap interface that the host routes to, instead of bridging it; see routed.c. */
#pragma once
#include "net/tap.h"

struct net_routed;

/* Addresses are IPv4, in host order. */
struct net_routed_config {
    u32 guest;
    u32 host;        /* 0: none with prefix 32; else the first that is not the guest's */
    u32 prefix;      /* 0: 32 */
    char via[16];    /* an interface on which the host answers ARP for the guest, or "" */
    char ifname[16]; /* of the tap; "": the kernel names it */
};

/* Needs CAP_NET_ADMIN. */
must_check int net_routed_new(struct net_routed **out, const struct net_routed_config *cfg,
                              struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                              struct err *err);
void net_routed_free(struct net_routed *r);
struct net_end *net_routed_end(struct net_routed *r);
