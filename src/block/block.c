/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of an image and the threads that do them. Two locks: the machine's, held in `done`,
 * then the image's own, which guards the queue.
 */
#include "block/block.h"
#include "block/driver.h"
#include "block/format.h"
#include "os/time.h"
#include "os/uring.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 4u
#define SETTLE  NSEC_PER_SEC
#define NOW_MAX (64 * KiB) /* a copy of more takes a CPU longer than to wake another */

struct block {
    struct block_node *node;
    const struct block_node *image; /* that was opened; layers may be over it. NULL: none was */
    pthread_mutex_t *machine;       /* or the device's; not owned */
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct block_req *first, **last; /* waiting; lock */
    unsigned in_flight;              /* submitted, `done` not called yet; lock */
    unsigned running;                /* … of them taken by workers or the ring; lock */
    bool closing;                    /* lock */
    bool held;                       /* nothing is taken; lock */
    bool freed;                      /* by a discard, and no flush was taken since; lock */
    int flush_rc;                    /* of a flush that nobody asked for; lock */
    unsigned drains;                 /* under way, which limits do not delay; lock */
    struct throttle throttle;        /* lock; whether there is one never changes */
    bool limited;
    atomic_bool damaged; /* `damage` is not told yet */
    char damage[256];    /* of the image; lock */

    void (*on_trouble)(void *opaque, const struct block_trouble *t); /* the machine's lock */
    void *trouble_opaque;
    void (*on_resize)(void *opaque); /* may be NULL; the machine's lock */
    void *resize_opaque;
    struct uring *ring; /* NULL: none; then workers read too */
    unsigned threads;
    pthread_t thread[WORKERS];
};

const char *block_format(const struct block *b)
{
    return b->image && b->image->format ? b->image->format->name : NULL;
}

bool block_encrypted(const struct block *b)
{
    return b->image && b->image->encrypted;
}

unsigned block_backing_files(const struct block *b)
{
    unsigned count = 0;

    for (const struct block_node *n = b->image; n && n->backing; n = n->backing)
        count++;
    return count;
}

u64 block_size(const struct block *b)
{
    return b->node->size;
}

bool block_read_only(const struct block *b)
{
    return b->node->read_only;
}

static bool in_range(const struct block_node *n, const struct block_req *req)
{
    return req->offset <= n->size && req->len <= n->size - req->offset;
}

static int read_or_write(struct block_node *n, const struct block_req *req)
{
    struct iovec whole = {req->buf, req->len};
    const struct iovec *iov = req->buf ? &whole : req->iov;
    unsigned count = req->buf ? 1 : req->niov;

    return req->op == BLOCK_READ ? node_readv(n, req->offset, iov, count)
                                 : node_writev(n, req->offset, iov, count);
}

static int execute(struct block_node *n, const struct block_req *req)
{
    if (req->op == BLOCK_FLUSH)
        return n->ops->flush(n);
    if (!in_range(n, req))
        return -EINVAL;
    if (req->op != BLOCK_READ && n->read_only)
        return -EROFS;
    if (!req->len)
        return 0;
    switch (req->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
        return read_or_write(n, req);
    case BLOCK_DISCARD:
        return n->ops->discard(n, req->offset, req->len);
    case BLOCK_ZERO:
        return n->ops->zero(n, req->offset, req->len);
    default:
        return -EINVAL;
    }
}

/* Lock held. */
static struct block_req *take(struct block *b)
{
    struct block_req *req = b->held ? NULL : b->first;

    if (req) {
        b->first = req->next;
        if (!b->first)
            b->last = &b->first;
    }
    return req;
}

static void note_damage(void *opaque, const char *text)
{
    struct block *b = opaque;

    pthread_mutex_lock(&b->lock);
    snprintf(b->damage, sizeof(b->damage), "%s", text);
    atomic_store(&b->damaged, true);
    pthread_mutex_unlock(&b->lock);
}

