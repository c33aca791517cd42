/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks and networks of the "micro" board: virtio over MMIO. */
#pragma once
#include "machine/board.h"

must_check int micro_virtio_init(struct machine *m, const struct machine_host *host,
                                 struct err *err);
/* Before the devices go; without the machine's lock. */
void micro_virtio_close(struct machine *m);
void micro_virtio_dispose(struct machine *m);
