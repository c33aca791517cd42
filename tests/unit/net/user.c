/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user network answers as a guest's first packets expect, and carries a TCP connection in. */
#include "net/user.h"
#include "../test.h"
#include "net/frame.h"
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock;
static struct clock *clk;
static struct net_user *u;
static struct far card;
static struct err err;

static bool open_user(const struct net_user_config *cfg)
{
    pthread_mutexattr_t attr;
    int rc;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    CHECK(!clock_new_manual(&clk));
    far_init(&card);
    rc = net_user_new(&u, cfg, NULL, clk, &lock, &err);
    if (rc) {
        clock_free(clk);
        pthread_mutex_destroy(&lock);
        return false;
    }
    pthread_mutex_lock(&lock);
    net_plug(&card.end, net_user_end(u));
    pthread_mutex_unlock(&lock);
    return true;
}

static void close_user(void)
{
    net_user_free(u);
    CHECK(!card.end.peer);
    clock_free(clk);
    pthread_mutex_destroy(&lock);
}

static void send_frame(const u8 *frame, size_t len)
{
    pthread_mutex_lock(&lock);
    CHECK(net_send(&card.end, frame, len));
    pthread_mutex_unlock(&lock);
}

/* Waits for a frame for which match is true; copies it. */
static size_t wait_frame(bool (*match)(const u8 *f, size_t len), u8 *out)
{
    size_t len = 0;

    for (unsigned tries = 0; tries < 500 && !len; tries++) {
        pthread_mutex_lock(&lock);
        for (unsigned i = 0; i < card.n && i < FAR_FRAMES && !len; i++)
            if (match(card.data[i], card.len[i])) {
                len = card.len[i];
                memcpy(out, card.data[i], len);
            }
        pthread_mutex_unlock(&lock);
        if (!len)
            usleep(10000);
    }
    return len;
}

static const u8 guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static size_t make_arp(u8 *f, u8 last, u8 op)
{
    static const u8 head[] = {0, 1, 8, 0, 6, 4, 0};

    memset(f, 0, 60);
    memset(f, 0xff, 6);
    memcpy(f + 6, guest_mac, 6);
    put_be16(f + 12, 0x806);
    memcpy(f + 14, head, sizeof(head));
    f[21] = op;
    memcpy(f + 22, guest_mac, 6);
    memcpy(f + 28, "\x0a\0\x02\x0f", 4);
    memcpy(f + 38, "\x0a\0\x02", 3);
    f[41] = last;
    return 60;
}

static bool is_arp_reply(const u8 *f, size_t len)
{
    return len >= 42 && be16(f + 12) == 0x806 && f[21] == 2 && be32(f + 28) == 0x0a000202;
}

static bool is_offer(const u8 *f, size_t len)
{
    return len > 282 && be16(f + 12) == 0x800 && f[23] == 17 && be16(f + 36) == 68 && f[42] == 2;
}

static void answers_arp(void)
{
    struct net_user_config cfg = {0};
    u8 f[2048];

    CHECK(open_user(&cfg));
    send_frame(f, make_arp(f, 2, 1));
    CHECK(wait_frame(is_arp_reply, f) >= 42);
    CHECK(!memcmp(f, guest_mac, 6));
    close_user();
}