/* Discards are a hint. */
static void tell_trouble(struct block *b, const struct block_req *req, int rc)
{
    char damage[sizeof(b->damage)];
    struct block_trouble t = {.write = req->op != BLOCK_READ, .rc = rc};

    if (!rc && !atomic_load_explicit(&b->damaged, memory_order_relaxed))
        return;
    t.failed = rc && rc != -EINVAL && rc != -EROFS && req->op != BLOCK_DISCARD;
    pthread_mutex_lock(&b->lock);
    memcpy(damage, b->damage, sizeof(damage));
    t.damage = atomic_exchange(&b->damaged, false) ? damage : NULL;
    pthread_mutex_unlock(&b->lock);
    if (b->on_trouble && (t.failed || t.damage))
        b->on_trouble(b->trouble_opaque, &t);
}

/* Machine's lock held: `done` may submit more, which is counted before this one is not. */
static void complete(struct block *b, struct block_req *req, int rc)
{
    tell_trouble(b, req, rc);
    req->done(req, rc);
    pthread_mutex_lock(&b->lock);
    if (!--b->in_flight)
        pthread_cond_broadcast(&b->idle);
    pthread_mutex_unlock(&b->lock);
}

/* Lock held: the next request if it may go now, else NULL and how long to sleep in *until, or 0. */
static struct block_req *take_in_time(struct block *b, u64 *until)
{
    struct block_req *req = b->held ? NULL : b->first;
    bool write;
    u64 now;

    *until = 0;
    if (!req || !b->limited || req->op == BLOCK_FLUSH)
        return take(b);
    write = req->op != BLOCK_READ;
    now = host_ns(CLOCK_MONOTONIC);
    if (!b->drains && !b->closing) {
        *until = throttle_until(&b->throttle, write, now);
        if (*until > now)
            return NULL;
    }
    throttle_take(&b->throttle, write, req->buf || req->iov ? req->len : 0, now);
    return take(b);
}

/* Lock held. 0 is never; true if it is time. */
static bool sleep_until(struct block *b, u64 until)
{
    struct timespec at = host_timespec(until);

    if (until)
        return pthread_cond_timedwait(&b->work, &b->lock, &at) == ETIMEDOUT;
    pthread_cond_wait(&b->work, &b->lock);
    return false;
}

static bool to_settle(const struct block *b)
{
    return b->freed && !b->first && !b->held && !b->closing;
}

/* Lock held. What is discarded goes back to the host with a flush; a guest that has nothing more to
   write may not ask for one. */
static void wait_for_work(struct block *b, u64 until)
{
    int rc;

    if (to_settle(b))
        until = host_ns(CLOCK_MONOTONIC) + SETTLE;
    if (!sleep_until(b, until) || !to_settle(b))
        return;
    b->freed = false;
    b->running++;
    pthread_mutex_unlock(&b->lock);
    rc = b->node->ops->flush(b->node);
    pthread_mutex_lock(&b->lock);
    if (rc)
        b->flush_rc = rc;
    if (!--b->running)
        pthread_cond_broadcast(&b->idle);
}

/* The result of a request, whose flush also tells of what went wrong in one that nobody asked for.
 */
