/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cable between a network card and what is behind it (user network, tap, socket). Each side sends
 * Ethernet frames without FCS; the other takes them or says "not now", upon which the sender keeps
 * the frame and waits. Nothing is lost by a full ring.
 *
 * A side may take frames whose checksum or whose cutting into segments is left to it, as virtio's
 * header (VIRTIO 1.2, section 5.1.6; Linux' struct virtio_net_hdr) says. It tells the other by
 * net_set_takes, and may take it back at any time.
 *
 * Under one lock for both ends: the machine's, or that of a card with its own.
 */
#pragma once
#include "base/base.h"

#define NET_FRAME_MAX                                                                              \
    65535u /* with room for segmentation offload; cards drop what they cannot take */

#define NET_QUEUES 16u /* pairs that a card may have */

/* What a side takes. Large packets come with their own checksums filled in, unless it takes SUM. */
#define NET_TAKES_SUM  1u
#define NET_TAKES_TCP4 2u
#define NET_TAKES_TCP6 4u
#define NET_TAKES_ECN  8u

#define NET_OFFLOAD_SUM   1u /* flags: the checksum is to be filled in */
#define NET_OFFLOAD_VALID 2u /* … is right */
#define NET_OFFLOAD_TCP4  1u /* gso */
#define NET_OFFLOAD_TCP6  4u
#define NET_OFFLOAD_ECN   0x80u
#define NET_OFFLOAD_LEN   10u /* bytes of it as a header */

struct net_offload {
    u8 flags, gso;
    u16 header, gso_size, sum_start, sum_offset; /* bytes */
};

struct net_ops {
    /* A frame from the other side, at most NET_FRAME_MAX bytes, valid during the call. False: not
       now; `net_ready` will be called. A frame that the device drops has been taken. */
    bool (*receive)(void *opaque, const u8 *frame, size_t len);
    /* The same for a frame that leaves work to be done, such as this side takes; NULL: none. */
    bool (*receive_offload)(void *opaque, const struct net_offload *o, const u8 *frame, size_t len);
    /* What the other side takes may be another; may be NULL. */
    void (*takes_changed)(void *opaque, unsigned takes);
    /* The other side can take frames again; may be NULL where nothing is ever kept. */
    void (*ready)(void *opaque);
    /* The cable was plugged in or pulled; may be NULL. */
    void (*link_changed)(void *opaque, bool up);
};

/* One end, embedded in its owner. */
struct net_end {
    const struct net_ops *ops;
    void *opaque;
    struct net_end *peer; /* NULL: nothing is plugged in */
    unsigned takes;       /* NET_TAKES_… */
    bool link_up;         /* as `net_set_link` says; both ends alike */
    bool held;            /* as `net_hold` says; both ends alike */
};

void net_end_init(struct net_end *end, const struct net_ops *ops, void *opaque);
void net_plug(struct net_end *a, struct net_end *b); /* link up */
void net_unplug(struct net_end *end);                /* harmless twice */
void net_set_link(struct net_end *end, bool up);
/* While held, for a machine that is paused, both sides are told "not now". */
void net_hold(struct net_end *end, bool on);

/* False: the other side cannot take it now. Without a peer or link the frame is gone: true. */
bool net_send(struct net_end *from, const u8 *frame, size_t len);
/* Likewise; only what net_peer_takes allows. */
bool net_send_offload(struct net_end *from, const struct net_offload *o, const u8 *frame,
                      size_t len);
/* Likewise; if the other side takes no SUM, the checksums are filled in, and *o says so. */
bool net_pass(struct net_end *from, struct net_offload *o, u8 *frame, size_t len);
void net_set_takes(struct net_end *end, unsigned takes);
static inline unsigned net_peer_takes(const struct net_end *end)
{
    return end->peer ? end->peer->takes : 0;
}
/* Whether a side that takes `takes` takes such a frame. */
bool net_may_offload(unsigned takes, const struct net_offload *o);
void net_offload_read(struct net_offload *o, const u8 raw[NET_OFFLOAD_LEN]);
void net_offload_write(const struct net_offload *o, u8 raw[NET_OFFLOAD_LEN]);
/* This end can take frames again. */
void net_ready(struct net_end *end);
