/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges and routes of a host, in a network namespace of the test's own, where it may have one. */
#include "net/hostif.h"
#include "../test.h"
#include "net/bridge.h"
#include "net/frame.h"
#include "net/routed.h"
#include "rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUR_TYPE 0x88b5u

static pthread_mutex_t lock;
static struct clock *clk;
static struct loop *loop;
static struct far card;
static struct err err;

static void open_rig(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    CHECK(!clock_new_manual(&clk));
    CHECK(!loop_new(&loop, &err));
    far_init(&card);
}

static void close_rig(void)
{
    loop_free(loop);
    clock_free(clk);
    pthread_mutex_destroy(&lock);
}

static u64 next_round(void *opaque)
{
    unsigned *left = opaque;

    if (!(*left)--)
        loop_stop(loop);
    return NSEC_PER_SEC / 1000;
}

static void run(void)
{
    unsigned rounds = 50;

    CHECK(!loop_run(loop, next_round, &rounds, &err));
}

/* A frame that the card has, of this type, for this IPv4 address where it is ARP. */
static const u8 *find(unsigned type, u32 arp_of)
{
    for (unsigned i = 0; i < card.n && i < FAR_FRAMES; i++)
        if (be16(card.data[i] + 12) == type &&
            (!arp_of || be32(card.data[i] + FRAME_HEADER + 24) == arp_of ||
             be32(card.data[i] + FRAME_HEADER + 14) == arp_of))
            return card.data[i];
    return NULL;
}

static void make_bridge(const char *name)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(!ioctl(fd, SIOCBRADDBR, name));
    close(fd);
    CHECK(!hostif_up(name, &err));
}

static int listen_on(const char *ifname)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(OUR_TYPE)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(OUR_TYPE));

    to.sll_ifindex = (int)if_nametoindex(ifname);
    CHECK(!bind(fd, (struct sockaddr *)&to, sizeof(to)));
    return fd;
}

static void use_bridge(const struct net_bridge_config *cfg)
{
    u8 frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, buf[200];
    char ifname[16];
    struct net_tap *t;
    int fd;

    open_rig();
    if (net_bridge_new(&t, cfg, loop, clk, &lock, &err)) {
        fprintf(stderr, "%s\n", err.text);
        CHECK(false);
        close_rig();
        return;
    }
    snprintf(ifname, sizeof(ifname), "%s", net_tap_ifname(t));
    CHECK(hostif_exists(ifname));
    net_plug(&card.end, net_tap_end(t));
    fd = listen_on(cfg->bridge);
    CHECK(net_send(&card.end, frame, sizeof(frame)));
    run();
    CHECK_EQ(recv(fd, buf, sizeof(buf), 0), sizeof(frame)); /* through the bridge */
    CHECK_EQ(send(fd, frame, sizeof(frame), 0), sizeof(frame));
    run();
    CHECK(find(OUR_TYPE, 0));
    close(fd);
    net_tap_free(t);
    CHECK(!hostif_exists(ifname));
    close_rig();
}

static void bridges(void)
{
    struct net_bridge_config cfg = {.bridge = "br7", .ifname = "t7"};
    struct net_tap *t, *other;

    make_bridge("br7");
    use_bridge(&cfg);
    open_rig();
    snprintf(cfg.bridge, sizeof(cfg.bridge), "br8");
    CHECK(net_bridge_new(&t, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "not on this host"));
    CHECK(!net_tap_new(&other, &(struct net_tap_config){.ifname = "t9"}, loop, clk, &lock, &err));
    snprintf(cfg.bridge, sizeof(cfg.bridge), "t9");
    CHECK(net_bridge_new(&t, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "is no bridge"));
    net_tap_free(other);
    CHECK(!hostif_exists("t7"));
    close_rig();
}

/* This program is the helper: makes the tap and sends it. */
static int be_helper(const char *bridge_arg, const char *fd_arg)
{
    struct net_bridge_config cfg = {.bridge = ""};
    struct net_tap_config tap = {.ifname = "helped"};
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = "";
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    struct ifreq ifr = {.ifr_flags = 0x5002}; /* IFF_TAP | IFF_NO_PI | IFF_VNET_HDR */
    int fd = open("/dev/net/tun", O_RDWR);

    if (!strcmp(bridge_arg, "--br=refused")) {
        fprintf(stderr, "access denied by acl file\nmore\n");
        return 1;
    }
    snprintf(cfg.bridge, sizeof(cfg.bridge), "%s", bridge_arg + strlen("--br="));
    memcpy(ifr.ifr_name, tap.ifname, sizeof(ifr.ifr_name));
    if (ioctl(fd, _IOW('T', 202, int), &ifr) < 0 ||
        hostif_join_bridge(tap.ifname, cfg.bridge, &err))
        return 1;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(atoi(fd_arg + strlen("--fd=")), &msg, 0) == 1 ? 0 : 1;
}

