/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/parts.h"

#include <string.h>

void parts_set(struct parts *p, struct iovec *room, const struct iovec *iov, unsigned n, u64 from,
               u64 len)
{
    *p = (struct parts){.iov = room};
    for (unsigned i = 0; i < n && len; i++) {
        u64 here = iov[i].iov_len;
        if (from >= here) {
            from -= here;
            continue;
        }
        here = min_u64(here - from, len);
        room[p->n++] = (struct iovec){(u8 *)iov[i].iov_base + from, here};
        p->bytes += here;
        from = 0;
        len -= here;
    }
}

void parts_write(const struct parts *p, struct mem *mem, const u8 *from, u64 n)
{
    BUG_ON(n > p->bytes);
    for (const struct iovec *to = p->iov; n; to++) {
        u64 here = min_u64(n, to->iov_len);
        memcpy(to->iov_base, from, here);
        mem_host_written(mem, to->iov_base, here);
        from += here;
        n -= here;
    }
}
