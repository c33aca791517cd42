/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several pairs of queues (5.1.6.5.5): a flow is received by the pair that it was last transmitted
   by. The cable is one all the same. */
#include "base/le.h"
#include "virtio/net_priv.h"

#define IPV4_ADDRESSES 12u /* within the header, and bytes of both */
#define IPV4_LEN       8u
#define IPV6_ADDRESSES 8u
#define IPV6_LEN       32u

/* The same in both directions. NET_FLOWS: it is none. */
static unsigned flow_of(const u8 *frame, size_t len)
{
    struct frame_layout l;
    const u8 *at;
    u32 sum;

    if (!frame_parse(&l, frame, len))
        return NET_FLOWS;
    at = frame + l.l3 + (l.v6 ? IPV6_ADDRESSES : IPV4_ADDRESSES);
    sum = (u32)l.proto;
    for (unsigned i = 0; i < (l.v6 ? IPV6_LEN : IPV4_LEN); i += 4)
        sum += be32(at + i);
    if (l.proto != FRAME_L4_NONE) /* ports */
        sum += (u32)be16(frame + l.l4) + be16(frame + l.l4 + 2);
    return sum * 0x9e3779b1u >> 24;
}

void virtio_net_learn(struct virtio_net *n, const u8 *frame, size_t len, unsigned pair)
{
    unsigned flow = n->pairs > 1 ? flow_of(frame, len) : NET_FLOWS;

    if (flow < NET_FLOWS)
        n->flow[flow] = (u8)pair;
}

struct virtq *virtio_net_receiver(struct virtio_net *n, const u8 *frame, size_t len)
{
    unsigned flow = n->pairs > 1 ? flow_of(frame, len) : NET_FLOWS;
    struct virtq *q = net_rx_queue(n, flow < NET_FLOWS ? n->flow[flow] % n->pairs : 0);

    return q->ready ? q : net_rx_queue(n, 0);
}

void virtio_net_set_pairs(struct virtio_net *n, u16 pairs)
{
    n->pairs = pairs;
    n->tx_turn = 0;
    for (unsigned i = 0; i < NET_FLOWS; i++)
        n->flow[i] = (u8)(i % pairs);
}

bool virtio_net_is_control(const struct virtio_net *n, const struct virtq *q)
{
    return q->index == 2 * (virtio_has(&n->virtio, NET_F_MQ) ? n->max_pairs : 1);
}
