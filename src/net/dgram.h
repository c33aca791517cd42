/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cable over UDP: to one peer, or a multicast group as a shared wire; see dgram.c. */
#pragma once
#include "base/err.h"
#include "bus/clock.h"
#include "net/net.h"
#include "os/loop.h"

struct net_dgram;

struct net_dgram_config {
    char mcast[64]; /* GROUP:PORT, or "" */
    char udp[300];  /* HOST:PORT of the peer, when mcast is "" */
    char local[64]; /* multicast: the address of the interface, or ""; udp: [ADDR]:PORT here */
};

must_check int net_dgram_new(struct net_dgram **out, const struct net_dgram_config *cfg,
                             struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                             struct err *err);
void net_dgram_free(struct net_dgram *d);
struct net_end *net_dgram_end(struct net_dgram *d);
