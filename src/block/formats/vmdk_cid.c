/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMDK's content identity: a number in the descriptor that changes when the disk is written, so
 * that a child sees that its parent is no longer the one it was made over.
 */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

const char *vmdk_find_value(const char *desc, const char *key, size_t *len)
{
    size_t n = strlen(key);

    for (const char *at = desc; (at = strcasestr(at, key)); at += n) {
        const char *v = at + n;
        if (at != desc && at[-1] != '\n' && at[-1] != '\r')
            continue;
        v += strspn(v, " \t");
        if (*v++ != '=')
            continue;
        v += strspn(v, " \t");
        *len = *v == '"' ? strcspn(++v, "\"\r\n") : strcspn(v, "\r\n");
        return v;
    }
    return NULL;
}

bool vmdk_get_id(const char *desc, const char *key, u8 id[BLOCK_ID])
{
    size_t len;
    const char *v = vmdk_find_value(desc, key, &len);
    unsigned cid;

    if (!v || len > 8 || sscanf(v, "%8x", &cid) != 1 || cid == VMDK_NO_PARENT)
        return false;
    memset(id, 0, BLOCK_ID);
    memcpy(id, "vmdk", 4); /* a CID may be 0 */
    put_le32(id + 4, cid);
    return true;
}

/* The descriptor of the image in a file, and where in it; *out NULL: it has none. */
static int read_descriptor(struct bfile *f, char **out, u64 *at)
{
    u8 head[VMDK_HEADER];
    u64 len = min_u64(bfile_size(f), VMDK_DESC_MAX);
    int rc = bfile_read(f, 0, head, sizeof(head));

    *out = NULL;
    *at = 0;
    if (!rc && vmdk_is_sparse(head)) {
        *at = le64(head + 28) * 512 & INT64_MAX;
        len = min_u64(le64(head + 36), VMDK_DESC_MAX / 512) * 512;
        if (!*at || !len)
            return 0;
    }
    *out = rc ? NULL : calloc(1, len + 1);
    if (!rc)
        rc = *out ? bfile_read(f, *at, *out, len) : -ENOMEM;
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* Instead of the key's value, with as many digits as that has. */
static int write_cid(struct bfile *f, const char *key, u32 cid, u8 id[BLOCK_ID])
{
    char text[9], *desc;
    const char *v = NULL;
    size_t len;
    u64 at;
    int rc = read_descriptor(f, &desc, &at);

    if (desc)
        v = vmdk_find_value(desc, key, &len);
    if (v && len && len <= 8) {
        snprintf(text, sizeof(text), "%0*x", (int)len, cid & (u32)(BIT64(4 * len) - 1));
        memcpy(desc + (v - desc), text, len);
        rc = bfile_write(f, at + (u64)(v - desc), text, len);
        if (!rc && id)
            vmdk_get_id(desc, key, id);
    }
    free(desc);
    return rc;
}

int vmdk_new_cid(struct block_node *n)
{
    u32 cid;

    if (getrandom(&cid, sizeof(cid), 0) != sizeof(cid))
        cid = (u32)time(NULL);
    return write_cid(n->file, "CID", cid & 0x7fffffff, n->id);
}

int vmdk_adopt(struct block_node *n, const u8 id[BLOCK_ID])
{
    return write_cid(n->file, "parentCID", le32(id + 4), n->backing_id);
}
