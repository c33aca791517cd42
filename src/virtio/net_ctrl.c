/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control queue (5.1.6.5) and what it sets: which frames the driver gets. */
#include "base/le.h"
#include "virtio/net_priv.h"

enum { CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE, CLASS_MQ, CLASS_OFFLOADS };
enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST };
enum { MAC_TABLE_SET, MAC_ADDR_SET };

#define ACK_OK  0u
#define ACK_ERR 1u

void virtio_net_reset_filters(struct virtio_net *n)
{
    memcpy(n->mac, n->own_mac, 6);
    n->promisc = true; /* a driver that sets no filter gets all */
    n->allmulti = n->alluni = n->nomulti = n->nouni = n->nobcast = false;
    n->multi_overflow = n->uni_overflow = false;
    n->nmacs = n->first_multi = 0;
    memset(n->vlans, 0xff, sizeof(n->vlans));
    virtio_net_set_offloads(n, 0);
}

static bool listed(const struct virtio_net *n, const u8 *mac, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (!memcmp(n->macs[i], mac, 6))
            return true;
    return false;
}

bool virtio_net_wants(const struct virtio_net *n, const u8 *frame, size_t len)
{
    unsigned vlan = 0;

    if (len < FRAME_HEADER)
        return false;
    if (n->promisc)
        return true;
    if (len >= FRAME_HEADER + FRAME_VLAN && be16(frame + 12) == FRAME_VLAN_TPI) {
        vlan = be16(frame + 14) & 0xfff;
        if (!(n->vlans[vlan / 8] & BIT(vlan % 8)))
            return false;
    }
    if (frame_is_broadcast(frame))
        return !n->nobcast;
    if (frame_is_multicast(frame))
        return !n->nomulti &&
               (n->allmulti || n->multi_overflow || listed(n, frame, n->first_multi, n->nmacs));
    return !n->nouni && (n->alluni || n->uni_overflow || !memcmp(frame, n->mac, 6) ||
                         listed(n, frame, 0, n->first_multi));
}

static u8 set_rx(struct virtio_net *n, u8 command)
{
    bool *const modes[] = {&n->promisc, &n->allmulti, &n->alluni,
                           &n->nomulti, &n->nouni,    &n->nobcast};
    u8 on;

    if (command >= ARRAY_SIZE(modes) || virtq_read(&n->buf, 2, &on, 1) != 1)
        return ACK_ERR;
    *modes[command] = on;
    return ACK_OK;
}

/* One of the two tables at `*at`. False: it is not whole. */
static bool take_macs(struct virtio_net *n, u64 *at, bool *overflow)
{
    u8 raw[4];
    u32 count;

    if (virtq_read(&n->buf, *at, raw, 4) != 4)
        return false;
    count = le32(raw);
    *at += 4;
    if (n->buf.out_len - *at < (u64)count * 6)
        return false;
    *overflow = count > NET_MACS - n->nmacs;
    if (!*overflow) {
        virtq_read(&n->buf, *at, n->macs[n->nmacs], (u64)count * 6);
        n->nmacs = (u8)(n->nmacs + count);
    }
    *at += (u64)count * 6;
    return true;
}

static u8 set_macs(struct virtio_net *n)
{
    u64 at = 2;

    n->nmacs = n->first_multi = 0;
    if (!take_macs(n, &at, &n->uni_overflow))
        return ACK_ERR;
    n->first_multi = n->nmacs;
    if (!take_macs(n, &at, &n->multi_overflow))
        return ACK_ERR;
    return ACK_OK;
}

static u8 set_mac(struct virtio_net *n)
{
    u8 mac[6];

    if (virtq_read(&n->buf, 2, mac, 6) != 6)
        return ACK_ERR;
    memcpy(n->mac, mac, 6);
    memcpy(n->virtio.config, mac, 6);
    return ACK_OK;
}

static u8 set_vlan(struct virtio_net *n, u8 command)
{
    u8 raw[2];
    unsigned vlan;

    if (command > 1 || virtq_read(&n->buf, 2, raw, 2) != 2 || le16(raw) >= NET_VLANS)
        return ACK_ERR;
    vlan = le16(raw);
    if (command)
        n->vlans[vlan / 8] &= (u8)~BIT(vlan % 8);
    else
        n->vlans[vlan / 8] |= (u8)BIT(vlan % 8);
    return ACK_OK;
}

static u8 announced(struct virtio_net *n)
{
    u8 *status = n->virtio.config + NET_CFG_STATUS;

    if (!(*status & NET_STATUS_ANN))
        return ACK_ERR;
    *status &= (u8)~NET_STATUS_ANN;
    return ACK_OK;
}

static u8 set_offloads(struct virtio_net *n)
{
    u8 raw[8];

    if (virtq_read(&n->buf, 2, raw, 8) != 8 || le64(raw) & ~virtio_net_offloads(n))
        return ACK_ERR;
    virtio_net_set_offloads(n, le64(raw));
    return ACK_OK;
}

static u8 set_pairs(struct virtio_net *n)
{
    u8 raw[2];

    if (virtq_read(&n->buf, 2, raw, 2) != 2 || !le16(raw) || le16(raw) > n->max_pairs)
        return ACK_ERR;
    virtio_net_set_pairs(n, le16(raw));
    for (unsigned i = 0; i < n->pairs; i++)
        virtio_go_on(net_tx_queue(n, i)); /* what they had before */
    return ACK_OK;
}

static u8 perform(struct virtio_net *n, u8 class, u8 command)
{
    const struct virtio *dev = &n->virtio;

    switch (class) {
    case CLASS_RX:
        return virtio_has(dev, command < RX_ALLUNI ? NET_F_CTRL_RX : NET_F_CTRL_RX_EXTRA)
                   ? set_rx(n, command)
                   : ACK_ERR;
    case CLASS_MAC:
        if (command == MAC_TABLE_SET && virtio_has(dev, NET_F_CTRL_RX))
            return set_macs(n);
        return command == MAC_ADDR_SET && virtio_has(dev, NET_F_CTRL_MAC_ADDR) ? set_mac(n)
                                                                               : ACK_ERR;
    case CLASS_VLAN:
        return virtio_has(dev, NET_F_CTRL_VLAN) ? set_vlan(n, command) : ACK_ERR;
    case CLASS_ANNOUNCE:
        return virtio_has(dev, NET_F_GUEST_ANNOUNCE) && !command ? announced(n) : ACK_ERR;
    case CLASS_MQ:
        return virtio_has(dev, NET_F_MQ) && !command ? set_pairs(n) : ACK_ERR;
    case CLASS_OFFLOADS:
        return virtio_has(dev, NET_F_GUEST_OFFLOADS) && !command ? set_offloads(n) : ACK_ERR;
    default:
        return ACK_ERR;
    }
}

void virtio_net_control(struct virtio_net *n, struct virtq *q)
{
    u8 header[2], ack;

    while (virtq_pop(q, &n->buf)) {
        if (virtq_read(&n->buf, 0, header, 2) != 2 || !n->buf.in_len) {
            virtio_break(&n->virtio, "a control command has no header or no room for its answer");
            return;
        }
        ack = perform(n, header[0], header[1]);
        virtq_write(q, &n->buf, 0, &ack, 1);
        virtq_push(q, n->buf.head, 1);
    }
    virtq_interrupt(q);
}
