/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client of the control socket: bytes in and out. The loop's thread. */
#pragma once
#include "ctl/qmp_core.h"

struct qmp_client;

/* Greets who is connected by `fd`, which it takes over; `gone` is called, from the loop, when the
   client has gone or is to be dropped, and frees it. -ENOMEM, -errno; then `fd` is closed. */
must_check int qmp_client_new(struct qmp_client **out, struct qmp_core *core, int fd,
                              void (*gone)(void *opaque, struct qmp_client *c), void *opaque);
/* Writes out what it can until `deadline` (CLOCK_MONOTONIC, ns). NULL is allowed. */
void qmp_client_drain(struct qmp_client *c, u64 deadline);
void qmp_client_free(struct qmp_client *c);
