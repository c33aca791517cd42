/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output of a serial port, and the life of its descriptors. See chardev.h for the rules. */
#include "ctl/chardev_internal.h"
#include "os/sock.h"
#include "os/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CLOSE_PATIENCE_MS 1000

void chardev_update_watches(struct chardev *cd)
{
    bool room = cd->terminal || cd->in_len < CHARDEV_IN;
    unsigned in = cd->started && !cd->in_eof && room ? LOOP_READ : 0;
    unsigned out = cd->out_len ? LOOP_WRITE : 0;

    if (cd->in_watch && cd->in_watch == cd->out_watch) {
        loop_want(cd->in_watch, in | out);
        return;
    }
    if (cd->in_watch)
        loop_want(cd->in_watch, in);
    if (cd->out_watch)
        loop_want(cd->out_watch, out);
}

static void arm_stall_timer(struct chardev *cd, bool on)
{
    struct itimerspec when = {.it_value.tv_sec = on ? CHARDEV_STALL_S : 0};

    if (cd->stall_timer >= 0)
        timerfd_settime(cd->stall_timer, 0, &when, NULL);
}

/* Holds or releases the machine as the buffer demands. */
static void update_hold(struct chardev *cd)
{
    bool hold = cd->held ? cd->out_len > CHARDEV_OUT_LOW : cd->out_len > CHARDEV_OUT_HIGH;

    if (hold == cd->held)
        return;
    cd->held = hold;
    arm_stall_timer(cd, hold);
    cd->owner.hold(cd->owner.opaque, hold);
}

void chardev_put(struct chardev *cd, const void *buf, size_t n)
{
    const u8 *p = buf;
    u32 had = cd->out_len;
    size_t fits = min_u64(n, CHARDEV_OUT - cd->out_len);

    if (cd->out_fd < 0)
        return;
    cd->lost += n - fits;
    for (size_t i = 0; i < fits; i++)
        cd->out[(cd->out_head + cd->out_len++) % CHARDEV_OUT] = p[i];
    if (!had && cd->out_len)
        chardev_update_watches(cd);
    update_hold(cd);
}

void chardev_put_text(struct chardev *cd, const char *text)
{
    chardev_put(cd, text, strlen(text));
}

/* The UART's side. Under the machine's lock. */
static void backend_write(void *opaque, const u8 *buf, size_t n)
{
    struct chardev *cd = opaque;

    pthread_mutex_lock(&cd->lock);
    chardev_put(cd, buf, n);
    pthread_mutex_unlock(&cd->lock);
}

struct ns16550a_backend chardev_backend(struct chardev *cd)
{
    return (struct ns16550a_backend){.write = backend_write, .opaque = cd};
}

static void drop_output(struct chardev *cd)
{
    cd->out_head = cd->out_len = 0;
    update_hold(cd);
}

/* Ends a socket client, or the output of any other kind after an error. */
static void close_output(struct chardev *cd)
{
    struct loop_fd *watch = cd->out_watch;
    int fd = cd->out_fd;

    if (fd < 0)
        return;
    if (cd->in_fd == fd) {
        cd->in_fd = -1;
        cd->in_watch = NULL;
        cd->in_eof = true;
    }
    cd->out_fd = -1;
    cd->out_watch = NULL;
    drop_output(cd);
    loop_remove(watch);
    close(fd);
    if (cd->listen_watch)
        loop_want(cd->listen_watch, LOOP_READ);
}

static void report_lost(struct chardev *cd)
{
    if (cd->lost)
        fprintf(stderr, "domus: serial %s: %llu bytes of output were lost\r\n", cd->path,
                (unsigned long long)cd->lost);
    cd->lost = 0;
}

/* Writes what the host takes now. False after an error. */
static bool drain(struct chardev *cd)
{
    while (cd->out_len) {
        size_t n = min_u64(cd->out_len, CHARDEV_OUT - cd->out_head);
        ssize_t r = fd_write_some(cd->out_fd, cd->out + cd->out_head, n);

        if (r == 0)
            break;
        if (r < 0) {
            if (cd->kind != CHARDEV_UNIX)
                fprintf(stderr, "domus: serial %s: %s; its output is dropped from here on\r\n",
                        cd->path, strerror((int)-r));
            close_output(cd);
            return false;
        }
        cd->out_head = (cd->out_head + (u32)r) % CHARDEV_OUT;
        cd->out_len -= (u32)r;
        if (cd->held)
            arm_stall_timer(cd, true);
    }
    return true;
}

