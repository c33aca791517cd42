/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/config.h"
#include "../test.h"
#include "net/value.h"

#include <arpa/inet.h>

static struct net_config cfg;
static struct err err;

static bool parses(const char *text)
{
    int rc = net_parse(&cfg, text, &err);

    if (rc)
        fprintf(stderr, "%s: %s\n", text, err.text);
    return !rc;
}

/* Refused with a message that has `word` in it. */
static bool refuses(const char *text, const char *word)
{
    err.text[0] = 0;
    if (!net_parse(&cfg, text, &err))
        return false;
    if (!strstr(err.text, word))
        fprintf(stderr, "%s: no '%s' in: %s\n", text, word, err.text);
    return strstr(err.text, word);
}

static void kinds(void)
{
    CHECK(parses("none") && cfg.kind == NET_NONE);
    CHECK(parses("user") && cfg.kind == NET_USER);
    CHECK(parses("tap,ifname=tap0,script=no,downscript=no") && cfg.kind == NET_TAP);
    CHECK(!strcmp(cfg.tap.ifname, "tap0"));
    CHECK(parses("tap,fd=7") && cfg.tap.has_fd && cfg.tap.fd == 7);
    CHECK(refuses("", "user, tap, bridge, routed, socket, switch and none"));
    CHECK(refuses("users", "'users'"));
    CHECK(refuses("tap,ifname=abcdefghijklmnop", "ifname"));
    CHECK(refuses("tap,script=/etc/qemu-ifup", "script"));
    CHECK(refuses("tap,ifname=a,fd=3", "ifname"));
    CHECK(refuses("none,hostfwd=tcp::1-:2", "does not go with"));
    CHECK(refuses("user,colour=red", "colour"));
    CHECK(refuses("user,restrict", "restrict=…"));
    CHECK(refuses("user,,", "''"));
}

static void user_keys(void)
{
    CHECK(parses("user,net=192.168.7.0/24,host=192.168.7.1,dns=192.168.7.9,dhcpstart=192.168.7.20,"
                 "hostname=guest,domain=example.org,dnssearch=a,dnssearch=b,tftp=/srv,,tftp,"
                 "bootfile=pxe.0,restrict=on,ipv6=off,mtu=9000,pcap=/tmp/x,snaplen=96"));
    CHECK_EQ(cfg.user.net, 0xc0a80700);
    CHECK_EQ(cfg.user.mask, 0xffffff00);
    CHECK_EQ(cfg.user.host, 0xc0a80701);
    CHECK_EQ(cfg.user.dns, 0xc0a80709);
    CHECK_EQ(cfg.user.dhcp_start, 0xc0a80714);
    CHECK(!strcmp(cfg.user.tftp, "/srv,tftp"));
    CHECK(!strcmp(cfg.user.search[1], "b") && cfg.user.nsearch == 2);
    CHECK(cfg.user.restricted && cfg.user.no_ipv6 && !cfg.user.no_ipv4);
    CHECK_EQ(cfg.user.mtu, 9000);
    CHECK_EQ(cfg.snaplen, 96);
    CHECK(refuses("user,net=10.0.0.0", "net: '10.0.0.0'"));
    CHECK(refuses("user,net=10.0.0.0/30", "net"));
    CHECK(refuses("user,restrict=maybe", "restrict"));
    CHECK(refuses("user,ipv6-net=fec0::", "ipv6-net"));
    CHECK(parses("user,ipv6-net=fd00::/64,ipv6-host=fd00::1,ipv6-dns=fd00::3"));
    CHECK_EQ(cfg.user.prefix6, 64);
}

static void forwards(void)
{
    CHECK(parses("user,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22,hostfwd=udp::53-:5353,hostfwd=::80-:"
                 "8080"));
    CHECK_EQ(cfg.user.nforwards, 3);
    CHECK_EQ(cfg.user.forward[0].host_addr, 0x7f000001);
    CHECK_EQ(cfg.user.forward[0].host_port, 2222);
    CHECK_EQ(cfg.user.forward[0].guest_addr, 0x0a00020f);
    CHECK_EQ(cfg.user.forward[0].guest_port, 22);
    CHECK(cfg.user.forward[1].udp && !cfg.user.forward[1].host_addr);
    CHECK_EQ(cfg.user.forward[1].guest_port, 5353);
    CHECK_EQ(cfg.user.forward[2].host_port, 80);
    CHECK(refuses("user,hostfwd=tcp:127.0.0.1:2222", "hostfwd"));
    CHECK(refuses("user,hostfwd=sctp::1-:2", "hostfwd"));
    CHECK(refuses("user,hostfwd=tcp::0-:2", "hostfwd"));
    CHECK(refuses("user,hostfwd=tcp::1-:65536", "65536"));
    CHECK(refuses("user,hostfwd=tcp:1-2", "hostfwd"));
}

