/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/qmp_client.h"

#include "ctl/qmp_scan.h"
#include "os/loop.h"
#include "os/sock.h"
#include "os/time.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 4096

struct qmp_client {
    struct qmp_core *core;
    struct qmp_session session;
    int fd;
    struct loop_fd *watch;
    void (*gone)(void *opaque, struct qmp_client *c);
    void *opaque;
    struct qmp_scan scan;
    char in[QMP_MESSAGE_MAX]; /* the message so far */
    u8 got[READ_SIZE];        /* read, and not looked at: got_at to got_len */
    size_t got_at, got_len;
    char *out;
    size_t out_len, out_cap;
    bool hung_up;
};

/* It is gone where the loop tells of it: a command of its own may be running here, or another's
   whose event it does not take. */
static void hang_up(struct qmp_client *c)
{
    c->hung_up = true;
    c->session.ready = false;
    shutdown(c->fd, SHUT_RDWR);
}

/* What waits, as far as it goes. */
static void flush(struct qmp_client *c)
{
    ssize_t r = c->out_len ? fd_write_some(c->fd, c->out, c->out_len) : 0;

    if (r < 0) {
        hang_up(c);
        return;
    }
    c->out_len -= (size_t)r;
    memmove(c->out, c->out + r, c->out_len);
}

static bool make_room(struct qmp_client *c, size_t n)
{
    size_t cap = c->out_cap ? c->out_cap : READ_SIZE;
    char *out;

    if (n > QMP_OUT_MAX - c->out_len)
        return false;
    while (cap < c->out_len + n)
        cap *= 2;
    if (cap == c->out_cap)
        return true;
    out = realloc(c->out, cap);
    if (!out)
        return false;
    c->out = out;
    c->out_cap = cap;
    return true;
}

static void want_what_is_due(struct qmp_client *c)
{
    loop_want(c->watch,
              (c->out_len < QMP_OUT_HIGH ? LOOP_READ : 0u) | (c->out_len ? LOOP_WRITE : 0u));
}

static void send_message(void *opaque, json_t *msg)
{
    struct qmp_client *c = opaque;
    char *text = msg && !c->hung_up ? json_dumps(msg, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;

    json_decref(msg);
    if (c->hung_up)
        return;
    if (!text || !make_room(c, n + 2)) {
        hang_up(c); /* half an answer would be worse than none */
    } else {
        memcpy(c->out + c->out_len, text, n);
        memcpy(c->out + c->out_len + n, "\r\n", 2);
        c->out_len += n + 2;
        flush(c);
    }
    want_what_is_due(c);
    free(text);
}

static void take_byte(struct qmp_client *c, u8 byte)
{
    switch (qmp_scan(&c->scan, byte)) {
    case QMP_MORE:
        c->in[c->scan.len - 1] = (char)byte;
        break;
    case QMP_COMPLETE:
        c->in[c->scan.len - 1] = (char)byte;
        qmp_execute(c->core, &c->session, c->in, c->scan.len);
        c->scan = (struct qmp_scan){0};
        break;
    case QMP_NO_JSON:
        qmp_refuse(&c->session, "JSON parse error, expecting value");
        break;
    case QMP_TOO_LONG:
        qmp_refuse(&c->session, "JSON token size limit exceeded");
        break;
    case QMP_TOO_DEEP:
        qmp_refuse(&c->session, "JSON nesting depth limit exceeded");
        break;
    case QMP_NOTHING:
        break;
    }
}

/* Stops where the client does not take its answers. */
static void work(struct qmp_client *c)
{
    while (!c->hung_up && c->got_at < c->got_len && c->out_len < QMP_OUT_HIGH)
        take_byte(c, c->got[c->got_at++]);
}

static void ready(void *opaque, unsigned events)
{
    struct qmp_client *c = opaque;

    flush(c);
    work(c);
    if (!c->hung_up && c->got_at == c->got_len && events & (LOOP_READ | LOOP_HUP) &&
        c->out_len < QMP_OUT_HIGH) {
        ssize_t r = read(c->fd, c->got, sizeof(c->got));
        c->got_at = 0;
        c->got_len = r > 0 ? (size_t)r : 0;
        c->hung_up |= !r || (r < 0 && errno != EAGAIN && errno != EINTR);
        work(c);
    }
    if (c->hung_up || events & LOOP_HUP)
        c->gone(c->opaque, c);
    else
        want_what_is_due(c);
}

int qmp_client_new(struct qmp_client **out, struct qmp_core *core, int fd,
                   void (*gone)(void *opaque, struct qmp_client *c), void *opaque)
{
    struct qmp_client *c = calloc(1, sizeof(*c));
    struct err ignored;
    int rc = c ? loop_add(core->cfg.loop, &c->watch, fd, LOOP_READ, ready, c, &ignored) : -ENOMEM;

    if (rc) {
        close(fd);
        free(c);
        return rc;
    }
    c->core = core;
    c->fd = fd;
    c->gone = gone;
    c->opaque = opaque;
    c->session.send = send_message;
    c->session.opaque = c;
    qmp_join(core, &c->session);
    *out = c;
    return 0;
}

/* In ms. */
static int left(u64 deadline)
{
    u64 now = host_ns(CLOCK_MONOTONIC);

    return now < deadline ? (int)((deadline - now) / (NSEC_PER_SEC / 1000)) : 0;
}

void qmp_client_drain(struct qmp_client *c, u64 deadline)
{
    while (c && c->out_len && !c->hung_up) {
        struct pollfd pfd = {.fd = c->fd, .events = POLLOUT};
        if (poll(&pfd, 1, left(deadline)) <= 0)
            return;
        flush(c);
    }
}

void qmp_client_free(struct qmp_client *c)
{
    if (!c)
        return;
    qmp_leave(c->core, &c->session);
    loop_remove(c->watch);
    close(c->fd);
    free(c->out);
    free(c);
}
