/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of the driver (5.1.6.2): copied whole, then sent as they are, or as segments. One turn
   makes at most BUDGET steps; the rest follows in another. */
#include "base/le.h"
#include "virtio/net_priv.h"

#define BUDGET 256u

/* What the header says, where the frame has room for it. */
static void insert_sum(const struct net_offload *o, u8 *frame, size_t len)
{
    u16 sum;

    if (o->sum_start >= len || (size_t)o->sum_start + o->sum_offset + 2 > len)
        return;
    sum = (u16)~frame_sum(frame + o->sum_start, len - o->sum_start);
    put_be16(frame + o->sum_start + o->sum_offset, sum ? sum : 0xffff);
}

static bool is_large(const struct net_offload *o)
{
    u8 kind = o->gso & (u8)~NET_OFFLOAD_ECN;

    return kind == NET_OFFLOAD_TCP4 || kind == NET_OFFLOAD_TCP6;
}

static bool is_v6(const struct net_offload *o)
{
    return (o->gso & ~NET_OFFLOAD_ECN) == NET_OFFLOAD_TCP6;
}

/* Where the payload of a large packet begins; 0: it cannot be cut. */
static size_t large_header(const struct net_offload *o, const struct frame_layout *l,
                           const u8 *frame, size_t len)
{
    size_t header = l->l4 + (size_t)(frame[l->l4 + 12] >> 4) * 4;

    if (l->proto != FRAME_L4_TCP || frame[l->l4 + 12] >> 4 < 5 || l->v6 != is_v6(o) ||
        header >= len || !o->gso_size)
        return 0;
    return header;
}

/* The next segment; false: the packet is no good. Sets *body to the bytes of payload in it. */
static bool cut(struct virtio_net *n, const struct net_offload *o, u8 *frame, size_t *len,
                size_t *body, bool *last)
{
    struct frame_layout l;
    struct frame_large large;
    size_t header;

    if (!frame_parse(&l, frame, *len))
        return false;
    header = large_header(o, &l, frame, *len);
    if (!header || o->gso_size > NET_FRAME_MAX - header)
        return false;
    large = (struct frame_large){.data = frame,
                                 .len = *len,
                                 .header = header,
                                 .mss = o->gso_size,
                                 .l3 = l.l3,
                                 .l4 = l.l4,
                                 .ip = true,
                                 .v6 = l.v6,
                                 .tcp = true};
    *len = frame_segment(&large, n->tx_at, n->segment);
    *body = *len - header;
    *last = header + n->tx_at + *body >= large.len;
    frame_put_sums(n->segment, *len);
    return true;
}

static void done(struct virtio_net *n)
{
    n->tx_held = false;
    virtq_push(n->tx, n->tx_head, 0);
}

/* One frame of the packet that is there. False: not now. */
static bool send_some(struct virtio_net *n)
{
    struct net_offload o;
    u8 *frame = n->packet + net_hdr_len(n), *out = frame;
    size_t len = n->tx_len - net_hdr_len(n), body = 0;
    bool last = true;

    net_offload_read(&o, n->packet);
    o.flags &= NET_OFFLOAD_SUM;
    if (len < FRAME_HEADER || len > NET_FRAME_MAX) {
        done(n);
        return true;
    }
    if (!n->tx_at && (o.flags || o.gso) && net_may_offload(net_peer_takes(&n->end), &o)) {
        if (!net_pass(&n->end, &o, frame, len))
            return false;
        done(n);
        return true;
    }
    if (is_large(&o)) {
        if (!cut(n, &o, frame, &len, &body, &last)) {
            done(n);
            return true;
        }
        out = n->segment;
    } else if (o.flags) {
        insert_sum(&o, frame, len);
        n->packet[0] = 0; /* also if it has to be sent once more */
    }
    if (!net_send(&n->end, out, len))
        return false;
    n->tx_at += (u32)body;
    if (last)
        done(n);
    return true;
}

/* The next buffer of the pair whose turn it is, or of those behind it. */
static bool pop(struct virtio_net *n)
{
    for (unsigned i = 0; i < n->pairs; i++) {
        n->tx = net_tx_queue(n, n->tx_turn);
        if (virtq_pop(n->tx, &n->buf))
            return true;
        n->tx_turn = (n->tx_turn + 1) % n->pairs;
    }
    return false;
}

/* Takes the next packet. False: there is none. */
static bool take(struct virtio_net *n)
{
    if (!pop(n))
        return false;
    n->tx_head = n->buf.head;
    n->tx_at = 0;
    n->tx_len = (u32)virtq_read(&n->buf, 0, n->packet, sizeof(n->packet));
    if (n->tx_len < net_hdr_len(n)) {
        virtio_break(&n->virtio, "a packet has no header");
        return false;
    }
    virtio_net_learn(n, n->packet + net_hdr_len(n), n->tx_len - net_hdr_len(n), n->tx_turn);
    n->tx_held = true;
    return true;
}

void virtio_net_transmit(struct virtio_net *n)
{
    unsigned budget = BUDGET;
    bool more = true;

    /* The other side tells that it is ready while it takes a frame. A machine that is paused keeps
       what is in its queues. */
    if (n->tx_runs || n->end.held)
        return;
    n->tx_runs = true;
    while (more && budget--)
        more = n->tx_held ? virtio_live(&n->virtio) && send_some(n) : take(n);
    n->tx_runs = false;
    for (unsigned i = 0; i < n->max_pairs; i++)
        virtq_interrupt(net_tx_queue(n, i));
    if (!more)
        return;
    n->tx_turn = (n->tx_turn + 1) % n->pairs;
    virtio_go_on(n->tx);
}

void virtio_net_forget_tx(struct virtio_net *n)
{
    n->tx_held = false;
}
