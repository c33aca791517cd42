/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two ends in one process, over a socket pair, a UNIX listener, TCP, and a multicast group. */
#include "net/socket.h"
#include "../test.h"
#include "net/dgram.h"
#include "net/frame.h"
#include "rig.h"

#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock;
static struct clock *clk;
static struct loop *loop;
static struct far a, b;
static struct err err;

static void open_rig(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    CHECK(!clock_new_manual(&clk));
    CHECK(!loop_new(&loop, &err));
    far_init(&a);
    far_init(&b);
}

static void close_rig(void)
{
    CHECK_EQ(clock_run(clk), UINT64_MAX);
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

static void run(unsigned rounds)
{
    CHECK(!loop_run(loop, next_round, &rounds, &err));
}

static struct net_socket *open_socket(enum net_socket_mode mode, const char *addr, int fd)
{
    struct net_socket_config cfg = {.mode = mode, .fd = fd};
    struct net_socket *s = NULL;

    snprintf(cfg.addr, sizeof(cfg.addr), "%s", addr);
    if (net_socket_new(&s, &cfg, loop, clk, &lock, &err))
        fprintf(stderr, "%s\n", err.text);
    return s;
}

static void frames_both_ways(void)
{
    struct net_socket *x, *y;
    static u8 frame[9000];
    int fd[2];

    open_rig();
    memset(frame, 0xa5, sizeof(frame));
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd));
    x = open_socket(NET_SOCKET_FD, "", fd[0]);
    y = open_socket(NET_SOCKET_FD, "", fd[1]);
    net_plug(&a.end, net_socket_end(x));
    net_plug(&b.end, net_socket_end(y));
    CHECK(net_send(&a.end, frame, 60));
    CHECK(net_send(&a.end, frame, sizeof(frame)));
    CHECK(net_send(&b.end, frame, 1514));
    run(5);
    CHECK_EQ(b.n, 2);
    CHECK_EQ(b.len[0], 60);
    CHECK_EQ(b.len[1], sizeof(frame));
    CHECK_EQ(a.n, 1);
    CHECK_EQ(a.len[0], 1514);

    /* Neither side loses a frame when the other does not take any. */
    b.room = 0;
    for (unsigned sent = 0; sent < 1000 && net_send(&a.end, frame, sizeof(frame)); sent++)
        b.ready++;
    CHECK(b.ready > 10 && b.ready < 1000);
    run(5);
    CHECK_EQ(b.n, 2);
    b.room = 2000;
    net_ready(&b.end);
    run(60);
    CHECK_EQ(b.n, 2 + b.ready);
    CHECK(a.ready > 0);
    net_socket_free(x);
    run(3);
    CHECK(!net_socket_connected(y));
    CHECK(net_send(&b.end, frame, 60)); /* to nobody */
    net_socket_free(y);
    close_rig();
}

static void hostile_peer(void)
{
    static const u8 good[] = {0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0, 0, 0, 0, 3, 'x'},
                    bad[] = {'y', 'z', 0, 1, 0, 0};
    struct net_socket *x;
    int fd[2];

    open_rig();
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd));
    x = open_socket(NET_SOCKET_FD, "", fd[0]);
    net_plug(&a.end, net_socket_end(x));
    CHECK_EQ(write(fd[1], good, sizeof(good)), sizeof(good));
    run(3);
    CHECK_EQ(a.n, 1);
    CHECK(net_socket_connected(x));
    CHECK_EQ(write(fd[1], bad, sizeof(bad)), sizeof(bad));
    run(3);
    CHECK_EQ(a.n, 2);
    CHECK(!memcmp(a.data[1], "xyz", 3));
    CHECK(!net_socket_connected(x));
    CHECK_EQ(read(fd[1], (u8[1]){0}, 1), 0);
    close(fd[1]);
    net_socket_free(x);
    close_rig();
}

static void reconnects(const char *listen_addr, const char *connect_addr)
{
    struct net_socket_config cfg = {.mode = NET_SOCKET_CONNECT, .reconnect = 1};
    struct net_socket *x, *y;

    open_rig();
    snprintf(cfg.addr, sizeof(cfg.addr), "%s", connect_addr);
    CHECK(!net_socket_new(&y, &cfg, loop, clk, &lock, &err));
    run(2);
    CHECK(!net_socket_connected(y));
    x = open_socket(NET_SOCKET_LISTEN, listen_addr, -1);
    CHECK(x);
    for (unsigned i = 0; i < 2 && x; i++) {
        clock_advance(clk, NSEC_PER_SEC);
        run(5);
        CHECK(net_socket_connected(x));
        CHECK(net_socket_connected(y));
        net_socket_free(x);
        x = NULL;
        run(5);
        CHECK(!net_socket_connected(y));
        if (i == 0)
            x = open_socket(NET_SOCKET_LISTEN, listen_addr, -1);
    }
    net_socket_free(y);
    close_rig();
}

static void reconnects_unix(void)
{
    char addr[64];

    snprintf(addr, sizeof(addr), "unix:/tmp/unit-net-socket-%d", (int)getpid());
    reconnects(addr, addr);
    open_rig();
    CHECK(!open_socket(NET_SOCKET_CONNECT, addr, -1));
    CHECK(strstr(err.text, addr));
    CHECK(!open_socket(NET_SOCKET_CONNECT, "nonsense", -1));
    CHECK(strstr(err.text, "nonsense"));
    close_rig();
}

static void reconnects_tcp(void)
{
    char addr[64];

    snprintf(addr, sizeof(addr), "127.0.0.1:%d", 20000 + (int)getpid() % 20000);
    reconnects(addr, addr);
}

static void multicast(void)
{
    struct net_dgram_config cfg = {.local = "127.0.0.1"};
    struct net_dgram *x, *y;
    u8 frame[60] = {1, 2, 3};

    open_rig();
    snprintf(cfg.mcast, sizeof(cfg.mcast), "230.0.0.1:%d", 20000 + (int)getpid() % 20000);
    if (net_dgram_new(&x, &cfg, loop, clk, &lock, &err)) {
        printf("# no multicast here: %s\n", err.text);
        close_rig();
        return;
    }
    CHECK(!net_dgram_new(&y, &cfg, loop, clk, &lock, &err));
    net_plug(&a.end, net_dgram_end(x));
    net_plug(&b.end, net_dgram_end(y));
    CHECK(net_send(&a.end, frame, sizeof(frame)));
    run(5);
    CHECK_EQ(b.n, 1);
    CHECK_EQ(a.n, 0); /* one's own does not come back */
    net_dgram_free(x);
    net_dgram_free(y);
    cfg = (struct net_dgram_config){.mcast = "10.0.0.1:1"};
    CHECK(net_dgram_new(&x, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "10.0.0.1:1"));
    close_rig();
}

int main(void)
{
    TEST_RUN(frames_both_ways);
    TEST_RUN(hostile_peer);
    TEST_RUN(reconnects_unix);
    TEST_RUN(reconnects_tcp);
    TEST_RUN(multicast);
    return test_result();
}
