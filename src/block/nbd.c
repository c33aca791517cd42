/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the network block device protocol (NetworkBlockDevice's doc/proto.md), by libnbd.
 *
 * Each request has a connection for itself while it runs: as many as CONNECTIONS where the server
 * says that they see each other's writes, else one. A request that does not end within TIMEOUT_S,
 * or whose connection ends, is -EIO or -ETIMEDOUT; a connection that ended is tried once more, so
 * that a server may be restarted between two requests. Any thread.
 */
#include "block/remote.h"

#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS 8u
#define TIMEOUT_S   30
#define PIECE_MAX   (2 * MiB) /* of data in one request */
#define RANGE_MAX   GiB       /* of one without data */
#define BLOCK_MAX   512u      /* what a server may want requests to be multiples of */

enum call_op { CALL_READ, CALL_WRITE, CALL_FLUSH, CALL_TRIM, CALL_ZERO, CALL_STATUS };

struct call {
    enum call_op op;
    u64 off, len;
    void *buf;
    u64 same;  /* STATUS: bytes … */
    bool hole; /* … that are this */
};

struct client {
    struct remote remote;
    char *uri;
    bool read_only, can_flush, can_trim, can_zero, can_status;
    u64 piece;
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct nbd_handle *idle[CONNECTIONS]; /* lock */
    unsigned idles, open, most;           /* connections that are idle, that are, may be; lock */
};

static struct client *client_of(struct remote *r)
{
    return container_of(r, struct client, remote);
}

/* Milliseconds that are left. */
static int left_until(const struct timespec *end)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec >= end->tv_sec)
        return 0;
    return (int)(end->tv_sec - now.tv_sec) * 1000;
}

static struct timespec deadline(void)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += TIMEOUT_S;
    return end;
}

/* What libnbd has just failed with, in this thread. */
static int failure(void)
{
    int error = nbd_get_errno();

    return error > 0 ? -error : -EIO;
}

static int handshake(struct nbd_handle *h, const char *uri)
{
    struct timespec end = deadline();

    if (nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) ||
        nbd_set_uri_allow_local_file(h, true) || nbd_aio_connect_uri(h, uri))
        return failure();
    while (nbd_aio_is_connecting(h)) {
        int r = nbd_poll(h, left_until(&end));
        if (r <= 0)
            return r ? failure() : -ETIMEDOUT;
    }
    return nbd_aio_is_ready(h) ? 0 : failure();
}

/* Without the name of libnbd's function. */
static const char *failure_text(void)
{
    const char *text = nbd_get_error(), *colon = text ? strstr(text, ": ") : NULL;

    return colon && !strncmp(text, "nbd_", 4) ? colon + 2
           : text                             ? text
                                              : "the server offers no such export";
}

static int check_export(const struct client *n, struct nbd_handle *h, struct err *err)
{
    s64 size = nbd_get_size(h), unit;

    if (size < 0)
        return err_set(err, EFBIG, "'%s': %s", n->uri, failure_text());
    if (!size)
        return err_set(err, EINVAL, "'%s' has no bytes", n->uri);
    if (n->remote.size && n->remote.size != (u64)size)
        return err_set(err, EIO, "'%s' has another size now", n->uri);
    unit = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
    if (unit > (s64)BLOCK_MAX)
        return err_set(err, ENOTSUP,
                       "'%s': the server wants requests of multiples of %lld bytes: not supported",
                       n->uri, (long long)unit);
    if (!n->read_only && nbd_is_read_only(h) != 0)
        return err_set(err, EROFS,
                       "'%s' can only be read, the server says; use it read-only or as a snapshot",
                       n->uri);
    return 0;
}

static int connect_one(const struct client *n, struct nbd_handle **out, struct err *err)
{
    struct nbd_handle *h = nbd_create();
    int rc = h ? handshake(h, n->uri) : -ENOMEM;

    if (rc == -ETIMEDOUT)
        err_set(err, ETIMEDOUT, "'%s': the server does not answer", n->uri);
    else if (rc)
        err_set(err, -rc, "'%s': %s", n->uri, h ? failure_text() : strerror(ENOMEM));
    else
        rc = check_export(n, h, err);
    if (rc && h)
        nbd_close(h);
    *out = h;
    return rc;
}

