/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap interface (Linux Documentation/networking/tuntap.rst): whole frames, no packet information,
 * no virtio header. Addresses and bridges are the host administrator's. When the card cannot take
 * a frame, one is kept and the kernel's own queue fills up.
 *
 * Under the cable's lock; the loop's callback takes it.
 */
#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_DEVICE       "/dev/net/tun"
#define FRAMES_PER_ROUND 64u

struct net_tap {
    struct net_end end;
    pthread_mutex_t *lock;
    struct loop_fd *watch;
    int fd;
    char ifname[IFNAMSIZ];
    size_t kept; /* bytes of a frame in buf that the card has refused */
    bool full;   /* the kernel has refused one of the card's */
    bool gone;   /* the interface was deleted */
    u8 buf[NET_FRAME_MAX];
};

static void want(struct net_tap *t)
{
    if (t->watch)
        loop_want(t->watch, (t->kept ? 0u : LOOP_READ) | (t->full ? LOOP_WRITE : 0u));
}

/* True if there may be more. */
static bool pass_one(struct net_tap *t)
{
    if (!t->kept) {
        ssize_t r = read(t->fd, t->buf, sizeof(t->buf));
        if (r <= 0) {
            t->gone = r == 0 || (errno != EAGAIN && errno != EINTR);
            return false;
        }
        t->kept = (size_t)r;
    }
    if (!net_send(&t->end, t->buf, t->kept))
        return false;
    t->kept = 0;
    return true;
}

static void tap_event(void *opaque, unsigned events)
{
    struct net_tap *t = opaque;

    pthread_mutex_lock(t->lock);
    if (events & (LOOP_WRITE | LOOP_HUP) && t->full) {
        t->full = false;
        net_ready(&t->end);
    }
    for (unsigned i = 0; i < FRAMES_PER_ROUND && pass_one(t);)
        i++;
    if (t->gone) { /* it would report errors for ever */
        loop_remove(t->watch);
        t->watch = NULL;
    }
    want(t);
    pthread_mutex_unlock(t->lock);
}

static bool tap_receive(void *opaque, const u8 *frame, size_t len)
{
    struct net_tap *t = opaque;

    if (t->gone)
        return true;
    if (write(t->fd, frame, len) < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
        t->full = true;
        want(t);
        return false;
    }
    return true; /* an interface that is down, say, drops */
}

static void tap_ready(void *opaque)
{
    struct net_tap *t = opaque;

    if (t->kept)
        pass_one(t);
    want(t);
}

static const struct net_ops tap_ops = {.receive = tap_receive, .ready = tap_ready};

static int open_tun(struct net_tap *t, const struct net_tap_config *cfg, struct err *err)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    const char *name = *cfg->ifname ? cfg->ifname : "(new)";

    t->fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return err_set(err, errno, "tap %s: " TUN_DEVICE ": %s%s", name, strerror(errno),
                       errno == ENOENT ? "; load the kernel module tun" : "");
    memcpy(ifr.ifr_name, cfg->ifname, sizeof(ifr.ifr_name) - 1);
    if (ioctl(t->fd, TUNSETIFF, &ifr) < 0) {
        const char *hint = "";
        if (errno == EPERM)
            hint = "; create it first, as root: ip tuntap add NAME mode tap user USER";
        else if (errno == EBUSY)
            hint = "; another process has it open";
        else if (errno == EINVAL)
            hint = "; the name is that of an interface of another kind";
        return err_set(err, errno, "tap %s: %s%s", name, strerror(errno), hint);
    }
    memcpy(t->ifname, ifr.ifr_name, sizeof(t->ifname));
    return 0;
}

static int adopt_fd(struct net_tap *t, int fd, struct err *err)
{
    struct ifreq ifr = {0};
    int flags = fcntl(fd, F_GETFL);

    t->fd = fd;
    if (flags < 0 || ioctl(fd, TUNGETIFF, &ifr) < 0)
        return err_set(err, EINVAL, "tap fd=%d: not an open tap interface", fd);
    if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI) || ifr.ifr_flags & IFF_VNET_HDR)
        return err_set(err, EINVAL,
                       "tap fd=%d: %.15s must be a tap with IFF_NO_PI and without "
                       "IFF_VNET_HDR",
                       fd, ifr.ifr_name);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_set(err, errno, "tap fd=%d: %s", fd, strerror(errno));
    memcpy(t->ifname, ifr.ifr_name, sizeof(t->ifname));
    return 0;
}

int net_tap_new(struct net_tap **out, const struct net_tap_config *cfg, struct loop *loop,
                struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_tap *t = calloc(1, sizeof(*t));
    int rc;

    (void)clk;
    if (!t)
        return err_set(err, ENOMEM, "tap: out of memory");
    net_end_init(&t->end, &tap_ops, t);
    t->lock = lock;
    t->fd = -1;
    rc = cfg->has_fd ? adopt_fd(t, cfg->fd, err) : open_tun(t, cfg, err);
    if (!rc)
        rc = loop_add(loop, &t->watch, t->fd, LOOP_READ, tap_event, t, err);
    if (rc) {
        net_tap_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void net_tap_free(struct net_tap *t)
{
    if (!t)
        return;
    net_unplug(&t->end);
    loop_remove(t->watch);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
}

struct net_end *net_tap_end(struct net_tap *t)
{
    return &t->end;
}

const char *net_tap_ifname(const struct net_tap *t)
{
    return t->ifname;
}
