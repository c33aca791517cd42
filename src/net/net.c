/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"
#include "base/le.h"
#include "net/frame.h"

void net_end_init(struct net_end *end, const struct net_ops *ops, void *opaque)
{
    *end = (struct net_end){.ops = ops, .opaque = opaque};
}

static void tell_link(struct net_end *end)
{
    if (end->ops->link_changed)
        end->ops->link_changed(end->opaque, end->link_up);
}

static void tell_takes(struct net_end *end)
{
    if (end->ops->takes_changed)
        end->ops->takes_changed(end->opaque, net_peer_takes(end));
}

void net_set_takes(struct net_end *end, unsigned takes)
{
    end->takes = takes;
    if (end->peer)
        tell_takes(end->peer);
}

void net_plug(struct net_end *a, struct net_end *b)
{
    BUG_ON(a == b);
    net_unplug(a);
    net_unplug(b);
    a->peer = b;
    b->peer = a;
    a->link_up = b->link_up = true;
    tell_takes(a);
    tell_takes(b);
    tell_link(a);
    tell_link(b);
}

void net_unplug(struct net_end *end)
{
    struct net_end *peer = end->peer;

    if (!peer)
        return;
    end->peer = peer->peer = NULL;
    end->link_up = peer->link_up = false;
    end->held = peer->held = false;
    tell_link(end);
    tell_link(peer);
}

static void tell_ready(struct net_end *end)
{
    if (end->ops->ready)
        end->ops->ready(end->opaque);
}

void net_set_link(struct net_end *end, bool up)
{
    struct net_end *peer = end->peer;

    if (!peer || end->link_up == up)
        return;
    end->link_up = peer->link_up = up;
    tell_link(end);
    tell_link(peer);
    /* What they keep goes nowhere now, or can be sent again. */
    tell_ready(end);
    tell_ready(peer);
}

void net_hold(struct net_end *end, bool on)
{
    struct net_end *peer = end->peer;

    if (!peer || end->held == on)
        return;
    end->held = peer->held = on;
    if (on)
        return;
    tell_ready(end);
    tell_ready(peer);
}

bool net_send(struct net_end *from, const u8 *frame, size_t len)
{
    struct net_end *to = from->peer;

    if (!to || !from->link_up || !len || len > NET_FRAME_MAX)
        return true;
    return !from->held && to->ops->receive(to->opaque, frame, len);
}

bool net_send_offload(struct net_end *from, const struct net_offload *o, const u8 *frame,
                      size_t len)
{
    struct net_end *to = from->peer;

    if (!to || !from->link_up || !len || len > NET_FRAME_MAX)
        return true;
    BUG_ON(!to->ops->receive_offload);
    return !from->held && to->ops->receive_offload(to->opaque, o, frame, len);
}

bool net_pass(struct net_end *from, struct net_offload *o, u8 *frame, size_t len)
{
    if (!(net_peer_takes(from) & NET_TAKES_SUM)) {
        frame_put_sums(frame, len);
        o->flags = 0;
    }
    return net_send_offload(from, o, frame, len);
}

bool net_may_offload(unsigned takes, const struct net_offload *o)
{
    unsigned needs = o->gso & NET_OFFLOAD_ECN ? NET_TAKES_ECN : 0u;

    switch (o->gso & ~NET_OFFLOAD_ECN) {
    case 0:
        needs |= o->flags & NET_OFFLOAD_SUM ? NET_TAKES_SUM : 0u;
        break;
    case NET_OFFLOAD_TCP4:
        needs |= NET_TAKES_TCP4;
        break;
    case NET_OFFLOAD_TCP6:
        needs |= NET_TAKES_TCP6;
        break;
    default:
        return false;
    }
    return !(needs & ~takes);
}

void net_offload_read(struct net_offload *o, const u8 raw[NET_OFFLOAD_LEN])
{
    *o = (struct net_offload){raw[0],        raw[1],        le16(raw + 2),
                              le16(raw + 4), le16(raw + 6), le16(raw + 8)};
}

void net_offload_write(const struct net_offload *o, u8 raw[NET_OFFLOAD_LEN])
{
    raw[0] = o->flags;
    raw[1] = o->gso;
    put_le16(raw + 2, o->header);
    put_le16(raw + 4, o->gso_size);
    put_le16(raw + 6, o->sum_start);
    put_le16(raw + 8, o->sum_offset);
}

void net_ready(struct net_end *end)
{
    if (end->peer && !end->held)
        tell_ready(end->peer);
}
