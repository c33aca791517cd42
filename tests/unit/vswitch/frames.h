/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for tests, without checksums, which switches do not look at. */
#pragma once
#include "net/frame.h"
#include "vswitch/packet.h"

#include <string.h>

struct test_frame {
    u8 data[256];
    size_t len;
};

/* Stations are numbered; ff is broadcast. */
static inline void put_station(u8 *mac, u8 n)
{
    memcpy(mac, (u8[]){0x52, 0x54, 0, 0, 0, n}, 6);
    if (n == 0xff)
        memset(mac, 0xff, 6);
}

static inline struct test_frame make_frame(u8 from, u8 to, u16 type)
{
    struct test_frame f = {.len = FRAME_HEADER};

    put_station(f.data, to);
    put_station(f.data + 6, from);
    put_be16(f.data + 12, type);
    return f;
}

static inline struct test_frame with_tag(const struct test_frame *f, u16 tci)
{
    struct test_frame out = *f;

    put_be16(out.data + 12, FRAME_VLAN_TPI);
    put_be16(out.data + 14, tci);
    memcpy(out.data + 16, f->data + 12, f->len - 12);
    out.len += 4;
    return out;
}

/* From 10.0.0.`from` to 10.0.0.`to`. */
static inline struct test_frame make_arp(u8 from, u8 to)
{
    struct test_frame f = make_frame(from, 0xff, TYPE_ARP);
    u8 *arp = f.data + FRAME_HEADER;

    memcpy(arp, (u8[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
    put_station(arp + 8, from);
    memcpy(arp + 14, (u8[]){10, 0, 0, from}, 4);
    memcpy(arp + 24, (u8[]){10, 0, 0, to}, 4);
    f.len += 28;
    return f;
}

static inline struct test_frame make_ipv4(u8 from, u8 to, u8 proto, size_t body)
{
    struct test_frame f = make_frame(from, to, TYPE_IPV4);
    u8 *ip = f.data + FRAME_HEADER;

    ip[0] = 0x45;
    put_be16(ip + 2, (u16)(20 + body));
    ip[8] = 64;
    ip[9] = proto;
    memcpy(ip + 12, (u8[]){10, 0, 0, from}, 4);
    memcpy(ip + 16, (u8[]){10, 0, 0, to}, 4);
    f.len += 20 + body;
    return f;
}

static inline struct test_frame make_tcp(u8 from, u8 to, u16 sport, u16 dport, u8 flags)
{
    struct test_frame f = make_ipv4(from, to, PROTO_TCP, 20);
    u8 *tcp = f.data + FRAME_HEADER + 20;

    put_be16(tcp, sport);
    put_be16(tcp + 2, dport);
    tcp[12] = 0x50;
    tcp[13] = flags;
    return f;
}

static inline struct test_frame make_udp(u8 from, u8 to, u16 sport, u16 dport)
{
    struct test_frame f = make_ipv4(from, to, PROTO_UDP, 16);
    u8 *udp = f.data + FRAME_HEADER + 20;

    put_be16(udp, sport);
    put_be16(udp + 2, dport);
    put_be16(udp + 4, 16);
    return f;
}

/* From 2001:db8::`from` to 2001:db8::`to`. */
static inline struct test_frame make_ipv6(u8 from, u8 to, u8 next, size_t body)
{
    struct test_frame f = make_frame(from, to, TYPE_IPV6);
    u8 *ip = f.data + FRAME_HEADER;

    ip[0] = 0x60;
    put_be16(ip + 4, (u16)body);
    ip[6] = next;
    memcpy(ip + 8, (u8[16]){0x20, 0x01, 0x0d, 0xb8, [15] = from}, 16);
    memcpy(ip + 24, (u8[16]){0x20, 0x01, 0x0d, 0xb8, [15] = to}, 16);
    f.len += 40 + body;
    return f;
}
