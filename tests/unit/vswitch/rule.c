/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames are read, rules match them, guards let them pass; and what is sent to get around that. */
#include "vswitch/rule.h"
#include "../test.h"
#include "frames.h"
#include "vswitch/guard.h"

static struct err err;

static struct packet parse(const struct test_frame *f)
{
    struct packet p;

    packet_parse(&p, f->data, f->len);
    return p;
}

static bool matches(const char *rule, const struct test_frame *f)
{
    struct packet p = parse(f);
    struct rule_way way = {.from = "a.1", .from_group = "a", .to = "b", .vlan = 10, .packet = &p};
    struct rule r;

    if (rule_parse(&r, rule, &err)) {
        fprintf(stderr, "%s: %s\n", rule, err.text);
        CHECK(false);
        return false;
    }
    return rule_matches(&r, &way);
}

static void keys(void)
{
    struct test_frame tcp = make_tcp(1, 2, 1234, 22, 0x02), arp = make_arp(1, 2),
                      six = make_ipv6(1, 2, PROTO_ICMPV6, 8);

    six.data[FRAME_HEADER + 40] = 128;
    CHECK(matches("deny", &tcp));
    CHECK(matches("deny,from=a.1,to=b,vlan=10", &tcp));
    CHECK(matches("deny,from=a", &tcp));
    CHECK(!matches("deny,from=b", &tcp));
    CHECK(!matches("deny,to=a", &tcp));
    CHECK(!matches("deny,vlan=11", &tcp));
    CHECK(matches("deny,type=ipv4", &tcp) && !matches("deny,type=0x86dd", &tcp));
    CHECK(matches("deny,smac=52:54:00:00:00:01,dmac=52:54:00:00:00:02", &tcp));
    CHECK(!matches("deny,smac=52:54:00:00:00:02", &tcp));
    CHECK(matches("deny,dmac=ff:ff:ff:ff:ff:ff", &arp));
    CHECK(matches("deny,src=10.0.0.0/31,dst=10.0.0.2", &tcp));
    CHECK(!matches("deny,src=10.0.0.2/31", &tcp) && !matches("deny,src=2001:db8::/32", &tcp));
    CHECK(matches("deny,src=10.0.0.1", &arp));
    CHECK(!matches("deny,src=10.0.0.1,proto=tcp", &arp));
    CHECK(matches("deny,proto=tcp,sport=1000-2000,dport=22,tcp=new", &tcp));
    CHECK(!matches("deny,proto=tcp,dport=23-65535", &tcp));
    CHECK(!matches("deny,proto=udp,dport=22", &tcp));
    CHECK(!matches("deny,proto=tcp,tcp=established", &tcp));
    tcp = make_tcp(1, 2, 1234, 22, 0x10);
    CHECK(matches("deny,proto=6,tcp=established", &tcp));
    CHECK(matches("allow,src=2001:db8::/64,proto=icmpv6,icmp=128", &six));
    CHECK(!matches("allow,proto=icmpv6,icmp=129", &six));
    CHECK(!matches("allow,src=0.0.0.0/0", &six) && matches("allow,src=::/0", &six));
}

static void messages(void)
{
    static const struct {
        const char *rule, *message;
    } wrong[] = {
        {"", "begins with"},
        {"drop", "begins with"},
        {"deny,", "needs a value"},
        {"deny,dport", "needs a value"},
        {"deny,foo=1", "foo"},
        {"deny,dport=1", "proto=tcp"},
        {"deny,proto=x", "proto"},
        {"deny,proto=256", "proto"},
        {"deny,src=10.0.0.0/33", "src"},
        {"deny,src=10.0.0", "src"},
        {"deny,src=10.0.0.1,dst=::1", "IPv6"},
        {"deny,vlan=0", "vlan"},
        {"deny,type=0x10000", "type"},
        {"deny,proto=tcp,dport=9-8", "dport"},
        {"deny,proto=tcp,dport=123456789", "dport"},
        {"deny,proto=udp,tcp=new", "proto=tcp"},
        {"deny,proto=tcp,tcp=syn", "established"},
        {"deny,icmp=1", "proto=icmp"},
        {"deny,from=", "from"},
        {"deny,fragment=2", "fragment"},
    };
    struct rule r;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        CHECK(rule_parse(&r, wrong[i].rule, &err));
        if (!strstr(err.text, wrong[i].message))
            fprintf(stderr, "'%s': %s\n", wrong[i].rule, err.text);
        CHECK(strstr(err.text, wrong[i].message));
    }
}

