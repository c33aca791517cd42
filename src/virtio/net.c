/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network device (VIRTIO 1.2, section 5.1) at the end of a cable of src/net. Checksums and
 * segments that the driver leaves to the device are made here, unless the other side takes them so.
 * Left out: RSS, hash reports. Under the device's lock, which is the cable's too, or the machine's
 * where it has none.
 */
#include "base/le.h"
#include "virtio/net_priv.h"
#include "virtio/worker.h"

#include <errno.h>
#include <stdlib.h>

#define QUEUE_SIZE   256u
#define CONTROL_SIZE 64u
#define CFG_PAIRS    8u
#define CFG_MTU      10u
#define CFG_LEN      12u

static void fill_config(struct virtio_net *n)
{
    u8 *c = n->virtio.config;

    memcpy(c, n->own_mac, 6);
    put_le16(c + NET_CFG_STATUS, n->end.link_up ? NET_STATUS_UP : 0);
    put_le16(c + CFG_PAIRS, (u16)n->max_pairs);
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_net *n = opaque;

    if (virtio_net_is_control(n, q))
        virtio_net_control(n, q);
    else if (q->index & 1)
        virtio_net_transmit(n);
    else
        net_ready(&n->end);
}

u64 virtio_net_offloads(const struct virtio_net *n)
{
    return n->virtio.accepted & (BIT64(NET_F_GUEST_CSUM) | BIT64(NET_F_GUEST_TSO4) |
                                 BIT64(NET_F_GUEST_TSO6) | BIT64(NET_F_GUEST_ECN));
}

/* Without checksums no other makes sense (5.1.3.1). */
void virtio_net_set_offloads(struct virtio_net *n, u64 features)
{
    static const struct {
        unsigned feature, takes;
    } map[] = {{NET_F_GUEST_CSUM, NET_TAKES_SUM},
               {NET_F_GUEST_TSO4, NET_TAKES_TCP4},
               {NET_F_GUEST_TSO6, NET_TAKES_TCP6},
               {NET_F_GUEST_ECN, NET_TAKES_ECN}};
    unsigned takes = 0;

    n->offloads = features;
    for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
        if (features & BIT64(NET_F_GUEST_CSUM) && features & BIT64(map[i].feature))
            takes |= map[i].takes;
    net_set_takes(&n->end, takes);
}

static void started(void *opaque)
{
    struct virtio_net *n = opaque;

    virtio_net_set_offloads(n, virtio_net_offloads(n));
    /* A driver that cannot set the filter gets all. */
    memset(n->vlans, virtio_has(&n->virtio, NET_F_CTRL_VLAN) ? 0 : 0xff, sizeof(n->vlans));
}

static void reset(void *opaque)
{
    struct virtio_net *n = opaque;

    virtio_net_forget_tx(n);
    virtio_net_reset_filters(n);
    virtio_net_set_pairs(n, 1);
    fill_config(n);
    net_ready(&n->end); /* what the other side keeps is gone now */
}

static void queue_reset(void *opaque, struct virtq *q)
{
    struct virtio_net *n = opaque;

    if (q == n->tx)
        virtio_net_forget_tx(n);
}

/* Only a legacy driver writes: the address. */
static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct virtio_net *n = opaque;

    if (virtio_has(&n->virtio, VIRTIO_F_VERSION_1) || virtio_has(&n->virtio, NET_F_CTRL_MAC_ADDR))
        memcpy(n->virtio.config, n->mac, 6);
    else
        memcpy(n->mac, n->virtio.config, 6);
}

static const struct virtio_ops ops = {.notify = notify,
                                      .started = started,
                                      .reset = reset,
                                      .queue_reset = queue_reset,
                                      .config_written = config_written};

static void ready(void *opaque)
{
    virtio_net_transmit(opaque);
}

static void link_changed(void *opaque, bool up)
{
    struct virtio_net *n = opaque;
    u16 status = le16(n->virtio.config + NET_CFG_STATUS);

    status = (u16)((status & ~NET_STATUS_UP) | (up ? NET_STATUS_UP : 0));
    put_le16(n->virtio.config + NET_CFG_STATUS, status);
    if (virtio_has(&n->virtio, NET_F_STATUS))
        virtio_config_changed(&n->virtio);
}

static void add_queues(struct virtio_net *n)
{
    for (unsigned i = 0; i < 2 * n->max_pairs; i++)
        virtio_add_queue(&n->virtio, QUEUE_SIZE);
    virtio_add_queue(&n->virtio, CONTROL_SIZE);
}

static const struct net_ops end_ops = {.receive = virtio_net_receive,
                                       .receive_offload = virtio_net_receive_offload,
                                       .ready = ready,
                                       .link_changed = link_changed};

