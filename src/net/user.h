/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network of the user's own behind the card: DHCP, DNS, NAT, port forwards; see user.c. */
#pragma once
#include "base/err.h"
#include "bus/clock.h"
#include "net/net.h"

#include <netinet/in.h>

struct loop;
struct net_user;

#define NET_USER_FORWARDS 64u
#define NET_USER_SEARCH   8u

struct net_forward {
    bool udp;
    u32 host_addr, guest_addr; /* 0: all addresses; the first one that DHCP gives */
    u16 host_port, guest_port;
};

struct net_user_config {
    bool no_ipv4, no_ipv6;
    bool restricted;                   /* nothing leaves but to forwards */
    u32 net, mask;                     /* 0: 10.0.2.0/24; all addresses in host order */
    u32 host, dns, dhcp_start;         /* 0: numbers 2, 3 and 15 in it */
    struct in6_addr net6, host6, dns6; /* ::: fec0::, numbers 2 and 3 in it */
    u8 prefix6;                        /* 0: 64 */
    u16 mtu;                           /* 0: 1500 */
    char hostname[64], domain[256];    /* "": none */
    char search[NET_USER_SEARCH][256]; /* domains that DHCP tells */
    unsigned nsearch;
    char tftp[1024], bootfile[128], tftp_server[128];
    struct net_forward forward[NET_USER_FORWARDS];
    unsigned nforwards;
};

/* -EINVAL for addresses that do not fit, or -errno, with a message. */
must_check int net_user_new(struct net_user **out, const struct net_user_config *cfg,
                            struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                            struct err *err);
/* Not under the machine's lock: waits for a thread that may want it. */
void net_user_free(struct net_user *u);
struct net_end *net_user_end(struct net_user *u);

/* Changes while it runs, under the machine's lock. -errno. */
must_check int net_user_forward(struct net_user *u, const struct net_forward *f, struct err *err);
must_check int net_user_unforward(struct net_user *u, const struct net_forward *f);