static void tables(void)
{
    struct test_frame tcp = make_tcp(1, 2, 1234, 22, 0x02), arp = make_arp(1, 2);
    struct packet t = parse(&tcp), a = parse(&arp);
    struct rule_way of_tcp = {.from = "a", .to = "b", .packet = &t}, of_arp = of_tcp;
    struct rule_table table = {0};
    struct rule r;

    of_arp.packet = &a;
    CHECK(rules_allow(&table, &of_tcp, 60));
    CHECK(!rule_parse(&r, "deny,proto=tcp", &err) && !rules_add(&table, 99, &r, &err));
    CHECK(!rules_allow(&table, &of_tcp, 60));
    CHECK(rules_allow(&table, &of_arp, 60));
    CHECK(!rule_parse(&r, "allow,proto=tcp,dport=22", &err) && !rules_add(&table, 0, &r, &err));
    CHECK(rules_allow(&table, &of_tcp, 60));
    CHECK_EQ(table.rule[0].frames, 1);
    CHECK_EQ(table.rule[0].bytes, 60);
    CHECK_EQ(table.rule[1].frames, 1);
    table.deny = true;
    CHECK(!rules_allow(&table, &of_arp, 60));
    rules_remove(&table, 0);
    CHECK_EQ(table.n, 1);
    CHECK(!table.rule[0].allow);
    while (table.n < RULES_MAX)
        CHECK(!rules_add(&table, 0, &r, &err));
    CHECK(rules_add(&table, 0, &r, &err));
    rules_free(&table);
}

/* What rules on ports must not be got around by. */
static void fragments(void)
{
    struct test_frame f = make_tcp(1, 2, 1234, 22, 0x02), more = f, six;
    u8 *ip = more.data + FRAME_HEADER;
    struct packet p;

    put_be16(ip + 6, 0x2000); /* the first of several */
    CHECK(matches("deny,proto=tcp,dport=22", &more));
    put_be16(ip + 6, 100);
    p = parse(&more);
    CHECK(p.fragment && !p.has_ports && !p.malformed);
    CHECK(matches("allow,fragment=yes", &more) && !matches("allow,fragment=yes", &f));
    CHECK(!matches("deny,proto=tcp,dport=22", &more));
    put_be16(ip + 6, 1); /* would overwrite the flags */
    CHECK(parse(&more).malformed);
    put_be16(ip + 6, 0x2000);
    put_be16(ip + 2, 20 + 8); /* ends before the flags */
    CHECK(parse(&more).malformed);

    six = make_ipv6(1, 2, 0, 8 + 8 + 20); /* hop-by-hop, fragment, TCP */
    six.data[FRAME_HEADER + 40] = 44;
    six.data[FRAME_HEADER + 48] = PROTO_TCP;
    put_be16(six.data + FRAME_HEADER + 58, 22);
    p = parse(&six);
    CHECK(p.tcp && p.dport == 22 && p.tcp_new);
    put_be16(six.data + FRAME_HEADER + 50, 0x100);
    CHECK(parse(&six).fragment);
    put_be16(six.data + FRAME_HEADER + 50, 8);
    CHECK(parse(&six).malformed);
    six.data[FRAME_HEADER + 41] = 200; /* an extension longer than the packet */
    CHECK(parse(&six).malformed);
}

