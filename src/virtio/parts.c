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
        p->left += here;
        from = 0;
        len -= here;
    }
}

/* The bytes that lie together here, and where. */
static u64 parts_here(const struct parts *p, u8 **host)
{
    if (!p->left)
        return 0;
    *host = (u8 *)p->iov[p->part].iov_base + p->at;
    return p->iov[p->part].iov_len - p->at;
}

static void parts_skip(struct parts *p, u64 n)
{
    u8 *host;

    BUG_ON(n > p->left);
    while (n) {
        u64 here = min_u64(n, parts_here(p, &host));
        p->at += here;
        p->left -= here;
        n -= here;
        if (p->at == p->iov[p->part].iov_len) {
            p->part++;
            p->at = 0;
        }
    }
}

void parts_write(const struct parts *p, struct mem *mem, const u8 *from, u64 n)
{
    struct parts at = *p;
    u8 *host = NULL;

    for (u64 done = 0, here; done < n; done += here) {
        here = min_u64(n - done, parts_here(&at, &host));
        memcpy(host, from + done, here);
        mem_host_written(mem, host, here);
        parts_skip(&at, here);
    }
}
