/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/vsock_config.h"

#include "net/value.h"

#include <errno.h>
#include <string.h>

static int set_key(struct vsock_config *out, const char *word, struct err *err)
{
    int rc;

    if (!strncmp(word, "cid=", 4)) {
        rc = value_number(&out->cid, word + 4, VIRTIO_VSOCK_CID_MIN, VIRTIO_VSOCK_CID_MAX, err);
        if (rc)
            err_prefix(err, "cid=");
        return rc;
    }
    if (strncmp(word, "path=", 5) != 0)
        return err_set(err, EINVAL, "'%.40s' is unknown; there are cid= and path=", word);
    if (strlen(word + 5) > VIRTIO_VSOCK_PATH_MAX)
        return err_set(err, EINVAL, "path=: a socket's path has at most %u bytes here",
                       VIRTIO_VSOCK_PATH_MAX);
    strcpy(out->path, word + 5);
    return 0;
}

int vsock_parse(struct vsock_config *out, const char *text, struct err *err)
{
    char word[256];
    int rc;

    *out = (struct vsock_config){.cid = 0};
    do {
        text = value_word(text, 0, word, sizeof(word), err);
        if (!text)
            return -EINVAL;
        rc = set_key(out, word, err);
    } while (!rc && *text++);
    if (rc)
        return rc;
    if (!out->cid)
        return err_set(err, EINVAL, "the guest's number is missing: cid=N, 3 or more");
    if (!out->path[0])
        return err_set(err, EINVAL, "the host's socket is missing: path=SOCKET");
    return 0;
}
