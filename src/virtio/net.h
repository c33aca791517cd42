/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network device; see net.c. */
#pragma once
#include "bus/clock.h"
#include "net/net.h"
#include "virtio/virtio.h"

struct virtio_net;

struct virtio_net_config {
    u8 mac[6];
    u16 mtu;   /* 0: not told */
    u16 pairs; /* of queues, that the driver may use: 1 to NET_QUEUES; 0: 1 */
    /* Its own, and that of what is behind it: a thread then serves the driver. NULL: the machine's.
     */
    pthread_mutex_t *lock;
    struct virtio_rings rings;
};

/* -ENOMEM. */
must_check int virtio_net_new(struct virtio_net **out, struct mem *mem, struct clock *clk,
                              const struct virtio_net_config *cfg);
void virtio_net_free(struct virtio_net *n);
struct virtio *virtio_net_dev(struct virtio_net *n);
struct net_end *virtio_net_end(struct virtio_net *n);
/* Has the guest tell the network where it is (after it was moved). */
void virtio_net_announce(struct virtio_net *n);

extern const struct state_table virtio_net_state;
