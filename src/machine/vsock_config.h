/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user says about sockets between guest and host, as text and read. Any thread. */
#pragma once
#include "base/err.h"
#include "virtio/vsock.h"

struct vsock_config {
    u32 cid; /* of the guest */
    char path[VIRTIO_VSOCK_PATH_MAX + 1];
};

/* "cid=N,path=SOCKET"; a comma in SOCKET is written twice. -EINVAL with a message that names what
   is wrong. */
must_check int vsock_parse(struct vsock_config *out, const char *text, struct err *err);
