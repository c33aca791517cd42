/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file or host block device as it is. What lies between the end of a file and the next sector
 * reads as zeros; the file grows into it only by a write of something else.
 */
#include "block/file.h"
#include "block/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct raw {
    struct block_node node;
    struct bfile *file;
    bool guarded;
};

static struct raw *raw_of(struct block_node *n)
{
    return container_of(n, struct raw, node);
}

static int raw_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    return bfile_read(raw_of(n)->file, off, buf, len);
}

static bool looks_like_another(const u8 head[PROBE_BYTES])
{
    for (unsigned i = 0; format_at(i); i++)
        if (format_at(i)->probe && format_at(i)->probe(head, ""))
            return true;
    return false;
}

/* Refuses what would make the image look like another format to whoever guesses next. What is
   looked at is what is written: the guest may change its memory meanwhile. */
static int write_guarded(struct raw *raw, u64 off, const u8 *buf, u64 len)
{
    u8 head[PROBE_BYTES];
    u64 part = min_u64(len, sizeof(head) - off);
    struct iovec iov[] = {{head + off, part}, {(void *)(uintptr_t)(buf + part), len - part}};
    int rc = bfile_read(raw->file, 0, head, sizeof(head));

    if (rc)
        return rc;
    memcpy(head + off, buf, part);
    if (looks_like_another(head)) {
        fprintf(stderr,
                "domus: '%s': a write that would make it an image of another format is refused; "
                "say format=raw if it is raw\r\n",
                bfile_path(raw->file));
        return -EPERM;
    }
    return bfile_writev(raw->file, off, iov, ARRAY_SIZE(iov));
}

static int raw_write(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct raw *raw = raw_of(n);
    u64 bytes = bfile_size(raw->file), inside = off < bytes ? min_u64(len, bytes - off) : 0;

    if (off + len == n->size && len - inside < BLOCK_SECTOR &&
        is_all_zero(buf + inside, len - inside))
        len = inside;
    if (!len)
        return 0;
    if (raw->guarded && off < BLOCK_SECTOR)
        return write_guarded(raw, off, buf, len);
    return bfile_write(raw->file, off, buf, len);
}

static int raw_readv(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    return bfile_readv(raw_of(n)->file, off, iov, count);
}

static int raw_read_now(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    return bfile_read_now(raw_of(n)->file, off, iov, count);
}

static int raw_plain_fd(struct block_node *n, u64 off, u64 len)
{
    return bfile_plain_fd(raw_of(n)->file, off, len);
}

/* raw_write looks at what is written at both ends of some images. */
static int raw_writev(struct block_node *n, u64 off, const struct iovec *iov, unsigned count)
{
    struct raw *raw = raw_of(n);

    if ((raw->guarded && off < BLOCK_SECTOR) || bfile_size(raw->file) < n->size)
        return node_move_pieces(n, true, off, iov, count);
    return bfile_writev(raw->file, off, iov, count);
}

static int raw_flush(struct block_node *n)
{
    return bfile_flush(raw_of(n)->file);
}

static int raw_discard(struct block_node *n, u64 off, u64 len)
{
    return bfile_discard(raw_of(n)->file, off, len);
}

static int raw_zero(struct block_node *n, u64 off, u64 len)
{
    struct bfile *f = raw_of(n)->file;
    u64 bytes = bfile_size(f), inside = off < bytes ? min_u64(len, bytes - off) : 0;

    if (off + len == n->size && len - inside < BLOCK_SECTOR)
        len = inside;
    return len ? bfile_zero(f, off, len) : 0;
}

static void raw_close(struct block_node *n)
{
    struct raw *raw = raw_of(n);

    bfile_close(raw->file);
    free(raw);
}

static int raw_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    bool hole;

    out->len = bfile_extent(raw_of(n)->file, off, len, &hole);
    out->flags = EXTENT_ALLOCATED | EXTENT_OFFSET | (hole ? EXTENT_ZERO : EXTENT_DATA);
    out->host = off;
    return 0;
}

