/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user network, by libslirp: the guest's packets become this process's own sockets. Only this
 * file knows libslirp. Its timers run on the VM's clock.
 *
 * libslirp tells anew in each round what to poll, closes descriptors inside any of its calls, and
 * may do so on a CPU's thread. So a thread of its own polls for it, on an array that lives for one
 * round, instead of the event loop, where every change would have to be followed. That thread
 * takes the cable's lock around all calls; every call in either direction is under it.
 */
#include "net/user.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DEFAULT_NET   0x0a000200u
#define DEFAULT_MASK  0xffffff00u
#define DEFAULT_HOST  2u
#define DEFAULT_DNS   3u
#define DEFAULT_DHCP  15u
#define DEFAULT_NET6  0xfeu, 0xc0u
#define NS_PER_MS     1000000
#define QUEUE_FRAMES  512u /* kept for a card that cannot take them */
#define POLL_ERROR_MS 10   /* between tries when the host is out of memory */

struct frame {
    struct frame *next;
    size_t len;
    u8 data[];
};

struct ra_timer {
    struct net_user *user;
    struct timer timer;
    SlirpTimerId id;
    void *slirp_opaque;
};

struct net_user {
    struct net_end end;
    struct clock *clk;
    pthread_mutex_t *lock;
    Slirp *slirp;
    struct net_user_config cfg; /* with defaults filled in */
    const char *search[NET_USER_SEARCH + 1];
    struct frame *head, **tail; /* lock */
    unsigned queued;            /* lock */
    pthread_t thread;
    bool has_thread;
    bool stop;          /* lock */
    bool woken;         /* wake_fd has been written to since the last round; lock */
    int wake_fd;        /* eventfd */
    struct pollfd *fds; /* the thread's; [0] is wake_fd */
    size_t nfds, cap;
};

static void wake(struct net_user *u)
{
    u64 one = 1;

    if (u->woken)
        return;
    u->woken = true;
    if (write(u->wake_fd, &one, sizeof(one)) < 0)
        return; /* it is full, and so wakes */
}

static void flush(struct net_user *u)
{
    struct frame *f;

    while ((f = u->head) && net_send(&u->end, f->data, f->len)) {
        u->head = f->next;
        if (!u->head)
            u->tail = &u->head;
        u->queued--;
        free(f);
    }
}

/* A full queue drops: TCP takes that as the signal to slow down. */
static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
    struct net_user *u = opaque;
    struct frame *f;

    if (!u->head && net_send(&u->end, buf, len))
        return (ssize_t)len;
    if (u->queued >= QUEUE_FRAMES || len > NET_FRAME_MAX)
        return (ssize_t)len;
    f = malloc(sizeof(*f) + len);
    if (!f)
        return (ssize_t)len;
    f->next = NULL;
    f->len = len;
    memcpy(f->data, buf, len);
    *u->tail = f;
    u->tail = &f->next;
    u->queued++;
    return (ssize_t)len;
}

static bool user_receive(void *opaque, const u8 *frame, size_t len)
{
    struct net_user *u = opaque;

    slirp_input(u->slirp, frame, (int)len);
    wake(u); /* there may be a socket to wait for */
    return true;
}

/* libslirp takes packets of any length, and looks at their checksums. */
static bool user_receive_offload(void *opaque, const struct net_offload *o, const u8 *frame,
                                 size_t len)
{
    return user_receive(opaque, frame, len);
}

static void user_ready(void *opaque)
{
    flush(opaque);
}

static const struct net_ops user_ops = {
    .receive = user_receive, .receive_offload = user_receive_offload, .ready = user_ready};

static void guest_error(const char *msg, void *opaque)
{
    (void)msg; /* a guest must not be able to fill the log */
}

static int64_t clock_get_ns(void *opaque)
{
    struct net_user *u = opaque;

    return (int64_t)clock_now(u->clk);
}

static void ra_fired(void *opaque)
{
    struct ra_timer *t = opaque;

    pthread_mutex_lock(t->user->lock); /* the machine's is held; it may be another */
    slirp_handle_timer(t->user->slirp, t->id, t->slirp_opaque);
    pthread_mutex_unlock(t->user->lock);
}

static void *timer_new_opaque(SlirpTimerId id, void *slirp_opaque, void *opaque)
{
    struct ra_timer *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    *t = (struct ra_timer){.user = opaque, .id = id, .slirp_opaque = slirp_opaque};
    timer_init(&t->timer, ra_fired, t);
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    struct net_user *u = opaque;
    struct ra_timer *t = timer;

    if (!t)
        return;
    timer_cancel(u->clk, &t->timer);
    free(t);
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct net_user *u = opaque;
    struct ra_timer *t = timer;

    if (t)
        timer_set(u->clk, &t->timer, expire_ms > 0 ? (u64)expire_ms * NS_PER_MS : 0);
}

