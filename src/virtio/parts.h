/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request's data in guest memory, kept from virtq_pop to virtq_push: some bytes of its buffer. */
#pragma once
#include "virtio/virtio.h"

struct parts {
    struct iovec *iov; /* the request's, with room for all parts of the buffer */
    unsigned n;
    u64 bytes;
};

/* Bytes [from, from + len) of the n parts in iov, as far as there are any. */
void parts_set(struct parts *p, struct iovec *room, const struct iovec *iov, unsigned n, u64 from,
               u64 len);
/* Copies n bytes to the start of it, n <= bytes. */
void parts_write(const struct parts *p, struct mem *mem, const u8 *from, u64 n);
