/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io_uring by its system calls. Entries are handed to the kernel one by one, under the lock; the
   thread alone takes completions. */
#include "os/uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 128u

/* A queue that is shared with the kernel: of what is mapped, the words in use. */
struct queue {
    u8 *map;
    size_t len;
    u32 *head, *tail;
    u32 mask;
};

struct uring {
    int fd;
    struct queue sq, cq;
    u32 *indices; /* of sq */
    struct io_uring_sqe *entries;
    size_t entries_len;
    struct io_uring_cqe *results; /* of cq */
    pthread_mutex_t lock;         /* sq */
    atomic_uint under_way;        /* never more than the kernel has results for */
    unsigned most;
    pthread_t thread;
    bool has_thread;
    uring_fn done;
    void *opaque;
};

static int enter(struct uring *u, unsigned submit, unsigned wait)
{
    long r = syscall(SYS_io_uring_enter, u->fd, submit, wait, wait ? IORING_ENTER_GETEVENTS : 0,
                     NULL, 0);

    return r < 0 ? -errno : (int)r;
}

static int submit(struct uring *u, const struct io_uring_sqe *entry)
{
    u32 tail = *u->sq.tail, slot = tail & u->sq.mask;
    int rc;

    u->entries[slot] = *entry;
    u->indices[slot] = slot;
    __atomic_store_n(u->sq.tail, tail + 1, __ATOMIC_RELEASE);
    do
        rc = enter(u, 1, 0);
    while (rc == -EINTR);
    if (rc == 1)
        return 0;
    __atomic_store_n(u->sq.tail, tail, __ATOMIC_RELEASE); /* it looks there in `enter` alone */
    return rc ? rc : -EBUSY;
}

int uring_readv(struct uring *u, int fd, u64 off, const struct iovec *iov, unsigned n,
                void *request)
{
    struct io_uring_sqe entry = {.opcode = IORING_OP_READV,
                                 .fd = fd,
                                 .off = off,
                                 .addr = (uintptr_t)iov,
                                 .len = n,
                                 .user_data = (uintptr_t)request};
    int rc = -EBUSY;

    pthread_mutex_lock(&u->lock);
    if (u->under_way < u->most) {
        u->under_way++;
        rc = submit(u, &entry);
        if (rc)
            u->under_way--;
    }
    pthread_mutex_unlock(&u->lock);
    return rc;
}

/* True: it was the last one. */
static bool take_results(struct uring *u)
{
    u32 head = *u->cq.head;
    bool last = false;

    while (!last && head != __atomic_load_n(u->cq.tail, __ATOMIC_ACQUIRE)) {
        struct io_uring_cqe result = u->results[head & u->cq.mask];
        __atomic_store_n(u->cq.head, ++head, __ATOMIC_RELEASE);
        u->under_way--;
        last = !result.user_data;
        if (!last)
            u->done(u->opaque, (void *)(uintptr_t)result.user_data, result.res);
    }
    return last;
}

static void *run(void *opaque)
{
    struct uring *u = opaque;

    while (!take_results(u))
        enter(u, 0, 1);
    return NULL;
}

static int map(struct queue *q, int fd, u64 at, size_t len, u32 head, u32 tail, u32 mask)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);

    if (p == MAP_FAILED)
        return -errno;
    q->map = p;
    q->len = len;
    q->head = (u32 *)(void *)(q->map + head);
    q->tail = (u32 *)(void *)(q->map + tail);
    q->mask = *(u32 *)(void *)(q->map + mask);
    return 0;
}

static int map_all(struct uring *u, const struct io_uring_params *p)
{
    const struct io_sqring_offsets *s = &p->sq_off;
    const struct io_cqring_offsets *c = &p->cq_off;
    void *entries;
    int rc = map(&u->sq, u->fd, IORING_OFF_SQ_RING, s->array + p->sq_entries * sizeof(u32), s->head,
                 s->tail, s->ring_mask);

    if (!rc)
        rc = map(&u->cq, u->fd, IORING_OFF_CQ_RING,
                 c->cqes + p->cq_entries * sizeof(struct io_uring_cqe), c->head, c->tail,
                 c->ring_mask);
    if (rc)
        return rc;
    u->indices = (u32 *)(void *)(u->sq.map + s->array);
    u->results = (struct io_uring_cqe *)(void *)(u->cq.map + c->cqes);
    u->entries_len = p->sq_entries * sizeof(struct io_uring_sqe);
    entries = mmap(NULL, u->entries_len, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
                   (off_t)IORING_OFF_SQES);
    if (entries == MAP_FAILED)
        return -errno;
    u->entries = entries;
    u->most = p->cq_entries - 1; /* one is for the last */
    return 0;
}

static int start_thread(struct uring *u)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&u->thread, NULL, run, u);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    u->has_thread = !rc;
    return -rc;
}

int uring_new(struct uring **out, uring_fn done, void *opaque)
{
    struct io_uring_params params = {.flags = 0};
    struct uring *u = calloc(1, sizeof(*u));
    int rc;

    if (!u)
        return -ENOMEM;
    u->done = done;
    u->opaque = opaque;
    pthread_mutex_init(&u->lock, NULL);
    u->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
    rc = u->fd < 0 ? -errno : map_all(u, &params);
    if (!rc)
        rc = start_thread(u);
    if (rc)
        uring_free(u);
    else
        *out = u;
    return rc;
}

void uring_free(struct uring *u)
{
    if (!u)
        return;
    if (u->has_thread) {
        struct io_uring_sqe last = {.opcode = IORING_OP_NOP};
        pthread_mutex_lock(&u->lock);
        BUG_ON(u->under_way++);
        while (submit(u, &last)) /* out of memory, for a moment */
            usleep(1000);
        pthread_mutex_unlock(&u->lock);
        pthread_join(u->thread, NULL);
    }
    if (u->entries)
        munmap(u->entries, u->entries_len);
    if (u->sq.map)
        munmap(u->sq.map, u->sq.len);
    if (u->cq.map)
        munmap(u->cq.map, u->cq.len);
    if (u->fd >= 0)
        close(u->fd);
    pthread_mutex_destroy(&u->lock);
    free(u);
}