/* A connection for the caller alone. */
static int take(struct client *n, struct nbd_handle **out)
{
    struct err ignored;
    int rc = 0;

    pthread_mutex_lock(&n->lock);
    while (!n->idles && n->open == n->most)
        pthread_cond_wait(&n->returned, &n->lock);
    if (n->idles)
        *out = n->idle[--n->idles];
    else
        n->open++, *out = NULL;
    pthread_mutex_unlock(&n->lock);
    if (*out)
        return 0;
    rc = connect_one(n, out, &ignored);
    if (!rc)
        return 0;
    pthread_mutex_lock(&n->lock);
    n->open--;
    pthread_cond_signal(&n->returned);
    pthread_mutex_unlock(&n->lock);
    return rc;
}

/* If it is dead, so are those that are idle, most likely. */
static void give_back(struct client *n, struct nbd_handle *h, bool alive)
{
    struct nbd_handle *dead[CONNECTIONS + 1];
    unsigned deads = 0;

    pthread_mutex_lock(&n->lock);
    if (alive) {
        n->idle[n->idles++] = h;
    } else {
        dead[deads++] = h;
        while (n->idles)
            dead[deads++] = n->idle[--n->idles];
        n->open -= deads;
    }
    pthread_cond_broadcast(&n->returned);
    pthread_mutex_unlock(&n->lock);
    while (deads)
        nbd_close(dead[--deads]);
}

/* Pairs of length and flags, of the server's choice. */
static int on_extent(void *opaque, const char *context, uint64_t offset, uint32_t *entries,
                     size_t n, int *error)
{
    struct call *c = opaque;

    if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) || offset != c->off || c->same || n < 2)
        return 0;
    c->hole = entries[1] & LIBNBD_STATE_ZERO;
    for (size_t i = 0; i + 1 < n && !!(entries[i + 1] & LIBNBD_STATE_ZERO) == c->hole; i += 2)
        c->same += entries[i];
    return 0;
}

static s64 issue(struct nbd_handle *h, struct call *c)
{
    nbd_extent_callback extent = {.callback = on_extent, .user_data = c};

    switch (c->op) {
    case CALL_READ:
        return nbd_aio_pread(h, c->buf, c->len, c->off, NBD_NULL_COMPLETION, 0);
    case CALL_WRITE:
        return nbd_aio_pwrite(h, c->buf, c->len, c->off, NBD_NULL_COMPLETION, 0);
    case CALL_FLUSH:
        return nbd_aio_flush(h, NBD_NULL_COMPLETION, 0);
    case CALL_TRIM:
        return nbd_aio_trim(h, c->len, c->off, NBD_NULL_COMPLETION, 0);
    case CALL_ZERO:
        return nbd_aio_zero(h, c->len, c->off, NBD_NULL_COMPLETION, 0);
    case CALL_STATUS:
        return nbd_aio_block_status(h, c->len, c->off, extent, NBD_NULL_COMPLETION, 0);
    }
    return -1;
}

static int attempt(struct nbd_handle *h, struct call *c)
{
    struct timespec end = deadline();
    s64 cookie = issue(h, c);
    int r = 0;

    if (cookie < 0)
        return failure();
    while (!(r = nbd_aio_command_completed(h, (u64)cookie))) {
        r = nbd_poll(h, left_until(&end));
        if (r <= 0)
            return r ? failure() : -ETIMEDOUT;
    }
    return r > 0 ? 0 : failure();
}

static int run(struct client *n, struct call *c)
{
    for (unsigned tries = 0;; tries++) {
        struct nbd_handle *h;
        bool alive;
        int rc = take(n, &h);
        if (rc)
            return rc;
        rc = attempt(h, c);
        alive = rc != -ETIMEDOUT && nbd_aio_is_ready(h) == 1;
        give_back(n, h, alive);
        if (!rc || alive || tries || rc == -ETIMEDOUT)
            return rc;
    }
}

