/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the network device share. */
#pragma once
#include "net/frame.h"
#include "virtio/net.h"

#define NET_F_CSUM           0u
#define NET_F_GUEST_CSUM     1u
#define NET_F_GUEST_OFFLOADS 2u
#define NET_F_MTU            3u
#define NET_F_MAC            5u
#define NET_F_GUEST_TSO4     7u
#define NET_F_GUEST_TSO6     8u
#define NET_F_GUEST_ECN      9u
#define NET_F_HOST_TSO4      11u
#define NET_F_HOST_TSO6      12u
#define NET_F_HOST_ECN       13u
#define NET_F_MRG_RXBUF      15u
#define NET_F_STATUS         16u
#define NET_F_CTRL_VQ        17u
#define NET_F_CTRL_RX        18u
#define NET_F_CTRL_VLAN      19u
#define NET_F_CTRL_RX_EXTRA  20u
#define NET_F_GUEST_ANNOUNCE 21u
#define NET_F_MQ             22u
#define NET_F_CTRL_MAC_ADDR  23u

#define NET_FLOWS 256u

#define NET_HDR        12u /* bytes; without VERSION_1 and MRG_RXBUF 10 */
#define NET_STATUS_UP  1u
#define NET_STATUS_ANN 2u
#define NET_CFG_STATUS 6u
#define NET_MACS       64u /* of the filter table */
#define NET_VLANS      4096u
#define NET_PACKET_MAX (NET_HDR + NET_FRAME_MAX)

struct virtio_net {
    struct virtio virtio;
    struct net_end end;
    u8 own_mac[6]; /* as it came; the driver may set another */

    /* Filters. */
    u8 mac[6];
    bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
    bool multi_overflow, uni_overflow;
    u8 macs[NET_MACS][6];
    u8 nmacs, first_multi;
    u8 vlans[NET_VLANS / 8];
    u64 offloads; /* features of those towards the driver that are on */

    unsigned max_pairs;
    u16 pairs;          /* of queues, that the driver uses */
    u8 flow[NET_FLOWS]; /* the pair that has transmitted it last */

    bool tx_held;     /* the cable does not take the rest of `packet` now */
    struct virtq *tx; /* where that is from; NULL: none ever was */
    unsigned tx_turn; /* the pair whose packets are taken now */
    struct virtq_head tx_head;
    u32 tx_len, tx_at; /* of the packet, and of its payload what was sent */
    bool tx_runs;
    u8 packet[NET_PACKET_MAX + 1], segment[NET_FRAME_MAX + 1];
    struct virtq_buf buf, first;
};

static inline u32 net_hdr_len(const struct virtio_net *n)
{
    return virtio_has(&n->virtio, VIRTIO_F_VERSION_1) || virtio_has(&n->virtio, NET_F_MRG_RXBUF)
               ? NET_HDR
               : NET_HDR - 2;
}

/* Pair k has queue 2k to receive and 2k + 1 to transmit; the control queue is behind all of them.
 */
static inline struct virtq *net_rx_queue(struct virtio_net *n, unsigned pair)
{
    return &n->virtio.queue[2 * pair];
}

static inline struct virtq *net_tx_queue(struct virtio_net *n, unsigned pair)
{
    return &n->virtio.queue[2 * pair + 1];
}

/* Of the features of offloads towards the driver, those that it has accepted. */
u64 virtio_net_offloads(const struct virtio_net *n);
void virtio_net_set_offloads(struct virtio_net *n, u64 features);
bool virtio_net_receive(void *opaque, const u8 *frame, size_t len);
bool virtio_net_receive_offload(void *opaque, const struct net_offload *o, const u8 *frame,
                                size_t len);
void virtio_net_transmit(struct virtio_net *n);
void virtio_net_forget_tx(struct virtio_net *n);

/* net_mq.c; pairs: 1 to max_pairs. */
void virtio_net_set_pairs(struct virtio_net *n, u16 pairs);
bool virtio_net_is_control(const struct virtio_net *n, const struct virtq *q);
/* A frame that a pair transmits, and where one is received. */
void virtio_net_learn(struct virtio_net *n, const u8 *frame, size_t len, unsigned pair);
struct virtq *virtio_net_receiver(struct virtio_net *n, const u8 *frame, size_t len);

void virtio_net_control(struct virtio_net *n, struct virtq *q);
/* As after reset. */
void virtio_net_reset_filters(struct virtio_net *n);
bool virtio_net_wants(const struct virtio_net *n, const u8 *frame, size_t len);
