/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fids: by number in a hash table. They have paths, not descriptors, so that a client may hold
 * many; a rename goes through all of them. What they need in a saved state bounds their memory.
 */
#include "p9/p9_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A record of p9_pack: id, flags, whether it is open, length of the path, path. */
#define RECORD  11u
#define OPEN    1u
#define STALE   2u
#define REOPENS (~(u32)(O_CREAT | O_EXCL | O_TRUNC))

static u64 record_len(const char *path)
{
    return RECORD + strlen(path);
}

struct p9_fid *p9_find(const struct p9 *p, u32 id)
{
    struct p9_fid *fid = p->bucket[id % P9_BUCKETS];

    while (fid && fid->id != id)
        fid = fid->next;
    return fid;
}

int p9_find_fid(const struct p9 *p, u32 id, struct p9_fid **out)
{
    *out = p9_find(p, id);
    return *out ? 0 : -EBADF;
}

int p9_add_fid(struct p9 *p, u32 id, const char *path, struct p9_fid **out)
{
    struct p9_fid *fid;

    if (p9_find(p, id))
        return -EEXIST;
    if (p->packed + record_len(path) > P9_STATE_LEN - 8)
        return -ENFILE;
    fid = calloc(1, sizeof(*fid));
    if (!fid)
        return -ENOMEM;
    fid->path = strdup(path);
    if (!fid->path) {
        free(fid);
        return -ENOMEM;
    }
    fid->id = id;
    fid->fd = -1;
    fid->next = p->bucket[id % P9_BUCKETS];
    p->bucket[id % P9_BUCKETS] = fid;
    p->packed += record_len(path);
    *out = fid;
    return 0;
}

int p9_rename_fid(struct p9 *p, struct p9_fid *fid, const char *path)
{
    char *copy;

    if (p->packed - record_len(fid->path) + record_len(path) > P9_STATE_LEN - 8)
        return -ENFILE;
    copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    p->packed += record_len(path) - record_len(fid->path);
    free(fid->path);
    fid->path = copy;
    return 0;
}

void p9_drop_fid(struct p9 *p, struct p9_fid *fid)
{
    struct p9_fid **at = &p->bucket[fid->id % P9_BUCKETS];

    while (*at != fid)
        at = &(*at)->next;
    *at = fid->next;
    p->packed -= record_len(fid->path);
    p9_unlock_fid(p, fid->id);
    if (fid->fd >= 0) {
        close(fid->fd);
        p->nopen--;
    }
    free(fid->path);
    free(fid);
}

/* One whose new name would be too long, or has no memory, keeps the old one: it is not found. */
static void move_one(struct p9 *p, struct p9_fid *fid, const char *from, const char *to)
{
    size_t len = strlen(from), rest = strlen(fid->path);
    char path[PATH_MAX];

    if (rest < len || memcmp(fid->path, from, len) != 0 || (rest > len && fid->path[len] != '/'))
        return;
    rest -= len;
    if (strlen(to) + rest >= sizeof(path))
        return;
    strcpy(path, to);
    strcat(path, fid->path + len);
    if (p9_rename_fid(p, fid, path))
        return;
}

void p9_moved(struct p9 *p, const char *from, const char *to)
{
    for (u32 n = 0; n < P9_BUCKETS; n++)
        for (struct p9_fid *fid = p->bucket[n]; fid; fid = fid->next)
            move_one(p, fid, from, to);
}

int p9_set_open(struct p9 *p, struct p9_fid *fid, int fd, u32 flags)
{
    if (fid->fd >= 0 || p->nopen >= p->open_max) {
        close(fd);
        return fid->fd >= 0 ? -EINVAL : -EMFILE;
    }
    fid->fd = fd;
    fid->flags = flags;
    p->nopen++;
    return 0;
}

int p9_open_fd(const struct p9_fid *fid)
{
    if (fid->stale)
        return -ESTALE;
    return fid->fd >= 0 ? fid->fd : -EBADF;
}

static u8 *pack_one(const struct p9_fid *fid, u8 *to)
{
    u32 len = (u32)strlen(fid->path);

    put_le32(to, fid->id);
    put_le32(to + 4, fid->flags);
    to[8] = (u8)((fid->fd >= 0 ? OPEN : 0) | (fid->stale ? STALE : 0));
    put_le16(to + 9, (u16)len);
    memcpy(to + RECORD, fid->path, len);
    return to + RECORD + len;
}

void p9_pack(const struct p9 *p, u8 to[P9_STATE_LEN])
{
    u8 *at = to + 8;
    u32 count = 0;

    for (u32 n = 0; n < P9_BUCKETS; n++)
        for (const struct p9_fid *fid = p->bucket[n]; fid; fid = fid->next, count++)
            at = pack_one(fid, at);
    put_le32(to, p->msize);
    put_le32(to + 4, count);
    memset(at, 0, (size_t)(to + P9_STATE_LEN - at));
}

static bool is_inside(const char *path)
{
    char copy[PATH_MAX], *save = NULL;

    if (strlen(path) >= sizeof(copy))
        return false;
    if (!*path)
        return true;
    strcpy(copy, path);
    if (*path == '/' || path[strlen(path) - 1] == '/' || strstr(path, "//"))
        return false;
    for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save))
        if (!strcmp(part, ".") || !strcmp(part, "..") || strlen(part) >= P9_NAME)
            return false;
    return true;
}

static int unpack_one(struct p9 *p, struct p9_in *in)
{
    u32 id = (u32)p9_get(in, 4), flags = (u32)p9_get(in, 4);
    u8 how = (u8)p9_get(in, 1);
    char path[PATH_MAX];
    struct p9_fid *fid;
    int fd, rc;

    p9_get_text(in, path, sizeof(path));
    if (in->bad || how > (OPEN | STALE) || !is_inside(path))
        return -EINVAL;
    rc = p9_add_fid(p, id, path, &fid);
    if (rc || !how)
        return rc ? -EINVAL : 0;
    fd = how & STALE || (p->read_only && (flags & O_ACCMODE) != O_RDONLY)
             ? -ESTALE
             : p9_open_file(p, path, flags & REOPENS);
    fid->stale = fd < 0 || p9_set_open(p, fid, fd, flags & REOPENS);
    return 0;
}

int p9_unpack(struct p9 *p, const u8 from[P9_STATE_LEN])
{
    struct p9_in in = {.at = from, .left = P9_STATE_LEN};
    u32 msize = (u32)p9_get(&in, 4), count = (u32)p9_get(&in, 4);
    int rc = msize > P9_MESSAGE_MAX || (msize && msize < P9_MSIZE_MIN) || (count && !msize)
                 ? -EINVAL
                 : 0;

    p9_reset(p);
    for (u32 n = 0; n < count && !rc; n++)
        rc = unpack_one(p, &in);
    if (rc)
        p9_reset(p);
    else
        p->msize = msize;
    return rc;
}
