/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two locks, one after the other: the worker's own, for what is wanted, then the device's. */
#include "virtio/worker.h"
#include "virtio/virtio.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct virtio_worker {
    struct virtio *dev;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    u64 kicked; /* queues by bit; lock */
    bool stop;  /* lock */
};

static void serve(struct virtio *dev, u64 kicked)
{
    virtio_lock(dev);
    for (u32 n = 0; kicked; n++, kicked >>= 1)
        if (kicked & 1)
            virtio_notify(dev, n);
    virtio_unlock(dev);
}

static void *run(void *opaque)
{
    struct virtio_worker *w = opaque;

    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        u64 kicked = w->kicked;
        if (!kicked) {
            pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        w->kicked = 0;
        pthread_mutex_unlock(&w->lock);
        serve(w->dev, kicked);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int virtio_worker_new(struct virtio_worker **out, struct virtio *dev)
{
    struct virtio_worker *w = calloc(1, sizeof(*w));
    sigset_t all, old;
    int rc;

    if (!w)
        return -ENOMEM;
    BUG_ON(!dev->lock);
    w->dev = dev;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        free(w);
        return -rc;
    }
    pthread_setname_np(w->thread, dev->name);
    *out = w;
    return 0;
}

void virtio_worker_free(struct virtio_worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void virtio_worker_kick(struct virtio_worker *w, u32 n)
{
    bool first;

    if (n >= VIRTIO_QUEUES)
        return;
    pthread_mutex_lock(&w->lock);
    first = !w->kicked;
    w->kicked |= BIT64(n);
    pthread_mutex_unlock(&w->lock);
    if (first)
        pthread_cond_signal(&w->wake); /* it finds the lock free */
}
