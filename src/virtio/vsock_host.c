/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's side of connections: unix sockets, in the way of Firecracker. Nothing is waited for:
   what the host does not take stays in the connection's buffer, and what the guest does not take,
   in the socket. */
#include "os/sock.h"
#include "virtio/vsock_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKETS_PER_TURN 16u

static bool wants_data(const struct vsock_conn *c)
{
    return c->state == VSOCK_OPEN && !c->eof && !(c->guest_shut & VSOCK_NO_RECEIVE);
}

void vsock_host_want(struct vsock_conn *c)
{
    bool in =
        c->state == VSOCK_GREETING || (wants_data(c) && vsock_conn_window(c) && !c->v->rx_full);
    bool out = c->out_len && c->state != VSOCK_DEAD;

    if (c->watch)
        loop_want(c->watch, (in ? LOOP_READ : 0) | (out ? LOOP_WRITE : 0));
}

/* The host takes nothing any more: what was to go there is lost, as with any socket. */
static void stop_writing(struct vsock_conn *c)
{
    c->forwarded += c->out_len;
    c->out_len = 0;
    if (c->state == VSOCK_OPEN)
        vsock_conn_shut(c, VSOCK_NO_RECEIVE);
}

void vsock_host_drain(struct vsock_conn *c)
{
    while (c->out_len) {
        u32 piece = (u32)min_u64(c->out_len, VSOCK_BUF - c->out_head);
        ssize_t r = fd_write_some(c->fd, c->out + c->out_head, piece);

        if (r < 0)
            stop_writing(c);
        if (r <= 0)
            break;
        c->out_head = (c->out_head + (u32)r) % VSOCK_BUF;
        c->out_len -= (u32)r;
        c->forwarded += (u32)r;
    }
    if (c->state == VSOCK_OPEN && c->forwarded - c->told >= VSOCK_BUF / 2)
        c->owed |= BIT(VSOCK_OP_CREDIT_UPDATE);
    if (!c->out_len && c->guest_shut & VSOCK_NO_SEND && !c->write_shut) {
        c->write_shut = true;
        shutdown(c->fd, SHUT_WR);
    }
}

void vsock_host_pump(struct vsock_conn *c)
{
    unsigned n;
    u32 room;

    for (n = 0; n < PACKETS_PER_TURN && wants_data(c) && (room = vsock_data_room(c)); n++) {
        ssize_t r = recv(c->fd, c->v->chunk, room, MSG_DONTWAIT);

        if (r > 0) {
            vsock_data_send(c, c->v->chunk, (u32)r);
            continue;
        }
        vsock_data_none(c);
        if (r < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        c->eof = true;
        vsock_conn_shut(c, VSOCK_NO_SEND);
    }
    if (n == PACKETS_PER_TURN && !c->watch)
        vsock_work_soon(c->v);
    vsock_flush(c->v);
}

void vsock_host_accepted(struct vsock_conn *c)
{
    char line[32];
    int len = snprintf(line, sizeof(line), "OK %u\n", c->host_port);

    /* The first bytes into an empty socket. */
    if (fd_write_some(c->fd, line, (size_t)len) != len)
        vsock_conn_kill(c, true);
}

/* The port of a line "CONNECT PORT", without its end. */
static bool parse_greeting(const char *line, u32 *port)
{
    unsigned long long val;
    char *end;

    if (strncmp(line, "CONNECT ", 8) != 0 || line[8] < '0' || line[8] > '9')
        return false;
    val = strtoull(line + 8, &end, 10);
    if (val > UINT32_MAX || (*end && strcmp(end, "\r") != 0))
        return false;
    *port = (u32)val;
    return true;
}

/* Takes the line and not a byte more: what follows is the guest's. */
static void greet(struct vsock_conn *c)
{
    u32 port;
    ssize_t r;

    while ((r = recv(c->fd, c->line + c->line_len, 1, MSG_DONTWAIT)) == 1) {
        if (c->line[c->line_len] == '\n') {
            c->line[c->line_len] = 0;
            if (parse_greeting(c->line, &port))
                vsock_conn_ask(c, port);
            else
                vsock_conn_kill(c, false);
            return;
        }
        if (++c->line_len == sizeof(c->line))
            break;
    }
    if (r >= 0 || (errno != EAGAIN && errno != EINTR))
        vsock_conn_kill(c, false);
}

/* Both directions are over on the host's side. That goes on being reported, so the socket is not
   watched any more; what it still has is read as the guest takes it. */
static void hang_up(struct vsock_conn *c)
{
    if (c->state != VSOCK_OPEN) {
        vsock_conn_kill(c, c->state == VSOCK_ASKED);
        return;
    }
    loop_remove(c->watch);
    c->watch = NULL;
    stop_writing(c);
    vsock_host_pump(c);
}

static void conn_event(void *opaque, unsigned events)
{
    struct vsock_conn *c = opaque;
    struct virtio_vsock *v = c->v;

    pthread_mutex_lock(v->lock);
    if (events & LOOP_WRITE)
        vsock_host_drain(c);
    if (events & LOOP_READ && c->state == VSOCK_GREETING)
        greet(c);
    else if (events & LOOP_READ)
        vsock_host_pump(c);
    if (events & LOOP_HUP && !(events & LOOP_READ) && c->state != VSOCK_DEAD)
        hang_up(c);
    vsock_conn_settle(c);
    vsock_host_want(c);
    if (c->state == VSOCK_DEAD)
        vsock_host_close(c);
    vsock_flush(v);
    pthread_mutex_unlock(v->lock);
}

static int watch(struct vsock_conn *c)
{
    struct err err;

    return loop_add(c->v->loop, &c->watch, c->fd, 0, conn_event, c, &err);
}

/* Where the host is out of descriptors, clients wait. */
static void client_arrived(void *opaque, unsigned events)
{
    struct virtio_vsock *v = opaque;
    struct vsock_conn *c;
    int fd;

    pthread_mutex_lock(v->lock);
    fd = vsock_conn_room(v) ? sock_accept(v->listener) : -ENOSPC;
    if (fd >= 0) {
        c = vsock_conn_take(v, VSOCK_GREETING);
        c->fd = fd;
        if (watch(c))
            vsock_conn_kill(c, false);
        vsock_host_want(c);
    } else if (fd != -EAGAIN) {
        loop_want(v->listen_watch, 0);
        if (fd != -ENOSPC)
            timer_set(v->clk, &v->work, clock_now(v->clk) + NSEC_PER_SEC / 10);
    }
    pthread_mutex_unlock(v->lock);
}

int vsock_host_listen(struct virtio_vsock *v, struct err *err)
{
    v->listener = sock_listen_unix(v->path, err);
    if (v->listener < 0)
        return v->listener;
    return loop_add(v->loop, &v->listen_watch, v->listener, LOOP_READ, client_arrived, v, err);
}

void vsock_host_call(struct vsock_conn *c)
{
    char path[VIRTIO_VSOCK_PATH_MAX + sizeof("_4294967295")];

    snprintf(path, sizeof(path), "%s_%u", c->v->path, c->host_port);
    c->fd = sock_connect_unix(path);
    if (c->fd < 0 || watch(c)) {
        vsock_conn_kill(c, true);
        return;
    }
    c->state = VSOCK_OPEN;
    c->owed = BIT(VSOCK_OP_RESPONSE);
    vsock_host_want(c);
}

void vsock_host_close(struct vsock_conn *c)
{
    loop_remove(c->watch);
    c->watch = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}
