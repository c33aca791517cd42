/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cable to a port of a switch (domus switch), which is a socket of the switch's. */
#pragma once
#include "net/socket.h"
#include "net/switchdir.h"

#define SWITCH_ANY_PORT "any"

struct net_switch_config {
    char name[SWITCH_PATH_MAX]; /* of the switch, or its folder's path */
    char port[32];              /* "": SWITCH_ANY_PORT */
};

/* The switch must run. When it ends, the cable leads nowhere until it runs again. */
must_check int net_switch_new(struct net_socket **out, const struct net_switch_config *cfg,
                              struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                              struct err *err);