static void ignore_poll_fd(int fd, void *opaque)
{
    /* The array is built anew in each round. */
}

static void notify(void *opaque)
{
    wake(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new_opaque = timer_new_opaque,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = ignore_poll_fd,
    .unregister_poll_fd = ignore_poll_fd,
    .notify = notify,
};

static const struct {
    int slirp;
    short poll;
} event_map[] = {
    {SLIRP_POLL_IN, POLLIN},   {SLIRP_POLL_OUT, POLLOUT}, {SLIRP_POLL_PRI, POLLPRI},
    {SLIRP_POLL_ERR, POLLERR}, {SLIRP_POLL_HUP, POLLHUP},
};

static int add_poll(int fd, int events, void *opaque)
{
    struct net_user *u = opaque;
    short wanted = 0;

    if (u->nfds == u->cap) {
        size_t cap = u->cap * 2;
        struct pollfd *fds = realloc(u->fds, cap * sizeof(*fds));
        if (!fds)
            return -1;
        u->fds = fds;
        u->cap = cap;
    }
    for (size_t i = 0; i < ARRAY_SIZE(event_map); i++)
        if (events & event_map[i].slirp)
            wanted |= event_map[i].poll;
    u->fds[u->nfds] = (struct pollfd){.fd = fd, .events = wanted};
    return (int)u->nfds++;
}

static int get_revents(int idx, void *opaque)
{
    struct net_user *u = opaque;
    int events = 0;

    if (idx < 0 || (size_t)idx >= u->nfds)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(event_map); i++)
        if (u->fds[idx].revents & event_map[i].poll)
            events |= event_map[i].slirp;
    return events;
}

/* The lock is held at both ends. */
static void poll_round(struct net_user *u)
{
    u32 timeout = UINT32_MAX;
    int r;

    u->fds[0] = (struct pollfd){.fd = u->wake_fd, .events = POLLIN};
    u->nfds = 1;
    slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
    pthread_mutex_unlock(u->lock);
    r = poll(u->fds, u->nfds, timeout > INT32_MAX ? -1 : (int)timeout);
    if (r < 0)
        poll(NULL, 0, POLL_ERROR_MS);
    pthread_mutex_lock(u->lock);
    if (u->woken) {
        u64 count;
        u->woken = false;
        if (read(u->wake_fd, &count, sizeof(count)) < 0)
            return;
    }
    slirp_pollfds_poll(u->slirp, r < 0, get_revents, u);
}

static void *poll_thread(void *opaque)
{
    struct net_user *u = opaque;

    pthread_mutex_lock(u->lock);
    while (!u->stop)
        poll_round(u);
    pthread_mutex_unlock(u->lock);
    return NULL;
}

static int start_thread(struct net_user *u, struct err *err)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&u->thread, NULL, poll_thread, u);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return err_set(err, rc, "user network: cannot start a thread: %s", strerror(rc));
    u->has_thread = true;
    return 0;
}

static bool in_net(const struct net_user_config *c, u32 addr)
{
    return (addr & c->mask) == c->net && (addr & ~c->mask) && (addr | c->mask) != ~0u;
}

static int fill_defaults(struct net_user_config *c, struct err *err)
{
    static const struct in6_addr none, net6 = {.s6_addr = {DEFAULT_NET6}};

    if (!c->net) {
        c->net = DEFAULT_NET;
        c->mask = DEFAULT_MASK;
    }
    c->net &= c->mask;
    c->host = c->host ? c->host : c->net + DEFAULT_HOST;
    c->dns = c->dns ? c->dns : c->net + DEFAULT_DNS;
    c->dhcp_start =
        c->dhcp_start ? c->dhcp_start : c->net + (u32)min_u64(DEFAULT_DHCP, ~c->mask / 2);
    c->prefix6 = c->prefix6 ? c->prefix6 : 64;
    if (!memcmp(&c->net6, &none, sizeof(none)))
        c->net6 = net6;
    if (!memcmp(&c->host6, &none, sizeof(none))) {
        c->host6 = c->net6;
        c->host6.s6_addr[15] |= DEFAULT_HOST;
    }
    if (!memcmp(&c->dns6, &none, sizeof(none))) {
        c->dns6 = c->net6;
        c->dns6.s6_addr[15] |= DEFAULT_DNS;
    }
    if (c->prefix6 > 126)
        return err_set(err, EINVAL, "user network: ipv6-net: the prefix is longer than 126");
    if (~c->mask & (~c->mask + 1) || ~c->mask < 7)
        return err_set(err, EINVAL, "user network: net= needs a prefix of at most 29 bits");
    if (!in_net(c, c->host))
        return err_set(err, EINVAL, "user network: host= is no address within net=");
    if (!in_net(c, c->dns) || c->dns == c->host)
        return err_set(err, EINVAL, "user network: dns= is no free address within net=");
    if (!in_net(c, c->dhcp_start) || c->dhcp_start == c->host || c->dhcp_start == c->dns)
        return err_set(err, EINVAL, "user network: dhcpstart= is no free address within net=");
    return 0;
}

