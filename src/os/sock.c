/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SAFE_CHUNK 256 /* goes through in one piece where poll says that there is room */

/* 0 if the socket file at addr is a left-over and was removed. */
static int remove_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    int fd, rc;

    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno != ECONNREFUSED
             ? -EADDRINUSE
             : 0;
    close(fd);
    if (!rc && unlink(addr->sun_path) < 0)
        rc = -errno;
    return rc;
}

static int bind_unix(int fd, const struct sockaddr_un *addr)
{
    int rc;

    /* The mode that the socket file gets, from its first moment on. */
    if (fchmod(fd, 0600) < 0)
        return -errno;
    for (int attempt = 0; attempt < 2; attempt++) {
        rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
        if (rc != -EADDRINUSE)
            return rc;
        rc = remove_stale(addr);
        if (rc)
            return rc;
    }
    return -EADDRINUSE;
}

int sock_listen_unix(const char *path, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd, rc;

    if (strlen(path) >= sizeof(addr.sun_path))
        return err_set(err, ENAMETOOLONG, "socket %s: the path is longer than %zu bytes", path,
                       sizeof(addr.sun_path) - 1);
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, errno, "socket %s: %s", path, strerror(errno));
    rc = bind_unix(fd, &addr);
    if (!rc && listen(fd, 4) < 0)
        rc = -errno;
    if (rc) {
        close(fd);
        if (rc == -EADDRINUSE)
            return err_set(err, -rc, "socket %s: in use; give another path or remove the file",
                           path);
        return err_set(err, -rc, "socket %s: %s", path, strerror(-rc));
    }
    return fd;
}

int sock_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

int sock_connect_unix(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd, rc;

    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

int fd_open_nonblock(int fd, int open_flags)
{
    char path[32];
    struct stat st;
    int own = -1;

    if (fstat(fd, &st) < 0)
        return -errno;
    /* Opening a regular file anew would start at offset 0; sockets cannot be opened. */
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, open_flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    }
    if (own < 0)
        own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return own < 0 ? -errno : own;
}

ssize_t fd_write_some(int fd, const void *from, size_t len)
{
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    ssize_t r = send(fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (r < 0 && errno == ENOTSOCK) {
        if (!(fcntl(fd, F_GETFL) & O_NONBLOCK)) {
            if (poll(&pfd, 1, 0) == 0)
                return 0;
            len = len < SAFE_CHUNK ? len : SAFE_CHUNK;
        }
        r = write(fd, from, len);
    }
    if (r >= 0)
        return r;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}
