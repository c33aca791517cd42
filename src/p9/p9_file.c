/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open files and folders: what is in them. */
#include "p9/p9_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES (32u * KiB) /* of a folder, read at once */
#define ENTRY   24u         /* bytes of an entry in an answer, without its name */

static int put_opened(struct p9 *p, struct p9_out *out, int fd)
{
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    p9_put_qid(p, out, &st);
    p9_put(out, 4, 0); /* as much at once as a message holds */
    return 0;
}

int p9_open(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), flags = (u32)p9_get(in, 4);
    struct p9_fid *fid;
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    int fd;

    if (!rc && p->read_only && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
        rc = -EROFS;
    if (rc)
        return rc;
    fd = p9_open_file(p, fid->path, flags);
    if (fd < 0)
        return fd;
    rc = p9_set_open(p, fid, fd, flags);
    return rc ? rc : put_opened(p, out, fd);
}

/* The fid of the folder becomes that of the new file. */
int p9_create(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), flags, mode;
    char name[P9_NAME], path[PATH_MAX];
    struct p9_fid *fid;
    int rc, dir, fd;

    p9_get_name(in, name);
    flags = (u32)p9_get(in, 4);
    mode = (u32)p9_get(in, 4);
    rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    if (!rc)
        rc = fid->fd >= 0 ? -EINVAL : p9_join(path, fid->path, name);
    if (rc)
        return rc;
    dir = p9_at(p, fid->path);
    if (dir < 0)
        return dir;
    fd = p9_create_file(p, dir, name, flags, mode);
    close(dir);
    if (fd < 0)
        return fd;
    rc = p9_rename_fid(p, fid, path);
    if (rc)
        close(fd);
    else
        rc = p9_set_open(p, fid, fd, flags);
    return rc ? rc : put_opened(p, out, fd);
}

static int find_open(const struct p9 *p, const struct p9_in *in, u32 id)
{
    struct p9_fid *fid;
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);

    return rc ? rc : p9_open_fd(fid);
}

int p9_read(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    u64 offset = p9_get(in, 8), count = p9_get(in, 4);
    int fd = find_open(p, in, id);
    ssize_t n;

    if (fd < 0)
        return fd;
    if (out->left < 4 || offset > INT64_MAX)
        return -EINVAL;
    n = pread(fd, out->at + 4, min_u64(count, out->left - 4), (off_t)offset);
    if (n < 0)
        return -errno;
    p9_put(out, 4, (u64)n);
    out->at += n;
    out->left -= (u32)n;
    return 0;
}

int p9_write(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    u64 offset = p9_get(in, 8), count = p9_get(in, 4);
    int fd = find_open(p, in, id);
    ssize_t n;

    if (fd < 0)
        return fd;
    if (count > in->left || offset > INT64_MAX)
        return -EINVAL;
    n = pwrite(fd, in->at, count, (off_t)offset);
    if (n < 0)
        return -errno;
    p9_put(out, 4, (u64)n);
    return 0;
}

int p9_fsync(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), data_only = in->left ? (u32)p9_get(in, 4) : 0;
    int fd = find_open(p, in, id);

    if (fd < 0)
        return fd;
    return (data_only ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

/* As the kernel's getdents64 lays it out. */
struct entry {
    u64 ino, next;
    u16 len;
    u8 type;
    char name[];
};

/* Appends entries as long as they fit into `count` bytes; how many bytes they take. */
static u64 put_entries(struct p9_out *out, const u8 *buf, long len, u64 count)
{
    u64 used = 0;

    for (long at = 0; at < len;) {
        const struct entry *e = (const void *)(buf + at);
        u64 n = ENTRY + strlen(e->name);
        if (used + n > count)
            break;
        p9_put_entry_qid(out, e->ino, e->type);
        p9_put(out, 8, e->next);
        p9_put(out, 1, e->type);
        p9_put_text(out, e->name);
        used += n;
        at += e->len;
    }
    return used;
}

/* A client goes on at the `next` of the last entry that it has. */
int p9_readdir(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    u64 offset = p9_get(in, 8), count = p9_get(in, 4), used;
    int fd = find_open(p, in, id);
    u8 buf[ENTRIES] __attribute__((aligned(8)));
    u8 *counted = out->at;
    long len;

    if (fd < 0)
        return fd;
    if (out->left < 4)
        return -EINVAL;
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return -errno;
    len = syscall(SYS_getdents64, fd, buf, sizeof(buf));
    if (len < 0)
        return -errno;
    p9_put(out, 4, 0);
    used = put_entries(out, buf, len, min_u64(count, out->left));
    if (len && !used)
        return -EINVAL; /* no room for one */
    put_le32(counted, (u32)used);
    return 0;
}
