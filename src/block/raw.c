/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file or host block device as it is. What lies between the end of a file and the next sector
 * reads as zeros; the file grows into it only by a write of something else.
 */
#include "block/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_CHUNK (64 * KiB)

struct raw {
    struct block_node node;
    int fd;
    bool device;
    _Atomic u64 bytes; /* of the file */
};

static struct raw *raw_of(struct block_node *n)
{
    return container_of(n, struct raw, node);
}

static int raw_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    while (len) {
        ssize_t r = pread(raw_of(n)->fd, buf, len, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (!r) {
            memset(buf, 0, len);
            return 0;
        }
        off += (u64)r;
        buf += r;
        len -= (u64)r;
    }
    return 0;
}

static bool all_zero(const u8 *buf, u64 len)
{
    return !len || (!buf[0] && !memcmp(buf, buf + 1, len - 1));
}

static int raw_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct raw *raw = raw_of(n);
    u64 bytes = raw->bytes, inside = off < bytes ? min_u64(len, bytes - off) : 0;

    if (len > inside && all_zero(buf + inside, len - inside))
        len = inside;
    while (len) {
        ssize_t r = pwrite(raw->fd, buf, len, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r ? -errno : -ENOSPC;
        off += (u64)r;
        buf += r;
        len -= (u64)r;
        if (off > raw->bytes) /* only within the last sector; racing writers agree in the end */
            raw->bytes = off;
    }
    return 0;
}

static int raw_flush(struct block_node *n)
{
    int r;

    do
        r = fdatasync(raw_of(n)->fd);
    while (r && errno == EINTR);
    return r ? -errno : 0;
}

/* The host cannot do it; something simpler will. */
static bool unable(int error)
{
    return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EINVAL ||
           error == ENODEV;
}

static int raw_discard(struct block_node *n, u64 off, u64 len)
{
    struct raw *raw = raw_of(n);
    u64 range[2] = {off, len};
    int r;

    if (raw->device)
        r = ioctl(raw->fd, BLKDISCARD, range);
    else
        r = fallocate(raw->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
    return r && !unable(errno) ? -errno : 0;
}

static int write_zeros(struct block_node *n, u64 off, u64 len)
{
    static const u8 zeros[ZERO_CHUNK];
    int rc = 0;

    while (len && !rc) {
        u64 part = min_u64(len, ZERO_CHUNK);
        rc = raw_write(n, off, zeros, part);
        off += part;
        len -= part;
    }
    return rc;
}

static int raw_zero(struct block_node *n, u64 off, u64 len)
{
    struct raw *raw = raw_of(n);

    if (!fallocate(raw->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
        return 0;
    if (!unable(errno))
        return -errno;
    if (!raw->device &&
        !fallocate(raw->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
        return 0;
    return write_zeros(n, off, len);
}

static void raw_close(struct block_node *n)
{
    struct raw *raw = raw_of(n);

    if (raw->fd >= 0)
        close(raw->fd);
    free(raw);
}

static const struct block_driver raw_driver = {
    .name = "raw",
    .read = raw_read,
    .write = raw_write,
    .flush = raw_flush,
    .discard = raw_discard,
    .zero = raw_zero,
    .close = raw_close,
};

static int find_size(struct raw *raw, const char *path, struct err *err)
{
    struct stat st;
    u64 bytes = 0;

    if (fstat(raw->fd, &st))
        return err_set(err, errno, "'%s': %s", path, strerror(errno));
    raw->device = S_ISBLK(st.st_mode);
    if (!raw->device && !S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "'%s' is neither a file nor a block device", path);
    if (raw->device ? ioctl(raw->fd, BLKGETSIZE64, &bytes) : 0)
        return err_set(err, errno, "'%s': its size cannot be found: %s", path, strerror(errno));
    raw->bytes = raw->device ? bytes : (u64)st.st_size;
    if (!raw->bytes)
        return err_set(err, EINVAL,
                       "'%s' is empty; make it as long as the disk, for example with "
                       "truncate -s 10G",
                       path);
    raw->node.size = align_up(raw->bytes, BLOCK_SECTOR);
    return 0;
}

/* File systems without locks go without. */
static int lock_file(struct raw *raw, const char *path, struct err *err)
{
    struct flock lock = {.l_type = raw->node.read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

    if (!fcntl(raw->fd, F_OFD_SETLK, &lock))
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return 0;
    return err_set(err, EBUSY,
                   "'%s' is in use%s; stop whatever uses it, or open it read-only "
                   "or as a snapshot everywhere",
                   path, raw->node.read_only ? " by a writer" : "");
}

static int open_file(struct raw *raw, const char *path, struct err *err)
{
    int flags = (raw->node.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    struct stat st;

    /* Of a block device, the kernel then refuses writers what is mounted. */
    if (!raw->node.read_only && !stat(path, &st) && S_ISBLK(st.st_mode))
        flags |= O_EXCL;
    raw->fd = open(path, flags);
    if (raw->fd >= 0)
        return 0;
    if (!raw->node.read_only && (errno == EACCES || errno == EROFS || errno == EPERM))
        return err_set(err, errno,
                       "'%s' cannot be written: %s; change its permissions, or use it "
                       "read-only or as a snapshot",
                       path, strerror(errno));
    if (errno == EBUSY)
        return err_set(err, EBUSY, "'%s' is in use by the host; is it mounted?", path);
    return err_set(err, errno, "'%s': %s", path, strerror(errno));
}

int block_raw_open(struct block_node **out, const char *path, bool read_only, struct err *err)
{
    struct raw *raw = calloc(1, sizeof(*raw));
    int rc;

    if (!raw)
        return err_set(err, ENOMEM, "'%s': %s", path, strerror(ENOMEM));
    raw->node.ops = &raw_driver;
    raw->node.read_only = read_only;
    rc = open_file(raw, path, err);
    if (!rc)
        rc = find_size(raw, path, err);
    if (!rc)
        rc = lock_file(raw, path, err);
    if (rc) {
        raw_close(&raw->node);
        return rc;
    }
    *out = &raw->node;
    return 0;
}

/* An open file that has no name. */
static int open_unnamed(const char *dir)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    if ((size_t)snprintf(path, sizeof(path), "%s/domus-XXXXXX", dir) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int block_raw_temporary(struct block_node **out, u64 size, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    struct raw *raw = calloc(1, sizeof(*raw));

    if (!dir || !*dir)
        dir = "/var/tmp";
    if (!raw)
        return err_set(err, ENOMEM, "temporary file: %s", strerror(ENOMEM));
    raw->node = (struct block_node){.ops = &raw_driver, .size = size};
    raw->bytes = size;
    raw->fd = open_unnamed(dir);
    if (raw->fd < 0 || ftruncate(raw->fd, (off_t)size)) {
        int rc = err_set(err, errno,
                         "no temporary file in '%s': %s; set TMPDIR to a folder with "
                         "room",
                         dir, strerror(errno));
        raw_close(&raw->node);
        return rc;
    }
    *out = &raw->node;
    return 0;
}