static void sockets(void)
{
    CHECK(parses("socket,listen=:1234") && cfg.kind == NET_SOCKET);
    CHECK_EQ(cfg.socket.mode, NET_SOCKET_LISTEN);
    CHECK(parses("socket,connect=unix:/run/x,reconnect=2") && cfg.socket.reconnect == 2);
    CHECK(parses("socket,mcast=230.0.0.1:1234") && cfg.kind == NET_DGRAM);
    CHECK(parses("socket,udp=10.0.0.1:1,localaddr=:2") && cfg.kind == NET_DGRAM);
    CHECK(parses("socket,fd=0") && cfg.socket.mode == NET_SOCKET_FD);
    CHECK(refuses("socket", "listen="));
    CHECK(refuses("socket,listen=:1,connect=:2", "connect"));
    CHECK(refuses("socket,listen=:1,reconnect=1", "reconnect"));
    CHECK(refuses("socket,udp=1.2.3.4:1", "localaddr"));
    CHECK(refuses("socket,connect=:1,localaddr=1.2.3.4", "localaddr"));
}

static void host_interfaces(void)
{
    CHECK(parses("bridge=br0,ifname=t0") && cfg.kind == NET_BRIDGE);
    CHECK(!strcmp(cfg.bridge.bridge, "br0") && !strcmp(cfg.bridge.ifname, "t0"));
    CHECK(parses("bridge,br=br0,helper=/x") && !strcmp(cfg.bridge.helper, "/x"));
    CHECK(refuses("bridge", "bridge=NAME"));
    CHECK(refuses("bridge=a-name-that-is-too-long", "br: "));
    CHECK(parses("routed,guest=10.0.0.2,prefix=30,via=eth0") && cfg.kind == NET_ROUTED);
    CHECK(cfg.routed.guest == 0x0a000002 && cfg.routed.prefix == 30);
    CHECK(refuses("routed", "guest=ADDRESS"));
    CHECK(refuses("routed,guest=x", "guest: "));
    CHECK(refuses("routed,guest=10.0.0.2,prefix=33", "prefix: "));
}

static void switches(void)
{
    CHECK(parses("switch=lan") && cfg.kind == NET_SWITCH && !strcmp(cfg.sw.name, "lan"));
    CHECK(parses("switch=lan,port=a,model=virtio") && !strcmp(cfg.sw.port, "a"));
    CHECK(parses("switch,name=/run/x") && !strcmp(cfg.sw.name, "/run/x"));
    CHECK(refuses("switch", "switch=NAME"));
    CHECK(refuses("switch=", "name"));
    CHECK(refuses("switch=lan,port=", "port"));
    CHECK(refuses("user=lan", "takes no value"));
    CHECK(refuses("tap,port=a", "does not go with"));
}

static void macs(void)
{
    u8 mac[6];

    CHECK(!value_mac(mac, "52:54:00:Ab:cD:ef", &err));
    CHECK(!memcmp(mac, "\x52\x54\x00\xab\xcd\xef", 6));
    CHECK(!value_mac(mac, "00-11-22-33-44-55", &err));
    CHECK(value_mac(mac, "52:54:00:12:34", &err));
    CHECK(value_mac(mac, "52:54:00:12:34:5", &err));
    CHECK(value_mac(mac, "52:54:00:12:34:56:78", &err));
    CHECK(value_mac(mac, "", &err));
    CHECK(value_mac(mac, "01:00:5e:00:00:01", &err) && strstr(err.text, "multicast"));
    CHECK(parses("user,model=e1000,mac=52:54:00:12:34:56") && cfg.has_mac);
    CHECK(refuses("user,mac=x", "mac: 'x'"));
}

int main(void)
{
    TEST_RUN(kinds);
    TEST_RUN(user_keys);
    TEST_RUN(forwards);
    TEST_RUN(sockets);
    TEST_RUN(host_interfaces);
    TEST_RUN(switches);
    TEST_RUN(macs);
    return test_result();
}
