/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP to the host and back by each network card, one at a time. The cards are told by the last byte
 * of their address. The host answers 'S' and a MiB by a byte, 'R' by a MiB, 'P' by a byte, at port
 * $port.
 */
#define _GNU_SOURCE
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB   (1024 * 1024)
#define BATCH 16 /* round trips in one run */

static int control, peer;
static struct ifreq interface;
static char data[MIB];

static void find(unsigned char card)
{
    for (int n = 1; n < 32; n++) {
        interface.ifr_ifindex = n;
        if (ioctl(control, SIOCGIFNAME, &interface) == 0 &&
            ioctl(control, SIOCGIFHWADDR, &interface) == 0 &&
            interface.ifr_hwaddr.sa_family == ARPHRD_ETHER &&
            (unsigned char)interface.ifr_hwaddr.sa_data[5] == card)
            return;
    }
    errno = ENODEV;
    work_fail("network card");
}

static struct sockaddr_in address(const char *text, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

static void set(unsigned long request, const char *text)
{
    struct sockaddr_in a = address(text, 0);
    memcpy(&interface.ifr_addr, &a, sizeof(a));
    if (ioctl(control, request, &interface) != 0)
        work_fail("set address");
}

static void set_flags(short flags)
{
    interface.ifr_flags = flags;
    if (ioctl(control, SIOCSIFFLAGS, &interface) != 0)
        work_fail("SIOCSIFFLAGS");
}

/* The link may take a moment. */
static void reach(const char *host)
{
    const char *port = getenv("port");
    struct sockaddr_in a = address(host, port ? (unsigned)atoi(port) : 0);
    for (int tries = 0; tries < 100; tries++) {
        peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (peer < 0)
            work_fail("socket");
        if (connect(peer, (struct sockaddr *)&a, sizeof(a)) == 0) {
            int on = 1;
            setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            return;
        }
        close(peer);
        usleep(100000);
    }
    work_fail("connect");
}

static void open_card(unsigned char card, const char *own, const char *host)
{
    find(card);
    set(SIOCSIFADDR, own);
    set(SIOCSIFNETMASK, "255.255.255.0");
    set_flags(IFF_UP | IFF_RUNNING);
    reach(host);
}

static void open_user(unsigned char card)
{
    open_card(card, "10.0.2.15", "10.0.2.2");
}

static void open_e1000(void)
{
    open_user(1);
}
static void open_rtl8139(void)
{
    open_user(2);
}
static void open_ne2000(void)
{
    open_user(3);
}
static void open_pcnet(void)
{
    open_user(4);
}
static void open_virtio(void)
{
    open_user(5);
}
static void open_tap(void)
{
    open_card(6, "10.9.0.2", "10.9.0.1");
}
static void open_virtio_tap(void)
{
    open_card(7, "10.10.0.2", "10.10.0.1");
}

static void close_card(void)
{
    close(peer);
    set_flags(0);
}

static void put(const void *p, size_t length)
{
    if (send(peer, p, length, MSG_NOSIGNAL) != (ssize_t)length)
        work_fail("send");
}

static void get(size_t length)
{
    if (recv(peer, data, length, MSG_WAITALL) != (ssize_t)length)
        work_fail("recv");
}

static void run_send(void)
{
    put("S", 1);
    put(data, MIB);
    get(1);
}

static void run_receive(void)
{
    put("R", 1);
    get(MIB);
}

static void run_ping(void)
{
    for (int i = 0; i < BATCH; i++) {
        put("P", 1);
        get(1);
    }
}

static const struct work works[] = {
    {"e1000-send", run_send, 1, open_e1000, close_card},
    {"e1000-receive", run_receive, 1, open_e1000, close_card},
    {"rtl8139-send", run_send, 1, open_rtl8139, close_card},
    {"rtl8139-receive", run_receive, 1, open_rtl8139, close_card},
    {"ne2000-send", run_send, 1, open_ne2000, close_card},
    {"ne2000-receive", run_receive, 1, open_ne2000, close_card},
    {"pcnet-send", run_send, 1, open_pcnet, close_card},
    {"pcnet-receive", run_receive, 1, open_pcnet, close_card},
    {"virtio-send", run_send, 1, open_virtio, close_card},
    {"virtio-receive", run_receive, 1, open_virtio, close_card},
    {"virtio-ping", run_ping, BATCH, open_virtio, close_card},
};
static const struct work with_tap[] = {
    {"tap-send", run_send, 1, open_tap, close_card},
    {"tap-receive", run_receive, 1, open_tap, close_card},
    {"virtio-tap-send", run_send, 1, open_virtio_tap, close_card},
    {"virtio-tap-receive", run_receive, 1, open_virtio_tap, close_card},
    {"virtio-tap-ping", run_ping, BATCH, open_virtio_tap, close_card},
};

int main(void)
{
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0)
        work_fail("socket");
    work_measure(works, COUNT_OF(works));
    if (getenv("tap"))
        work_measure(with_tap, COUNT_OF(with_tap));
    return 0;
}
