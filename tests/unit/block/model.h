/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image beside an array that has what it should read as. */
#pragma once
#include "../test.h"
#include "base/iov.h"
#include "block/driver.h"

/* One change, which `choice` names, of the bytes from `off` on; a write is of all that is in iov.
 */
static inline void model_change(struct block_node *n, u8 *model, u64 off, const struct iovec *iov,
                                unsigned count, u32 choice)
{
    u64 len = iov_bytes(iov, count);

    switch (choice % 8) {
    case 0:
        CHECK_EQ(n->ops->zero(n, off, len), 0);
        memset(model + off, 0, len);
        break;
    case 1:
        CHECK_EQ(n->ops->flush(n), 0);
        break;
    case 2: /* what it reads as after is not said: read it */
        CHECK_EQ(n->ops->discard(n, off, len), 0);
        CHECK_EQ(n->ops->read(n, off, model + off, len), 0);
        break;
    default:
        CHECK_EQ(node_writev(n, off, iov, count), 0);
        iov_gather(model + off, iov, count);
        break;
    }
}
