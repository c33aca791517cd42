/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names below the shared folder, and the descriptors behind them. Here alone the host's files are
   looked up: beneath the folder, and through no symbolic link. */
#include "p9/p9_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a client may ask for when it opens a file; the same bits as the host's. */
#define OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC | O_DIRECTORY)
#define MODE_BITS  0777u

static int open_beneath(const struct p9 *p, const char *path, int flags)
{
    struct open_how how = {.flags = (u64)(u32)(flags | O_CLOEXEC | O_NOFOLLOW),
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, p->root, *path ? path : ".", &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

int p9_at(const struct p9 *p, const char *path)
{
    return open_beneath(p, path, O_PATH);
}

static bool can_open(const struct stat *st)
{
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

/* Closes what is neither a regular file nor a folder. O_NONBLOCK was for a pipe's sake. */
static int check_opened(int fd)
{
    struct stat st;

    if (fd < 0)
        return -errno;
    if (!fstat(fd, &st) && can_open(&st))
        return fd;
    close(fd);
    return -ENXIO;
}

int p9_open_file(const struct p9 *p, const char *path, u32 flags)
{
    int fd = p9_at(p, path);
    struct stat st;
    bool can;

    if (fd < 0)
        return fd;
    can = !fstat(fd, &st) && can_open(&st);
    close(fd);
    if (!can) /* opening a device may have effects, even for a moment */
        return S_ISLNK(st.st_mode) ? -ELOOP : -ENXIO;
    fd = open_beneath(p, path, (int)(flags & OPEN_FLAGS) | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        errno = -fd;
    return check_opened(fd);
}

int p9_create_file(const struct p9 *p, int dir, const char *name, u32 flags, u32 mode)
{
    int how = (int)(flags & OPEN_FLAGS) | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(dir, name, how | O_CREAT | O_EXCL, mode & MODE_BITS);
    struct stat st;

    if (fd >= 0) { /* the client has its own mask */
        (void)!fchmod(fd, mode & MODE_BITS);
        return fd;
    }
    if (errno != EEXIST || flags & O_EXCL)
        return -errno;
    if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && !can_open(&st))
        return -ENXIO;
    return check_opened(openat(dir, name, how));
}

int p9_parent(const struct p9 *p, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];

    if (!*path)
        return -EBUSY;
    *name = slash ? slash + 1 : path;
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
    return open_beneath(p, dir, O_PATH | O_DIRECTORY);
}

int p9_join(char to[PATH_MAX], const char *dir, const char *name)
{
    int len = snprintf(to, PATH_MAX, "%s%s%s", dir, *dir ? "/" : "", name);

    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The kernel changes no mode by an O_PATH descriptor itself. */
int p9_chmod(int fd, u32 mode)
{
    char link[32];
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    if (S_ISLNK(st.st_mode))
        return -EOPNOTSUPP;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    mode &= S_ISDIR(st.st_mode) ? MODE_BITS | S_ISVTX : MODE_BITS;
    return chmod(link, mode) ? -errno : 0;
}

int p9_stat(const struct p9 *p, const struct p9_fid *fid, struct stat *st)
{
    int fd, rc;

    if (fid->fd >= 0)
        return fstat(fid->fd, st) ? -errno : 0;
    fd = p9_at(p, fid->path);
    if (fd < 0)
        return fd;
    rc = fstat(fd, st) ? -errno : 0;
    close(fd);
    return rc;
}
