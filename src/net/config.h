/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user says about a network card's cable, as text and read. Any thread. */
#pragma once
#include "base/err.h"
#include "net/bridge.h"
#include "net/dgram.h"
#include "net/routed.h"
#include "net/socket.h"
#include "net/switch.h"
#include "net/tap.h"
#include "net/user.h"

enum net_kind {
    NET_NONE,
    NET_USER,
    NET_TAP,
    NET_BRIDGE,
    NET_ROUTED,
    NET_SOCKET,
    NET_SWITCH,
    NET_DGRAM
};

/* Holds no pointers: copied and forgotten freely. */
struct net_config {
    enum net_kind kind;
    struct net_user_config user;
    struct net_tap_config tap;
    struct net_bridge_config bridge;
    struct net_routed_config routed;
    struct net_socket_config socket;
    struct net_dgram_config dgram;
    struct net_switch_config sw;
    char pcap[1024]; /* "": no recording */
    u32 snaplen;     /* 0: whole frames */
    char model[32];  /* of the card, "": the machine's choice; not looked at here */
    bool has_mac;
    u8 mac[6];
    bool packed, no_event_idx, no_indirect; /* rings of a virtio card */
    u32 queues;                             /* … pairs of them; 0: not said */
};

/*
 * "user", "tap", "bridge", "routed", "socket", "switch" or "none", then ",KEY=VALUE"s; a comma
 * within a value is written twice. "switch=NAME" and "bridge=NAME" are short for
 * "switch,name=NAME" and "bridge,br=NAME".
 *
 * Any kind: model, mac, pcap, snaplen; of a virtio card packed, event_idx, indirect_desc,
 * queues.
 * user: net, host, dns, dhcpstart, hostname, domain, dnssearch, tftp, tftp-server-name, bootfile,
 *       hostfwd=(tcp|udp):[HOST]:PORT-[GUEST]:PORT, restrict, ipv4, ipv6, ipv6-net, ipv6-host,
 *       ipv6-dns, mtu
 * tap: ifname, fd, script=no, downscript=no
 * bridge: br, ifname, helper
 * routed: guest, host, prefix, via, ifname
 * socket: one of listen, connect, mcast, udp, fd; localaddr, reconnect
 * switch: name, port
 *
 * -EINVAL with a message that names the key.
 */
must_check int net_parse(struct net_config *out, const char *text, struct err *err);
