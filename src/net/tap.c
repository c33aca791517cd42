/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap interface (Linux Documentation/networking/tuntap.rst): whole frames, no packet information,
 * a virtio header before each, by which the kernel and a card that can leave checksums and segments
 * to each other. Addresses and bridges are the host administrator's. When the card cannot take a
 * frame, one is kept and the kernel's own queue fills up.
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
#include <sys/uio.h>
#include <unistd.h>

#define TUN_DEVICE       "/dev/net/tun"
#define FRAMES_PER_ROUND 64u
#define HEADER           NET_OFFLOAD_LEN

struct net_tap {
    struct net_end end;
    pthread_mutex_t *lock;
    struct loop_fd *watch;
    int fd;
    char ifname[IFNAMSIZ];
    bool header; /* IFF_VNET_HDR: it was opened by us, or so by others */
    size_t kept; /* bytes in buf, of a frame that the card has refused */
    bool full;   /* the kernel has refused one of the card's */
    bool gone;   /* the interface was deleted */
    u8 buf[HEADER + NET_FRAME_MAX + 1];
};

static bool pass_kept(struct net_tap *t)
{
    struct net_offload o;

    if (!t->header)
        return net_send(&t->end, t->buf, t->kept);
    net_offload_read(&o, t->buf);
    if (!o.gso && !(o.flags & NET_OFFLOAD_SUM))
        return net_send(&t->end, t->buf + HEADER, t->kept - HEADER);
    /* From before the card said that it takes no such frames any more: TCP sends it again. */
    if (!net_may_offload(net_peer_takes(&t->end), &o))
        return true;
    return net_send_offload(&t->end, &o, t->buf + HEADER, t->kept - HEADER);
}

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
        if (t->header && (size_t)r <= HEADER)
            return true;
        t->kept = (size_t)r;
    }
    if (!pass_kept(t))
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

static bool write_frame(struct net_tap *t, const struct net_offload *o, const u8 *frame, size_t len)
{
    u8 header[HEADER];
    struct iovec iov[2] = {{header, sizeof(header)}, {(void *)(uintptr_t)frame, len}};

    if (t->gone)
        return true;
    net_offload_write(o, header);
    if (writev(t->fd, iov + !t->header, 1 + t->header) < 0 &&
        (errno == EAGAIN || errno == ENOBUFS)) {
        t->full = true;
        want(t);
        return false;
    }
    return true; /* an interface that is down, say, drops */
}

static bool tap_receive_offload(void *opaque, const struct net_offload *o, const u8 *frame,
                                size_t len)
{
    return write_frame(opaque, o, frame, len);
}

static bool tap_receive(void *opaque, const u8 *frame, size_t len)
{
    return write_frame(opaque, &(struct net_offload){.flags = 0}, frame, len);
}

/* The kernel hands over such frames as the card takes. */
static void tap_takes_changed(void *opaque, unsigned takes)
{
    struct net_tap *t = opaque;
    unsigned offload = 0;

    if (!t->header)
        return;
    if (takes & NET_TAKES_SUM)
        offload = TUN_F_CSUM | (takes & NET_TAKES_TCP4 ? TUN_F_TSO4 : 0u) |
                  (takes & NET_TAKES_TCP6 ? TUN_F_TSO6 : 0u) |
                  (takes & NET_TAKES_ECN ? TUN_F_TSO_ECN : 0u);
    /* A kernel that cannot goes on with plain frames. */
    if (ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)offload) < 0)
        return;
}

static void tap_ready(void *opaque)
{
    struct net_tap *t = opaque;

    if (t->kept)
        pass_one(t);
    want(t);
}

static const struct net_ops tap_ops = {.receive = tap_receive,
                                       .receive_offload = tap_receive_offload,
                                       .takes_changed = tap_takes_changed,
                                       .ready = tap_ready};

/* One that was made for several queues wants to hear so; one of them is all of it then. */
static int attach(int fd, struct ifreq *ifr)
{
    if (!ioctl(fd, TUNSETIFF, ifr))
        return 0;
    if (errno != EINVAL || !*ifr->ifr_name)
        return -1;
    ifr->ifr_flags |= IFF_MULTI_QUEUE;
    return ioctl(fd, TUNSETIFF, ifr);
}

static int open_tun(struct net_tap *t, const struct net_tap_config *cfg, struct err *err)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    const char *name = *cfg->ifname ? cfg->ifname : "(new)";

    t->fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return err_set(err, errno, "tap %s: " TUN_DEVICE ": %s%s", name, strerror(errno),
                       errno == ENOENT ? "; load the kernel module tun" : "");
    memcpy(ifr.ifr_name, cfg->ifname, sizeof(ifr.ifr_name) - 1);
    if (attach(t->fd, &ifr) < 0) {
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
    t->header = true;
    return 0;
}

static int adopt_fd(struct net_tap *t, int fd, struct err *err)
{
    struct ifreq ifr = {0};
    int flags = fcntl(fd, F_GETFL);

    t->fd = fd;
    if (flags < 0 || ioctl(fd, TUNGETIFF, &ifr) < 0)
        return err_set(err, EINVAL, "tap fd=%d: not an open tap interface", fd);
    if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI))
        return err_set(err, EINVAL, "tap fd=%d: %.15s must be a tap with IFF_NO_PI", fd,
                       ifr.ifr_name);
    t->header = ifr.ifr_flags & IFF_VNET_HDR;
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
    if (t->header) {
        int len = HEADER; /* one that was opened by others may have a longer one */
        if (!rc && ioctl(t->fd, TUNSETVNETHDRSZ, &len) < 0)
            rc = err_set(err, errno, "tap %s: %s", t->ifname, strerror(errno));
        net_set_takes(&t->end, NET_TAKES_SUM | NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN);
    }
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
