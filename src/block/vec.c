/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes of several pieces of memory. A node that wants one has large pieces as they are,
   and small ones by a buffer. */
#include "base/iov.h"
#include "block/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIRECT_MIN (16 * KiB)
#define BOUNCE     (64 * KiB)

static int move(struct block_node *n, bool write, u64 off, u8 *buf, u64 len)
{
    if (!len)
        return 0;
    return write ? n->ops->write(n, off, buf, len) : n->ops->read(n, off, buf, len);
}

/* How many pieces fit into a buffer, and their bytes; 0: the first is large. */
static unsigned small_ones(const struct iovec *iov, unsigned count, u64 *len)
{
    unsigned i = 0;

    for (*len = 0; i < count && iov[i].iov_len < DIRECT_MIN; *len += iov[i++].iov_len)
        if (iov[i].iov_len > BOUNCE - *len)
            break;
    return i;
}

int node_move_pieces(struct block_node *n, bool write, u64 off, const struct iovec *iov,
                     unsigned count)
{
    u8 *bounce = NULL;
    int rc = 0;

    while (count && !rc) {
        u64 len;
        unsigned small = small_ones(iov, count, &len), done = small > 1 ? small : 1;
        if (small <= 1) {
            len = iov->iov_len;
            rc = move(n, write, off, iov->iov_base, len);
        } else if (!bounce && !(bounce = malloc(BOUNCE))) {
            rc = -ENOMEM;
        } else {
            if (write)
                iov_gather(bounce, iov, small);
            rc = move(n, write, off, bounce, len);
            if (!write && !rc)
                iov_scatter(iov, small, bounce);
        }
        off += len;
        iov += done;
        count -= done;
    }
    free(bounce);
    return rc;
}

int node_readv(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    return n->ops->readv ? n->ops->readv(n, off, iov, count)
                         : node_move_pieces(n, false, off, iov, count);
}

int node_writev(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    return n->ops->writev ? n->ops->writev(n, off, iov, count)
                          : node_move_pieces(n, true, off, iov, count);
}
