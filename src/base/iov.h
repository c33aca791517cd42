/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data that lies in several pieces of memory. */
#pragma once
#include "base/base.h"

#include <sys/uio.h>

u64 iov_bytes(const struct iovec *iov, unsigned n);
/* Into `out`, of `room` > 0: the pieces of at most `len` > 0 bytes, from byte `skip` on, which are
   there. How many; and in *bytes how much they are, at least one. */
unsigned iov_part(const struct iovec *iov, u64 skip, u64 len, struct iovec *out, unsigned room,
                  u64 *bytes);
void iov_zero(const struct iovec *iov, unsigned n);
/* From and to one that has as many bytes. */
void iov_gather(u8 *buf, const struct iovec *iov, unsigned n);
void iov_scatter(const struct iovec *iov, unsigned n, const u8 *buf);
