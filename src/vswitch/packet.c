/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/packet.h"
#include "net/frame.h"

#include <string.h>

#define TYPE_AT 12u

#define ARP_LEN  28u                   /* IPv4 over Ethernet */
#define ARP_FORM 0x0001080006040000ull /* hardware, protocol, lengths; then the operation */

#define IPV4_MIN    20u
#define IPV6_HEADER 40u
#define IPV6_EXTRA  8u /* extension headers that are followed */

#define IPV6_HOP_BY_HOP  0u
#define IPV6_ROUTING     43u
#define IPV6_FRAGMENT    44u
#define IPV6_AUTH        51u
#define IPV6_DESTINATION 60u

#define TCP_MIN 20u
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_ACK 0x10u

#define ICMP_MIN   4u
#define ND_SOLICIT 135u
#define ND_ADVERT  136u
#define ND_MIN     24u

static void parse_arp(struct packet *p, const u8 *arp, size_t len)
{
    u64 form = len >= ARP_LEN ? (u64)be32(arp) << 32 | (u32)be16(arp + 4) << 16 : 0;

    p->malformed = form != ARP_FORM;
    if (p->malformed)
        return;
    p->family = PACKET_V4;
    p->arp_sender = arp + 8;
    memcpy(p->from, arp + 14, 4);
    memcpy(p->to, arp + 24, 4);
}

/* What follows the IP header, whole or its first fragment: not to be cut within what is looked at.
 */
static void parse_l4(struct packet *p, const u8 *l4, size_t len)
{
    switch (p->proto) {
    case PROTO_TCP:
        p->malformed = len < TCP_MIN;
        p->tcp = p->has_ports = !p->malformed;
        p->tcp_new = p->tcp && !(l4[13] & (TCP_ACK | TCP_RST));
        break;
    case PROTO_UDP:
        p->malformed = len < 8;
        p->has_ports = !p->malformed;
        break;
    case PROTO_ICMP:
    case PROTO_ICMPV6:
        p->malformed = len < ICMP_MIN;
        p->icmp = p->malformed ? -1 : l4[0];
        if (p->proto == PROTO_ICMPV6 && (p->icmp == ND_SOLICIT || p->icmp == ND_ADVERT)) {
            p->malformed = len < ND_MIN;
            p->nd_target = p->malformed ? NULL : l4 + 8;
        }
        break;
    }
    if (p->has_ports) {
        p->sport = be16(l4);
        p->dport = be16(l4 + 2);
    }
}

/* `at`: the fragment's place in the packet, in bytes. */
static void parse_fragment(struct packet *p, size_t at, const u8 *l4, size_t len)
{
    p->fragment = at;
    if (!at)
        parse_l4(p, l4, len);
    else if (p->proto == PROTO_TCP && at < TCP_MIN)
        p->malformed = true; /* it would overwrite the header that was looked at */
}

static void parse_ipv4(struct packet *p, const u8 *ip, size_t len)
{
    size_t header, total;

    p->malformed = true;
    if (len < IPV4_MIN || ip[0] >> 4 != 4)
        return;
    header = 4u * (ip[0] & 15);
    total = be16(ip + 2);
    if (header < IPV4_MIN || total < header || total > len)
        return;
    p->malformed = false;
    p->family = PACKET_V4;
    p->proto = ip[9];
    memcpy(p->from, ip + 12, 4);
    memcpy(p->to, ip + 16, 4);
    parse_fragment(p, 8u * (be16(ip + 6) & 0x1fff), ip + header, total - header);
}

static bool is_extension(u8 next)
{
    return next == IPV6_HOP_BY_HOP || next == IPV6_ROUTING || next == IPV6_FRAGMENT ||
           next == IPV6_AUTH || next == IPV6_DESTINATION;
}

/* Follows the extension headers up to the packet's own protocol, or the second part of a fragmented
   packet. */
static void parse_extensions(struct packet *p, const u8 *at, size_t len)
{
    size_t fragment = 0;

    for (unsigned i = 0; is_extension(p->proto) && !fragment; i++) {
        size_t n = 8;
        if (i == IPV6_EXTRA || len < n) {
            p->malformed = true;
            return;
        }
        if (p->proto == IPV6_FRAGMENT)
            fragment = be16(at + 2) & 0xfff8u;
        else if (p->proto == IPV6_AUTH)
            n = 4u * (at[1] + 2u);
        else
            n = 8u * (at[1] + 1u);
        if (n > len || n < 8) {
            p->malformed = true;
            return;
        }
        p->proto = at[0];
        at += n;
        len -= n;
    }
    parse_fragment(p, fragment, at, len);
}

static void parse_ipv6(struct packet *p, const u8 *ip, size_t len)
{
    p->malformed = len < IPV6_HEADER || ip[0] >> 4 != 6 || be16(ip + 4) > len - IPV6_HEADER;
    if (p->malformed)
        return;
    p->family = PACKET_V6;
    p->proto = ip[6];
    memcpy(p->from, ip + 8, 16);
    memcpy(p->to, ip + 24, 16);
    parse_extensions(p, ip + IPV6_HEADER, be16(ip + 4));
}

void packet_parse(struct packet *out, const u8 *frame, size_t len)
{
    const u8 *body = frame + FRAME_HEADER;

    *out =
        (struct packet){.dst = frame, .src = frame + 6, .type = be16(frame + TYPE_AT), .icmp = -1};
    len -= FRAME_HEADER;
    if (out->type == TYPE_ARP)
        parse_arp(out, body, len);
    else if (out->type == TYPE_IPV4)
        parse_ipv4(out, body, len);
    else if (out->type == TYPE_IPV6)
        parse_ipv6(out, body, len);
}
