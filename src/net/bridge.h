/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tap interface that is a port of a bridge of the host, for as long as the card is there; see
 * bridge.c. */
#pragma once
#include "net/tap.h"

struct net_bridge_config {
    char bridge[16];
    char ifname[16];   /* of the tap; "": the kernel names it */
    char helper[1024]; /* "": NET_BRIDGE_HELPER */
};

#define NET_BRIDGE_HELPER "/usr/lib/qemu/qemu-bridge-helper"

must_check int net_bridge_new(struct net_tap **out, const struct net_bridge_config *cfg,
                              struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                              struct err *err);
