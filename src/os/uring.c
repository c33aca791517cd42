/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io_uring by liburing. Entries are handed to the kernel one by one, under the lock; the thread
   alone takes completions. */
#include "os/uring.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRIES 128u

struct uring {
    struct io_uring ring;
    pthread_mutex_t lock;  /* of what is submitted */
    atomic_uint under_way; /* never more than the kernel has room for completions of */
    pthread_t thread;
    uring_fn done;
    void *opaque;
};

/* Lock held. NULL: too much is under way. */
static struct io_uring_sqe *get_entry(struct uring *u)
{
    struct io_uring_sqe *entry = u->under_way < ENTRIES ? io_uring_get_sqe(&u->ring) : NULL;

    if (entry)
        u->under_way++;
    else
        io_uring_submit(&u->ring); /* what stayed behind */
    return entry;
}

/* Lock held. What the kernel does not take of the entry stays in the queue for the next time, and
   is nothing then. */
static bool submit(struct uring *u, struct io_uring_sqe *entry)
{
    while (io_uring_submit(&u->ring) == -EINTR)
        ;
    if (!io_uring_sq_ready(&u->ring))
        return true;
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data(entry, NULL);
    return false;
}

int uring_readv(struct uring *u, int fd, u64 off, const struct iovec *iov, unsigned n,
                void *request)
{
    struct io_uring_sqe *entry;
    int rc = -EBUSY;

    pthread_mutex_lock(&u->lock);
    entry = get_entry(u);
    if (entry) {
        io_uring_prep_readv(entry, fd, iov, n, off);
        io_uring_sqe_set_data(entry, request);
        rc = submit(u, entry) ? 0 : -EBUSY;
    }
    pthread_mutex_unlock(&u->lock);
    return rc;
}

/* The ring itself is the request to end. */
static void *run(void *opaque)
{
    struct uring *u = opaque;
    struct io_uring_cqe *cqe;
    void *request = NULL;

    while (request != u) {
        int result;
        if (io_uring_wait_cqe(&u->ring, &cqe))
            continue;
        request = io_uring_cqe_get_data(cqe);
        result = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        u->under_way--;
        if (request && request != u)
            u->done(u->opaque, request, result);
    }
    return NULL;
}

static int start_thread(struct uring *u)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&u->thread, NULL, run, u);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -rc;
}

static void dispose(struct uring *u)
{
    io_uring_queue_exit(&u->ring);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

int uring_new(struct uring **out, uring_fn done, void *opaque)
{
    struct uring *u = calloc(1, sizeof(*u));
    int rc;

    if (!u)
        return -ENOMEM;
    u->done = done;
    u->opaque = opaque;
    rc = io_uring_queue_init(ENTRIES, &u->ring, 0);
    if (rc) {
        free(u);
        return rc;
    }
    pthread_mutex_init(&u->lock, NULL);
    rc = start_thread(u);
    if (rc)
        dispose(u);
    else
        *out = u;
    return rc;
}

static bool ask_to_end(struct uring *u)
{
    struct io_uring_sqe *entry = get_entry(u);

    if (!entry)
        return false;
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data(entry, u);
    return submit(u, entry);
}

void uring_free(struct uring *u)
{
    if (!u)
        return;
    pthread_mutex_lock(&u->lock);
    while (!ask_to_end(u)) /* the kernel is out of memory, for a moment */
        usleep(1000);
    pthread_mutex_unlock(&u->lock);
    pthread_join(u->thread, NULL);
    dispose(u);
}