static void helpers(void)
{
    struct net_bridge_config cfg = {.bridge = "br7"};
    struct net_tap *t;

    CHECK(readlink("/proc/self/exe", cfg.helper, sizeof(cfg.helper) - 1) > 0);
    use_bridge(&cfg);
    make_bridge("refused");
    open_rig();
    snprintf(cfg.bridge, sizeof(cfg.bridge), "refused");
    CHECK(net_bridge_new(&t, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "says: access denied by acl file"));
    snprintf(cfg.helper, sizeof(cfg.helper), "/nowhere/helper");
    CHECK(net_bridge_new(&t, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "/nowhere/helper") && strstr(err.text, "No such file"));
    close_rig();
}

static void ask_for(struct net_end *from, u32 sender, u32 target)
{
    u8 frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
                    0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0, 0, 0, 1};

    put_be32(frame + FRAME_HEADER + 14, sender);
    put_be32(frame + FRAME_HEADER + 24, target);
    card.n = 0;
    CHECK(net_send(from, frame, sizeof(frame)));
    run();
}

/* The guest has an address of the host's network, which another tap stands for. */
static void routes(void)
{
    struct net_routed_config cfg = {.guest = 0xc0a80932, .via = "lan", .ifname = "r7"};
    struct net_tap_config lan_cfg = {.ifname = "lan"};
    struct net_routed *r;
    struct net_tap *lan;

    open_rig();
    CHECK(!net_tap_new(&lan, &lan_cfg, loop, clk, &lock, &err));
    CHECK(!hostif_add_address("lan", 0xc0a80901, 24, &err) && !hostif_up("lan", &err));
    CHECK(!hostif_set("lan", "ipv4/conf", "forwarding", 0, &err));
    CHECK(net_routed_new(&r, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "does not forward"));
    CHECK(!hostif_set("lan", "ipv4/conf", "forwarding", 1, &err));
    CHECK(!hostif_set("lan", "ipv4/neigh", "proxy_delay", 0, &err));
    if (net_routed_new(&r, &cfg, loop, clk, &lock, &err)) {
        fprintf(stderr, "%s\n", err.text);
        CHECK(false);
        return;
    }
    net_plug(&card.end, net_routed_end(r));
    ask_for(&card.end, 0xc0a80932, 0xc0a80977); /* the guest asks for a neighbour of the host's */
    CHECK(find(0x0806, 0xc0a80977) && be16(find(0x0806, 0xc0a80977) + 20) == 2);
    ask_for(&card.end, 0xc0a80932, 0xc0a80901); /* and for the host, its gateway */
    CHECK(find(0x0806, 0xc0a80901));
    net_plug(&card.end, net_tap_end(lan));
    ask_for(&card.end, 0xc0a80977, 0xc0a80932); /* a neighbour asks for the guest */
    CHECK(find(0x0806, 0xc0a80932) && be16(find(0x0806, 0xc0a80932) + 20) == 2);
    net_routed_free(r);
    CHECK(!hostif_exists("r7"));
    ask_for(&card.end, 0xc0a80977, 0xc0a80932); /* nobody's now */
    CHECK(!find(0x0806, 0xc0a80932));
    net_tap_free(lan);
    close_rig();
}

static bool routes_wrongly(u32 guest, u32 host, u32 prefix, const char *message)
{
    struct net_routed_config cfg = {.guest = guest, .host = host, .prefix = prefix};
    struct net_routed *r;

    if (!net_routed_new(&r, &cfg, loop, clk, &lock, &err)) {
        net_routed_free(r);
        return false;
    }
    return strstr(err.text, message);
}

static void point_to_point(void)
{
    struct net_routed_config cfg = {.guest = 0x0a090002, .prefix = 30, .ifname = "p7"};
    struct net_routed *r;

    open_rig();
    CHECK(routes_wrongly(0x0a090000, 0, 30, "guest="));
    CHECK(routes_wrongly(0x0a090003, 0, 30, "guest="));
    CHECK(routes_wrongly(0x0a090002, 0x0a090002, 30, "host="));
    CHECK(routes_wrongly(0x0a090002, 0x0a090005, 30, "host="));
    CHECK(!net_routed_new(&r, &cfg, loop, clk, &lock, &err));
    net_plug(&card.end, net_routed_end(r));
    ask_for(&card.end, 0x0a090002, 0x0a090001);
    CHECK(find(0x0806, 0x0a090001) && be16(find(0x0806, 0x0a090001) + 20) == 2);
    net_routed_free(r);
    CHECK(!hostif_exists("p7"));
    close_rig();
}

static void without_rights(void)
{
    open_rig();
    CHECK(routes_wrongly(0x0a090002, 0, 30, "routed"));
    close_rig();
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--use-vnet"))
        return be_helper(argv[2], argv[3]);
    if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
        printf("# no network namespace or tap here\n");
        TEST_RUN(without_rights);
        return test_result();
    }
    TEST_RUN(bridges);
    TEST_RUN(helpers);
    TEST_RUN(routes);
    TEST_RUN(point_to_point);
    return test_result();
}
