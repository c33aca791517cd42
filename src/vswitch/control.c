/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/control.h"
#include "net/switchdir.h"
#include "os/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    struct control *control;
    int fd; /* -1: none */
    struct loop_fd *watch;
    char *in; /* CONTROL_REQUEST */
    size_t in_len;
    char *out; /* the rest of an answer, or NULL; no request is read until it has gone */
    size_t out_at, out_len;
};

struct control {
    struct vswitch *sw;
    struct loop *loop;
    int listener;
    struct loop_fd *watch;
    char path[SWITCH_PATH_MAX];
    struct client client[CONTROL_CLIENTS];
};

static json_t *refuse(const char *why)
{
    return json_pack("{s{ss%}}", "error", "desc", why, (size_t)strlen(why));
}

json_t *control_answer(struct vswitch *sw, const char *request, size_t len)
{
    const char *words[CONTROL_WORDS];
    struct err err = {.text = ""};
    json_error_t why;
    json_t *req = json_loadb(request, len, 0, &why), *val, *answer;
    size_t n = json_array_size(req), i;

    for (i = 0; i < n && i < CONTROL_WORDS; i++)
        if (!(words[i] = json_string_value(json_array_get(req, i))))
            break;
    if (!n || i < n) {
        json_decref(req);
        return refuse("a request is a JSON array of 1 to 64 strings");
    }
    val = vswitch_execute(sw, words, n, &err);
    answer = val ? json_pack("{so}", "return", val) : refuse(err.text);
    json_decref(req);
    return answer ? answer : refuse("a message that is no text");
}

static void hang_up(struct client *c)
{
    loop_remove(c->watch);
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    free(c->out);
    *c = (struct client){.control = c->control, .fd = -1};
    if (c->control->watch)
        loop_want(c->control->watch, LOOP_READ);
}

/* False: the client is gone. */
static bool write_out(struct client *c)
{
    ssize_t r = c->out ? fd_write_some(c->fd, c->out + c->out_at, c->out_len - c->out_at) : 0;

    if (r < 0)
        return false;
    c->out_at += (size_t)r;
    if (c->out && c->out_at == c->out_len) {
        free(c->out);
        c->out = NULL;
    }
    return true;
}

static bool answer_line(struct client *c, size_t len)
{
    json_t *answer = control_answer(c->control->sw, c->in, len);
    char *text = json_dumps(answer, JSON_COMPACT);

    json_decref(answer);
    if (!text)
        return false;
    c->out = text;
    c->out_at = 0;
    c->out_len = strlen(text) + 1;
    text[c->out_len - 1] = '\n';
    return write_out(c);
}

/* Whole lines, as long as the answers go out. */
static bool work(struct client *c)
{
    char *end;

    while (!c->out && (end = memchr(c->in, '\n', c->in_len))) {
        size_t len = (size_t)(end - c->in);
        if (!answer_line(c, len))
            return false;
        c->in_len -= len + 1;
        memmove(c->in, end + 1, c->in_len);
    }
    return c->out || c->in_len < CONTROL_REQUEST;
}

static bool read_in(struct client *c)
{
    ssize_t r = recv(c->fd, c->in + c->in_len, CONTROL_REQUEST - c->in_len, MSG_DONTWAIT);

    if (r <= 0)
        return r < 0 && (errno == EAGAIN || errno == EINTR);
    c->in_len += (size_t)r;
    return true;
}

static void client_ready(void *opaque, unsigned events)
{
    struct client *c = opaque;
    bool ok = write_out(c) && work(c);

    if (ok && !c->out && events & (LOOP_READ | LOOP_HUP))
        ok = read_in(c) && work(c);
    else if (events & LOOP_HUP)
        ok = false;
    if (ok)
        loop_want(c->watch, c->out ? LOOP_WRITE : LOOP_READ);
    else
        hang_up(c);
}

static struct client *free_client(struct control *k)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        if (k->client[i].fd < 0)
            return &k->client[i];
    return NULL;
}

static void client_arrived(void *opaque, unsigned events)
{
    struct control *k = opaque;
    struct client *c = free_client(k);
    struct err ignored; /* the client sees that it is not wanted */

    if (!c) { /* until one goes */
        loop_want(k->watch, 0);
        return;
    }
    c->fd = sock_accept(k->listener);
    if (c->fd < 0) {
        c->fd = -1;
        return;
    }
    c->in = malloc(CONTROL_REQUEST);
    if (!c->in || loop_add(k->loop, &c->watch, c->fd, LOOP_READ, client_ready, c, &ignored))
        hang_up(c);
}

int control_new(struct control **out, struct vswitch *sw, struct loop *loop, const char *dir,
                struct err *err)
{
    struct control *k = calloc(1, sizeof(*k));
    int rc;

    if (!k)
        return err_set(err, ENOMEM, "out of memory");
    k->sw = sw;
    k->loop = loop;
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        k->client[i] = (struct client){.control = k, .fd = -1};
    rc = switch_control_path(k->path, dir, err);
    k->listener = rc ? rc : sock_listen_unix(k->path, err);
    if (k->listener == -EADDRINUSE)
        rc = err_set(err, EADDRINUSE, "runs already: %s is in use", k->path);
    else if (k->listener < 0)
        rc = k->listener;
    else
        rc = loop_add(loop, &k->watch, k->listener, LOOP_READ, client_arrived, k, err);
    if (rc) {
        control_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

void control_free(struct control *k)
{
    if (!k)
        return;
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        if (k->client[i].fd >= 0)
            hang_up(&k->client[i]);
    loop_remove(k->watch);
    if (k->listener >= 0) {
        close(k->listener);
        unlink(k->path);
    }
    free(k);
}
