/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rules and guards look at in a frame: addresses, protocol, ports. Frames are hostile: every
 * offset is checked. What could look one way here and another way to who receives it (headers that
 * are cut, fragments that end within them or overwrite them: RFC 1858, RFC 7112) is told apart as
 * malformed. Pure functions.
 */
#pragma once
#include "base/base.h"

#define TYPE_ARP  0x0806u
#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu

#define PROTO_ICMP   1u
#define PROTO_TCP    6u
#define PROTO_UDP    17u
#define PROTO_ICMPV6 58u

enum packet_family { PACKET_OTHER, PACKET_V4, PACKET_V6 };

struct packet {
    const u8 *dst, *src; /* hardware addresses, of the frame */
    u16 type;
    bool malformed;            /* it claims to be ARP or IP; nothing below counts */
    enum packet_family family; /* of the two addresses: also in ARP, sender's and target's */
    u8 from[16], to[16];       /* V4: the first four bytes */
    const u8 *arp_sender;      /* its hardware address; NULL: no ARP */
    u8 proto;
    bool fragment; /* any but the first: no ports */
    bool has_ports;
    u16 sport, dport;
    bool tcp, tcp_new;   /* the latter: it opens a connection */
    int icmp;            /* type of ICMP or ICMPv6, or -1 */
    const u8 *nd_target; /* of a neighbour solicitation or advertisement, or NULL */
};

/* A frame of at least FRAME_HEADER bytes without a tag. `out` points into it. */
void packet_parse(struct packet *out, const u8 *frame, size_t len);
