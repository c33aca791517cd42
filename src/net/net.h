/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cable between a network card and what is behind it (user network, tap, socket). Each side sends
 * Ethernet frames without FCS; the other takes them or says "not now", upon which the sender keeps
 * the frame and waits. Nothing is lost by a full ring.
 *
 * Under one lock for both ends: the machine's, or that of a card with its own.
 */
#pragma once
#include "base/base.h"

#define NET_FRAME_MAX                                                                              \
    65535u /* with room for segmentation offload; cards drop what they cannot take */

struct net_ops {
    /* A frame from the other side, at most NET_FRAME_MAX bytes, valid during the call. False: not
       now; `net_ready` will be called. A frame that the device drops has been taken. */
    bool (*receive)(void *opaque, const u8 *frame, size_t len);
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
/* This end can take frames again. */
void net_ready(struct net_end *end);
