/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With CAP_NET_ADMIN the tap is made and put into the bridge here. Without, QEMU's helper does it,
 * which is setuid root and heeds /etc/qemu/bridge.conf: it is run with a socket, on which it sends
 * the open tap (SCM_RIGHTS). Either way the interface is gone when its last descriptor is closed,
 * however the process ends.
 */
#include "net/bridge.h"
#include "net/hostif.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_FD         3 /* in the helper */
#define HELPER_TIMEOUT_MS 10000

extern char **environ;

static int make_port(struct net_tap **out, const struct net_bridge_config *cfg, struct loop *loop,
                     struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_tap_config tap = {.has_fd = false};
    int rc;

    memcpy(tap.ifname, cfg->ifname, sizeof(tap.ifname));
    rc = net_tap_new(out, &tap, loop, clk, lock, err);
    if (rc)
        return rc;
    rc = hostif_join_bridge(net_tap_ifname(*out), cfg->bridge, err);
    if (rc) {
        net_tap_free(*out);
        *out = NULL;
    }
    return rc;
}

/* The descriptor that comes with the first byte, or -errno. */
static int receive_fd(int from)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct pollfd pfd = {.fd = from, .events = POLLIN};
    struct cmsghdr *c;
    int fd;

    if (poll(&pfd, 1, HELPER_TIMEOUT_MS) <= 0)
        return -ETIMEDOUT;
    if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return -EPIPE;
    c = CMSG_FIRSTHDR(&msg);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -EPROTO;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

/* Runs the helper with `socket`, and standard error to `says`. */
static int spawn_helper(pid_t *pid, const char *helper, const char *bridge, int socket, int says)
{
    char name[24], vnet[16], bridge_arg[32], fd_arg[16];
    char *argv[] = {name, vnet, bridge_arg, fd_arg, NULL};
    posix_spawn_file_actions_t actions;
    int rc;

    snprintf(name, sizeof(name), "qemu-bridge-helper");
    snprintf(vnet, sizeof(vnet), "--use-vnet");
    snprintf(bridge_arg, sizeof(bridge_arg), "--br=%s", bridge);
    snprintf(fd_arg, sizeof(fd_arg), "--fd=%d", HELPER_FD);
    rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return -rc;
    rc = posix_spawn_file_actions_adddup2(&actions, says, STDERR_FILENO);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&actions, socket, HELPER_FD);
    if (!rc)
        rc = posix_spawn(pid, helper, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

/* The first line that it has said. */
static void read_line(int from, char *line, size_t size)
{
    struct pollfd pfd = {.fd = from, .events = POLLIN};
    ssize_t r = poll(&pfd, 1, 0) > 0 ? read(from, line, size - 1) : 0;

    line[r > 0 ? r : 0] = 0;
    line[strcspn(line, "\n")] = 0;
}

/* What came of it: the open tap, or -errno. Closes the helper's ends. */
static int talk_to_helper(const char *helper, const char *bridge, int pair[2], int says[2],
                          char *line, size_t size)
{
    pid_t pid;
    int fd, status, rc = spawn_helper(&pid, helper, bridge, pair[1], says[1]);

    close(pair[1]);
    close(says[1]);
    pair[1] = says[1] = -1;
    *line = 0;
    if (rc)
        return rc;
    fd = receive_fd(pair[0]);
    if (fd == -ETIMEDOUT)
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    read_line(says[0], line, size);
    return fd;
}

static void close_all(const int fd[2])
{
    for (unsigned i = 0; i < 2; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

static int open_by_helper(const struct net_bridge_config *cfg, struct err *err)
{
    const char *helper = *cfg->helper ? cfg->helper : NET_BRIDGE_HELPER;
    int pair[2] = {-1, -1}, says[2] = {-1, -1}, fd;
    char line[200];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || pipe2(says, O_CLOEXEC) < 0)
        fd = err_set(err, errno, "bridge %s: %s", cfg->bridge, strerror(errno));
    else if ((fd = talk_to_helper(helper, cfg->bridge, pair, says, line, sizeof(line))) < 0)
        fd = err_set(err, -fd,
                     "bridge %s: needs root, or %s (package qemu-system-common) setuid root and "
                     "'allow %s' in /etc/qemu/bridge.conf; it says: %s",
                     cfg->bridge, helper, cfg->bridge, *line ? line : strerror(-fd));
    close_all(pair);
    close_all(says);
    return fd;
}

int net_bridge_new(struct net_tap **out, const struct net_bridge_config *cfg, struct loop *loop,
                   struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_tap_config tap = {.has_fd = true};
    int rc;

    if (!hostif_exists(cfg->bridge))
        return err_set(err, ENODEV,
                       "bridge %s: not on this host; make it: ip link add %s type bridge; ip link "
                       "set %s up",
                       cfg->bridge, cfg->bridge, cfg->bridge);
    rc = *cfg->helper ? -EPERM : make_port(out, cfg, loop, clk, lock, err);
    if (rc != -EPERM && rc != -EACCES) {
        if (rc)
            err_prefix(err, "bridge %s", cfg->bridge);
        return rc;
    }
    tap.fd = open_by_helper(cfg, err);
    return tap.fd < 0 ? tap.fd : net_tap_new(out, &tap, loop, clk, lock, err);
}