static int run_pieces(struct client *n, struct call c, u64 len, u64 most)
{
    int rc = 0;

    for (; len && !rc; len -= c.len) {
        c.len = min_u64(len, most);
        rc = run(n, &c);
        c.off += c.len;
        if (c.buf)
            c.buf = (u8 *)c.buf + c.len;
    }
    return rc;
}

static int client_read(struct remote *r, u64 off, void *buf, u64 len)
{
    return run_pieces(client_of(r), (struct call){.op = CALL_READ, .off = off, .buf = buf}, len,
                      client_of(r)->piece);
}

static int client_write(struct remote *r, u64 off, const void *buf, u64 len)
{
    struct call c = {.op = CALL_WRITE, .off = off, .buf = (void *)(uintptr_t)buf};

    return run_pieces(client_of(r), c, len, client_of(r)->piece);
}

static int client_flush(struct remote *r)
{
    return client_of(r)->can_flush ? run(client_of(r), &(struct call){.op = CALL_FLUSH}) : 0;
}

static int client_discard(struct remote *r, u64 off, u64 len)
{
    if (!client_of(r)->can_trim)
        return 0;
    return run_pieces(client_of(r), (struct call){.op = CALL_TRIM, .off = off}, len, RANGE_MAX);
}

static int client_zero(struct remote *r, u64 off, u64 len)
{
    if (!client_of(r)->can_zero)
        return -EOPNOTSUPP;
    return run_pieces(client_of(r), (struct call){.op = CALL_ZERO, .off = off}, len, RANGE_MAX);
}

static u64 client_extent(struct remote *r, u64 off, u64 len, bool *hole)
{
    struct call c = {.op = CALL_STATUS, .off = off, .len = min_u64(len, RANGE_MAX)};

    *hole = false;
    if (!client_of(r)->can_status || run(client_of(r), &c) || !c.same)
        return len;
    *hole = c.hole;
    return min_u64(len, c.same);
}

static void dispose(struct client *n)
{
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->returned);
    free(n->uri);
    free(n);
}

/* The server is told, as far as that needs no waiting for it. */
static void client_close(struct remote *r)
{
    struct client *n = client_of(r);

    while (n->idles) {
        struct nbd_handle *h = n->idle[--n->idles];
        if (!nbd_aio_disconnect(h, 0))
            (void)!nbd_poll(h, 100);
        nbd_close(h);
    }
    dispose(n);
}

static const struct remote_ops client_ops = {
    .read = client_read,
    .write = client_write,
    .flush = client_flush,
    .discard = client_discard,
    .zero = client_zero,
    .extent = client_extent,
    .close = client_close,
};

static void learn(struct client *n, struct nbd_handle *h)
{
    s64 most = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

    n->remote.size = (u64)nbd_get_size(h);
    n->piece =
        most >= (s64)BLOCK_MAX ? min_u64((u64)most & ~(u64)(BLOCK_MAX - 1), PIECE_MAX) : PIECE_MAX;
    n->can_flush = nbd_can_flush(h) == 1;
    n->can_trim = nbd_can_trim(h) == 1;
    n->can_zero = nbd_can_zero(h) == 1;
    n->can_status = nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
    n->most = nbd_can_multi_conn(h) == 1 ? CONNECTIONS : 1;
}

int remote_open_nbd(struct remote **out, const char *uri, bool read_only, struct err *err)
{
    struct client *n = calloc(1, sizeof(*n));
    struct nbd_handle *h;
    int rc;

    if (!n)
        return err_set(err, ENOMEM, "'%s': %s", uri, strerror(ENOMEM));
    n->remote.ops = &client_ops;
    n->read_only = read_only;
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->returned, NULL);
    n->uri = strdup(uri);
    rc = n->uri ? connect_one(n, &h, err) : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (rc) {
        dispose(n);
        return rc;
    }
    learn(n, h);
    n->idle[0] = h;
    n->idles = n->open = 1;
    *out = &n->remote;
    return 0;
}