int virtio_net_new(struct virtio_net **out, struct mem *mem, struct clock *clk,
                   const struct virtio_net_config *cfg)
{
    static const u8 features[] = {NET_F_CSUM,          NET_F_GUEST_CSUM,     NET_F_GUEST_OFFLOADS,
                                  NET_F_GUEST_TSO4,    NET_F_GUEST_TSO6,     NET_F_GUEST_ECN,
                                  NET_F_MAC,           NET_F_HOST_TSO4,      NET_F_HOST_TSO6,
                                  NET_F_HOST_ECN,      NET_F_MRG_RXBUF,      NET_F_STATUS,
                                  NET_F_CTRL_VQ,       NET_F_CTRL_RX,        NET_F_CTRL_VLAN,
                                  NET_F_CTRL_RX_EXTRA, NET_F_GUEST_ANNOUNCE, NET_F_CTRL_MAC_ADDR};
    struct virtio_net *n = calloc(1, sizeof(*n));
    struct virtio_init init = {.name = "virtio-net",
                               .type = VIRTIO_NET,
                               .class = 0x0200,
                               .ops = &ops,
                               .opaque = n,
                               .mem = mem,
                               .clk = clk,
                               .lock = cfg->lock,
                               .rings = cfg->rings,
                               .features = BIT64(VIRTIO_F_IN_ORDER),
                               .config_len = CFG_LEN};
    int rc;

    if (!n)
        return -ENOMEM;
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
        init.features |= BIT64(features[i]);
    if (cfg->mtu)
        init.features |= BIT64(NET_F_MTU);
    BUG_ON(cfg->pairs > NET_QUEUES);
    n->max_pairs = cfg->pairs ? cfg->pairs : 1;
    if (n->max_pairs > 1)
        init.features |= BIT64(NET_F_MQ);
    memcpy(n->own_mac, cfg->mac, 6);
    virtio_init(&n->virtio, &init);
    add_queues(n);
    memset(n->virtio.config_wmask, 0xff, 6);
    put_le16(n->virtio.config + CFG_MTU, cfg->mtu);
    net_end_init(&n->end, &end_ops, n);
    fill_config(n);
    virtio_net_reset_filters(n);
    virtio_net_set_pairs(n, 1);
    rc = cfg->lock ? virtio_worker_new(&n->virtio.worker, &n->virtio) : 0;
    if (rc)
        virtio_net_free(n);
    else
        *out = n;
    return rc;
}

void virtio_net_free(struct virtio_net *n)
{
    if (!n)
        return;
    virtio_worker_free(n->virtio.worker);
    virtio_lock(&n->virtio);
    net_unplug(&n->end);
    virtio_unlock(&n->virtio);
    virtio_dispose(&n->virtio);
    free(n);
}

struct virtio *virtio_net_dev(struct virtio_net *n)
{
    return &n->virtio;
}

struct net_end *virtio_net_end(struct virtio_net *n)
{
    return &n->end;
}

void virtio_net_announce(struct virtio_net *n)
{
    u16 status = le16(n->virtio.config + NET_CFG_STATUS);

    if (!virtio_has(&n->virtio, NET_F_GUEST_ANNOUNCE) || !virtio_has(&n->virtio, NET_F_CTRL_VQ))
        return;
    put_le16(n->virtio.config + NET_CFG_STATUS, status | NET_STATUS_ANN);
    virtio_config_changed(&n->virtio);
}

#define B(f) STATE_BOOL(struct virtio_net, f)
static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_net, virtio, 1, virtio_fields),
    STATE_ARRAY(struct virtio_net, mac),
    B(promisc),
    B(allmulti),
    B(alluni),
    B(nomulti),
    B(nouni),
    B(nobcast),
    B(multi_overflow),
    B(uni_overflow),
    {.name = "macs",
     .offset = offsetof(struct virtio_net, macs),
     .size = 1,
     .count = NET_MACS * 6,
     .kind = STATE_KIND_UINT},
    STATE_UINT(struct virtio_net, nmacs),
    STATE_UINT(struct virtio_net, first_multi),
    STATE_ARRAY(struct virtio_net, vlans),
    STATE_UINT(struct virtio_net, offloads),
    STATE_ELEMENTS(struct virtio_net, pairs, 1, STATE_KIND_UINT, 3),
    STATE_END,
};
#undef B

/* A packet that waits is taken from the queue again. */
static void before_save(void *opaque)
{
    struct virtio_net *n = opaque;

    if (n->tx_held) {
        virtq_unpop(n->tx, n->tx_head);
        virtio_go_on(n->tx);
    }
    n->tx_held = false;
}

static int loaded(void *opaque)
{
    struct virtio_net *n = opaque;
    u16 status = le16(n->virtio.config + NET_CFG_STATUS) & NET_STATUS_ANN;
    int rc = virtio_loaded(&n->virtio);

    put_le16(n->virtio.config + NET_CFG_STATUS,
             (u16)(status | (n->end.link_up ? NET_STATUS_UP : 0)));
    put_le16(n->virtio.config + CFG_PAIRS, (u16)n->max_pairs);
    if (!n->pairs || n->pairs > (virtio_has(&n->virtio, NET_F_MQ) ? n->max_pairs : 1))
        return -EINVAL;
    virtio_net_set_pairs(n, n->pairs);
    if (n->nmacs > NET_MACS || n->first_multi > n->nmacs)
        rc = -EINVAL;
    for (unsigned i = 0; i < n->virtio.nqueues && !rc; i++)
        rc = n->virtio.queue[i].in_use ? -EINVAL : 0;
    if (n->offloads & ~virtio_net_offloads(n))
        rc = -EINVAL;
    if (!rc)
        virtio_net_set_offloads(n, n->offloads);
    return rc;
}

const struct state_table virtio_net_state = {.name = "virtio-net",
                                             .version = 3,
                                             .oldest = 2,
                                             .fields = fields,
                                             .before_save = before_save,
                                             .loaded = loaded};
