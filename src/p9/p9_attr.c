/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of files and of the file system. */
#include "p9/p9_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <unistd.h>

#define GETATTR_BASIC 0x7ffu

#define SET_MODE     0x001u
#define SET_UID      0x002u
#define SET_GID      0x004u
#define SET_SIZE     0x008u
#define SET_ATIME    0x010u
#define SET_MTIME    0x020u
#define SET_ATIME_TO 0x080u /* a given time, not now */
#define SET_MTIME_TO 0x100u

int p9_statfs(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *fid;
    u32 id = (u32)p9_get(in, 4);
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    struct statfs fs;

    if (rc)
        return rc;
    if (fstatfs(p->root, &fs))
        return -errno;
    p9_put(out, 4, (u64)fs.f_type);
    p9_put(out, 4, (u64)fs.f_bsize);
    p9_put(out, 8, fs.f_blocks);
    p9_put(out, 8, fs.f_bfree);
    p9_put(out, 8, fs.f_bavail);
    p9_put(out, 8, fs.f_files);
    p9_put(out, 8, fs.f_ffree);
    p9_put(out, 8, 0);
    p9_put(out, 4, (u64)fs.f_namelen);
    return 0;
}

int p9_readlink(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    char target[PATH_MAX];
    struct p9_fid *fid;
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    int fd = rc ? rc : p9_at(p, fid->path);
    ssize_t n;

    if (fd < 0)
        return fd;
    n = readlinkat(fd, "", target, sizeof(target) - 1);
    rc = n < 0 ? (errno == ENOENT ? -EINVAL : -errno) : 0; /* ENOENT: it is no link */
    close(fd);
    if (rc)
        return rc;
    target[n] = '\0';
    p9_put_text(out, target);
    return 0;
}

static void put_time(struct p9_out *out, const struct timespec *t)
{
    p9_put(out, 8, (u64)t->tv_sec);
    p9_put(out, 8, (u64)t->tv_nsec);
}

int p9_getattr(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    struct p9_fid *fid;
    struct stat st;
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);

    if (!rc)
        rc = p9_stat(p, fid, &st);
    if (rc)
        return rc;
    p9_put(out, 8, GETATTR_BASIC);
    p9_put_qid(p, out, &st);
    p9_put(out, 4, st.st_mode);
    p9_put(out, 4, st.st_uid);
    p9_put(out, 4, st.st_gid);
    p9_put(out, 8, st.st_nlink);
    p9_put(out, 8, st.st_rdev);
    p9_put(out, 8, (u64)st.st_size);
    p9_put(out, 8, (u64)st.st_blksize);
    p9_put(out, 8, (u64)st.st_blocks);
    put_time(out, &st.st_atim);
    put_time(out, &st.st_mtim);
    put_time(out, &st.st_ctim);
    for (unsigned n = 0; n < 4; n++)
        p9_put(out, 8, 0); /* time of birth, generation, version of the data: not known */
    return 0;
}

struct attrs {
    u32 valid, mode, uid, gid;
    u64 size;
    struct timespec time[2];
};

static void get_attrs(struct p9_in *in, struct attrs *a)
{
    a->valid = (u32)p9_get(in, 4);
    a->mode = (u32)p9_get(in, 4);
    a->uid = (u32)p9_get(in, 4);
    a->gid = (u32)p9_get(in, 4);
    a->size = p9_get(in, 8);
    for (unsigned n = 0; n < 2; n++) {
        a->time[n].tv_sec = (time_t)p9_get(in, 8);
        a->time[n].tv_nsec = (long)p9_get(in, 8);
    }
}

/* An unprivileged Domus keeps the owner: as from a file system without owners, that is no error. */
static int set_owner(int fd, const struct attrs *a)
{
    uid_t uid = a->valid & SET_UID ? a->uid : (uid_t)-1;
    gid_t gid = a->valid & SET_GID ? a->gid : (gid_t)-1;

    if (!fchownat(fd, "", uid, gid, AT_EMPTY_PATH) || (errno == EPERM && geteuid()))
        return 0;
    return -errno;
}

static struct timespec time_for(const struct attrs *a, unsigned n, u32 set, u32 given)
{
    if (!(a->valid & set))
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return a->valid & given ? a->time[n] : (struct timespec){.tv_nsec = UTIME_NOW};
}

static int set_times(int fd, const struct attrs *a)
{
    struct timespec t[2] = {time_for(a, 0, SET_ATIME, SET_ATIME_TO),
                            time_for(a, 1, SET_MTIME, SET_MTIME_TO)};

    return utimensat(fd, "", t, AT_EMPTY_PATH) ? -errno : 0;
}

static int set_size(const struct p9 *p, const struct p9_fid *fid, u64 size)
{
    bool opened = fid->fd >= 0 && (fid->flags & O_ACCMODE) != O_RDONLY;
    int fd = opened ? fid->fd : p9_open_file(p, fid->path, O_WRONLY), rc;

    if (fd < 0)
        return fd;
    rc = size > INT64_MAX ? -EFBIG : ftruncate(fd, (off_t)size) ? -errno : 0;
    if (!opened)
        close(fd);
    return rc;
}

/* Size first: it changes the times; owner before mode. */
int p9_setattr(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    struct attrs a;
    struct p9_fid *fid;
    int rc, fd;

    get_attrs(in, &a);
    rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    if (!rc && a.valid & SET_SIZE)
        rc = set_size(p, fid, a.size);
    if (rc)
        return rc;
    fd = fid->fd >= 0 ? fcntl(fid->fd, F_DUPFD_CLOEXEC, 0) : p9_at(p, fid->path);
    if (fd < 0)
        return fid->fd >= 0 ? -errno : fd;
    if (a.valid & (SET_UID | SET_GID))
        rc = set_owner(fd, &a);
    if (!rc && a.valid & SET_MODE)
        rc = p9_chmod(fd, a.mode);
    if (!rc && a.valid & (SET_ATIME | SET_MTIME))
        rc = set_times(fd, &a);
    close(fd);
    return rc;
}
