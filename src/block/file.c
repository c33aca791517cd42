/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host files and block devices: opening them, their size and holes. Their bytes are in file_io.c.
 */
#include "block/file_lock.h"
#include "block/file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_CHUNK (64 * KiB)

const char *bfile_path(const struct bfile *f)
{
    return f->path;
}

bool bfile_read_only(const struct bfile *f)
{
    return f->read_only;
}

bool bfile_is_device(const struct bfile *f)
{
    return f->device;
}

u64 bfile_size(const struct bfile *f)
{
    return f->size;
}

u64 bfile_allocated(const struct bfile *f)
{
    struct stat st;

    if (f->remote)
        return f->size;
    return fstat(f->fd, &st) ? 0 : (u64)st.st_blocks * 512;
}

bool bfile_same(const struct bfile *a, const struct bfile *b)
{
    if (a->remote || b->remote)
        return a->remote && b->remote && !strcmp(a->path, b->path);
    return a->dev == b->dev && a->ino == b->ino;
}

void bfile_set_hook(struct bfile *f, bfile_hook hook, void *opaque)
{
    f->hook = hook;
    f->opaque = opaque;
}

int bfile_flush(struct bfile *f)
{
    int rc = bfile_before(f, BFILE_FLUSH, 0, NULL, 0), r;

    if (rc || f->unsynced)
        return rc;
    if (f->remote)
        return f->remote->ops->flush(f->remote);
    do
        r = fdatasync(f->fd);
    while (r && errno == EINTR);
    return r ? -errno : 0;
}

int bfile_truncate(struct bfile *f, u64 size)
{
    int rc = bfile_before(f, BFILE_TRUNCATE, size, NULL, 0);

    if (rc || f->device)
        return rc ? rc : size <= f->size ? 0 : -ENOSPC;
    if (ftruncate(f->fd, (off_t)size))
        return -errno;
    f->size = size;
    return 0;
}

/* The host cannot do it; something simpler will. */
static bool unable(int error)
{
    return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EINVAL ||
           error == ENODEV;
}

int bfile_discard(struct bfile *f, u64 off, u64 len)
{
    u64 range[2] = {off, len};
    int rc = bfile_before(f, BFILE_DISCARD, off, NULL, len), r;

    if (rc)
        return rc;
    if (f->remote)
        return off < f->size ? f->remote->ops->discard(f->remote, off, min_u64(len, f->size - off))
                             : 0;
    if (f->device)
        r = ioctl(f->fd, BLKDISCARD, range);
    else
        r = fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
    return r && !unable(errno) ? -errno : 0;
}

static int write_zeros(struct bfile *f, u64 off, u64 len)
{
    static const u8 zeros[ZERO_CHUNK];
    int rc = 0;

    while (len && !rc) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)zeros,
                            .iov_len = min_u64(len, ZERO_CHUNK)};
        u64 part = iov.iov_len;
        rc = bfile_put(f, off, &iov, 1);
        off += part;
        len -= part;
    }
    return rc;
}

int bfile_zero(struct bfile *f, u64 off, u64 len)
{
    int rc = bfile_before(f, BFILE_ZERO, off, NULL, len);
    u64 inside = off < f->size ? min_u64(len, f->size - off) : 0;

    if (rc)
        return rc;
    if (!f->device && inside < len) { /* it ends in a hole */
        rc = ftruncate(f->fd, (off_t)(off + len)) ? -errno : 0;
        if (rc)
            return rc;
        bfile_grown(f, off + len);
    }
    if (!inside)
        return 0;
    if (f->remote) {
        rc = f->remote->ops->zero(f->remote, off, inside);
        return rc == -EOPNOTSUPP ? write_zeros(f, off, inside) : rc;
    }
    if (!fallocate(f->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)inside))
        return 0;
    if (!unable(errno))
        return -errno;
    if (!f->device &&
        !fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)inside))
        return 0;
    return write_zeros(f, off, inside);
}

int bfile_allocate(struct bfile *f, u64 off, u64 len)
{
    int r;

    if (f->remote)
        return off <= f->size && len <= f->size - off ? 0 : -ENOSPC;
    r = fallocate(f->fd, 0, (off_t)off, (off_t)len);
    if (r && !unable(errno))
        return -errno;
    if (!r || f->device) {
        bfile_grown(f, off + len);
        return 0;
    }
    return f->size >= off + len ? 0 : bfile_truncate(f, off + len);
}

u64 bfile_extent(struct bfile *f, u64 off, u64 len, bool *hole)
{
    off_t data, end;

    *hole = off >= f->size;
    if (*hole)
        return len;
    if (f->remote)
        return f->remote->ops->extent(f->remote, off, min_u64(len, f->size - off), hole);
    data = lseek(f->fd, (off_t)off, SEEK_DATA);
    if (data < 0) { /* no more data: or the host cannot tell */
        *hole = errno == ENXIO;
        return len;
    }
    if ((u64)data > off) {
        *hole = true;
        return min_u64(len, (u64)data - off);
    }
    end = lseek(f->fd, (off_t)off, SEEK_HOLE);
    if (end < 0 || (u64)end <= off)
        return len;
    return min_u64(len, (u64)end - off);
}

