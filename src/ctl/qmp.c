/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket: who is connected, bytes in and out. */
#include "ctl/qmp.h"

#include "ctl/qmp_core.h"
#include "ctl/qmp_scan.h"
#include "os/loop.h"
#include "os/sock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 4096

struct qmp {
    struct qmp_core core;
    const char *path;
    int listener, fd; /* -1: none */
    struct loop_fd *listen_watch, *watch;
    struct qmp_scan scan;
    char in[QMP_MESSAGE_MAX]; /* the message so far */
    u8 got[READ_SIZE];        /* read, and not looked at: got_at to got_len */
    size_t got_at, got_len;
    char *out;
    size_t out_len, out_cap;
    bool hung_up; /* to be closed where no command runs */
};

int qmp_check(const char *where, struct err *err)
{
    if (strncmp(where, "unix:", 5) != 0 || !where[5])
        return err_set(err, EINVAL, "'%.60s' is not unix:PATH", where);
    return 0;
}

static void hang_up(struct qmp *q)
{
    loop_remove(q->watch);
    close(q->fd);
    q->watch = NULL;
    q->fd = -1;
    q->hung_up = false;
    q->core.ready = false;
    q->scan = (struct qmp_scan){0};
    q->got_at = q->got_len = q->out_len = 0;
    loop_want(q->listen_watch, LOOP_READ);
}

/* What waits, as far as it goes. */
static void flush(struct qmp *q)
{
    ssize_t r = q->out_len ? fd_write_some(q->fd, q->out, q->out_len) : 0;

    if (r < 0) {
        q->hung_up = true;
        return;
    }
    q->out_len -= (size_t)r;
    memmove(q->out, q->out + r, q->out_len);
}

static bool make_room(struct qmp *q, size_t n)
{
    size_t cap = q->out_cap ? q->out_cap : READ_SIZE;
    char *out;

    if (n > QMP_OUT_MAX - q->out_len)
        return false;
    while (cap < q->out_len + n)
        cap *= 2;
    if (cap == q->out_cap)
        return true;
    out = realloc(q->out, cap);
    if (!out)
        return false;
    q->out = out;
    q->out_cap = cap;
    return true;
}

static void want_what_is_due(struct qmp *q)
{
    if (q->fd >= 0)
        loop_want(q->watch,
                  (q->out_len < QMP_OUT_HIGH ? LOOP_READ : 0u) | (q->out_len ? LOOP_WRITE : 0u));
}

static void send_message(void *opaque, json_t *msg)
{
    struct qmp *q = opaque;
    char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;

    json_decref(msg);
    if (q->fd >= 0 && !q->hung_up) {
        if (!text || !make_room(q, n + 2)) {
            q->hung_up = true; /* half an answer would be worse than none */
        } else {
            memcpy(q->out + q->out_len, text, n);
            memcpy(q->out + q->out_len + n, "\r\n", 2);
            q->out_len += n + 2;
            flush(q);
        }
        want_what_is_due(q);
    }
    free(text);
}

static void take_byte(struct qmp *q, u8 byte)
{
    switch (qmp_scan(&q->scan, byte)) {
    case QMP_MORE:
        q->in[q->scan.len - 1] = (char)byte;
        break;
    case QMP_COMPLETE:
        q->in[q->scan.len - 1] = (char)byte;
        qmp_execute(&q->core, q->in, q->scan.len);
        q->scan = (struct qmp_scan){0};
        break;
    case QMP_NO_JSON:
        qmp_refuse(&q->core, "JSON parse error, expecting value");
        break;
    case QMP_TOO_LONG:
        qmp_refuse(&q->core, "JSON token size limit exceeded");
        break;
    case QMP_TOO_DEEP:
        qmp_refuse(&q->core, "JSON nesting depth limit exceeded");
        break;
    case QMP_NOTHING:
        break;
    }
}

/* Stops where the client does not take its answers. */
static void work(struct qmp *q)
{
    while (!q->hung_up && q->got_at < q->got_len && q->out_len < QMP_OUT_HIGH)
        take_byte(q, q->got[q->got_at++]);
}

static void client_ready(void *opaque, unsigned events)
{
    struct qmp *q = opaque;

    flush(q);
    work(q);
    if (!q->hung_up && q->got_at == q->got_len && events & (LOOP_READ | LOOP_HUP) &&
        q->out_len < QMP_OUT_HIGH) {
        ssize_t r = read(q->fd, q->got, sizeof(q->got));
        q->got_at = 0;
        q->got_len = r > 0 ? (size_t)r : 0;
        q->hung_up = !r || (r < 0 && errno != EAGAIN && errno != EINTR);
        work(q);
    }
    if (q->hung_up || events & LOOP_HUP)
        hang_up(q);
    else
        want_what_is_due(q);
}

/* One at a time: until it has gone, the next one waits to be accepted. */
static void client_arrived(void *opaque, unsigned events)
{
    struct qmp *q = opaque;
    struct err ignored; /* the client sees that it is not wanted */
    int fd = q->fd < 0 ? sock_accept(q->listener) : -EAGAIN;

    if (fd < 0)
        return;
    if (loop_add(q->core.cfg.loop, &q->watch, fd, LOOP_READ, client_ready, q, &ignored)) {
        close(fd);
        return;
    }
    q->fd = fd;
    loop_want(q->listen_watch, 0);
    qmp_greet(&q->core);
}

int qmp_new(struct qmp **out, const struct qmp_config *cfg, struct err *err)
{
    struct qmp *q = calloc(1, sizeof(*q));
    int rc = qmp_check(cfg->where, err);

    if (!q)
        return err_set(err, ENOMEM, "out of memory");
    q->listener = q->fd = q->core.keys.timer = -1;
    q->core.send = send_message;
    q->core.opaque = q;
    if (!rc)
        rc = qmp_core_init(&q->core, cfg, err);
    if (!rc) {
        q->path = cfg->where + 5;
        q->listener = sock_listen_unix(q->path, err);
        rc = q->listener < 0 ? q->listener : 0;
    }
    if (!rc)
        rc = loop_add(cfg->loop, &q->listen_watch, q->listener, LOOP_READ, client_arrived, q, err);
    if (rc) {
        qmp_free(q);
        return rc;
    }
    *out = q;
    return 0;
}

/* The last answers and events. */
static void drain(struct qmp *q)
{
    struct pollfd pfd = {.fd = q->fd, .events = POLLOUT};

    while (q->out_len && !q->hung_up && poll(&pfd, 1, 1000) > 0)
        flush(q);
}

void qmp_free(struct qmp *q)
{
    if (!q)
        return;
    qmp_core_dispose(&q->core);
    if (q->fd >= 0) {
        drain(q);
        loop_remove(q->watch);
        close(q->fd);
    }
    loop_remove(q->listen_watch);
    if (q->listener >= 0) {
        close(q->listener);
        unlink(q->path);
    }
    free(q->out);
    free(q);
}
