/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: deadlines, wake-ups by another thread, signals, removal inside a callback. */
#include "os/loop.h"
#include "../test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

struct rig {
    struct loop *l;
    struct err err;
    struct loop_fd *a, *b;
    int pipe[2];
    unsigned rounds, calls, last_signal;
    u64 wait;
};

static u64 now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    CHECK_EQ(loop_new(&r->l, &r->err), 0);
    CHECK_EQ(pipe(r->pipe), 0);
}

static void rig_dispose(struct rig *r)
{
    loop_free(r->l);
    close(r->pipe[0]);
    close(r->pipe[1]);
}

static u64 stop_at_third(void *opaque)
{
    struct rig *r = opaque;

    if (++r->rounds == 3)
        loop_stop(r->l);
    return r->wait;
}

static void deadline(void)
{
    struct rig r;
    u64 start = now_ns(), took;

    rig_init(&r);
    r.wait = 20000000;
    CHECK_EQ(loop_run(r.l, stop_at_third, &r, &r.err), 0);
    took = now_ns() - start;
    CHECK(took >= 40000000 && took < 2 * NSEC_PER_SEC);
    rig_dispose(&r);
}

static void *wake_twice(void *opaque)
{
    struct rig *r = opaque;

    for (int i = 0; i < 2; i++) {
        usleep(20000);
        loop_wake(r->l);
    }
    return NULL;
}

static void wake(void)
{
    struct rig r;
    pthread_t thread;

    rig_init(&r);
    r.wait = UINT64_MAX;
    pthread_create(&thread, NULL, wake_twice, &r);
    CHECK_EQ(loop_run(r.l, stop_at_third, &r, &r.err), 0);
    pthread_join(thread, NULL);
    rig_dispose(&r);
}

static void read_one(void *opaque, unsigned events)
{
    struct rig *r = opaque;
    char c;

    CHECK(events & LOOP_READ);
    CHECK(read(r->pipe[0], &c, 1) == 1);
    if (++r->calls == 2) {
        loop_remove(r->a);
        loop_stop(r->l);
    }
}

static u64 forever(void *opaque)
{
    return UINT64_MAX;
}

static void pipe_is_read(void)
{
    struct rig r;

    rig_init(&r);
    CHECK_EQ(loop_add(r.l, &r.a, r.pipe[0], LOOP_READ, read_one, &r, &r.err), 0);
    CHECK(write(r.pipe[1], "abc", 3) == 3);
    CHECK_EQ(loop_run(r.l, forever, &r, &r.err), 0);
    CHECK_EQ(r.calls, 2);
    rig_dispose(&r);
}

static void remove_both(void *opaque, unsigned events)
{
    struct rig *r = opaque;

    r->calls++;
    loop_remove(r->a);
    loop_remove(r->b);
    loop_stop(r->l);
}

/* Two ready descriptors: the callback of the one that is called first removes the other. */
static void remove_in_callback(void)
{
    struct rig r;
    int other;

    rig_init(&r);
    other = dup(r.pipe[0]);
    CHECK_EQ(loop_add(r.l, &r.a, r.pipe[0], LOOP_READ, remove_both, &r, &r.err), 0);
    CHECK_EQ(loop_add(r.l, &r.b, other, LOOP_READ, remove_both, &r, &r.err), 0);
    CHECK(write(r.pipe[1], "a", 1) == 1);
    CHECK_EQ(loop_run(r.l, forever, &r, &r.err), 0);
    CHECK_EQ(r.calls, 1);
    rig_dispose(&r);
    close(other);
}

static void count_and_stop(void *opaque, unsigned events)
{
    struct rig *r = opaque;

    CHECK_EQ(events, LOOP_WRITE);
    if (++r->calls == 5)
        loop_stop(r->l);
}

/* epoll takes no regular files; the loop calls them ready as long as they are wanted. */
static void regular_file(void)
{
    struct rig r;
    char path[] = "/tmp/domus-loop-XXXXXX";
    int fd = mkstemp(path);

    unlink(path);
    rig_init(&r);
    CHECK_EQ(loop_add(r.l, &r.a, fd, LOOP_WRITE, count_and_stop, &r, &r.err), 0);
    CHECK_EQ(loop_run(r.l, forever, &r, &r.err), 0);
    CHECK_EQ(r.calls, 5);
    rig_dispose(&r);
    close(fd);
}

static void on_signal(void *opaque, int sig)
{
    struct rig *r = opaque;

    r->last_signal = (unsigned)sig;
    loop_stop(r->l);
}

static void signals(void)
{
    static const int set[] = {SIGUSR1, SIGUSR2};
    struct rig r;

    rig_init(&r);
    CHECK_EQ(loop_signals(r.l, set, 2, on_signal, &r, &r.err), 0);
    kill(getpid(), SIGUSR2);
    CHECK_EQ(loop_run(r.l, forever, &r, &r.err), 0);
    CHECK_EQ(r.last_signal, SIGUSR2);
    rig_dispose(&r);
}

int main(void)
{
    TEST_RUN(deadline);
    TEST_RUN(wake);
    TEST_RUN(pipe_is_read);
    TEST_RUN(remove_in_callback);
    TEST_RUN(regular_file);
    TEST_RUN(signals);
    return test_result();
}
