/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tap interface of the host behind the card; see tap.c. */
#pragma once
#include "base/err.h"
#include "bus/clock.h"
#include "net/net.h"
#include "os/loop.h"

struct net_tap;

struct net_tap_config {
    char ifname[16]; /* "": the kernel names a new one */
    bool has_fd;     /* an interface that somebody else has opened; owned from net_tap_new on */
    int fd;
};

/* -errno with a message. */
must_check int net_tap_new(struct net_tap **out, const struct net_tap_config *cfg,
                           struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                           struct err *err);
void net_tap_free(struct net_tap *t);
struct net_end *net_tap_end(struct net_tap *t);
const char *net_tap_ifname(const struct net_tap *t);
