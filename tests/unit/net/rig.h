/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The far end of a cable in a test: remembers frames, and can be told not to take any. */
#pragma once
#include "net/net.h"

#include <string.h>

#define FAR_FRAMES 64u

struct far {
    struct net_end end;
    u8 data[FAR_FRAMES][2048]; /* the beginning of each */
    size_t len[FAR_FRAMES];
    unsigned n;    /* frames taken, also beyond FAR_FRAMES */
    unsigned room; /* how many more it takes */
    unsigned ready, links;
    struct net_offload offload; /* of the last frame; zeros for a plain one */
    unsigned peer_takes;
};

static inline bool far_receive(void *opaque, const u8 *frame, size_t len)
{
    struct far *f = opaque;

    if (!f->room)
        return false;
    f->room--;
    if (f->n < FAR_FRAMES) {
        memcpy(f->data[f->n], frame, len < 2048 ? len : 2048);
        f->len[f->n] = len;
    }
    f->n++;
    return true;
}

static inline bool far_receive_offload(void *opaque, const struct net_offload *o, const u8 *frame,
                                       size_t len)
{
    struct far *f = opaque;

    f->offload = *o;
    return far_receive(opaque, frame, len);
}

static inline void far_takes(void *opaque, unsigned takes)
{
    ((struct far *)opaque)->peer_takes = takes;
}

static inline void far_ready(void *opaque)
{
    ((struct far *)opaque)->ready++;
}

static inline void far_link(void *opaque, bool up)
{
    ((struct far *)opaque)->links++;
}

static inline void far_init(struct far *f)
{
    static const struct net_ops ops = {.receive = far_receive,
                                       .receive_offload = far_receive_offload,
                                       .takes_changed = far_takes,
                                       .ready = far_ready,
                                       .link_changed = far_link};

    memset(f, 0, sizeof(*f));
    f->room = ~0u;
    net_end_init(&f->end, &ops, f);
}