static size_t make_discover(u8 *f)
{
    struct frame_layout l;

    memset(f, 0, 342);
    memset(f, 0xff, 6);
    memcpy(f + 6, guest_mac, 6);
    put_be16(f + 12, 0x800);
    f[14] = 0x45;
    put_be16(f + 16, 328);
    f[22] = 64;
    f[23] = 17;
    put_be32(f + 30, 0xffffffff);
    put_be16(f + 34, 68);
    put_be16(f + 36, 67);
    put_be16(f + 38, 308);
    memcpy(f + 42, "\x01\x01\x06\0\xca\xfe\xba\xbe", 8);
    memcpy(f + 70, guest_mac, 6);
    memcpy(f + 278, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
    CHECK(frame_parse(&l, f, 342));
    frame_put_ip_sum(&l, f);
    return 342;
}

static void offers_an_address(void)
{
    struct net_user_config cfg = {.net = 0xc0a80900, .mask = 0xffffff00};
    u8 f[2048];

    CHECK(open_user(&cfg));
    send_frame(f, make_discover(f));
    CHECK(wait_frame(is_offer, f) > 282);
    CHECK_EQ(be32(f + 58), 0xc0a8090f); /* yiaddr */
    CHECK_EQ(be32(f + 26), 0xc0a80902);
    close_user();
}

/* What a card refuses is kept, and comes when it is ready. */
static void keeps_frames(void)
{
    struct net_user_config cfg = {.no_ipv6 = true};
    u8 f[2048];

    CHECK(open_user(&cfg));
    card.room = 0;
    send_frame(f, make_arp(f, 2, 1));
    send_frame(f, make_arp(f, 3, 1));
    CHECK_EQ(card.n, 0);
    pthread_mutex_lock(&lock);
    card.room = 1;
    net_ready(&card.end);
    CHECK_EQ(card.n, 1);
    card.room = 9;
    net_ready(&card.end);
    CHECK_EQ(card.n, 2);
    CHECK_EQ(be32(card.data[0] + 28), 0x0a000202);
    CHECK_EQ(be32(card.data[1] + 28), 0x0a000203);
    card.room = 0;
    for (unsigned i = 0; i < 2000; i++) /* bounded */
        CHECK(net_send(&card.end, f, make_arp(f, 2, 1)));
    card.room = 5000;
    net_ready(&card.end);
    CHECK(card.n < 600);
    pthread_mutex_unlock(&lock);
    close_user();
}

static bool is_syn(const u8 *f, size_t len)
{
    return len >= 54 && be16(f + 12) == 0x800 && f[23] == 6 && be16(f + 36) == 22 && f[47] == 2;
}

static bool is_arp_request(const u8 *f, size_t len)
{
    return len >= 42 && be16(f + 12) == 0x806 && f[21] == 1;
}

static void forwards_connections(void)
{
    struct net_user_config cfg = {
        .no_ipv6 = true, .nforwards = 1, .forward = {{.host_addr = 0x7f000001, .guest_port = 22}}};
    struct sockaddr_in sin = {.sin_family = AF_INET};
    u8 f[2048];
    int fd;

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (u16 port = 40022; port < 40122; port++) { /* some may be in use */
        cfg.forward[0].host_port = port;
        if (open_user(&cfg))
            break;
        CHECK(strstr(err.text, "hostfwd=tcp:127.0.0.1:"));
        u = NULL;
    }
    CHECK(u);
    send_frame(f, make_arp(f, 2, 1));
    sin.sin_port = htons(cfg.forward[0].host_port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 || errno == EINPROGRESS);
    if (!wait_frame(is_syn, f)) { /* it may ask who we are first */
        CHECK(wait_frame(is_arp_request, f));
    } else {
        CHECK_EQ(be32(f + 30), 0x0a00020f);
    }
    close(fd);
    close_user();
}

static void refuses_addresses_that_do_not_fit(void)
{
    struct net_user_config cfg = {.host = 0xc0a80001};

    CHECK(!open_user(&cfg) && strstr(err.text, "host="));
    cfg = (struct net_user_config){.dns = 0x0a000202};
    CHECK(!open_user(&cfg) && strstr(err.text, "dns="));
    cfg = (struct net_user_config){.dhcp_start = 0x0a0002ff};
    CHECK(!open_user(&cfg) && strstr(err.text, "dhcpstart="));
    cfg = (struct net_user_config){.net = 0x0a000000, .mask = 0xff00ff00};
    CHECK(!open_user(&cfg) && strstr(err.text, "net="));
}

int main(void)
{
    TEST_RUN(answers_arp);
    TEST_RUN(offers_an_address);
    TEST_RUN(keeps_frames);
    TEST_RUN(forwards_connections);
    TEST_RUN(refuses_addresses_that_do_not_fit);
    return test_result();
}
