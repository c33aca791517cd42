/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/guard.h"

#include <string.h>

#define DHCP_SERVER   67u
#define DHCP_CLIENT   68u
#define DHCPV6_SERVER 547u

#define ICMPV6_ROUTER   134u
#define ICMPV6_REDIRECT 137u

bool guard_has_mac(const struct guard *g, const u8 mac[6])
{
    for (unsigned i = 0; i < g->nmacs; i++)
        if (!memcmp(g->mac[i], mac, 6))
            return true;
    return false;
}

static bool has_ip(const struct guard *g, enum packet_family family, const u8 *addr)
{
    for (unsigned i = 0; i < g->nips; i++)
        if (prefix_has(&g->ip[i], family, addr))
            return true;
    return false;
}

static bool is_none(const u8 *addr, size_t len)
{
    static const u8 none[16];

    return !memcmp(addr, none, len);
}

static bool allows_v4(const struct guard *g, const struct packet *p)
{
    bool udp = p->proto == PROTO_UDP && p->has_ports;

    if (udp && p->sport == DHCP_SERVER)
        return false;
    if (is_none(p->from, 4)) /* who has no address yet asks for one, or whether one is free */
        return p->arp_sender || (udp && p->sport == DHCP_CLIENT && p->dport == DHCP_SERVER);
    return has_ip(g, PACKET_V4, p->from);
}

static bool allows_v6(const struct guard *g, const struct packet *p)
{
    if (p->has_ports && p->proto == PROTO_UDP && p->sport == DHCPV6_SERVER)
        return false;
    if (p->icmp == ICMPV6_ROUTER || p->icmp == ICMPV6_REDIRECT)
        return false;
    if (p->proto == PROTO_ICMPV6 && p->fragment) /* RFC 6980 */
        return false;
    if (p->nd_target && p->icmp == 136 && !has_ip(g, PACKET_V6, p->nd_target))
        return false;
    if (is_none(p->from, 16)) /* duplicate address detection */
        return p->proto == PROTO_ICMPV6;
    return has_ip(g, PACKET_V6, p->from);
}

bool guard_allows(const struct guard *g, const struct packet *p)
{
    if (g->nmacs &&
        (!guard_has_mac(g, p->src) || (p->arp_sender && !guard_has_mac(g, p->arp_sender))))
        return false;
    if (!g->nips)
        return true;
    if (p->malformed || p->family == PACKET_OTHER)
        return false;
    return p->family == PACKET_V4 ? allows_v4(g, p) : allows_v6(g, p);
}
