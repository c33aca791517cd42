/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/backend.h"
#include "net/pcap.h"

#include <errno.h>
#include <stdlib.h>

struct net_backend {
    struct net_user *user;
    struct net_tap *tap;
    struct net_routed *routed;
    struct net_socket *socket;
    struct net_dgram *dgram;
    struct net_pcap *pcap;
    struct net_end *end;
};

static int open_kind(struct net_backend *b, const struct net_config *cfg, struct loop *loop,
                     struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    int rc = 0;

    switch (cfg->kind) {
    case NET_NONE:
        break;
    case NET_USER:
        rc = net_user_new(&b->user, &cfg->user, loop, clk, lock, err);
        b->end = rc ? NULL : net_user_end(b->user);
        break;
    case NET_TAP:
        rc = net_tap_new(&b->tap, &cfg->tap, loop, clk, lock, err);
        b->end = rc ? NULL : net_tap_end(b->tap);
        break;
    case NET_BRIDGE:
        rc = net_bridge_new(&b->tap, &cfg->bridge, loop, clk, lock, err);
        b->end = rc ? NULL : net_tap_end(b->tap);
        break;
    case NET_ROUTED:
        rc = net_routed_new(&b->routed, &cfg->routed, loop, clk, lock, err);
        b->end = rc ? NULL : net_routed_end(b->routed);
        break;
    case NET_SOCKET:
        rc = net_socket_new(&b->socket, &cfg->socket, loop, clk, lock, err);
        b->end = rc ? NULL : net_socket_end(b->socket);
        break;
    case NET_DGRAM:
        rc = net_dgram_new(&b->dgram, &cfg->dgram, loop, clk, lock, err);
        b->end = rc ? NULL : net_dgram_end(b->dgram);
        break;
    case NET_SWITCH:
        rc = net_switch_new(&b->socket, &cfg->sw, loop, clk, lock, err);
        b->end = rc ? NULL : net_socket_end(b->socket);
        break;
    }
    return rc;
}

int net_open(struct net_backend **out, const struct net_config *cfg, struct loop *loop,
             struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_backend *b = calloc(1, sizeof(*b));
    int rc;

    if (!b)
        return err_set(err, ENOMEM, "network: out of memory");
    rc = open_kind(b, cfg, loop, clk, lock, err);
    if (!rc && b->end && *cfg->pcap) {
        rc = net_pcap_new(&b->pcap, cfg->pcap, cfg->snaplen, clk, err);
        if (rc)
            err_prefix(err, "pcap");
    }
    if (rc) {
        net_close(b);
        return rc;
    }
    if (b->pcap) {
        net_plug(net_pcap_far_end(b->pcap), b->end);
        b->end = net_pcap_card_end(b->pcap);
    }
    *out = b;
    return 0;
}

void net_close(struct net_backend *b)
{
    if (!b)
        return;
    net_user_free(b->user);
    net_tap_free(b->tap);
    net_routed_free(b->routed);
    net_socket_free(b->socket);
    net_dgram_free(b->dgram);
    net_pcap_free(b->pcap);
    free(b);
}

struct net_end *net_backend_end(struct net_backend *b)
{
    return b->end;
}

struct net_user *net_backend_user(struct net_backend *b)
{
    return b->user;
}
