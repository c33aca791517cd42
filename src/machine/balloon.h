/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory balloon of a running machine. The loop's thread, without the machine's lock. */
#pragma once
#include "machine/machine.h"
#include "virtio/balloon.h"

struct machine_balloon {
    u64 actual; /* bytes that the guest has left of its memory */
    struct virtio_balloon_stats stats;
};

/* How much the guest shall have of its memory, in bytes; more than that: all. -ENODEV: there is no
   balloon. */
must_check int machine_balloon_set(struct machine *m, u64 bytes);
/* What it has now, and what it said last of its use; it is asked for more. -ENODEV. */
must_check int machine_balloon_query(struct machine *m, struct machine_balloon *out);
