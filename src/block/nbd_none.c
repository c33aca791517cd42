/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of nbd.c where libnbd is not there. */
#include "block/remote.h"

#include <errno.h>

int remote_open_nbd(struct remote **out, const char *uri, bool read_only, struct err *err)
{
    return err_set(err, ENOTSUP, "'%s': this build of domus has no NBD, since libnbd was not there",
                   uri);
}
