/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual switch between the machines of one host (docs/design/011-switch.md). Each port is a
 * UNIX socket in the switch's folder, on which frames come and go as in net/socket.c, or an uplink:
 * whatever net/config.h knows. Members and what they send are hostile; who may open the folder's
 * control socket is not.
 *
 * All by the loop's thread, without the lock.
 */
#pragma once
#include "base/err.h"
#include "bus/clock.h"
#include "os/loop.h"

#include <jansson.h>

struct vswitch;

struct vswitch_config {
    const char *dir; /* which is there, and the caller's alone */
    struct loop *loop;
    struct clock *clk;
    pthread_mutex_t *lock; /* recursive */
};

must_check int vswitch_new(struct vswitch **out, const struct vswitch_config *cfg, struct err *err);
void vswitch_free(struct vswitch *sw); /* NULL is allowed */
/* Once in each round of the loop, before it waits: gives up the ports of members that have gone. */
void vswitch_tidy(struct vswitch *sw);
/* Carries out one command, such as "port vm1 vlan=10". What it answers, or NULL with a message. */
must_check json_t *vswitch_execute(struct vswitch *sw, const char *const *words, size_t n,
                                   struct err *err);
/* "stop" was said. */
bool vswitch_stopped(const struct vswitch *sw);