static int preallocate(struct bfile *f, u64 from, u64 size, enum block_prealloc how)
{
    static const u8 zeros[64 * KiB];
    int rc = 0;

    if (how == PREALLOC_FALLOC)
        return bfile_allocate(f, from, size - from);
    for (; from < size && !rc && how == PREALLOC_FULL; from += min_u64(sizeof(zeros), size - from))
        rc = bfile_write(f, from, zeros, min_u64(sizeof(zeros), size - from));
    return rc;
}

static int raw_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err)
{
    struct bfile *f = raw_of(n)->file;
    u64 was = bfile_size(f);
    int rc;

    if (how == PREALLOC_METADATA)
        return err_set(err, EINVAL, "'%s': a raw image has no metadata to preallocate",
                       bfile_path(f));
    rc = bfile_truncate(f, size);
    if (!rc && size > was)
        rc = preallocate(f, was, size, how);
    if (rc)
        return err_set(err, -rc, "'%s' cannot be resized: %s", bfile_path(f), strerror(-rc));
    n->size = align_up(size, BLOCK_SECTOR);
    return 0;
}

static const struct block_driver raw_driver = {
    .name = "raw",
    .read = raw_read,
    .write = raw_write,
    .readv = raw_readv,
    .writev = raw_writev,
    .plain_fd = raw_plain_fd,
    .read_now = raw_read_now,
    .flush = raw_flush,
    .discard = raw_discard,
    .zero = raw_zero,
    .close = raw_close,
    .status = raw_status,
    .resize = raw_resize,
};

int block_raw_new(struct block_node **out, struct bfile *file, bool guarded, struct err *err)
{
    struct raw *raw = calloc(1, sizeof(*raw));

    if (!raw) {
        bfile_close(file);
        return err_set(err, ENOMEM, "raw image: %s", strerror(ENOMEM));
    }
    raw->node.ops = &raw_driver;
    raw->node.read_only = bfile_read_only(file);
    raw->node.size = align_up(bfile_size(file), BLOCK_SECTOR);
    raw->node.file = raw->file = file;
    raw->guarded = guarded;
    *out = &raw->node;
    return 0;
}

static int raw_open(struct block_node **out, struct bfile *file, unsigned flags, struct err *err)
{
    return block_raw_new(out, file, false, err);
}

static int raw_create(const char *path, u64 size, const char *backing, const char *backing_format,
                      const struct format_options *options, struct err *err)
{
    enum block_prealloc how = PREALLOC_OFF;
    struct bfile *f;
    int rc = format_prealloc(options, &how, err);

    if (!rc && how == PREALLOC_METADATA)
        rc = err_set(err, EINVAL, "preallocation=metadata: a raw image has none");
    if (!rc)
        rc = bfile_open(&f, path, BFILE_CREATE, err);
    if (rc)
        return rc;
    rc = bfile_truncate(f, size);
    if (!rc && !bfile_is_device(f))
        rc = preallocate(f, 0, size, how);
    if (rc)
        err_set(err, -rc, "'%s' cannot be made of %llu bytes: %s", path, (unsigned long long)size,
                strerror(-rc));
    bfile_close(f);
    return rc;
}

static int raw_measure(u64 size, u64 data, const struct format_options *options, u64 *required,
                       u64 *full, struct err *err)
{
    *required = *full = size;
    return 0;
}

static const struct format_key raw_keys[] = {
    {"preallocation", "off, falloc (room is reserved), full (zeros are written)"},
    {NULL, NULL},
};

const struct block_format format_raw = {
    .name = "raw",
    .open = raw_open,
    .create = raw_create,
    .keys = raw_keys,
    .measure = raw_measure,
};

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
    struct bfile *file;
    int fd, rc;

    if (!dir || !*dir)
        dir = "/var/tmp";
    fd = open_unnamed(dir);
    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        rc = err_set(err, errno, "no temporary file in '%s': %s; set TMPDIR to a folder with room",
                     dir, strerror(errno));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    rc = bfile_from_fd(&file, fd, "temporary file", false, err);
    return rc ? rc : block_raw_new(out, file, false, err);
}
