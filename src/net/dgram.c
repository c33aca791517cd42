/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One frame, one datagram, as QEMU's "-netdev socket,mcast=" and ",udp=" have it. All VMs of a
 * multicast group share a wire; what comes back of one's own is recognized by its source. Such a
 * wire loses frames when somebody is slow, as UDP does.
 *
 * Under the cable's lock; the loop's callback takes it.
 */
#include "net/dgram.h"
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES_PER_ROUND 64u

struct net_dgram {
    struct net_end end;
    pthread_mutex_t *lock;
    struct loop_fd *watch;
    int in, out;             /* the same without multicast; -1: none */
    struct sockaddr_in self; /* of `out`, with multicast */
    bool multicast;
    size_t kept; /* bytes of a frame in buf that the card has refused */
    u8 buf[NET_FRAME_MAX];
};

static bool is_own(const struct net_dgram *d, const struct sockaddr_in *from)
{
    return d->multicast && from->sin_port == d->self.sin_port &&
           from->sin_addr.s_addr == d->self.sin_addr.s_addr;
}

static bool pass_one(struct net_dgram *d)
{
    struct sockaddr_in from = {0};
    socklen_t len = sizeof(from);

    if (!d->kept) {
        ssize_t r =
            recvfrom(d->in, d->buf, sizeof(d->buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
        if (r < 0)
            return errno != EAGAIN; /* an error that ICMP brought is over now */
        if (is_own(d, &from))
            return true;
        d->kept = (size_t)r;
    }
    if (!net_send(&d->end, d->buf, d->kept))
        return false;
    d->kept = 0;
    return true;
}

static void dgram_event(void *opaque, unsigned events)
{
    struct net_dgram *d = opaque;

    pthread_mutex_lock(d->lock);
    for (unsigned i = 0; i < FRAMES_PER_ROUND && pass_one(d);)
        i++;
    loop_want(d->watch, d->kept ? 0 : LOOP_READ);
    pthread_mutex_unlock(d->lock);
}

static bool dgram_receive(void *opaque, const u8 *frame, size_t len)
{
    struct net_dgram *d = opaque;
    ssize_t r = send(d->out, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)r; /* a wire of this kind loses frames */
    return true;
}

static void dgram_ready(void *opaque)
{
    struct net_dgram *d = opaque;

    if (d->kept)
        pass_one(d);
    loop_want(d->watch, d->kept ? 0 : LOOP_READ);
}

static const struct net_ops dgram_ops = {.receive = dgram_receive, .ready = dgram_ready};

static int udp_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int join_group(struct net_dgram *d, const struct net_addr *group, struct in_addr local,
                      struct err *err)
{
    const struct sockaddr_in *sin = (const struct sockaddr_in *)&group->sa;
    struct ip_mreq mreq = {.imr_multiaddr = sin->sin_addr, .imr_interface = local};
    socklen_t len = sizeof(d->self);
    int one = 1;

    d->in = udp_socket();
    d->out = udp_socket();
    if (d->in < 0 || d->out < 0 ||
        setsockopt(d->in, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(d->in, (const struct sockaddr *)sin, sizeof(*sin)) < 0 ||
        setsockopt(d->in, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0 ||
        setsockopt(d->out, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof(one)) < 0 ||
        (local.s_addr &&
         setsockopt(d->out, IPPROTO_IP, IP_MULTICAST_IF, &local, sizeof(local)) < 0) ||
        connect(d->out, (const struct sockaddr *)sin, sizeof(*sin)) < 0 ||
        getsockname(d->out, (struct sockaddr *)&d->self, &len) < 0)
        return err_set(err, errno, "%s", strerror(errno));
    d->multicast = true;
    return 0;
}

static int open_mcast(struct net_dgram *d, const struct net_dgram_config *cfg, struct err *err)
{
    struct net_addr group;
    struct in_addr local = {0};
    int rc = net_addr_parse_ipv4(&group, cfg->mcast, err);

    if (!rc && !IN_MULTICAST(ntohl(((struct sockaddr_in *)&group.sa)->sin_addr.s_addr)))
        rc = err_set(err, EINVAL, "not a multicast group (224.0.0.0 to 239.255.255.255)");
    if (!rc && *cfg->local && inet_pton(AF_INET, cfg->local, &local) != 1)
        rc = err_set(err, EINVAL, "localaddr=%s is not an IPv4 address", cfg->local);
    if (!rc)
        rc = join_group(d, &group, local, err);
    if (rc)
        err_prefix(err, "socket mcast=%s", cfg->mcast);
    return rc;
}

static int open_udp(struct net_dgram *d, const struct net_dgram_config *cfg, struct err *err)
{
    struct net_addr peer, local;
    int rc = net_addr_parse_ipv4(&peer, cfg->udp, err), one = 1;

    if (!rc)
        rc = net_addr_parse_ipv4(&local, cfg->local, err);
    if (!rc) {
        d->in = d->out = udp_socket();
        if (d->in < 0 || setsockopt(d->in, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(d->in, (struct sockaddr *)&local.sa, local.len) < 0 ||
            connect(d->in, (struct sockaddr *)&peer.sa, peer.len) < 0)
            rc = err_set(err, errno, "%s", strerror(errno));
    }
    if (rc)
        err_prefix(err, "socket udp=%s", cfg->udp);
    return rc;
}

int net_dgram_new(struct net_dgram **out, const struct net_dgram_config *cfg, struct loop *loop,
                  struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_dgram *d = calloc(1, sizeof(*d));
    int rc;

    (void)clk;
    if (!d)
        return err_set(err, ENOMEM, "socket: out of memory");
    net_end_init(&d->end, &dgram_ops, d);
    d->lock = lock;
    d->in = d->out = -1;
    rc = *cfg->mcast ? open_mcast(d, cfg, err) : open_udp(d, cfg, err);
    if (!rc)
        rc = loop_add(loop, &d->watch, d->in, LOOP_READ, dgram_event, d, err);
    if (rc) {
        net_dgram_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void net_dgram_free(struct net_dgram *d)
{
    if (!d)
        return;
    net_unplug(&d->end);
    loop_remove(d->watch);
    if (d->in >= 0)
        close(d->in);
    if (d->out >= 0 && d->out != d->in)
        close(d->out);
    free(d);
}

struct net_end *net_dgram_end(struct net_dgram *d)
{
    return &d->end;
}
