/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tap interface of this host, where one may be made; messages in any case. */
#include "net/tap.h"
#include "../test.h"
#include "rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void run(unsigned rounds)
{
    CHECK(!loop_run(loop, next_round, &rounds, &err));
}

/* A socket on the interface, which is brought up; -1 if that is not allowed. */
static int open_packet(const char *ifname)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5)};
    struct ifreq ifr = {.ifr_flags = IFF_UP | IFF_NOARP};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x88b5));

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
    to.sll_ifindex = (int)if_nametoindex(ifname);
    if (fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0 &&
        bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Other frames may come from the host at any time: these have a type of their own. */
static unsigned ours(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < card.n && i < FAR_FRAMES; i++)
        n += card.data[i][12] == 0x88 && card.data[i][13] == 0xb5;
    return n;
}

static void both_ways(void)
{
    struct net_tap_config cfg = {.ifname = ""};
    u8 frame[100] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, buf[200];
    struct net_tap *t;
    int fd;

    open_rig();
    if (net_tap_new(&t, &cfg, loop, clk, &lock, &err)) {
        printf("# no tap here: %s\n", err.text);
        CHECK(strstr(err.text, "tap (new)"));
        close_rig();
        return;
    }
    net_plug(&card.end, net_tap_end(t));
    fd = open_packet(net_tap_ifname(t));
    if (fd >= 0) {
        struct net_offload sum = {.flags = NET_OFFLOAD_SUM, .sum_start = 20, .sum_offset = 4};
        CHECK(net_peer_takes(&card.end) & NET_TAKES_SUM);
        net_set_takes(&card.end, NET_TAKES_SUM | NET_TAKES_TCP4);
        CHECK(net_send_offload(&card.end, &sum, frame, sizeof(frame)));
        usleep(10000);
        CHECK_EQ(recv(fd, buf, sizeof(buf), 0), sizeof(frame));
        sum.sum_start = 1000; /* the kernel refuses it; the cable goes on */
        CHECK(net_send_offload(&card.end, &sum, frame, sizeof(frame)));
        CHECK(net_send(&card.end, frame, sizeof(frame)));
        usleep(10000);
        CHECK_EQ(recv(fd, buf, sizeof(buf), 0), sizeof(frame));
        CHECK_EQ(send(fd, frame, sizeof(frame), 0), sizeof(frame));
        run(20);
        CHECK_EQ(ours(), 1);
        card.room = 0;
        CHECK_EQ(send(fd, frame, sizeof(frame), 0), sizeof(frame));
        CHECK_EQ(send(fd, frame, sizeof(frame), 0), sizeof(frame));
        run(20);
        CHECK_EQ(ours(), 1);
        card.room = 1000;
        net_ready(&card.end);
        run(20);
        CHECK_EQ(ours(), 3);
        close(fd);
    }
    net_tap_free(t);
    close_rig();
}

static void messages(void)
{
    struct net_tap_config cfg = {.ifname = "lo"};
    struct net_tap *t;

    open_rig();
    CHECK(net_tap_new(&t, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "tap lo: "));
    cfg = (struct net_tap_config){.has_fd = true, .fd = open("/dev/null", O_RDWR | O_CLOEXEC)};
    CHECK(net_tap_new(&t, &cfg, loop, clk, &lock, &err));
    CHECK(strstr(err.text, "not an open tap interface"));
    close_rig();
}

int main(void)
{
    TEST_RUN(both_ways);
    TEST_RUN(messages);
    return test_result();
}
