/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets between guest and host; see vsock.c. */
#pragma once
#include "base/err.h"
#include "os/loop.h"
#include "virtio/virtio.h"

#define VIRTIO_VSOCK_CID_MIN  3u /* of a guest; 2 is the host */
#define VIRTIO_VSOCK_CID_MAX  0xfffffffeu
#define VIRTIO_VSOCK_PATH_MAX 96u /* with room for "_PORT" in a socket's address */

struct virtio_vsock;

struct virtio_vsock_config {
    u32 cid;
    const char *path;      /* of the socket for the host's clients; at most VIRTIO_VSOCK_PATH_MAX */
    struct loop *loop;     /* where the host's sockets are waited for */
    pthread_mutex_t *lock; /* the machine's, for the loop's callbacks */
    bool packed;           /* offer packed rings */
};

/* -errno with a message that names the socket. By the loop's thread, as virtio_vsock_free. */
must_check int virtio_vsock_new(struct virtio_vsock **out, struct mem *mem, struct clock *clk,
                                const struct virtio_vsock_config *cfg, struct err *err);
void virtio_vsock_free(struct virtio_vsock *v);
struct virtio *virtio_vsock_dev(struct virtio_vsock *v);

extern const struct state_table virtio_vsock_state;
