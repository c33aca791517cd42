/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"

void net_end_init(struct net_end *end, const struct net_ops *ops, void *opaque)
{
    *end = (struct net_end){.ops = ops, .opaque = opaque};
}

static void tell_link(struct net_end *end)
{
    if (end->ops->link_changed)
        end->ops->link_changed(end->opaque, end->link_up);
}

void net_plug(struct net_end *a, struct net_end *b)
{
    BUG_ON(a == b);
    net_unplug(a);
    net_unplug(b);
    a->peer = b;
    b->peer = a;
    a->link_up = b->link_up = true;
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

void net_ready(struct net_end *end)
{
    if (end->peer && !end->held)
        tell_ready(end->peer);
}