static const char *or_null(const char *s)
{
    return *s ? s : NULL;
}

static struct in_addr to_in_addr(u32 addr)
{
    return (struct in_addr){.s_addr = htonl(addr)};
}

static Slirp *make_slirp(struct net_user *u)
{
    const struct net_user_config *c = &u->cfg;
    SlirpConfig sc = {
        .version = 4,
        .restricted = c->restricted,
        .in_enabled = !c->no_ipv4,
        .vnetwork = to_in_addr(c->net),
        .vnetmask = to_in_addr(c->mask),
        .vhost = to_in_addr(c->host),
        .in6_enabled = !c->no_ipv6,
        .vprefix_addr6 = c->net6,
        .vprefix_len = c->prefix6,
        .vhost6 = c->host6,
        .vhostname = or_null(c->hostname),
        .tftp_server_name = or_null(c->tftp_server),
        .tftp_path = or_null(c->tftp),
        .bootfile = or_null(c->bootfile),
        .vdhcp_start = to_in_addr(c->dhcp_start),
        .vnameserver = to_in_addr(c->dns),
        .vnameserver6 = c->dns6,
        .vdnssearch = c->nsearch ? u->search : NULL,
        .vdomainname = or_null(c->domain),
        .if_mtu = c->mtu,
        .if_mru = c->mtu,
    };

    for (unsigned i = 0; i < c->nsearch; i++)
        u->search[i] = c->search[i];
    return slirp_new(&sc, &callbacks, u);
}

static int set_up(struct net_user *u, struct err *err)
{
    int rc = 0;

    u->cap = 16;
    u->fds = calloc(u->cap, sizeof(*u->fds));
    u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!u->fds || u->wake_fd < 0)
        return err_set(err, u->fds ? errno : ENOMEM, "user network: %s",
                       strerror(u->fds ? errno : ENOMEM));
    u->slirp = make_slirp(u);
    if (!u->slirp)
        return err_set(err, EINVAL, "user network: libslirp refuses the configuration");
    for (unsigned i = 0; i < u->cfg.nforwards && !rc; i++)
        rc = net_user_forward(u, &u->cfg.forward[i], err);
    return rc ? rc : start_thread(u, err);
}

int net_user_new(struct net_user **out, const struct net_user_config *cfg, struct loop *loop,
                 struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_user *u = calloc(1, sizeof(*u));
    int rc;

    (void)loop;
    if (!u)
        return err_set(err, ENOMEM, "user network: out of memory");
    net_end_init(&u->end, &user_ops, u);
    net_set_takes(&u->end, NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN);
    u->clk = clk;
    u->lock = lock;
    u->cfg = *cfg;
    u->tail = &u->head;
    u->wake_fd = -1;
    rc = fill_defaults(&u->cfg, err);
    if (!rc)
        rc = set_up(u, err);
    if (rc) {
        net_user_free(u);
        return rc;
    }
    *out = u;
    return 0;
}

void net_user_free(struct net_user *u)
{
    if (!u)
        return;
    pthread_mutex_lock(u->lock);
    net_unplug(&u->end);
    u->stop = true;
    if (u->has_thread)
        wake(u);
    pthread_mutex_unlock(u->lock);
    if (u->has_thread)
        pthread_join(u->thread, NULL);
    if (u->slirp)
        slirp_cleanup(u->slirp);
    for (struct frame *f = u->head, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    if (u->wake_fd >= 0)
        close(u->wake_fd);
    free(u->fds);
    free(u);
}

struct net_end *net_user_end(struct net_user *u)
{
    return &u->end;
}

int net_user_forward(struct net_user *u, const struct net_forward *f, struct err *err)
{
    u32 guest = f->guest_addr ? f->guest_addr : u->cfg.dhcp_start;
    struct in_addr host = to_in_addr(f->host_addr);
    char text[INET_ADDRSTRLEN] = "";
    int rc = 0;

    if (slirp_add_hostfwd(u->slirp, f->udp, host, f->host_port, to_in_addr(guest), f->guest_port) <
        0)
        rc = errno ? errno : EINVAL;
    if (!rc) {
        wake(u);
        return 0;
    }
    inet_ntop(AF_INET, &host, text, sizeof(text));
    return err_set(err, rc, "user network: hostfwd=%s:%s:%u: %s", f->udp ? "udp" : "tcp", text,
                   f->host_port, strerror(rc));
}

int net_user_unforward(struct net_user *u, const struct net_forward *f)
{
    if (slirp_remove_hostfwd(u->slirp, f->udp, to_in_addr(f->host_addr), f->host_port) < 0)
        return -ENOENT;
    wake(u);
    return 0;
}