void bfile_close(struct bfile *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->remote)
        f->remote->ops->close(f->remote);
    free(f->path);
    free(f);
}

static int find_size(struct bfile *f, struct err *err)
{
    struct stat st;
    u64 bytes = 0;

    if (fstat(f->fd, &st))
        return err_set(err, errno, "'%s': %s", f->path, strerror(errno));
    f->device = S_ISBLK(st.st_mode);
    f->dev = f->device ? st.st_rdev : st.st_dev;
    f->ino = f->device ? 0 : st.st_ino;
    if (!f->device && !S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "'%s' is neither a file nor a block device", f->path);
    if (f->device && ioctl(f->fd, BLKGETSIZE64, &bytes))
        return err_set(err, errno, "'%s': its size cannot be found: %s", f->path, strerror(errno));
    f->size = f->device ? bytes : (u64)st.st_size;
    return 0;
}

static int open_fd(struct bfile *f, unsigned how, struct err *err)
{
    int flags = (f->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    struct stat st;

    if (how & BFILE_CREATE)
        flags |= O_CREAT;
    /* Of a block device, the kernel then refuses writers what is mounted. */
    if (!f->read_only && !stat(f->path, &st) && S_ISBLK(st.st_mode))
        flags = (flags | O_EXCL) & ~O_CREAT;
    f->fd = open(f->path, flags, 0644);
    if (f->fd >= 0)
        return 0;
    if (how & BFILE_CREATE)
        return err_set(err, errno, "'%s' cannot be made: %s", f->path, strerror(errno));
    if (!f->read_only && (errno == EACCES || errno == EROFS || errno == EPERM))
        return err_set(err, errno,
                       "'%s' cannot be written: %s; change its permissions, or use it "
                       "read-only or as a snapshot",
                       f->path, strerror(errno));
    if (errno == EBUSY)
        return err_set(err, EBUSY, "'%s' is in use by the host; is it mounted?", f->path);
    return err_set(err, errno, "'%s': %s", f->path, strerror(errno));
}

static struct bfile *new_file(const char *path, bool read_only, struct err *err)
{
    struct bfile *f = calloc(1, sizeof(*f));

    if (f) {
        f->fd = -1;
        f->read_only = read_only;
        f->path = strdup(path);
    }
    if (f && f->path)
        return f;
    bfile_close(f);
    err_set(err, ENOMEM, "'%s': %s", path, strerror(ENOMEM));
    return NULL;
}

static bool is_folder(const char *name)
{
    return !strncmp(name, "fat:", 4);
}

static int open_remote(struct bfile *f, unsigned flags, struct err *err)
{
    bool folder = is_folder(f->path);
    int rc;

    if (folder && (flags & BFILE_CREATE))
        return err_set(err, EROFS, "'%s': a folder is a disk to be read only", f->path);
    rc = folder ? remote_open_fat(&f->remote, f->path, err)
                : remote_open_nbd(&f->remote, f->path, f->read_only, err);
    if (rc)
        return rc;
    f->read_only |= folder;
    f->device = true;
    f->size = f->remote->size;
    return 0;
}

bool bfile_is_uri(const char *name)
{
    static const char *const schemes[] = {"nbd:", "nbd+", "nbds:", "nbds+"};

    for (unsigned i = 0; i < ARRAY_SIZE(schemes); i++)
        if (!strncmp(name, schemes[i], strlen(schemes[i])))
            return true;
    return false;
}

static int open_host(struct bfile *f, unsigned flags, struct err *err)
{
    int rc = open_fd(f, flags, err);

    if (!rc)
        rc = find_size(f, err);
    if (!rc && !(flags & BFILE_UNLOCKED))
        rc = file_lock(f->fd, f->path, f->read_only, err);
    if (!rc && (flags & BFILE_CREATE) && !f->device && f->size) {
        rc = bfile_truncate(f, 0);
        if (rc)
            err_set(err, -rc, "'%s': %s", f->path, strerror(-rc));
    }
    return rc;
}

int bfile_open(struct bfile **out, const char *path, unsigned flags, struct err *err)
{
    struct bfile *f = new_file(path, flags & BFILE_READ_ONLY, err);
    int rc;

    if (!f)
        return -ENOMEM;
    f->unsynced = flags & BFILE_UNSYNCED;
    rc = bfile_is_uri(path) || is_folder(path) ? open_remote(f, flags, err)
                                               : open_host(f, flags, err);
    if (rc) {
        bfile_close(f);
        return rc;
    }
    *out = f;
    return 0;
}

int bfile_from_fd(struct bfile **out, int fd, const char *name, bool read_only, struct err *err)
{
    struct bfile *f = new_file(name, read_only, err);
    int rc;

    if (!f) {
        close(fd);
        return -ENOMEM;
    }
    f->fd = fd;
    rc = find_size(f, err);
    if (rc) {
        bfile_close(f);
        return rc;
    }
    *out = f;
    return 0;
}
