/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unix stream sockets and non-blocking descriptors. Any thread. */
#pragma once
#include "base/base.h"
#include "base/err.h"

#include <sys/types.h>

/* A listening socket at `path`, which only the user may connect to. A socket file that nobody
   listens on any more is replaced; any other file there is -EADDRINUSE. Returns the descriptor. */
must_check int sock_listen_unix(const char *path, struct err *err);
/* The next client, non-blocking, or -errno (-EAGAIN: none waits). */
must_check int sock_accept(int listener);

/* A non-blocking connection to the listener at `path`, or -errno (-EAGAIN: too many wait there). */
must_check int sock_connect_unix(const char *path);
/* A descriptor of our own for the file behind `fd` that does not block, without changing `fd`
   itself, which other processes may share. -errno; regular files come back as a duplicate. */
must_check int fd_open_nonblock(int fd, int open_flags);
/* Writes as much as goes without waiting. Bytes written, 0 if none now, or -errno. */
must_check ssize_t fd_write_some(int fd, const void *from, size_t len);
