/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/iov.h"

#include <string.h>

u64 iov_bytes(const struct iovec *iov, unsigned n)
{
    u64 len = 0;

    for (unsigned i = 0; i < n; i++)
        len += iov[i].iov_len;
    return len;
}

unsigned iov_part(const struct iovec *iov, u64 skip, u64 len, struct iovec *out, unsigned room,
                  u64 *bytes)
{
    unsigned n = 0;

    for (; skip >= iov->iov_len; iov++)
        skip -= iov->iov_len;
    for (*bytes = 0; *bytes < len && n < room; iov++, skip = 0) {
        out[n] =
            (struct iovec){(u8 *)iov->iov_base + skip, min_u64(iov->iov_len - skip, len - *bytes)};
        *bytes += out[n].iov_len;
        n += out[n].iov_len > 0;
    }
    return n;
}

void iov_zero(const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        memset(iov[i].iov_base, 0, iov[i].iov_len);
}

void iov_gather(u8 *buf, const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; buf += iov[i++].iov_len)
        memcpy(buf, iov[i].iov_base, iov[i].iov_len);
}

void iov_scatter(const struct iovec *iov, unsigned n, const u8 *buf)
{
    for (unsigned i = 0; i < n; buf += iov[i++].iov_len)
        memcpy(iov[i].iov_base, buf, iov[i].iov_len);
}
