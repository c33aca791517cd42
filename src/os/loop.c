/* SPDX-License-Identifier: GPL-2.0-or-later */
/* epoll(7) does the watching, ppoll(2) on it the waiting, since that takes nanoseconds. */
#include "os/loop.h"
#include "os/time.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 16

struct loop_fd {
    struct loop *loop;
    struct loop_fd *next; /* in loop->fds; lock */
    loop_fd_fn fn;
    void *opaque;
    int fd;
    _Atomic unsigned want; /* lock to write */
    bool always_ready;     /* epoll refuses it */
    bool dead;             /* removed; freed between rounds */
};

struct loop {
    pthread_mutex_t lock;
    struct loop_fd *fds; /* lock */
    int epfd, wake_fd, signal_fd;
    struct loop_fd *wake_watch, *signal_watch;
    void (*on_signal)(void *opaque, int sig);
    void *on_signal_opaque;
    _Atomic bool stop;
};

static u32 epoll_events(unsigned want)
{
    return (want & LOOP_READ ? EPOLLIN : 0u) | (want & LOOP_WRITE ? EPOLLOUT : 0u);
}

static void wake_seen(void *opaque, unsigned events)
{
    struct loop *l = opaque;
    u64 count;
    ssize_t r = read(l->wake_fd, &count, sizeof(count));

    (void)r; /* EAGAIN: somebody's wake-up has been seen already */
}

static void signal_seen(void *opaque, unsigned events)
{
    struct loop *l = opaque;
    struct signalfd_siginfo info;

    while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        l->on_signal(l->on_signal_opaque, (int)info.ssi_signo);
}

