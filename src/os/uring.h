/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads of files by io_uring(7), which goes on with many at a time without a thread for each. Any
   thread asks for them; they end in a thread of the ring's own. */
#pragma once
#include "base/base.h"

#include <sys/uio.h>

struct uring;

/* `result`: bytes, fewer than asked for at the file's end, or -errno. */
typedef void (*uring_fn)(void *opaque, void *request, int result);

/* -errno: among others, where the host does not allow it. */
must_check int uring_new(struct uring **out, uring_fn done, void *opaque);
/* When nothing is under way. NULL is allowed. */
void uring_free(struct uring *u);
/* The n pieces stay where they are until `done`. -EBUSY: too much is under way; -errno. */
must_check int uring_readv(struct uring *u, int fd, u64 off, const struct iovec *iov, unsigned n,
                           void *request);