static void writable(struct chardev *cd)
{
    pthread_mutex_lock(&cd->lock);
    if (cd->out_fd >= 0 && drain(cd)) {
        update_hold(cd);
        chardev_update_watches(cd);
    }
    if (!cd->held)
        report_lost(cd);
    pthread_mutex_unlock(&cd->lock);
}

static void out_event(void *opaque, unsigned events)
{
    struct chardev *cd = opaque;

    if (events & (LOOP_WRITE | LOOP_HUP))
        writable(cd);
    if ((events & LOOP_HUP) && cd->out_fd >= 0) {
        pthread_mutex_lock(&cd->lock);
        close_output(cd);
        pthread_mutex_unlock(&cd->lock);
    }
}

static void client_event(void *opaque, unsigned events)
{
    struct chardev *cd = opaque;

    if (events & LOOP_READ)
        chardev_readable(cd, events);
    if (cd->out_fd < 0)
        return;
    /* A client that hung up may have sent more than one read took: first come those. */
    if (!(events & LOOP_READ) && (events & LOOP_HUP)) {
        pthread_mutex_lock(&cd->lock);
        close_output(cd);
        pthread_mutex_unlock(&cd->lock);
    } else if (events & LOOP_WRITE) {
        writable(cd);
    }
}

static void stalled(void *opaque, unsigned events)
{
    struct chardev *cd = opaque;
    u64 count;

    if (read(cd->stall_timer, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return;
    pthread_mutex_lock(&cd->lock);
    if (cd->held) {
        fprintf(stderr, "domus: serial %s: the client reads nothing; disconnected\r\n", cd->path);
        close_output(cd);
    }
    pthread_mutex_unlock(&cd->lock);
}

static void client_arrived(void *opaque, unsigned events)
{
    struct chardev *cd = opaque;
    struct loop_fd *watch;
    struct err err;
    int fd = sock_accept(cd->listener);

    if (fd < 0)
        return;
    if (loop_add(cd->loop, &watch, fd, 0, client_event, cd, &err)) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&cd->lock);
    cd->in_fd = cd->out_fd = fd;
    cd->in_watch = cd->out_watch = watch;
    cd->in_eof = false;
    loop_want(cd->listen_watch, 0); /* one client at a time: others wait in the backlog */
    chardev_update_watches(cd);
    pthread_mutex_unlock(&cd->lock);
}

static int open_stdio(struct chardev *cd, struct err *err)
{
    cd->terminal = isatty(STDIN_FILENO);
    cd->in_fd = STDIN_FILENO;
    cd->out_fd = fd_open_nonblock(STDOUT_FILENO, O_WRONLY);
    if (cd->out_fd < 0)
        return err_set(err, -cd->out_fd, "standard output: %s", strerror(-cd->out_fd));
    if (fcntl(STDIN_FILENO, F_GETFL) < 0)
        cd->in_fd = -1; /* was closed by whoever started us */
    else if (loop_add(cd->loop, &cd->in_watch, cd->in_fd, 0, chardev_readable, cd, err))
        return -EIO;
    return loop_add(cd->loop, &cd->out_watch, cd->out_fd, 0, out_event, cd, err);
}

static int open_file(struct chardev *cd, struct err *err)
{
    cd->out_fd =
        open(cd->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (cd->out_fd < 0)
        return err_set(err, errno, "cannot write to %s: %s", cd->path, strerror(errno));
    return loop_add(cd->loop, &cd->out_watch, cd->out_fd, 0, out_event, cd, err);
}

static int open_unix(struct chardev *cd, struct err *err)
{
    int rc;

    cd->listener = sock_listen_unix(cd->path, err);
    if (cd->listener < 0)
        return cd->listener;
    cd->stall_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (cd->stall_timer < 0)
        return err_set(err, errno, "timerfd: %s", strerror(errno));
    rc = loop_add(cd->loop, &cd->stall_watch, cd->stall_timer, LOOP_READ, stalled, cd, err);
    return rc ? rc
              : loop_add(cd->loop, &cd->listen_watch, cd->listener, LOOP_READ, client_arrived, cd,
                         err);
}

/* Takes a spec apart; -EINVAL if it is none. */
static int parse_spec(const char *spec, enum chardev_kind *kind, const char **path, struct err *err)
{
    *path = spec;
    if (!strcmp(spec, "none")) {
        *kind = CHARDEV_NONE;
    } else if (!strcmp(spec, "stdio")) {
        *kind = CHARDEV_STDIO;
    } else if (!strncmp(spec, "file:", 5) || !strncmp(spec, "unix:", 5)) {
        *kind = spec[0] == 'f' ? CHARDEV_FILE : CHARDEV_UNIX;
        *path = spec + 5;
        if (!**path)
            return err_set(err, EINVAL, "'%s' needs a path after the colon", spec);
    } else {
        return err_set(err, EINVAL, "'%.60s' is not stdio, none, file:PATH or unix:PATH", spec);
    }
    return 0;
}

int chardev_check(const char *spec, struct err *err)
{
    enum chardev_kind kind;
    const char *path;

    return parse_spec(spec, &kind, &path, err);
}

int chardev_open(struct chardev **out, struct loop *loop, const char *spec,
                 const struct chardev_owner *owner, struct err *err)
{
    static int (*const openers[])(struct chardev *, struct err *) = {
        [CHARDEV_STDIO] = open_stdio,
        [CHARDEV_FILE] = open_file,
        [CHARDEV_UNIX] = open_unix,
    };
    struct chardev *cd = calloc(1, sizeof(*cd));
    const char *path;
    int rc;

    if (!cd)
        return err_set(err, ENOMEM, "serial port: out of memory");
    pthread_mutex_init(&cd->lock, NULL);
    cd->loop = loop;
    cd->owner = *owner;
    cd->in_fd = cd->out_fd = cd->listener = cd->stall_timer = -1;
    rc = parse_spec(spec, &cd->kind, &path, err);
    if (!rc && !(cd->path = strdup(path)))
        rc = err_set(err, ENOMEM, "serial port: out of memory");
    if (!rc && cd->kind != CHARDEV_NONE)
        rc = openers[cd->kind](cd, err);
    if (rc) {
        chardev_close(cd);
        return rc;
    }
    *out = cd;
    return 0;
}

void chardev_connect_sink(struct chardev *cd, const struct chardev_sink *sink,
                          pthread_mutex_t *lock)
{
    pthread_mutex_lock(lock);
    cd->sink = *sink;
    cd->machine_lock = lock;
    pthread_mutex_unlock(lock);
}

static size_t uart_room(void *uart)
{
    return ns16550a_room(uart);
}

static void uart_receive(void *uart, const u8 *buf, size_t n)
{
    ns16550a_receive(uart, buf, n);
}

static void uart_receive_break(void *uart)
{
    ns16550a_receive_break(uart);
}

void chardev_connect(struct chardev *cd, struct ns16550a *uart, pthread_mutex_t *lock)
{
    struct chardev_sink sink = {uart_room, uart_receive, uart_receive_break, uart};

    chardev_connect_sink(cd, &sink, lock);
    pthread_mutex_lock(lock);
    ns16550a_set_on_room(uart, chardev_deliver, cd);
    pthread_mutex_unlock(lock);
}

int chardev_start(struct chardev *cd, struct err *err)
{
    int rc = cd->kind == CHARDEV_STDIO ? term_raw(STDIN_FILENO, err) : 0;

    if (rc)
        return rc;
    pthread_mutex_lock(&cd->lock);
    cd->started = true;
    chardev_update_watches(cd);
    pthread_mutex_unlock(&cd->lock);
    return 0;
}

bool chardev_is_terminal(const struct chardev *cd)
{
    return cd->terminal;
}

/* What the guest wrote last is often why it ended. */
static void drain_all(struct chardev *cd)
{
    struct pollfd pfd = {.fd = cd->out_fd, .events = POLLOUT};

    while (cd->out_fd >= 0 && cd->out_len && poll(&pfd, 1, CLOSE_PATIENCE_MS) > 0)
        if (!drain(cd))
            break;
}

void chardev_close(struct chardev *cd)
{
    if (!cd)
        return;
    pthread_mutex_lock(&cd->lock);
    drain_all(cd);
    report_lost(cd);
    close_output(cd);
    pthread_mutex_unlock(&cd->lock);
    if (cd->kind == CHARDEV_STDIO && cd->started)
        term_restore();
    loop_remove(cd->in_watch);
    loop_remove(cd->listen_watch);
    loop_remove(cd->stall_watch);
    if (cd->listener >= 0) {
        unlink(cd->path);
        close(cd->listener);
    }
    if (cd->stall_timer >= 0)
        close(cd->stall_timer);
    pthread_mutex_destroy(&cd->lock);
    free(cd->path);
    free(cd);
}