static int run(struct block *b, const struct block_req *req)
{
    int rc = execute(b->node, req);

    pthread_mutex_lock(&b->lock);
    b->freed |= !rc && (req->op == BLOCK_DISCARD || req->op == BLOCK_ZERO);
    if (req->op == BLOCK_FLUSH) {
        rc = rc ? rc : b->flush_rc;
        b->flush_rc = 0;
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

static void *worker(void *opaque)
{
    struct block *b = opaque;

    pthread_mutex_lock(&b->lock);
    for (;;) {
        u64 until;
        struct block_req *req = take_in_time(b, &until);
        int rc;
        if (!req && b->closing)
            break;
        if (!req) {
            wait_for_work(b, until);
            continue;
        }
        b->running++;
        b->freed &= req->op != BLOCK_FLUSH;
        pthread_mutex_unlock(&b->lock);
        rc = run(b, req);
        pthread_mutex_lock(b->machine);
        complete(b, req, rc);
        pthread_mutex_unlock(b->machine);
        pthread_mutex_lock(&b->lock);
        if (!--b->running)
            pthread_cond_broadcast(&b->idle);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* Lock held. */
static void append(struct block *b, struct block_req *req)
{
    req->next = NULL;
    *b->last = req;
    b->last = &req->next;
}

/* Lock held. False: a worker has to do it. A large one is the workers', since the ring would copy
   what the host has in memory here. */
static bool give_to_ring(struct block *b, struct block_req *req)
{
    struct block_node *n = b->node;
    int fd;

    if (!b->ring || b->held || b->limited || req->op != BLOCK_READ || !req->iov ||
        req->len > NOW_MAX || req->niov > IOV_MAX || !in_range(n, req))
        return false;
    fd = n->ops->plain_fd(n, req->offset, req->len);
    return fd >= 0 && !uring_readv(b->ring, fd, req->offset, req->iov, req->niov, req);
}

/* By the ring's thread. What is not whole is done again, and then tells why. */
static void ring_done(void *opaque, void *request, int result)
{
    struct block *b = opaque;
    struct block_req *req = request;
    bool whole = result >= 0 && (u64)result == req->len;

    if (whole) {
        pthread_mutex_lock(b->machine);
        complete(b, req, 0);
        pthread_mutex_unlock(b->machine);
    }
    pthread_mutex_lock(&b->lock);
    if (!whole)
        append(b, req);
    if (!--b->running)
        pthread_cond_broadcast(&b->idle);
    pthread_mutex_unlock(&b->lock);
    if (!whole)
        pthread_cond_signal(&b->work);
}

void block_submit(struct block *b, struct block_req *req)
{
    bool ring;

    pthread_mutex_lock(&b->lock);
    b->in_flight++;
    ring = give_to_ring(b, req);
    if (ring)
        b->running++;
    else
        append(b, req);
    pthread_mutex_unlock(&b->lock);
    if (!ring)
        pthread_cond_signal(&b->work); /* a worker that wakes finds the lock free */
}

bool block_read_now(struct block *b, const struct block_req *req)
{
    struct block_node *n = b->node;

    return n->ops->read_now && b->threads && !b->limited && req->len && req->len <= NOW_MAX &&
           in_range(n, req) && !n->ops->read_now(n, req->offset, req->iov, req->niov);
}

/* Without threads: does what waits, in the caller. Machine's lock held. */
static void do_all(struct block *b)
{
    struct block_req *req;

    while ((req = take(b)))
        complete(b, req, execute(b->node, req));
}

void block_drain(struct block *b)
{
    if (!b->threads) {
        do_all(b);
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->drains++;
    if (b->limited)
        pthread_cond_broadcast(&b->work);
    while (b->in_flight) {
        pthread_mutex_unlock(b->machine);
        pthread_cond_wait(&b->idle, &b->lock);
        pthread_mutex_unlock(&b->lock);
        pthread_mutex_lock(b->machine);
        pthread_mutex_lock(&b->lock);
    }
    if (!--b->drains)
        pthread_cond_broadcast(&b->idle);
    pthread_mutex_unlock(&b->lock);
}

void block_set_lock(struct block *b, pthread_mutex_t *lock)
{
    pthread_mutex_lock(&b->lock);
    BUG_ON(b->in_flight);
    b->machine = lock;
    pthread_mutex_unlock(&b->lock);
}

/* While held, no request runs, however many wait. */
static void hold(struct block *b, bool on)
{
    pthread_mutex_lock(&b->lock);
    b->held = on;
    while (on && b->running)
        pthread_cond_wait(&b->idle, &b->lock);
    pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
}

void block_on_trouble(struct block *b, void (*fn)(void *opaque, const struct block_trouble *t),
                      void *opaque)
{
    b->on_trouble = fn;
    b->trouble_opaque = opaque;
}

void block_on_resize(struct block *b, void (*fn)(void *opaque), void *opaque)
{
    b->on_resize = fn;
    b->resize_opaque = opaque;
}

int block_resize(struct block *b, u64 size, struct err *err)
{
    struct block_node *n = b->node;
    int rc;

    if (n->read_only)
        return err_set(err, EROFS, "it is open to read only");
    if (!n->ops->resize)
        return err_set(err, ENOTSUP, "a disk in format %s cannot be resized", n->ops->name);
    if (!size || size % BLOCK_SECTOR)
        return err_set(err, EINVAL, "a disk's size is a multiple of %u bytes, and not 0",
                       BLOCK_SECTOR);
    hold(b, true);
    pthread_mutex_lock(b->machine); /* who asks for the size has it */
    rc = n->ops->resize(n, size, PREALLOC_OFF, err);
    if (!rc && b->on_resize)
        b->on_resize(b->resize_opaque);
    pthread_mutex_unlock(b->machine);
    hold(b, false);
    return rc;
}

/* Others may still be on their way out of block_drain. */
static void await_drains(struct block *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->drains)
        pthread_cond_wait(&b->idle, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void stop_workers(struct block *b)
{
    pthread_mutex_lock(&b->lock);
    b->closing = true;
    pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
    for (unsigned i = 0; i < b->threads; i++)
        pthread_join(b->thread[i], NULL);
    uring_free(b->ring);
    b->ring = NULL;
}

static void dispose(struct block *b)
{
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->idle);
    node_close(b->node);
    free(b);
}

void block_close(struct block *b)
{
    if (!b)
        return;
    pthread_mutex_lock(b->machine);
    block_drain(b);
    pthread_mutex_unlock(b->machine);
    await_drains(b);
    stop_workers(b);
    if (!b->node->read_only)
        (void)b->node->ops->flush(b->node); /* nobody is left to tell */
    dispose(b);
}

int block_new(struct block **out, struct block_node *node, unsigned threads, pthread_mutex_t *lock)
{
    struct block *b = calloc(1, sizeof(*b));
    pthread_condattr_t attr;

    if (!b) {
        node_close(node);
        return -ENOMEM;
    }
    BUG_ON(threads > WORKERS || node->size % BLOCK_SECTOR);
    b->node = node;
    node->on_fault = note_damage;
    node->fault_opaque = b;
    b->machine = lock;
    b->last = &b->first;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&b->idle, NULL);
    for (; b->threads < threads; b->threads++) {
        int rc = pthread_create(&b->thread[b->threads], NULL, worker, b);
        if (rc) {
            stop_workers(b);
            dispose(b);
            return -rc;
        }
    }
    /* A host that allows none has the workers. */
    if (threads && node->ops->plain_fd && uring_new(&b->ring, ring_done, b))
        b->ring = NULL;
    *out = b;
    return 0;
}

/* Before the first request. */
static void set_limits(struct block *b, const struct throttle_limits *limits)
{
    pthread_mutex_lock(&b->lock);
    b->throttle.limits = *limits;
    b->limited = throttle_limited(&b->throttle);
    pthread_mutex_unlock(&b->lock);
}

static int make_ready(struct block_node *node, const struct block_config *cfg, struct err *err)
{
    if (!node->size)
        return err_set(err, EINVAL, "'%s' is a disk of no bytes", cfg->path);
    if (cfg->key_file && !block_is_encrypted(node))
        return err_set(err, EINVAL,
                       "'%s' is not encrypted as it is opened; say format=luks if it is, or leave "
                       "key-file= away",
                       cfg->path);
    return block_unlock(node, cfg->key_file, err);
}

int block_open(struct block **out, const struct block_config *cfg, pthread_mutex_t *lock,
               struct err *err)
{
    struct block_node *node;
    const struct block_node *image;
    unsigned flags = (cfg->read_only || cfg->snapshot ? OPEN_READ_ONLY : 0) |
                     (cfg->any_backing ? OPEN_ANY_BACKING : 0) |
                     (cfg->unsynced ? OPEN_UNSYNCED : 0);
    int rc = block_chain_open(&node, cfg->path, cfg->format, NULL, flags, err);

    if (rc)
        return rc;
    rc = make_ready(node, cfg, err);
    if (rc) {
        node_close(node);
        return rc;
    }
    image = node;
    if (cfg->snapshot && !cfg->read_only)
        rc = block_snapshot_open(&node, node, err);
    else if (cfg->copy_on_read && !cfg->read_only)
        rc = block_copy_on_read_open(&node, node, err);
    if (rc) {
        err_prefix(err, "'%s'", cfg->path);
        return rc;
    }
    rc = block_new(out, node, WORKERS, lock);
    if (rc)
        return err_set(err, -rc, "'%s': no threads for it: %s", cfg->path, strerror(-rc));
    (*out)->image = image;
    set_limits(*out, &cfg->limits);
    return 0;
}