/* Each length of each kind of frame, cut short. */
static void cut_frames(void)
{
    struct test_frame frames[] = {make_arp(1, 2), make_tcp(1, 2, 3, 4, 2), make_udp(1, 2, 3, 4),
                                  make_ipv6(1, 2, PROTO_UDP, 16), make_ipv6(1, 2, 0, 40)};
    struct rule_table table = {.deny = false};

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
        for (size_t len = FRAME_HEADER; len <= frames[i].len; len++) {
            u8 *copy = malloc(len);
            struct packet p;
            struct rule_way way = {.from = "a", .to = "b", .packet = &p};
            memcpy(copy, frames[i].data, len);
            packet_parse(&p, copy, len);
            CHECK_EQ(p.malformed, len < frames[i].len || i == 4);
            CHECK(rules_allow(&table, &way, len));
            table.deny = true;
            CHECK(!rules_allow(&table, &way, len));
            table.deny = false;
            free(copy);
        }
}

static bool guarded(const struct guard *g, const struct test_frame *f)
{
    struct packet p = parse(f);

    return guard_allows(g, &p);
}

static void hardware_addresses(void)
{
    struct guard g = {.nmacs = 1};
    struct test_frame mine = make_arp(1, 2), other = make_arp(3, 2), lie = mine;

    put_station(g.mac[0], 1);
    CHECK(guarded(&g, &mine));
    CHECK(!guarded(&g, &other));
    lie.data[FRAME_HEADER + 13] = 3; /* the sender in ARP is another */
    CHECK(!guarded(&g, &lie));
    CHECK(guarded(&(struct guard){0}, &lie));
}

static void addresses(void)
{
    struct guard g = {.nips = 2};
    struct test_frame arp = make_arp(1, 2), other = make_arp(3, 2), dhcp = make_udp(0, 255, 68, 67),
                      tcp = make_tcp(1, 2, 3, 4, 2), nd = make_ipv6(1, 2, PROTO_ICMPV6, 32),
                      odd = make_frame(1, 2, 0x88b5), none;

    CHECK(!prefix_parse(&g.ip[0], "10.0.0.1", &err));
    CHECK(!prefix_parse(&g.ip[1], "2001:db8::1", &err));
    CHECK(guarded(&g, &arp) && guarded(&g, &tcp));
    CHECK(!guarded(&g, &other));
    none = arp;
    memset(none.data + FRAME_HEADER + 14, 0, 4); /* a probe */
    CHECK(guarded(&g, &none));
    memset(dhcp.data + FRAME_HEADER + 12, 0, 4);
    CHECK(guarded(&g, &dhcp));
    put_be16(dhcp.data + FRAME_HEADER + 20, 67); /* a DHCP server */
    CHECK(!guarded(&g, &dhcp));
    memset(tcp.data + FRAME_HEADER + 12, 0, 4);
    CHECK(!guarded(&g, &tcp));
    CHECK(!guarded(&g, &odd));
    nd.data[FRAME_HEADER + 40] = 136;
    CHECK(!guarded(&g, &nd)); /* advertises :: */
    memcpy(nd.data + FRAME_HEADER + 48, nd.data + FRAME_HEADER + 8, 16);
    CHECK(guarded(&g, &nd));
    nd.data[FRAME_HEADER + 40] = 134; /* a router */
    CHECK(!guarded(&g, &nd));
    nd.data[FRAME_HEADER + 40] = 135;
    nd.data[FRAME_HEADER + 23] = 9; /* from an address that is not the port's */
    CHECK(!guarded(&g, &nd));
}

int main(void)
{
    TEST_RUN(keys);
    TEST_RUN(messages);
    TEST_RUN(tables);
    TEST_RUN(fragments);
    TEST_RUN(cut_frames);
    TEST_RUN(hardware_addresses);
    TEST_RUN(addresses);
    return test_result();
}
