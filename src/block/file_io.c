/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to and from a host file, in pieces of memory. */
#include "base/iov.h"
#include "block/file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define BATCH  256u       /* pieces that the kernel is given at once */
#define AHEAD  (4 * MiB)  /* of a reader that goes through a file … */
#define BEHIND (64 * MiB) /* of a writer that does … */
#define PART   (8 * MiB)  /* what of it the disk is given at once */
#define LARGE  (64 * KiB) /* … in steps of more than that */

/* Moves pieces that it may change. */
typedef int (*mover)(struct bfile *f, u64 off, struct iovec *iov, unsigned n);

static int in_batches(struct bfile *f, u64 off, const struct iovec *iov, unsigned n, mover move)
{
    struct iovec batch[BATCH];
    int rc = 0;

    while (n && !rc) {
        unsigned part = (unsigned)min_u64(n, BATCH);
        memcpy(batch, iov, part * sizeof(*iov));
        rc = move(f, off, batch, part);
        for (n -= part; part; part--)
            off += (iov++)->iov_len;
    }
    return rc;
}

/* Takes n bytes off the front of the pieces. */
static void consume(struct iovec **iov, unsigned *count, size_t n)
{
    while (*count && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        --*count;
    }
    if (*count) {
        (*iov)->iov_base = (u8 *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static int read_remote(struct bfile *f, u64 off, struct iovec *iov, unsigned n)
{
    int rc = 0;

    for (unsigned i = 0; i < n && !rc; off += iov[i++].iov_len) {
        u64 len = iov[i].iov_len, inside = off < f->size ? min_u64(len, f->size - off) : 0;
        memset((u8 *)iov[i].iov_base + inside, 0, len - inside);
        if (inside)
            rc = f->remote->ops->read(f->remote, off, iov[i].iov_base, inside);
    }
    return rc;
}

/* Large reads in a row are put to the disk before they are asked for: what the kernel reads ahead
   for itself leaves a fast disk idle for most of the time. Several readers at once only guess
   worse. */
static void read_ahead(struct bfile *f, u64 off, u64 len)
{
    u64 end = off + len, from = atomic_load(&f->ahead);
    u8 first;
    bool in_a_row = atomic_exchange(&f->next, end) == off;

    if (!in_a_row || len <= LARGE)
        return;
    if (from < end || from > end + AHEAD)
        from = end;
    if (from > end + AHEAD / 2)
        return;
    atomic_store(&f->ahead, end + AHEAD);
    if (bfile_read_now(f, from, &(struct iovec){&first, 1}, 1))
        (void)!posix_fadvise(f->fd, (off_t)from, (off_t)(end + AHEAD - from), POSIX_FADV_WILLNEED);
}

static int read_pieces(struct bfile *f, u64 off, struct iovec *iov, unsigned n)
{
    if (f->remote)
        return read_remote(f, off, iov, n);
    read_ahead(f, off, iov_bytes(iov, n));
    consume(&iov, &n, 0);
    while (n) {
        ssize_t r = preadv(f->fd, iov, (int)n, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        for (; !r && n; iov++, n--) /* beyond the end */
            memset(iov->iov_base, 0, iov->iov_len);
        off += (u64)r;
        consume(&iov, &n, (size_t)r);
    }
    return 0;
}

static int write_remote(struct bfile *f, u64 off, const struct iovec *iov, unsigned n)
{
    int rc = 0;

    for (unsigned i = 0; i < n && !rc; off += iov[i++].iov_len) {
        if (off > f->size || iov[i].iov_len > f->size - off)
            return -ENOSPC;
        if (iov[i].iov_len)
            rc = f->remote->ops->write(f->remote, off, iov[i].iov_base, iov[i].iov_len);
    }
    return rc;
}

/* Large writes in a row, or nearly so, are put to the disk once many more have come: a flush has no
   more than those to wait for, and a burst is not held up by the disk. */
static void write_behind(struct bfile *f, u64 off, u64 len)
{
    u64 end = off + len, last, from;

    if (f->unsynced || len <= LARGE)
        return;
    last = atomic_exchange(&f->written, end);
    if (off > last + PART / 2 || last > end + PART / 2) {
        atomic_store(&f->behind, off);
        return;
    }
    from = atomic_load(&f->behind);
    if (end < from + BEHIND + PART)
        return;
    atomic_store(&f->behind, from + PART);
    (void)!sync_file_range(f->fd, (off_t)from, PART, SYNC_FILE_RANGE_WRITE);
}

static int write_pieces(struct bfile *f, u64 off, struct iovec *iov, unsigned n)
{
    u64 start = off;

    if (f->remote)
        return write_remote(f, off, iov, n);
    consume(&iov, &n, 0);
    while (n) {
        ssize_t r = pwritev(f->fd, iov, (int)n, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r ? -errno : -ENOSPC;
        off += (u64)r;
        consume(&iov, &n, (size_t)r);
        bfile_grown(f, off);
    }
    write_behind(f, start, off - start);
    return 0;
}

int bfile_readv(struct bfile *f, u64 off, const struct iovec *iov, unsigned n)
{
    int rc = f->hook ? bfile_before(f, BFILE_READ, off, NULL, iov_bytes(iov, n)) : 0;

    return rc ? rc : in_batches(f, off, iov, n, read_pieces);
}

int bfile_read(struct bfile *f, u64 off, void *buf, u64 len)
{
    return bfile_readv(f, off, &(struct iovec){buf, len}, 1);
}

int bfile_read_whole(struct bfile *f, u64 off, void *buf, u64 len)
{
    if (off > f->size || len > f->size - off)
        return -EIO;
    return bfile_read(f, off, buf, len);
}

int bfile_read_now(struct bfile *f, u64 off, const struct iovec *iov, unsigned n)
{
    ssize_t r;

    if (f->remote || f->hook || f->waits || n > IOV_MAX)
        return -EAGAIN;
    r = preadv2(f->fd, iov, (int)n, (off_t)off, RWF_NOWAIT);
    if (r < 0 && errno != EAGAIN && errno != EINTR)
        f->waits = true; /* a file system without it, or one with an error, as a read will tell */
    return r >= 0 && (u64)r == iov_bytes(iov, n) ? 0 : -EAGAIN;
}

int bfile_plain_fd(const struct bfile *f, u64 off, u64 len)
{
    return f->remote || f->hook || off > f->size || len > f->size - off ? -1 : f->fd;
}

int bfile_put(struct bfile *f, u64 off, const struct iovec *iov, unsigned n)
{
    return in_batches(f, off, iov, n, write_pieces);
}

int bfile_writev(struct bfile *f, u64 off, const struct iovec *iov, unsigned n)
{
    u64 at = off;
    int rc = 0;

    for (unsigned i = 0; f->hook && i < n && !rc; at += iov[i++].iov_len)
        rc = bfile_before(f, BFILE_WRITE, at, iov[i].iov_base, iov[i].iov_len);
    return rc ? rc : bfile_put(f, off, iov, n);
}

int bfile_write(struct bfile *f, u64 off, const void *buf, u64 len)
{
    return bfile_writev(f, off, &(struct iovec){(void *)(uintptr_t)buf, len}, 1);
}
