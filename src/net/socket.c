/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cable to another VM: frames over a UNIX or TCP stream, each after its length in 4 bytes,
 * big-endian, as QEMU's "-netdev socket" has it. One peer at a time; who listens waits for the next
 * when it goes, who connects tries again. Frames sent without a peer are gone.
 *
 * The peer is hostile: a length beyond NET_FRAME_MAX ends the connection. A frame that the card
 * cannot take stops the reading, one that the socket cannot take stops the card.
 *
 * Under the cable's lock; the loop's callbacks take it. Other threads only shut a broken
 * connection down; the loop's thread then closes it.
 */
#include "net/socket.h"
#include "net/addr.h"
#include "net/frame.h"
#include "os/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADER           4u
#define PACKET_MAX       (HEADER + NET_FRAME_MAX)
#define READS_PER_ROUND  16u
#define FIRST_CONNECT_MS 10000
#define LISTEN_BACKLOG   1

struct net_socket {
    struct net_end end;
    struct loop *loop;
    struct clock *clk;
    pthread_mutex_t *lock;
    struct net_socket_config cfg;
    struct net_addr addr;
    int listener, fd; /* -1: none */
    struct loop_fd *listen_watch, *watch;
    struct timer retry;
    bool connecting; /* the answer to connect is not here yet */
    bool blocked;    /* the first frame of `in` was refused */
    size_t in_len;
    size_t out_at, out_len; /* what the socket has not taken yet */
    u8 in[2 * PACKET_MAX];
    u8 out[PACKET_MAX];
};

static void want(struct net_socket *s)
{
    bool read = !s->connecting && !s->blocked;

    if (s->watch)
        loop_want(s->watch,
                  (read ? LOOP_READ : 0u) | (s->connecting || s->out_len ? LOOP_WRITE : 0u));
}

/* The loop's thread. */
static void disconnect(struct net_socket *s)
{
    loop_remove(s->watch);
    s->watch = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->connecting = s->blocked = false;
    s->in_len = s->out_len = s->out_at = 0;
    if (s->listen_watch)
        loop_want(s->listen_watch, LOOP_READ);
    if (s->cfg.mode == NET_SOCKET_CONNECT && s->cfg.reconnect)
        timer_set(s->clk, &s->retry, clock_now(s->clk) + s->cfg.reconnect * NSEC_PER_SEC);
    net_ready(&s->end); /* what the card keeps for this peer can go */
}

/* Any thread: disconnect follows. */
static void break_off(struct net_socket *s)
{
    s->in_len = s->out_len = s->out_at = 0;
    s->blocked = false;
    shutdown(s->fd, SHUT_RDWR);
    want(s);
}

/* Passes on the whole frames of `in`. False if the peer broke the protocol. */
static bool deliver(struct net_socket *s)
{
    size_t at = 0;

    s->blocked = false;
    while (s->in_len - at >= HEADER) {
        u32 len = be32(s->in + at);
        if (len > NET_FRAME_MAX)
            return false;
        if (s->in_len - at - HEADER < len)
            break;
        if (!net_send(&s->end, s->in + at + HEADER, len)) {
            s->blocked = true;
            break;
        }
        at += HEADER + len;
    }
    memmove(s->in, s->in + at, s->in_len - at);
    s->in_len -= at;
    return true;
}

/* False if the connection is over. */
static bool read_some(struct net_socket *s)
{
    for (unsigned i = 0; i < READS_PER_ROUND && !s->blocked; i++) {
        ssize_t r = recv(s->fd, s->in + s->in_len, sizeof(s->in) - s->in_len, MSG_DONTWAIT);
        if (r < 0)
            return errno == EAGAIN || errno == EINTR;
        s->in_len += (size_t)r;
        if (!r || !deliver(s))
            return false;
    }
    return true;
}

static bool write_rest(struct net_socket *s)
{
    ssize_t r = fd_write_some(s->fd, s->out + s->out_at, s->out_len - s->out_at);

    if (r < 0)
        return false;
    s->out_at += (size_t)r;
    if (s->out_at < s->out_len)
        return true;
    s->out_at = s->out_len = 0;
    net_ready(&s->end);
    return true;
}

static bool finish_connect(struct net_socket *s)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
        return false;
    s->connecting = false;
    return true;
}

static void stream_event(void *opaque, unsigned events)
{
    struct net_socket *s = opaque;
    bool ok = true;

    pthread_mutex_lock(s->lock);
    if (s->connecting)
        ok = finish_connect(s);
    else if (s->blocked && events & LOOP_HUP)
        ok = false; /* what is in flight goes down with the cable */
    if (ok && events & LOOP_WRITE && s->out_len)
        ok = write_rest(s);
    if (ok && events & (LOOP_READ | LOOP_HUP))
        ok = read_some(s);
    if (!ok)
        disconnect(s);
    want(s);
    pthread_mutex_unlock(s->lock);
}

static int use_stream(struct net_socket *s, int fd, bool connecting, struct err *err)
{
    int one = 1, rc;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* harmless on other sockets */
    rc =
        loop_add(s->loop, &s->watch, fd, connecting ? LOOP_WRITE : LOOP_READ, stream_event, s, err);
    if (rc) {
        close(fd);
        return rc;
    }
    s->fd = fd;
    s->connecting = connecting;
    return 0;
}