int loop_new(struct loop **out, struct err *err)
{
    struct loop *l = calloc(1, sizeof(*l));
    int rc;

    if (!l)
        return err_set(err, ENOMEM, "event loop: out of memory");
    pthread_mutex_init(&l->lock, NULL);
    l->signal_fd = -1;
    l->wake_fd = -1;
    l->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epfd >= 0)
        l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0) {
        rc = err_set(err, errno, "event loop: %s", strerror(errno));
        loop_free(l);
        return rc;
    }
    rc = loop_add(l, &l->wake_watch, l->wake_fd, LOOP_READ, wake_seen, l, err);
    if (rc) {
        loop_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

void loop_free(struct loop *l)
{
    struct loop_fd *f, *next;

    if (!l)
        return;
    for (f = l->fds; f; f = next) {
        next = f->next;
        free(f);
    }
    if (l->signal_fd >= 0)
        close(l->signal_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    if (l->epfd >= 0)
        close(l->epfd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int loop_add(struct loop *l, struct loop_fd **out, int fd, unsigned want, loop_fd_fn fn,
             void *opaque, struct err *err)
{
    struct epoll_event ev = {.events = epoll_events(want)};
    struct loop_fd *f = calloc(1, sizeof(*f));

    if (!f)
        return err_set(err, ENOMEM, "event loop: out of memory");
    *f = (struct loop_fd){.loop = l, .fd = fd, .want = want, .fn = fn, .opaque = opaque};
    ev.data.ptr = f;
    if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        if (errno != EPERM) {
            int rc = err_set(err, errno, "event loop: %s", strerror(errno));
            free(f);
            return rc;
        }
        f->always_ready = true;
    }
    pthread_mutex_lock(&l->lock);
    f->next = l->fds;
    l->fds = f;
    pthread_mutex_unlock(&l->lock);
    *out = f;
    return 0;
}

void loop_want(struct loop_fd *f, unsigned want)
{
    struct loop *l = f->loop;
    bool changed;

    pthread_mutex_lock(&l->lock);
    changed = !f->dead && f->want != want;
    f->want = want;
    if (changed && !f->always_ready) {
        struct epoll_event ev = {.events = epoll_events(want), .data.ptr = f};
        /* Fails only for a descriptor that its owner closed too early. */
        BUG_ON(epoll_ctl(l->epfd, EPOLL_CTL_MOD, f->fd, &ev) < 0);
    }
    pthread_mutex_unlock(&l->lock);
    if (changed && f->always_ready)
        loop_wake(l);
}

void loop_remove(struct loop_fd *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->loop->lock);
    if (!f->always_ready)
        epoll_ctl(f->loop->epfd, EPOLL_CTL_DEL, f->fd, NULL);
    f->dead = true;
    pthread_mutex_unlock(&f->loop->lock);
}

int loop_signals(struct loop *l, const int *signals, size_t n, void (*fn)(void *opaque, int sig),
                 void *opaque, struct err *err)
{
    sigset_t set;

    BUG_ON(l->signal_fd >= 0);
    sigemptyset(&set);
    for (size_t i = 0; i < n; i++)
        sigaddset(&set, signals[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signal_fd < 0)
        return err_set(err, errno, "signalfd: %s", strerror(errno));
    l->on_signal = fn;
    l->on_signal_opaque = opaque;
    return loop_add(l, &l->signal_watch, l->signal_fd, LOOP_READ, signal_seen, l, err);
}

void loop_wake(struct loop *l)
{
    u64 one = 1;
    int saved = errno;
    ssize_t r = write(l->wake_fd, &one, sizeof(one));

    (void)r; /* EAGAIN: the counter is full of wake-ups not seen yet */
    errno = saved;
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    loop_wake(l);
}

/* Frees what was removed; true if a descriptor that is always ready is wanted. */
static bool loop_sweep(struct loop *l)
{
    bool ready = false;
    struct loop_fd **p;

    pthread_mutex_lock(&l->lock);
    for (p = &l->fds; *p;) {
        struct loop_fd *f = *p;
        if (f->dead) {
            *p = f->next;
            free(f);
            continue;
        }
        ready |= f->always_ready && f->want;
        p = &f->next;
    }
    pthread_mutex_unlock(&l->lock);
    return ready;
}

static int loop_wait(struct loop *l, u64 ns)
{
    struct pollfd pfd = {.fd = l->epfd, .events = POLLIN};
    struct timespec ts = host_timespec(ns);
    int r = ppoll(&pfd, 1, ns == UINT64_MAX ? NULL : &ts, NULL);

    return r < 0 && errno != EINTR ? -errno : 0;
}

static void loop_dispatch(struct loop *l)
{
    struct epoll_event ev[EVENTS_PER_ROUND];
    int n = epoll_wait(l->epfd, ev, EVENTS_PER_ROUND, 0);

    for (int i = 0; i < n; i++) {
        struct loop_fd *f = ev[i].data.ptr;
        if (!f->dead)
            f->fn(f->opaque, (ev[i].events & EPOLLIN ? LOOP_READ : 0u) |
                                 (ev[i].events & EPOLLOUT ? LOOP_WRITE : 0u) |
                                 (ev[i].events & (EPOLLHUP | EPOLLERR) ? LOOP_HUP : 0u));
    }
}

/* A callback may add and remove; what it removes stays in the list until the sweep. */
static void loop_dispatch_always(struct loop *l)
{
    for (struct loop_fd *f = l->fds; f; f = f->next) {
        if (f->always_ready && f->want && !f->dead)
            f->fn(f->opaque, f->want);
    }
}

int loop_run(struct loop *l, u64 (*before)(void *opaque), void *opaque, struct err *err)
{
    /* The default of 50 us would be the jitter of every guest timer. */
    prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
    while (!atomic_load(&l->stop)) {
        u64 ns = before(opaque);
        bool ready = loop_sweep(l);
        int rc = atomic_load(&l->stop) ? 0 : loop_wait(l, ready ? 0 : ns);

        if (rc)
            return err_set(err, -rc, "event loop: ppoll: %s", strerror(-rc));
        loop_dispatch(l);
        if (ready)
            loop_dispatch_always(l);
    }
    atomic_store(&l->stop, false);
    return 0;
}