static void peer_waits(void *opaque, unsigned events)
{
    struct net_socket *s = opaque;
    struct err err;
    int fd;

    pthread_mutex_lock(s->lock);
    fd = s->fd < 0 ? sock_accept(s->listener) : -EAGAIN;
    if (fd >= 0 && use_stream(s, fd, false, &err) == 0)
        loop_want(s->listen_watch, 0);
    pthread_mutex_unlock(s->lock);
}

/* A socket that is connected or being connected; -errno. */
static int start_connect(struct net_socket *s, bool *connecting)
{
    int fd = socket(s->addr.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

    if (fd < 0)
        return -errno;
    *connecting = connect(fd, (struct sockaddr *)&s->addr.sa, s->addr.len) < 0;
    if (!*connecting || errno == EINPROGRESS)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static void retry_connect(void *opaque)
{
    struct net_socket *s = opaque;
    struct err err;
    bool connecting;
    int fd = start_connect(s, &connecting);

    if (fd < 0 || use_stream(s, fd, connecting, &err))
        timer_set(s->clk, &s->retry, clock_now(s->clk) + s->cfg.reconnect * NSEC_PER_SEC);
}

static int first_connect(struct net_socket *s, struct err *err)
{
    struct pollfd pfd = {.events = POLLOUT};
    bool connecting;
    int fd = start_connect(s, &connecting), error = 0;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return err_set(err, -fd, "socket connect=%s: %s", s->cfg.addr, strerror(-fd));
    pfd.fd = fd;
    if (connecting && poll(&pfd, 1, FIRST_CONNECT_MS) <= 0)
        error = ETIMEDOUT;
    else if (connecting && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        close(fd);
        return err_set(err, error, "socket connect=%s: %s", s->cfg.addr, strerror(error));
    }
    return use_stream(s, fd, false, err);
}

static int open_listener(struct net_socket *s, struct err *err)
{
    int one = 1, fd;

    if (s->addr.sa.ss_family == AF_UNIX) {
        s->listener = sock_listen_unix(((struct sockaddr_un *)&s->addr.sa)->sun_path, err);
        return s->listener < 0 ? s->listener : 0;
    }
    fd = s->listener = socket(s->addr.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&s->addr.sa, s->addr.len) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0)
        return err_set(err, errno, "socket listen=%s: %s", s->cfg.addr, strerror(errno));
    return 0;
}

static int start(struct net_socket *s, struct err *err)
{
    int rc;

    if (s->cfg.mode == NET_SOCKET_FD)
        return use_stream(s, s->cfg.fd, false, err);
    rc = net_addr_parse(&s->addr, s->cfg.addr, s->cfg.mode == NET_SOCKET_LISTEN, err);
    if (rc) {
        err_prefix(err, "socket");
        return rc;
    }
    if (s->cfg.mode == NET_SOCKET_LISTEN) {
        rc = open_listener(s, err);
        return rc ? rc
                  : loop_add(s->loop, &s->listen_watch, s->listener, LOOP_READ, peer_waits, s, err);
    }
    if (!s->cfg.reconnect)
        return first_connect(s, err);
    retry_connect(s);
    return 0;
}

static bool socket_receive(void *opaque, const u8 *frame, size_t len)
{
    struct net_socket *s = opaque;
    u8 head[HEADER];
    struct iovec iov[2] = {{head, HEADER}, {(void *)(uintptr_t)frame, len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t r;

    if (s->fd < 0 || s->connecting)
        return true;
    if (s->out_len)
        return false;
    put_be32(head, (u32)len);
    r = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (r < 0 && errno != EAGAIN && errno != EINTR) {
        break_off(s);
        return true;
    }
    if (r == (ssize_t)(HEADER + len))
        return true;
    memcpy(s->out, head, HEADER);
    memcpy(s->out + HEADER, frame, len);
    s->out_at = r > 0 ? (size_t)r : 0;
    s->out_len = HEADER + len;
    want(s);
    return true;
}

static void socket_ready(void *opaque)
{
    struct net_socket *s = opaque;

    if (!s->blocked)
        return;
    if (!deliver(s))
        break_off(s);
    want(s);
}

static const struct net_ops socket_ops = {.receive = socket_receive, .ready = socket_ready};

int net_socket_new(struct net_socket **out, const struct net_socket_config *cfg, struct loop *loop,
                   struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_socket *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ENOMEM, "socket: out of memory");
    net_end_init(&s->end, &socket_ops, s);
    s->loop = loop;
    s->clk = clk;
    s->lock = lock;
    s->cfg = *cfg;
    s->fd = s->listener = -1;
    timer_init(&s->retry, retry_connect, s);
    rc = start(s, err);
    if (rc) {
        net_socket_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void net_socket_free(struct net_socket *s)
{
    if (!s)
        return;
    net_unplug(&s->end);
    timer_cancel(s->clk, &s->retry);
    loop_remove(s->watch);
    loop_remove(s->listen_watch);
    if (s->fd >= 0)
        close(s->fd);
    if (s->listener >= 0)
        close(s->listener);
    if (s->listener >= 0 && s->addr.sa.ss_family == AF_UNIX)
        unlink(((struct sockaddr_un *)&s->addr.sa)->sun_path);
    free(s);
}

struct net_end *net_socket_end(struct net_socket *s)
{
    return &s->end;
}

bool net_socket_connected(const struct net_socket *s)
{
    return s->fd >= 0 && !s->connecting;
}
